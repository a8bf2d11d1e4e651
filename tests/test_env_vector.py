"""The native vector env is, bit for bit, many single envs: episodes, resets, masks and infos."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
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

from ram_env import TASKS
from ram_env.env import GlimpseEnv
from ram_env.vector_env import GlimpseVectorEnv

MODES = list(AutoresetMode)
by_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
Envs = VectorEnv[Any, Any, Any]


def make_native(
    num_envs: int,
    mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    task_id: str = "GlimpseClutteredMNIST-v0",
    **changes: Any,
) -> GlimpseVectorEnv:
    """Make the native vector env of a task."""
    arguments = {"dataset": "digits", **TASKS[task_id], **changes}
    return GlimpseVectorEnv(num_envs, mode, **arguments)


def make_pair(
    num_envs: int,
    mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    task_id: str = "GlimpseClutteredMNIST-v0",
    **changes: Any,
) -> tuple[GlimpseVectorEnv, Envs]:
    """Make the native vector env of a task, and Gymnasium's over single envs."""
    arguments = {"dataset": "digits", **TASKS[task_id], **changes}
    single = SyncVectorEnv([lambda: GlimpseEnv(**arguments)] * num_envs, autoreset_mode=mode)
    return make_native(num_envs, mode, task_id, **changes), single


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
    for name in ("single_observation_space", "observation_space", "num_envs", "metadata"):
        assert getattr(native, name) == getattr(single, name)
    assert native.single_action_space == single.single_action_space
    assert native.action_space == single.action_space
    assert_same_rollout(native, single, seed=7, num_episodes=3)


@by_mode
@pytest.mark.parametrize(
    "changes",
    [
        {"reward": "every_step"},
        {"reward": "log_likelihood", "score_scale": 3},
        {"initial_location": "center", "num_glimpses": 1},
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
        if mode == AutoresetMode.DISABLED and twins._episodes.scored.all():
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
        actions[native._episodes.scored] = np.nan
        assert_identical(native.step(actions), single.step(actions))


# Seeds.


def test_seed_of_a_vector_env_seeds_one_after_another() -> None:
    """Sub-env i of seed s is the single env of seed s + i, also if s is a number of numpy."""
    arguments = {"dataset": "digits", **TASKS["GlimpseClutteredMNIST-v0"]}
    for seed in (0, 41, np.int64(41)):
        envs = GlimpseVectorEnv(3, **arguments)
        observation, infos = envs.reset(seed=seed)  # type: ignore[arg-type]
        assert envs.np_random_seed == (seed, seed + 1, seed + 2)
        for row in range(3):
            env = GlimpseEnv(**arguments)
            single, info = env.reset(seed=int(seed) + row)
            assert_identical({key: value[row] for key, value in observation.items()}, single)
            assert infos["scene_seed"][row] == info["scene_seed"]
        seeds = [int(seed), int(seed) + 1, int(seed) + 2]
        assert_identical(envs.reset(seed=seeds), (observation, infos))
        assert_identical(envs.reset(seed=tuple(seeds)), (observation, infos))


def test_seed_none_goes_on_with_the_random_numbers() -> None:
    """A sub-env whose seed is None keeps its generator and its recorded seed."""
    envs, twins = make_native(3), make_native(3)
    assert_identical(envs.reset(seed=10), twins.reset(seed=10))
    _, infos = envs.reset(seed=[None, 4, None])
    assert envs.np_random_seed == (10, 4, 12)
    _, expected = twins.reset()
    assert infos["scene_seed"][[0, 2]].tolist() == expected["scene_seed"][[0, 2]].tolist()
    assert infos["scene_seed"][1] == make_native(1).reset(seed=4)[1]["scene_seed"][0]


def test_unseeded_vector_env() -> None:
    """Without a seed each sub-env has one of its own from the system, and it is recorded."""
    envs = make_native(4)
    _, infos = envs.reset()
    assert len(set(infos["scene_seed"].tolist())) == 4
    assert len(set(envs.np_random_seed)) == 4
    _, again = make_native(4).reset(seed=list(envs.np_random_seed))
    assert_identical(again, infos)
    assert make_native(4).reset()[1]["scene_seed"].tolist() != infos["scene_seed"].tolist()


def test_random_numbers_before_the_first_reset() -> None:
    """The generators can be asked for before the first reset, as those of Gymnasium's envs can."""
    envs = make_native(2)
    seeds = envs.np_random_seed
    assert len(seeds) == len(envs.np_random) == 2
    assert all(isinstance(one, np.random.Generator) for one in envs.np_random)
    _, infos = envs.reset()
    assert envs.np_random_seed == seeds
    assert_identical(make_native(2).reset(seed=list(seeds))[1], infos)


# Options.


@pytest.mark.parametrize("keys", [("index",), ("scene_seed",), ("index", "scene_seed")], ids=str)
def test_array_options_equal_single_envs(keys: tuple[str, ...]) -> None:
    """Array options reset sub-env i as a single env is reset with their element i."""
    arrays = {
        "index": np.array([5, 0, 1296], np.int32),
        "scene_seed": np.array([2**63 - 1, 0, 7]),
    }
    options = {key: arrays[key] for key in keys}
    native, single = make_pair(3)
    assert isinstance(single, SyncVectorEnv)
    rng = np.random.default_rng(0)
    for _ in range(2):
        observation, infos = native.reset(seed=3, options=options)
        for row, env in enumerate(single.envs):
            elements = {key: value[row] for key, value in options.items()}
            expected, info = env.reset(seed=3 + row, options=elements)
            assert_identical({key: value[row] for key, value in observation.items()}, expected)
            for key, value in info.items():
                assert np.array_equal(infos[key][row], value)
                assert infos[f"_{key}"][row]
        for _ in range(8):
            actions = random_actions(rng, native)
            observation = native.step(actions)[0]
            for row, env in enumerate(single.envs):
                expected = env.step(actions[row])[0]
                assert_identical({key: value[row] for key, value in observation.items()}, expected)
    lists = {key: value.tolist() for key, value in options.items()}
    assert_identical(native.reset(seed=3, options=lists), native.reset(seed=3, options=options))


@by_mode
def test_array_options_with_a_mask(mode: AutoresetMode) -> None:
    """With a mask, element i still belongs to sub-env i; the others go on undisturbed."""
    envs, twins = make_native(3, mode), make_native(3, mode)
    rng = np.random.default_rng(0)
    for pair in (envs, twins):
        pair.reset(seed=0)
    actions = random_actions(rng, envs)
    envs.step(actions)
    undisturbed, *_ = twins.step(actions)
    mask = np.array([True, False, True])
    scenes = {"index": np.array([1, 2, 3]), "scene_seed": np.array([10, 20, 30])}
    options = {"reset_mask": mask, **scenes}
    observation, infos = envs.reset(options=options)
    assert infos["index"].tolist() == [1, 0, 3]
    assert infos["scene_seed"].tolist() == [10, 0, 30]
    assert infos["_index"].tolist() == mask.tolist()
    whole, _ = twins.reset(options=scenes)
    for key, value in observation.items():
        assert np.array_equal(value[[0, 2]], whole[key][[0, 2]])
        assert np.array_equal(value[1], undisturbed[key][1])
    # What was passed is as it was, so that wrappers can read it afterwards.
    assert set(options) == {"reset_mask", "index", "scene_seed"}
    assert mask.tolist() == [True, False, True]


def test_options_hold_for_one_reset() -> None:
    """The automatic resets after a reset with options draw their scenes as if there were none."""
    envs, twins = make_native(2, num_glimpses=1), make_native(2, num_glimpses=1)
    envs.reset(seed=0, options={"index": 5, "scene_seed": np.array([8, 9])})
    twins.reset(seed=0)
    actions = np.zeros((2, 12), np.float32)
    for _ in range(2):
        results, expected = envs.step(actions), twins.step(actions)
    assert_identical(results, expected)


# Errors.

MASK = np.array([True, False, True])


@pytest.mark.parametrize(
    ("seed", "options", "message"),
    [
        ([1, 2], None, "`seed`.*3.*2"),
        ([1, 2, 3, 4], None, "`seed`.*3.*4"),
        ([], None, "`seed`.*3.*0"),
        (None, {"reset_mask": [True, False, True]}, "reset_mask"),
        (None, {"reset_mask": MASK.astype(int)}, "reset_mask"),
        (None, {"reset_mask": MASK[:2]}, "reset_mask"),
        (None, {"reset_mask": MASK[None]}, "reset_mask"),
        (None, {"reset_mask": np.zeros(3, bool)}, "reset_mask.*at least one"),
        (None, {"reset_mask": None}, "reset_mask"),
        (None, {"mask": MASK}, "'mask'"),
        (None, {"reset_mask": MASK, "indices": 3}, "'indices'"),
        (None, {"index": np.array([1, 2])}, "index"),
        (None, {"index": np.array([[1, 2, 3]])}, "index"),
        (None, {"index": np.array([1, 2, 1297])}, r"index.*0\.\.1296"),
        (None, {"index": np.array([1, -2, 3])}, r"index.*0\.\.1296"),
        (None, {"index": np.array([1.0, 2, 3])}, "index"),
        (None, {"scene_seed": np.array([1, 2**63, 3], np.uint64)}, "scene_seed"),
        (None, {"reset_mask": MASK, "index": np.array([1, 2])}, "index"),
        ([1, None, 2.5], None, "[Ss]eed"),
        ([1, None, -2], None, "[Ss]eed"),
        (-1, None, "[Ss]eed"),
    ],
)
def test_wrong_resets_are_errors_and_change_nothing(
    seed: Any, options: dict[str, Any] | None, message: str
) -> None:
    """A reset with wrong seeds, mask or options raises an error, and no sub-env has changed."""
    envs, twins = make_native(3), make_native(3)
    assert_identical(envs.reset(seed=0), twins.reset(seed=0))
    actions = np.zeros((3, 12), np.float32)
    # Gymnasium's own error for a seed that is negative or no whole number is no ValueError.
    with pytest.raises((ValueError, gym.error.Error), match=message):
        envs.reset(seed=seed, options=options)
    assert_identical(envs.step(actions), twins.step(actions))
    assert_identical(envs.reset(), twins.reset())
    assert envs.np_random_seed == twins.np_random_seed


@by_mode
def test_step_before_reset(mode: AutoresetMode) -> None:
    """The first call must be a whole reset; step and a partial reset raise ResetNeeded."""
    envs = make_native(3, mode)
    with pytest.raises(ResetNeeded, match="before the first episode"):
        envs.step(np.zeros((3, 12), np.float32))
    with pytest.raises(ResetNeeded, match="before the first episode"):
        envs.reset(options={"reset_mask": MASK})
    with pytest.raises(ResetNeeded, match=r"before the first episode"):
        envs.view(0)
    envs.reset(options={"reset_mask": np.ones(3, bool)})
    envs.step(np.zeros((3, 12), np.float32))


def test_step_after_the_end_in_mode_disabled() -> None:
    """Without autoreset a step with a finished sub-env raises ResetNeeded and moves none."""
    envs, twins = (make_native(2, AutoresetMode.DISABLED, num_glimpses=2) for _ in range(2))
    actions = np.zeros((2, 12), np.float32)
    second = np.array([False, True])
    for pair in (envs, twins):
        pair.reset(seed=0)
        pair.step(actions)
        pair.reset(options={"reset_mask": second})
        pair.step(actions)
    with pytest.raises(ResetNeeded, match="after the last glimpse"):
        envs.step(actions)
    for pair in (envs, twins):
        pair.reset(options={"reset_mask": ~second})
    assert_identical(envs.step(actions), twins.step(actions))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, "`num_envs`.*0"),
        ({"num_envs": -2}, "`num_envs`.*-2"),
        ({"num_envs": 2.0}, "`num_envs`.*2.0"),
        ({"num_envs": "2"}, "`num_envs`.*'2'"),
        ({"autoreset_mode": "never"}, "`autoreset_mode`.*NextStep.*'never'"),
        ({"autoreset_mode": None}, "`autoreset_mode`.*None"),
        ({"autoreset_mode": np.zeros(1, "i4,f4")}, "`autoreset_mode`.*array"),
        ({"reward": np.zeros(1, "i4,f4")}, "`reward`.*array"),
        ({"render_mode": "human"}, "`render_mode"),
        ({"render_mode": "ansi"}, "`render_mode`.*'ansi'"),
        ({"render_mode": np.array(["human", "ansi"])}, "`render_mode`.*array"),
        ({"num_glimpses": 0}, "`num_glimpses`.*0"),
    ],
    ids=str,
)
def test_impossible_arguments_are_errors(arguments: dict[str, Any], message: str) -> None:
    """An impossible argument raises ValueError that names argument, rule and value."""
    with pytest.raises(ValueError, match=message):
        GlimpseVectorEnv(dataset="digits", **arguments)


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
