"""Any gymnasium vector env as a Stable-Baselines3 `VecEnv`."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import assert_identical
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from agents.sb3.envs import labels_begun, make_vec_env, seed_games, task_in, task_of
from agents.sb3.vec_env import GymnasiumVecEnv, split_infos
from ram_env import TASKS
from ram_env.games.tasks import CanvasTask

NUM_ENVS = 3


def make_single(env_id: str = "GlimpseMNIST-v0", **arguments: Any) -> Callable[[], gym.Env]:
    """Return a maker of one env on digits."""
    return lambda: gym.make(env_id, dataset="digits", **arguments)


def make_dummy(env_id: str, **arguments: Any) -> DummyVecEnv:
    """Return Stable-Baselines3's own vector env over single envs, with episode statistics."""
    maker = make_single(env_id, **arguments)
    return DummyVecEnv([lambda: Monitor(maker()) for _ in range(NUM_ENVS)])


def make_sync(lengths: list[int]) -> GymnasiumVecEnv:
    """Return gymnasium's vector env over single envs with episodes of the lengths given."""
    makers = [make_single(num_glimpses=length) for length in lengths]
    return GymnasiumVecEnv(SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP))


def comparable(infos: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return infos without the wall-clock time and with the truncation flag at the end only."""
    return [
        {
            key: {"r": value["r"], "l": value["l"]} if key == "episode" else value
            for key, value in info.items()
            if key != "TimeLimit.truncated" or "episode" in info
        }
        for info in infos
    ]


def step(env: VecEnv, actions: np.ndarray) -> tuple[dict[str, np.ndarray], Any, Any, Any]:
    """Step an env and return its observation as a plain dict."""
    observation, rewards, dones, infos = env.step(actions)
    assert isinstance(observation, dict)
    return dict(observation), rewards, dones, infos


def rollout(env: VecEnv, num_steps: int, actions: spaces.Space[Any]) -> list[Any]:
    """Return all that an env shows in some steps of random actions, after seeding it with 7."""
    actions.seed(0)
    seed_games(env, 7)
    # Stable-Baselines3's own env returns an OrderedDict.
    first: Any = env.reset()
    shown: list[Any] = [dict(first), [dict(info) for info in env.reset_infos]]
    for _ in range(num_steps):
        chosen = np.stack([actions.sample() for _ in range(NUM_ENVS)])
        observation, rewards, dones, infos = step(env, chosen)
        shown += [observation, rewards, dones, comparable(infos)]
        shown.append([dict(info) for info in env.reset_infos])
    return shown


@pytest.mark.parametrize("env_id", list(TASKS))
@pytest.mark.parametrize("action_format", ["box", "multidiscrete"])
def test_adapter_equals_dummy_vec_env(env_id: str, action_format: str) -> None:
    """Native env and `DummyVecEnv` show the same observations, rewards, dones and infos.

    That includes each episode's last observation, its statistics and the infos of resets.
    """
    arguments: dict[str, Any] = {"action_format": action_format, "reward": "every_step"}
    native = make_vec_env(env_id, NUM_ENVS, dataset="digits", **arguments)
    single = make_dummy(env_id, **arguments)
    assert native.observation_space == single.observation_space
    assert native.action_space == single.action_space
    space = single.action_space
    # Monitor rounds its sum of rewards to 6 digits, so 1 / T is compared through `approx`.
    found, expected = rollout(native, 20, space), rollout(single, 20, space)
    for shown in (found, expected):
        for infos in shown[5::5]:
            for info in infos:
                if "episode" in info:
                    info["episode"]["r"] = round(info["episode"]["r"], 6)
    assert_identical(found, expected)


@pytest.mark.parametrize("action_format", ["box", "multidiscrete"])
def test_adapter_equals_dummy_vec_env_with_stop(action_format: str) -> None:
    """Also when the agent ends its episodes, each at a step of its own."""
    arguments: dict[str, Any] = {"action_format": action_format, "stop": True}
    native = make_vec_env("GlimpseMNIST-v0", NUM_ENVS, dataset="digits", **arguments)
    single = make_dummy("GlimpseMNIST-v0", **arguments)
    assert native.action_space == single.action_space
    found = rollout(native, 20, single.action_space)
    assert_identical(found, rollout(single, 20, single.action_space))
    assert len({bool(dones.all()) for dones in found[4::5]}) == 2


def test_stop_of_a_dict_is_the_last_number_of_a_box() -> None:
    """The box that stands for the dict plays as that of the env of boxes does."""
    arguments: dict[str, Any] = {"dataset": "digits", "stop": True}
    boxes = make_vec_env("GlimpseMNIST-v0", NUM_ENVS, **arguments)
    dicts = make_vec_env("GlimpseMNIST-v0", NUM_ENVS, action_format="dict", **arguments)
    assert boxes.action_space == dicts.action_space == spaces.Box(-1, 1, (13,), np.float32)
    space = boxes.action_space
    assert_identical(rollout(dicts, 20, space), rollout(boxes, 20, space))


def test_sub_envs_that_end_apart_are_told_apart() -> None:
    """Episodes of 2, 3 and 5 glimpses end and restart on their own, as in `DummyVecEnv`."""
    lengths = [2, 3, 5]
    single = DummyVecEnv(
        [lambda t=t: Monitor(make_single(num_glimpses=t)()) for t in lengths]  # type: ignore[misc]
    )
    assert_identical(
        rollout(make_sync(lengths), 11, single.action_space),
        rollout(single, 11, single.action_space),
    )


def test_last_observation_is_the_one_before_the_restart() -> None:
    """At the end, `terminal_observation` is the last glimpse, and the observation a new one."""
    env = make_vec_env("GlimpseMNIST-v0", NUM_ENVS, dataset="digits", num_glimpses=2)
    seed_games(env, 0)
    env.reset()
    actions = np.zeros((NUM_ENVS, 12), dtype=np.float32)
    last = step(env, actions)[0]
    observation, _, dones, infos = step(env, actions)
    assert dones.all()
    for row in range(NUM_ENVS):
        np.testing.assert_array_equal(
            infos[row]["terminal_observation"]["glimpse"], last["glimpse"][row]
        )
        assert infos[row]["terminal_observation"]["location"].tolist() == [0.0, 0.0]
        assert observation["location"][row].tolist() != [0.0, 0.0]
        assert infos[row]["scene_seed"] != env.reset_infos[row]["scene_seed"]


def test_dict_actions_are_shown_as_a_box() -> None:
    """Location and argmax of the scores play the same game as the env's own box does."""
    plain = make_vec_env("GlimpseMNIST-v0", NUM_ENVS, dataset="digits")
    adapted = make_vec_env("GlimpseMNIST-v0", NUM_ENVS, dataset="digits", action_format="dict")
    assert adapted.action_space == plain.action_space
    space = plain.action_space
    assert_identical(rollout(adapted, 15, space), rollout(plain, 15, space))


def test_other_dict_actions_are_refused() -> None:
    """A Dict of other parts has no Box that stands for it."""

    class Other(gym.Env[Any, Any]):
        observation_space = spaces.Box(0.0, 1.0, (2,))
        action_space = spaces.Dict(where=spaces.Box(-1.0, 1.0, (2,)))

    vector = SyncVectorEnv([Other], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="must hold `location` and a Discrete `label`"):
        GymnasiumVecEnv(vector)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_other_autoreset_modes_are_refused(mode: AutoresetMode) -> None:
    """The error names the mode and how to make the right env."""
    env = gym.make_vec("GlimpseMNIST-v0", num_envs=2, dataset="digits", autoreset_mode=mode)
    with pytest.raises(ValueError, match=r"same step.*got .*autoreset_mode='SameStep'"):
        GymnasiumVecEnv(env)


def test_options_reach_the_next_reset_only() -> None:
    """`set_options` chooses scenes, a dict for all envs or one for each."""
    env = make_vec_env("GlimpseMNIST-v0", NUM_ENVS, dataset="digits")
    env.set_options([{"index": 10 + i, "scene_seed": i} for i in range(NUM_ENVS)])
    env.reset()
    assert [info["index"] for info in env.reset_infos] == [10, 11, 12]
    assert [info["scene_seed"] for info in env.reset_infos] == [0, 1, 2]
    env.set_options({"index": 5})
    env.reset()
    assert [info["index"] for info in env.reset_infos] == [5, 5, 5]
    env.reset()
    assert [info["index"] for info in env.reset_infos] != [5, 5, 5]


def test_options_with_different_keys_are_refused() -> None:
    """One vector env takes the same options for all its games."""
    env = make_vec_env("GlimpseMNIST-v0", 2, dataset="digits")
    env.set_options([{"index": 1}, {"scene_seed": 1}])
    with pytest.raises(ValueError, match="`options` must have the same keys"):
        env.reset()


def test_vec_monitor_counts_episodes() -> None:
    """Stable-Baselines3's own wrapper sees episodes of 7 steps."""
    # The adapter counts episodes itself, and Stable-Baselines3 says so.
    with pytest.warns(UserWarning, match="already wrapped"):
        env = VecMonitor(make_vec_env("GlimpseMNIST-v0", NUM_ENVS, dataset="digits"))
    seed_games(env, 0)
    env.reset()
    for _ in range(7):
        _, rewards, dones, infos = env.step(np.zeros((NUM_ENVS, 12), dtype=np.float32))
    assert dones.all()
    assert [info["episode"]["l"] for info in infos] == [7] * NUM_ENVS
    assert [info["episode"]["r"] for info in infos] == rewards.tolist()


def test_episode_statistics_sum_rewards() -> None:
    """`episode` holds the return and the length of each finished episode."""
    env = make_vec_env("GlimpseMNIST-v0", NUM_ENVS, dataset="digits", reward="log_likelihood")
    seed_games(env, 0)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(2):  # the second episode starts at 0 again
        total = np.zeros(NUM_ENVS)
        for _ in range(7):
            actions = rng.uniform(-1, 1, (NUM_ENVS, 12)).astype(np.float32)
            _, rewards, _, infos = env.step(actions)
            total += rewards
        # Rewards are summed in float64 and shown in float32.
        assert [info["episode"]["r"] for info in infos] == pytest.approx(total, rel=1e-6)
        assert [info["episode"]["l"] for info in infos] == [7] * NUM_ENVS


def test_attributes_and_methods_reach_the_vector_env() -> None:
    """`get_attr`, `set_attr`, `env_method` and `get_images` work as far as one env of many can."""
    env = make_vec_env("GlimpseMNIST-v0", 2, dataset="digits", render_mode="rgb_array")
    assert env.get_attr("render_mode") == ["rgb_array", "rgb_array"]
    assert [task.num_glimpses for task in env.get_attr("task", indices=[1])] == [7]
    env.set_attr("note", "hello")
    assert env.get_attr("note") == ["hello", "hello"]
    with pytest.raises(ValueError, match="`indices` of set_attr"):
        env.set_attr("note", "bye", indices=[0])
    with pytest.raises(ValueError, match="`indices` of env_method"):
        env.env_method("render", indices=0)
    env.reset()
    assert [image.dtype for image in env.get_images() if image is not None] == [np.uint8] * 2
    assert len(env.env_method("render")) == 2
    assert env.env_is_wrapped(gym.Wrapper) == [False, False]
    env.close()


def test_env_without_pictures_gives_none() -> None:
    """`get_images` of an env that does not draw is None for each."""
    env = make_vec_env("GlimpseMNIST-v0", 2, dataset="digits")
    assert list(env.get_images()) == [None, None]


def test_labels_are_those_of_the_episodes_that_have_begun() -> None:
    """After a reset, and after the end of all episodes at once, as `DummyVecEnv` tells them."""
    env = make_sync([2, 2, 2])
    single = DummyVecEnv([make_single(num_glimpses=2)] * NUM_ENVS)
    for games in (env, single):
        seed_games(games, 3)
        games.reset()
    for _ in range(2):
        expected = [info["label"] for info in single.reset_infos]
        assert labels_begun(env).tolist() == labels_begun(single).tolist() == expected
        assert labels_begun(env).dtype == labels_begun(single).dtype == np.int64
        for games in (env, single):
            for _ in range(2):
                games.step(np.zeros((NUM_ENVS, 12), dtype=np.float32))
    assert env.num_calls == 1 + 2 * 2


@pytest.mark.parametrize(
    "kind", [lambda: make_sync([2, 2, 2]), lambda: make_dummy("GlimpseMNIST-v0")]
)
def test_task_in_any_vec_env(kind: Callable[[], VecEnv]) -> None:
    """The task that single envs play is found in any vector env around them."""
    task = task_in(kind())
    assert isinstance(task, CanvasTask) and task.canvas_shape == (28, 28)


def test_task_of_other_envs() -> None:
    """An env of others has none; where one is needed, the error says so."""
    mode = {"autoreset_mode": AutoresetMode.SAME_STEP}
    games = gym.make_vec("CartPole-v1", 2, vectorization_mode="sync", vector_kwargs=mode)
    with pytest.raises(ValueError, match=r"`env` must be a glimpse env, .*CartPole-v1"):
        task_of(games)
    assert task_in(GymnasiumVecEnv(games)) is None


def test_make_vec_env_without_a_native_vector_env() -> None:
    """An id that has only a single env is put into gymnasium's `SyncVectorEnv`."""
    gym.register(
        "SingleGlimpse-v0", entry_point="ram_env.env:GlimpseEnv", kwargs={"dataset": "digits"}
    )
    try:
        env = make_vec_env("SingleGlimpse-v0", NUM_ENVS, num_glimpses=4)
    finally:
        del gym.registry["SingleGlimpse-v0"]
    native = make_vec_env("GlimpseMNIST-v0", NUM_ENVS, dataset="digits", num_glimpses=4)
    assert isinstance(env.env, SyncVectorEnv)
    space = native.action_space
    assert_identical(rollout(env, 9, space), rollout(native, 9, space))


def test_make_vec_env_passes_arguments_on() -> None:
    """Arguments reach the env; wrong ones and unknown ids are errors."""
    env = make_vec_env("GlimpseMNIST-v0", 2, dataset="digits", num_glimpses=3)
    assert env.get_attr("task")[0].num_glimpses == 3
    digits = {"dataset": "digits", "num_glimpses": 3}
    same = make_vec_env("GlimpseMNIST-v0", n_envs=2, seed=7, env_kwargs=digits)
    env.seed(7)
    assert_identical(same.reset(), env.reset())
    assert make_vec_env("GlimpseMNIST-v0", dataset="digits").num_envs == 1
    with pytest.raises(TypeError, match="num_envs"):
        make_vec_env("GlimpseMNIST-v0", num_envs=2, dataset="digits")
    assert make_vec_env("ram_env:GlimpseMNIST-v0", 2, dataset="digits").num_envs == 2
    with pytest.raises(ValueError, match="`num_glimpses`"):
        make_vec_env("GlimpseMNIST-v0", 2, dataset="digits", num_glimpses=0)
    with pytest.raises(ValueError, match="`env_id`: cannot import 'no_such_module'"):
        make_vec_env("no_such_module:GlimpseMNIST-v0", 2)
    with pytest.raises(gym.error.Error, match="Nowhere"):
        make_vec_env("Nowhere-v0", 2)


def test_split_infos_keeps_what_the_mask_shows() -> None:
    """A key is missing where its mask is False; scalars become Python numbers."""
    infos = {
        "number": np.array([1, 2]),
        "_number": np.array([True, True]),
        "flag": np.array([False, True]),
        "_flag": np.array([False, True]),
        "array": np.arange(4).reshape(2, 2),
        "_array": np.array([True, False]),
        "nested": {"x": np.array([0.5, 1.5]), "_x": np.array([True, True])},
        "_nested": np.array([True, True]),
    }
    first, second = split_infos(infos, 2)
    assert_identical(first, {"number": 1, "array": np.array([0, 1]), "nested": {"x": 0.5}})
    assert_identical(second, {"number": 2, "flag": True, "nested": {"x": 1.5}})
    assert split_infos({}, 2) == [{}, {}]
