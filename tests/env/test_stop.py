"""Answering when the agent says so: `stop=True`, and what a glimpse costs."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from helpers import FORMATS, assert_identical, assert_same_rollout, random_action
from vector_games import by_mode, make_native, make_pair

from ram_env import TASKS, wrappers
from ram_env.env import GlimpseEnv
from ram_env.games.actions import action_format_of, make_format
from ram_env.wrappers import vector as vector_wrappers

ID = "GlimpseMNIST-v0"
SPACES = {
    "box": spaces.Box(-1, 1, (13,), np.float32),
    "multidiscrete": spaces.MultiDiscrete([7, 7, 10, 2]),
    "dict": spaces.Dict(
        [
            ("location", spaces.Box(-1, 1, (2,), np.float32)),
            ("label", spaces.Discrete(10)),
            ("stop", spaces.Discrete(2)),
        ]
    ),
}
by_format = pytest.mark.parametrize("action_format", FORMATS)


def make_env(**changes: Any) -> Any:
    """Make a single env in which an action can be the last."""
    return GlimpseEnv(**{"dataset": "digits", "stop": True, **TASKS[ID], **changes})


@by_format
def test_each_format_has_one_element_more(action_format: str) -> None:
    """Its space is that of the specification, and its format is found by it."""
    env = make_env(action_format=action_format)
    assert env.action_space == SPACES[action_format]
    assert env.stop is True
    found = action_format_of(env.action_space, stop=env.stop)
    assert (found.num_classes, found.stop) == (10, True)
    assert env.unwrapped.task.num_classes == 10


def test_a_box_with_stop_is_one_of_a_class_more() -> None:
    """The space alone cannot tell, so it is taken for one without unless the caller knows."""
    assert action_format_of(SPACES["box"]).num_classes == 11
    assert not action_format_of(SPACES["box"]).stop
    with pytest.raises(ValueError, match="or with `stop`"):
        action_format_of(spaces.Box(-1, 1, (3,), np.float32), stop=True)
    with pytest.raises(ValueError, match="or with `stop`"):
        action_format_of(spaces.MultiDiscrete([7, 7, 10, 3]))


@by_format
@pytest.mark.parametrize("shape", [(), (4,)])
def test_formats_decode_what_they_encoded(action_format: str, shape: tuple[int, ...]) -> None:
    """Stops come back; none are written where none are given, or where they are taken away."""
    rng = np.random.default_rng(0)
    written = make_format(action_format, 10, 7, 10.0, stop=True)
    locations = rng.uniform(-1, 1, (*shape, 2)).astype(np.float32)
    labels, stops = rng.integers(10, size=shape), rng.integers(2, size=shape) == 1
    for given in (stops, ~stops):
        actions = written.encode(locations, labels, stops=given)
        read: Any = written.decode(actions)
        assert read.stops.tolist() == given.tolist()
        assert read.labels.tolist() == labels.tolist()
        kept: Any = written.decode(written.without_stop(actions))
        assert not kept.stops.any() and kept.labels.tolist() == labels.tolist()
        assert kept.locations.tolist() == read.locations.tolist()
    assert not np.any(written.decode(written.encode(locations, labels)).stops)


@by_format
@pytest.mark.parametrize("reward", ["final", "every_step"])
def test_an_episode_is_one_that_ends_early(action_format: str, reward: str) -> None:
    """Up to its end it is, bit for bit, that of an env without, less what glimpses cost."""
    arguments = {"action_format": action_format, "reward": reward}
    env, twin = make_env(glimpse_cost=0.125, **arguments), make_env(stop=False, **arguments)
    rng, lengths = np.random.default_rng(0), set()
    for episode in range(25):
        observation, info = env.reset(seed=episode)
        assert_identical(twin.reset(seed=episode), (observation, info))
        for step in range(1, 8):
            action = random_action(rng, env.action_space)
            answer = env.task.format.decode(action)
            without = twin.task.format.encode(answer.locations, answer.labels, answer.scores)
            expected, paid, _, _, facts = twin.step(without)
            before = observation
            observation, reward_here, terminated, truncated, info = env.step(action)
            assert (terminated, truncated) == (step == 7 or bool(answer.stops), False)
            if not terminated:
                assert_identical((observation, info), (expected, facts))
                assert reward_here == paid - 0.125
                continue
            is_right = bool(answer.labels == info["label"])
            assert reward_here == is_right / (1 if reward == "final" else 7)
            assert (info["prediction"], info["is_success"]) == (answer.labels, is_right)
            assert_identical(observation, before)
            assert len(env.view().locations) == step
            assert env.view().prediction == answer.labels
            with pytest.raises(ResetNeeded):
                env.step(action)
            lengths.add(step)
            break
    assert len(lengths) > 2


def test_a_glimpse_costs_without_stop_too() -> None:
    """All but the first, whatever ends the episode: T - 1 in all."""
    env = make_env(stop=False, glimpse_cost=0.25, num_glimpses=4)
    env.reset(seed=0)
    rewards = [env.step(np.zeros(12, np.float32))[1] for _ in range(4)]
    assert rewards[:3] == [-0.25] * 3 and rewards[3] in (0.0, 1.0)


@by_mode
@by_format
@pytest.mark.parametrize("num_envs", [1, 3])
def test_vector_env_equals_single_envs(
    num_envs: int, action_format: str, mode: AutoresetMode
) -> None:
    """Bit for bit, with episodes that end at different steps."""
    changes: dict[str, Any] = {"action_format": action_format, "stop": True, "glimpse_cost": 0.01}
    assert_same_rollout(*make_pair(num_envs, mode, **changes), seed=3, num_episodes=8)


@by_mode
@pytest.mark.parametrize("memory", ["GlimpseHistory", "SeenCanvas"])
def test_memory_wrappers_are_equal(memory: str, mode: AutoresetMode) -> None:
    """Around one env and around many, also when an episode ends before its last glimpse."""
    native = getattr(vector_wrappers, memory)(make_native(2, mode, task_id=ID, stop=True))
    wrap, kwargs = getattr(wrappers, memory), {"autoreset_mode": mode}
    arguments: Any = {"dataset": "digits", "stop": True, "wrappers": [wrap]}
    single = gym.make_vec(ID, 2, vectorization_mode="sync", vector_kwargs=kwargs, **arguments)
    assert_same_rollout(native, single, seed=3, num_episodes=8)


def test_history_holds_what_was_seen_and_no_more() -> None:
    """The step that ends an episode early adds nothing."""
    env = wrappers.GlimpseHistory(make_env())
    shown, _ = env.reset(seed=0)
    action = np.full(13, -1.0, np.float32)
    for _ in range(2):
        shown, *_ = env.step(action)
    action[-1] = 1.0
    last, _, terminated, _, _ = env.step(action)
    assert terminated and shown["mask"].sum() == 3
    assert_identical(last, shown)


@by_format
def test_checkers_find_nothing(action_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gymnasium's passes without a warning."""
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make(
        ID, dataset="digits", stop=True, action_format=action_format, render_mode="rgb_array"
    )
    check_env(env.unwrapped)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stop": 1}, "`stop` must be True or False, got 1"),
        ({"glimpse_cost": -0.1}, r"`glimpse_cost` must be a number in 0\.0\.\.1\.0, got -0\.1"),
        ({"glimpse_cost": float("nan")}, "`glimpse_cost` must be a number"),
    ],
)
def test_impossible_arguments(arguments: dict[str, Any], message: str) -> None:
    """The message names the argument, its range and what was given."""
    with pytest.raises(ValueError, match=message):
        make_env(**arguments)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"location": np.zeros(2), "label": 1}, "`location`, `label` and `stop`, got"),
        ({"location": np.zeros(2), "label": 1, "stop": 2}, r"`stop` must be in 0\.\.1, got 2"),
        ({"location": np.zeros(2), "label": 1, "stop": np.ones(1, int)}, "a `stop` for each label"),
    ],
    ids=str,
)
def test_wrong_dicts_are_refused(action: Any, message: str) -> None:
    """And change nothing."""
    env = make_env(action_format="dict")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    assert len(env.view().locations) == 1
