"""The rules of the game: whole episodes, rewards, ends, and what is returned."""

import math
from typing import Any

import numpy as np
import pytest
from digit_games import REWARDS, make_env
from gymnasium.error import ResetNeeded
from helpers import (
    FORMATS,
    IDS,
    assert_equal_to_reference,
    assert_identical,
    make_reference,
    random_action,
    rollout,
)
from reference import belief

from ram_env import TASKS
from ram_env.env import GlimpseEnv


@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize("task_id", IDS)
def test_episodes_equal_the_reference(task_id: str, action_format: str) -> None:
    """In every registered task a whole episode is, value by value, that of the slow reference."""
    env = make_env(task_id, action_format=action_format)
    arguments = {**TASKS[task_id], "action_format": action_format}
    assert_equal_to_reference(env, make_reference(env, arguments))


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("initial_location", ["random", "center"])
@pytest.mark.parametrize(
    "sizes",
    [
        {"canvas_size": (9, 7), "patch_size": 3, "num_scales": 1, "num_glimpses": 1},
        {"canvas_size": (30, 12), "patch_size": 5, "num_scales": 3, "num_distractors": 3},
        {"canvas_size": [12, 30], "patch_size": 30, "num_scales": 2, "num_distractors": 1},
        {"canvas_size": 20, "patch_size": 1, "num_scales": 4, "distractor_size": 7},
    ],
    ids=["smallest", "odd", "wide", "point"],
)
def test_odd_tasks_equal_the_reference(
    small_images: str, sizes: dict[str, Any], initial_location: str, reward: str
) -> None:
    """Canvases that are not square, odd patches and other rewards follow the same rules."""
    arguments = {"num_distractors": 0, "distractor_size": 4, "num_glimpses": 4, **sizes}
    arguments |= {"reward": reward, "initial_location": initial_location}
    env = GlimpseEnv(dataset=small_images, **arguments)
    assert_equal_to_reference(env, make_reference(env, arguments))


# Rewards, worked out by hand.


def play(env: GlimpseEnv, labels: list[int]) -> list[float]:
    """Answer with these labels (relative to the right one) and return the rewards."""
    _, info = env.reset(seed=2)
    rewards = []
    for offset in labels:
        label = (info["label"] + offset) % 10
        if env.task.action_format == "box":
            action: Any = np.zeros(12, np.float32)
            action[2 + label] = 1
        elif env.task.action_format == "multidiscrete":
            action = np.array([0, 0, label])
        else:
            action = {"location": np.zeros(2, np.float32), "label": label}
        rewards.append(env.step(action)[1])
    return rewards


@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize(
    ("reward", "labels", "rewards"),
    [
        ("final", [0, 0, 0, 0], [0.0, 0.0, 0.0, 1.0]),
        ("final", [0, 0, 0, 1], [0.0, 0.0, 0.0, 0.0]),
        ("final", [1, 2, 3, 0], [0.0, 0.0, 0.0, 1.0]),
        ("every_step", [0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]),
        ("every_step", [0, 1, 0, 9], [0.25, 0.0, 0.25, 0.0]),
        ("every_step", [5, 1, 1, 1], [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_rewards_by_hand(
    action_format: str, reward: str, labels: list[int], rewards: list[float]
) -> None:
    """`final` pays 1 for the last label alone, `every_step` 1 / T for each right one."""
    env = make_env(num_glimpses=4, action_format=action_format, reward=reward)
    assert_identical(play(env, labels), rewards)


def test_log_likelihood_by_hand() -> None:
    """With equal scores the belief is 1/10; with one score higher by 1 it is e^10 / (e^10 + 9)."""
    env = make_env(num_glimpses=4, reward="log_likelihood")
    right = math.log(math.exp(10) / (math.exp(10) + 9)) / 4
    wrong = math.log(1 / (math.exp(10) + 9)) / 4
    # Relative 1e-9: log of a number near 1 loses digits, here and there in another way.
    assert play(env, [0, 1, 0, 3]) == pytest.approx([right, wrong, right, wrong], rel=1e-9)
    env.reset(seed=2)
    assert env.step(np.zeros(12, np.float32))[1] == pytest.approx(-math.log(10) / 4, rel=1e-15)


def test_log_likelihood_is_finite_for_any_scale() -> None:
    """However sharp the belief, its logarithm is a finite number: the softmax never underflows."""
    env = make_env(num_glimpses=2, reward="log_likelihood", score_scale=1e6)
    _, info = env.reset(seed=0)
    action = np.ones(12, np.float32)
    action[2 + info["label"]] = -1
    assert env.step(action)[1] == pytest.approx(-(2e6 + math.log(9)) / 2, rel=1e-15)


@pytest.mark.parametrize("score_scale", [0.5, 1, 10, 1e-3, 300])
def test_belief(score_scale: float) -> None:
    """The belief that is drawn is softmax(score_scale * clipped scores) of the latest action."""
    env = make_env(score_scale=score_scale)
    env.reset(seed=0)
    assert env.view().belief is None
    for seed in range(3):
        scores = np.random.default_rng(seed).uniform(-1.5, 1.5, 10).astype(np.float32)
        env.step(np.concatenate([np.zeros(2, np.float32), scores]))
        expected = belief(np.clip(scores, -1, 1), score_scale)
        drawn = env.view().belief
        assert drawn is not None
        # The order of the sum and the rounding of exp differ.
        assert drawn.tolist() == pytest.approx(expected, rel=1e-12)
        assert drawn.sum() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("action_format", ["multidiscrete", "dict"])
def test_no_belief_without_scores(action_format: str) -> None:
    """Formats without scores have no belief to draw."""
    env = make_env(action_format=action_format)
    env.reset(seed=0)
    env.step(random_action(np.random.default_rng(0), env.action_space))
    assert env.view().belief is None


# What is returned.


@pytest.mark.parametrize("reward", REWARDS)
def test_exact_types(reward: str) -> None:
    """Rewards are float, flags bool, info int, bool and int64: no numpy scalar in their place."""
    env = make_env(reward=reward, num_glimpses=3)
    observation, info = env.reset(seed=0)
    results: list[Any] = [(observation, 0.0, False, False, info)]
    results += [env.step(env.action_space.sample()) for _ in range(3)]
    for number, (observation, paid, terminated, truncated, info) in enumerate(results):
        assert type(observation) is dict
        assert list(observation) == ["glimpse", "location"]
        assert observation["glimpse"].dtype == observation["location"].dtype == np.float32
        assert env.observation_space.contains(observation)
        assert (type(paid), type(terminated), type(truncated)) == (float, bool, bool)
        expected = {"label": int, "index": int, "scene_seed": int, "target_box": np.ndarray}
        if number == 3:
            expected |= {"prediction": int, "is_success": bool}
        assert {key: type(value) for key, value in info.items()} == expected
        assert info["target_box"].dtype == np.int64
        assert info["target_box"].shape == (4,)


def test_returned_arrays_are_the_callers_own() -> None:
    """Writing into what was returned, or what was passed, changes nothing that follows."""
    env, twin = make_env(), make_env()
    action = np.zeros(12, np.float32)
    for _ in range(2):
        result: Any = env.reset(seed=0)
        expected: Any = twin.reset(seed=0)
        for _ in range(7):
            assert_identical(result, expected)
            for array in (*result[0].values(), result[-1]["target_box"]):
                array[...] = 99
            action[...] = 0.25
            result = env.step(action)
            action[...] = -0.5
            expected = twin.step(np.full(12, 0.25, np.float32))
        assert_identical(result, expected)


def test_earlier_observations_stay_as_they_were() -> None:
    """No returned array is written to later: the env reuses no buffer."""
    env = make_env("GlimpseClutteredMNIST-v0")
    results = list(rollout(env, 17, seed=4))
    kept = [
        {key: value.copy() for key, value in result[0].items()}
        | {"box": result[-1]["target_box"].copy()}
        for result in results
    ]
    list(rollout(env, 17, seed=5))
    for result, copy in zip(results, kept, strict=True):
        assert_identical(result[0] | {"box": result[-1]["target_box"]}, copy)
    arrays = [array for result in results for array in result[0].values()]
    for number, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in arrays[:number])


@pytest.mark.parametrize("action_format", FORMATS)
def test_last_step_returns_the_last_observation_again(action_format: str) -> None:
    """Step T does not move: its observation equals the one before it and is a copy of it."""
    env = make_env(action_format=action_format)
    rng = np.random.default_rng(1)
    env.reset(seed=0)
    for _ in range(6):
        before = env.step(random_action(rng, env.action_space))[0]
    after = env.step(random_action(rng, env.action_space))[0]
    assert_identical(after, before)
    for key in before:
        assert not np.shares_memory(after[key], before[key])


@pytest.mark.parametrize("num_glimpses", [1, 2, 5])
def test_episode_ends_after_as_many_steps_as_glimpses(num_glimpses: int) -> None:
    """Step T = `num_glimpses` terminates, none before it does, and none truncates."""
    env = make_env(num_glimpses=num_glimpses)
    for _ in range(2):
        env.reset(seed=0)
        flags = [env.step(env.action_space.sample())[2:4] for _ in range(num_glimpses)]
        assert flags == [(False, False)] * (num_glimpses - 1) + [(True, False)]


def test_step_before_reset_and_after_the_end_needs_a_reset() -> None:
    """A step outside an episode raises ResetNeeded, says why, and spoils nothing."""
    env = make_env(num_glimpses=2)
    action = np.zeros(12, np.float32)
    with pytest.raises(ResetNeeded, match="before the first episode"):
        env.step(action)
    with pytest.raises(ResetNeeded, match=r"render.*before the first episode"):
        env.view()
    for _ in range(2):
        env.reset()
        env.step(action)
        assert env.step(action)[2]
        for _ in range(2):
            with pytest.raises(ResetNeeded, match="after the last glimpse"):
                env.step(action)


def test_reset_in_the_middle_of_an_episode() -> None:
    """An episode may be left at any time; nothing of it is found in the next one."""
    env = make_env("GlimpseClutteredMNIST-v0")
    expected = env.reset(seed=8)
    for steps in range(8):
        env.reset(seed=steps)
        for _ in range(steps):
            env.step(env.action_space.sample())
        assert_identical(env.reset(seed=8), expected)
        assert len(env.view().locations) == 1
        assert env.view().belief is None
        assert env.view().prediction is None


def test_reach_leads_from_one_cell_of_a_glimpse_to_the_next_glimpse() -> None:
    """`reach` is what a move to the widest window's border is in units of location."""
    arguments: dict[str, Any] = {"canvas_size": (40, 100), "patch_size": 12, "num_scales": 2}
    env = make_env(observe_reach=True, initial_location="center", **arguments)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert observation["reach"].tolist() == pytest.approx([24 / 100, 24 / 40])
    assert set(make_env(**arguments).reset(seed=0)[0]) == {"glimpse", "location"}
