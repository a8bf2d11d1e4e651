"""Whatever vector env Gymnasium allows is played by Stable-Baselines3, wrapped or not."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import TimeLimit
from gymnasium.wrappers import vector as vector_wrappers
from helpers import assert_identical
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from agents.sb3.envs import make_vec_env, task_in
from agents.sb3.vec_env import GymnasiumVecEnv, split_infos
from ram_env.wrappers import GlimpseHistory
from ram_env.wrappers import vector as memory_of_many

SAME_STEP = AutoresetMode.SAME_STEP
Envs = VectorEnv[Any, Any, Any]


def make_game(**arguments: Any) -> Any:
    """Make a single env of two glimpses."""
    return gym.make("GlimpseMNIST-v0", dataset="digits", num_glimpses=2, **arguments)


def make_native() -> Envs:
    """Make the native vector env of it."""
    arguments: dict[str, Any] = {"num_glimpses": 2, "autoreset_mode": "SameStep"}
    return gym.make_vec("GlimpseMNIST-v0", 2, dataset="digits", **arguments)


KINDS: dict[str, Callable[[], Envs]] = {
    "native": make_native,
    "sync": lambda: SyncVectorEnv([make_game] * 2, autoreset_mode=SAME_STEP),
    "async": lambda: AsyncVectorEnv([make_game] * 2, autoreset_mode=SAME_STEP),
}
# Those that Gymnasium itself allows in mode SAME_STEP.
WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "RecordEpisodeStatistics": vector_wrappers.RecordEpisodeStatistics,
    "DictInfoToList": vector_wrappers.DictInfoToList,
    "NormalizeReward": vector_wrappers.NormalizeReward,
    "ClipReward": lambda envs: vector_wrappers.ClipReward(envs, -1, 1),
    "ClipAction": vector_wrappers.ClipAction,
    "TransformAction": lambda envs: vector_wrappers.TransformAction(envs, lambda actions: actions),
    "two": lambda envs: vector_wrappers.DictInfoToList(
        vector_wrappers.RecordEpisodeStatistics(envs)
    ),
}


def told(infos: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return infos with Python's numbers, and statistics without the time."""
    plain = [dict(info) for info in infos]
    for info in plain:
        for key, value in info.items():
            info[key] = value.item() if isinstance(value, np.generic) else value
        if "episode" in info:
            info["episode"] = {key: info["episode"][key] for key in ("r", "l")}
    return plain


def rollout(env: GymnasiumVecEnv) -> list[Any]:
    """Return what five steps with fixed actions bring."""
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 2, 12)).astype(np.float32)
    env.seed(3)
    shown: list[Any] = [env.reset(), told(env.reset_infos)]
    for action in actions:
        observation, rewards, dones, infos = env.step(action)
        shown += [observation, rewards, dones, told(infos), told(env.reset_infos)]
    return shown


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_of_gymnasium_change_no_infos(kind: str, name: str) -> None:
    """Observations, infos and the infos of resets are those of the bare env; so are the ends."""
    wrapped = GymnasiumVecEnv(WRAPPERS[name](KINDS[kind]()))
    found, expected = rollout(wrapped), rollout(GymnasiumVecEnv(make_native()))
    if name == "NormalizeReward":  # rewards are another scale, and returns with them
        for shown in (found, expected):
            del shown[3::5]
            for infos in shown[4::4]:  # of what is left
                for info in infos:
                    info.pop("episode", None)
    assert_identical(found, expected)
    wrapped.close()


def test_statistics_of_gymnasium_are_kept() -> None:
    """The time that `RecordEpisodeStatistics` measures stands beside return and length."""
    env = GymnasiumVecEnv(vector_wrappers.RecordEpisodeStatistics(make_native()))
    env.reset()
    for _ in range(2):
        _, _, dones, infos = env.step(np.zeros((2, 12), np.float32))
    assert dones.all()
    assert all(set(info["episode"]) == {"r", "l", "t"} for info in infos)
    assert not any("episode" in info for info in env.reset_infos)


class Counting(VectorEnv[Any, Any, Any]):
    """A vector env of somebody else: infos as they please, seeds that are one whole number."""

    num_envs = 2
    metadata: dict[str, Any] = {"autoreset_mode": SAME_STEP}  # noqa: RUF012
    single_observation_space = spaces.Box(0, 9, (1,))
    single_action_space = spaces.Discrete(2)
    action_space = spaces.MultiDiscrete([2, 2])

    def __init__(self, infos: Any) -> None:
        self.infos = infos
        self.seed: Any = None

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, Any]:
        """Begin."""
        super().reset(seed=seed)
        self.seed = seed
        return np.zeros((2, 1), np.float32), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Any]:
        """End the second episode."""
        dones = np.array([False, True])
        return np.ones((2, 1), np.float32), np.ones(2), dones, np.zeros(2, bool), self.infos()


LAST = [None, np.array([7], np.float32)]
INFOS: list[tuple[Any, dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, {}, False),
    ({"x": np.array([1, 2])}, {"x": 1}, {"x": 2}, False),
    ({"x": [1, 2], "speed": 0.5, "note": "a"}, {"x": 1, "speed": 0.5, "note": "a"}, {}, False),
    ({"pair": (1, 2), "three": np.zeros(3)}, {"pair": (1, 2), "three": np.zeros(3)}, {}, False),
    ({"_hidden": np.array([1, 2])}, {"_hidden": 1}, {"_hidden": 2}, False),
    ({"a": {"b": {"c": np.array([1, 2])}}}, {"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, False),
    ({"x": np.array([1, 0]), "_x": np.array([True, False])}, {"x": 1}, {}, False),
    ([{"x": 1}, {"y": 2}], {"x": 1}, {"y": 2}, False),
    ({"final_obs": np.array(LAST, object)}, {}, {}, True),
    ({"final_obs": np.array([[0], [7]], np.float32)}, {}, {}, True),
    ({"final_info": {"x": np.array([0, 2]), "_x": np.array([False, True])}}, {}, {"x": 2}, False),
    ([{}, {"final_obs": LAST[1], "final_info": {"x": 2}}], {}, {"x": 2}, True),
]


@pytest.mark.parametrize(("infos", "first", "second", "has_last"), INFOS, ids=lambda x: str(x)[:40])
def test_infos_of_any_form(
    infos: Any, first: dict[str, Any], second: dict[str, Any], has_last: bool
) -> None:
    """With masks and without, nested, empty, scalar, a list, with and without the last ones."""
    mask = {"_final_obs": np.array([False, True]), "_final_info": np.array([False, True])}
    if isinstance(infos, dict):
        infos = infos | {key: value for key, value in mask.items() if key[1:] in infos}
    env = GymnasiumVecEnv(Counting(lambda: infos))
    env.seed(4)
    env.reset()
    _, _, dones, found = env.step(np.zeros(2, np.int64))
    assert dones.tolist() == [False, True]
    assert_identical(found[0], first)
    assert found[1].pop("episode") == {"r": 1.0, "l": 1}
    assert found[1].pop("TimeLimit.truncated") is False
    assert ("terminal_observation" in found[1]) == has_last
    assert not has_last or found[1]["terminal_observation"].tolist() == [7]
    assert {key: found[1][key] for key in second} == second


def test_infos_that_share_no_dict() -> None:
    """What is split from one dict is one's own."""
    first, second = split_infos({"x": {"y": 1}}, 2)
    first["x"]["y"] = 2
    assert second["x"]["y"] == 1


def test_seeds_reach_vector_envs_that_take_one_number() -> None:
    """As the base class of Gymnasium's has it; env i is seeded with i more."""
    env = GymnasiumVecEnv(Counting(dict))
    env.seed_from(np.int64(5))  # type: ignore[arg-type]
    env.reset()
    assert (env.env.seed, env.env.np_random_seed) == (5, 5)  # type: ignore[attr-defined]
    env.reset()
    assert env.env.seed is None  # type: ignore[attr-defined]


def test_options_reach_single_envs() -> None:
    """The same option for all is what each single env takes; `DummyVecEnv` does the same."""
    env = GymnasiumVecEnv(KINDS["sync"]())
    env.set_options({"index": 5, "scene_seed": 8})
    env.reset()
    assert [(info["index"], info["scene_seed"]) for info in env.reset_infos] == [(5, 8)] * 2


# What `make_vec_env` makes.


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCar-v0"])
def test_other_envs_are_made(env_id: str) -> None:
    """Also one whose native vector env cannot restart in the same step; PPO learns on it."""
    env = make_vec_env(env_id, 3, seed=1)
    assert isinstance(env.env.unwrapped, SyncVectorEnv)
    assert task_in(env) is None
    PPO("MlpPolicy", env, n_steps=16, batch_size=48, device="cpu").learn(96)
    limited = make_vec_env(env_id, 2, seed=1, max_episode_steps=4)
    limited.reset()
    for _ in range(4):
        _, _, dones, infos = limited.step(np.zeros(2, np.int64))
    assert dones.all()
    assert [info["TimeLimit.truncated"] for info in infos] == [True] * 2
    assert all(
        info["terminal_observation"].shape == (env.observation_space.shape) for info in infos
    )


def test_the_kind_of_vector_env_can_be_chosen() -> None:
    """By Gymnasium's own arguments."""
    arguments: dict[str, Any] = {"dataset": "digits", "vectorization_mode": "sync"}
    env = make_vec_env("GlimpseMNIST-v0", 2, wrappers=[GlimpseHistory], **arguments)
    assert (
        env.observation_space
        == make_vec_env("GlimpseMNIST-v0", 2, memory="history", dataset="digits").observation_space
    )
    quick = make_vec_env("GlimpseMNIST-v0", 2, vector_kwargs={"copy": False}, **arguments)
    assert quick.env.copy is False  # type: ignore[attr-defined]


def test_the_number_of_envs_under_its_other_name() -> None:
    """Gymnasium says `num_envs`, Stable-Baselines3 `n_envs`: the error says which."""
    with pytest.raises(TypeError, match=r"'num_envs': .*is `n_envs` here, as in Stable-B"):
        make_vec_env("GlimpseMNIST-v0", num_envs=2, dataset="digits")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"wrapper_class": gym.Wrapper}, TypeError, "'wrapper_class': register an env with its"),
        ({"monitor_dir": "x"}, TypeError, "'monitor_dir': .* `VecMonitor` .* writes a file"),
        ({"vec_env_cls": DummyVecEnv}, TypeError, "'vec_env_cls': all games are one vector env"),
        ({"env_id": gym.make}, TypeError, r"needs the id of an env, .*`gym.register\(id, "),
        ({"seed": -1}, ValueError, "`seed` must be at least 0, got -1"),
    ],
)
def test_what_others_take_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """With what there is instead."""
    with pytest.raises(error, match=message):
        make_vec_env(**{"env_id": "GlimpseMNIST-v0", "dataset": "digits", **arguments})


# Attributes.


@pytest.fixture(params=["native", "sync", "async"])
def pair(request: pytest.FixtureRequest) -> Any:
    """Yield a vector env in two wrappers, and Stable-Baselines3's own over wrapped envs."""
    envs = vector_wrappers.RecordEpisodeStatistics(KINDS[request.param]())
    wrapped = GymnasiumVecEnv(
        memory_of_many.GlimpseHistory(envs) if request.param == "native" else envs
    )
    single = GlimpseHistory if request.param == "native" else (lambda env: env)
    yield wrapped, DummyVecEnv([lambda: single(make_game())] * 2)
    wrapped.close()


def test_attributes_reach_through_every_wrapper(pair: tuple[GymnasiumVecEnv, DummyVecEnv]) -> None:
    """`get_attr`, `has_attr` and `env_method` give what `DummyVecEnv` gives."""
    ours, theirs = pair
    for name in ("num_glimpses", "observation_space", "action_space", "render_mode"):
        assert ours.has_attr(name)
        assert ours.get_attr(name) == theirs.get_attr(name), name
        assert ours.get_attr(name, indices=[1]) == theirs.get_attr(name, indices=[1])
    tasks = ours.get_attr("task")
    assert [task.canvas_shape for task in tasks] == [(28, 28)] * 2
    assert not ours.has_attr("no_such_attribute")
    with pytest.raises(AttributeError, match="no_such_attribute"):
        ours.get_attr("no_such_attribute")
    ours.reset()  # workers still live
    theirs.reset()
    assert ours.env_method("render") == theirs.env_method("render") == [None, None]
    assert ours.env_is_wrapped(Monitor) == [True, True]
    assert ours.env_is_wrapped(TimeLimit) == [False, False]


def test_attributes_are_set_through_every_wrapper(
    pair: tuple[GymnasiumVecEnv, DummyVecEnv],
) -> None:
    """A new attribute is there afterwards; an argument of the task is refused."""
    ours, _ = pair
    ours.set_attr("note", "hello")
    assert ours.get_attr("note") == ["hello", "hello"]
    if isinstance(ours.env.unwrapped, AsyncVectorEnv):
        return  # an error ends its workers, as Gymnasium has it
    with pytest.raises(AttributeError, match="`num_distractors` is fixed"):
        ours.set_attr("num_distractors", 0)
    wrapper: Any = vector_wrappers.RecordEpisodeStatistics
    assert ours.env_is_wrapped(wrapper) == [True, True]
    ours.set_attr("episode_count", 5)  # of the wrapper
    assert ours.get_attr("episode_count") == [5, 5]


def test_single_envs_are_reached_one_by_one() -> None:
    """Where there are single envs, `indices` may name some of them."""
    makers = [make_game, lambda: TimeLimit(make_game(), 9)]
    env = GymnasiumVecEnv(SyncVectorEnv(makers, autoreset_mode=SAME_STEP))
    env.set_attr("note", "a")
    env.set_attr("note", "b", indices=1)
    assert env.get_attr("note") == ["a", "b"]
    assert env.env_is_wrapped(TimeLimit) == [False, True]
    env.reset()
    assert len(env.env_method("view", indices=[0])) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: gym.make_vec("GlimpseMNIST-v0", 2, dataset="digits"),
        lambda: gym.make_vec("CartPole-v1", 2, vectorization_mode="sync"),
        lambda: gym.make_vec("CartPole-v1", 2),
    ],
)
def test_the_default_mode_is_refused_with_what_to_write(make: Callable[[], Envs]) -> None:
    """Gymnasium's default is another mode: the error gives the call that makes the right one."""
    message = r"got .*NEXT_STEP: make it by agents\.make_vec_env\(id, 2\); or with autoreset_mode="
    with pytest.raises(ValueError, match=message):
        GymnasiumVecEnv(make())
