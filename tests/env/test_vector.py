"""The native vector env is, bit for bit, many single envs: episodes, what is returned, modes."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import (
    FORMATS,
    IDS,
    assert_identical,
    assert_same_rollout,
    assert_same_whatever_resets,
    random_action,
    random_actions,
    stack_actions,
)
from reference import ReferenceGame
from vector_games import by_mode, make_native, make_pair

from ram_env import TASKS
from ram_env.env import GlimpseEnv
from ram_env.games.tasks import CanvasTask
from ram_env.vector_env import GlimpseVectorEnv


@by_mode
@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize("task_id", IDS)
def test_vector_env_equals_single_envs(
    task_id: str, action_format: str, num_envs: int, mode: AutoresetMode
) -> None:
    """The native vector env returns, bit for bit, what SyncVectorEnv over GlimpseEnv returns."""
    arguments: dict[str, Any] = {
        "num_envs": num_envs,
        "dataset": "digits",
        "action_format": action_format,
    }
    native = gym.make_vec(task_id, autoreset_mode=mode, **arguments)
    single = gym.make_vec(
        task_id,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        **arguments,
    )
    assert type(native.unwrapped) is GlimpseVectorEnv
    assert type(single.unwrapped) is SyncVectorEnv
    for name in ("single_observation_space", "observation_space", "num_envs"):
        assert getattr(native, name) == getattr(single, name)
    assert native.metadata["autoreset_mode"] == single.metadata["autoreset_mode"]
    assert native.single_action_space == single.single_action_space
    assert native.action_space == single.action_space
    assert_same_rollout(native, single, seed=7, num_episodes=3)


@by_mode
@pytest.mark.parametrize(
    "changes",
    [
        {"reward": "every_step"},
        {"reward": "log_likelihood", "score_scale": 3},
        {"initial_location": "center", "num_glimpses": 1, "observe_reach": True},
        {"split": "test", "patch_size": 7, "num_scales": 2, "canvas_size": (31, 50)},
    ],
    ids=str,
)
def test_vector_env_equals_single_envs_with_other_arguments(
    mode: AutoresetMode, changes: dict[str, Any]
) -> None:
    """Rewards, lengths, splits and shapes other than the registered ones are equal too."""
    assert_same_rollout(*make_pair(3, mode, **changes), seed=1, num_episodes=4)


@by_mode
@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize("seed", [0, 1])
def test_any_history_of_resets_and_steps_is_equal(
    seed: int, action_format: str, mode: AutoresetMode
) -> None:
    """Masks, seeds and scalar options at random moments leave the two equal, infos included."""
    pair = make_pair(3, mode, action_format=action_format, num_glimpses=3)
    assert_same_whatever_resets(*pair, seed=seed, num_steps=120)


@pytest.mark.parametrize("task_id", IDS)
def test_vector_episodes_equal_the_reference(task_id: str) -> None:
    """Whole episodes of three sub-envs are, value by value, those of three slow references."""
    envs = make_native(3, task_id=task_id)
    arguments = dict(TASKS[task_id])
    side = arguments.pop("canvas_size")
    assert isinstance(envs.task, CanvasTask)
    dataset = envs.task.dataset
    games = [
        ReferenceGame(dataset.images, dataset.labels, (side, side), **arguments) for _ in range(3)
    ]
    rng = np.random.default_rng(0)
    observation, infos = envs.reset(seed=5)
    for _ in range(2):
        for row, game in enumerate(games):
            game.reset(int(infos["scene_seed"][row]))
        for step in range(arguments["num_glimpses"] + 1):
            for row, game in enumerate(games):
                one = {key: value[row] for key, value in observation.items()}
                assert_identical(one, game.observation)
                for key, value in game.info.items():
                    assert np.array_equal(infos[key][row], value)
                    assert infos[f"_{key}"].all()
            actions = random_actions(rng, envs)
            observation, rewards, terminations, truncations, infos = envs.step(actions)
            if step < arguments["num_glimpses"]:
                expected = [game.step(action) for game, action in zip(games, actions, strict=True)]
                assert rewards.tolist() == [reward for reward, _ in expected]
                assert terminations.tolist() == [ended for _, ended in expected]
            assert not truncations.any()


# What is returned.


@by_mode
def test_dtypes(mode: AutoresetMode) -> None:
    """Rewards are float64, flags bool, infos int64 and bool, with a bool mask beside each."""
    envs = make_native(2, mode, num_glimpses=1)
    dtypes = {"label": "int64", "index": "int64", "scene_seed": "int64", "target_box": "int64"}
    _, infos = envs.reset(seed=0)
    _, rewards, terminations, truncations, final_infos = envs.step(envs.action_space.sample())
    assert [str(one.dtype) for one in (rewards, terminations, truncations)] == [
        "float64",
        "bool",
        "bool",
    ]
    if mode == AutoresetMode.SAME_STEP:
        assert set(final_infos) - {"final_obs", "_final_obs", "final_info", "_final_info"} == set(
            infos
        )
        final_infos = final_infos["final_info"]
    assert {key: str(value.dtype) for key, value in infos.items() if key[0] != "_"} == dtypes
    dtypes |= {"prediction": "int64", "is_success": "bool"}
    assert {key: str(value.dtype) for key, value in final_infos.items() if key[0] != "_"} == dtypes
    for key in dtypes:
        assert final_infos[f"_{key}"].dtype == bool
        assert final_infos[f"_{key}"].tolist() == [True, True]


def arrays_in(result: Any) -> list[np.ndarray]:
    """Return all arrays in nested dicts and tuples."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, tuple | list):
        return [array for part in result for array in arrays_in(part)]
    if isinstance(result, np.ndarray):
        return arrays_in(result.tolist()) if result.dtype == object else [result]
    return []


@by_mode
def test_returned_arrays_are_the_callers_own(mode: AutoresetMode) -> None:
    """Writing into anything returned changes neither what follows nor what was returned before."""
    envs, twins = make_native(2, mode), make_native(2, mode)
    rng = np.random.default_rng(0)
    results: list[Any] = [envs.reset(seed=0)]
    assert_identical(results[0], twins.reset(seed=0))
    earlier: list[np.ndarray] = []
    for _ in range(20):
        arrays = arrays_in(results[-1])
        assert not any(np.shares_memory(new, old) for new in arrays for old in earlier)
        earlier += arrays
        for number, array in enumerate(arrays):
            assert not any(np.shares_memory(array, other) for other in arrays[:number])
            array[...] = True
        if mode == AutoresetMode.DISABLED and twins._episodes.ended.all():
            results.append(envs.reset())
            assert_identical(results[-1], twins.reset())
            continue
        actions = random_actions(rng, envs)
        results.append(envs.step(actions))
        assert_identical(results[-1], twins.step(actions))


def test_last_step_returns_the_last_observation_again() -> None:
    """Step T does not move a sensor; the observation is an equal, fresh copy."""
    envs = make_native(2, num_glimpses=3)
    rng = np.random.default_rng(0)
    envs.reset(seed=0)
    before = [envs.step(random_actions(rng, envs))[0] for _ in range(2)][-1]
    after, _, terminations, _, _ = envs.step(random_actions(rng, envs))
    assert terminations.all()
    assert_identical(after, before)
    assert not any(np.shares_memory(after[key], before[key]) for key in after)


def test_actions_of_restarting_envs_are_not_read() -> None:
    """In mode NEXT_STEP a finished sub-env restarts whatever its action, NaN included."""
    native, single = make_pair(3, num_glimpses=2)
    rng = np.random.default_rng(0)
    native.reset(seed=0)
    single.reset(seed=0)
    mask = np.array([False, True, False])
    for envs in (native, single):
        envs.step(np.zeros((3, 12), np.float32))
        envs.reset(options={"reset_mask": mask.copy()})
    for _ in range(8):
        actions = random_actions(rng, native)
        actions[native._episodes.ended] = np.nan
        assert_identical(native.step(actions), single.step(actions))


# Gymnasium around it.


@by_mode
def test_autoreset_mode_by_value(mode: AutoresetMode) -> None:
    """A mode may be given by its value; each env keeps its own, the default is NEXT_STEP."""
    # Of the single env; SyncVectorEnv before Gymnasium 1.4 wrote its mode into it.
    metadata = dict(GlimpseEnv.metadata)
    envs = gym.make_vec("GlimpseMNIST-v0", 2, dataset="digits", autoreset_mode=mode.value)
    default = gym.make_vec("GlimpseMNIST-v0", 2, dataset="digits")
    assert envs.metadata["autoreset_mode"] is mode
    assert default.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert GlimpseEnv.metadata == metadata
    # The class attribute is the default, whatever its instances were made with.
    assert GlimpseVectorEnv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_render_returns_one_picture_per_env() -> None:
    """In mode rgb_array each picture is the one that the single env draws; else there is none."""
    arguments: dict[str, Any] = {"dataset": "digits", "render_mode": "rgb_array"}
    native = gym.make_vec("GlimpseClutteredMNIST-v0", 2, **arguments)
    single = gym.make_vec("GlimpseClutteredMNIST-v0", 2, vectorization_mode="sync", **arguments)
    rng = np.random.default_rng(0)
    native.reset(seed=0)
    single.reset(seed=0)
    for _ in range(2):
        assert_identical(native.render(), single.render())
        actions = random_actions(rng, native)
        native.step(actions)
        single.step(actions)
    native.close()
    assert make_native(2).render() is None


def test_space_samples_are_actions() -> None:
    """What `action_space.sample()` returns is an action in every format."""
    for action_format in FORMATS:
        envs = make_native(2, action_format=action_format)
        envs.action_space.seed(0)
        observation, _ = envs.reset(seed=0)
        for _ in range(12):
            assert envs.observation_space.contains(observation)
            observation, *_ = envs.step(envs.action_space.sample())


def test_many_envs_out_of_step() -> None:
    """Sub-envs at different steps each end their episode after their own T steps."""
    envs = make_native(4, AutoresetMode.SAME_STEP, num_glimpses=5, action_format="dict")
    rng = np.random.default_rng(0)
    envs.reset(seed=0)
    ages = np.zeros(4, int)
    for step in range(60):
        if step % 4 == 1:
            mask = rng.random(4) < 0.4
            mask[step % 3] = True
            envs.reset(options={"reset_mask": mask})
            ages[mask] = 0
        actions = [random_action(rng, envs.single_action_space) for _ in range(4)]
        terminations = envs.step(stack_actions(actions))[2]
        ages += 1
        assert terminations.tolist() == (ages == 5).tolist()
        ages[terminations] = 0
