"""What the native vector env refuses."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from helpers import (
    assert_identical,
)
from vector_games import by_mode, make_native

from ram_env.vector_env import GlimpseVectorEnv

# Errors.

MASK = np.array([True, False, True])


@pytest.mark.parametrize(
    ("seed", "options", "message"),
    [
        ([1, 2], None, "`seed`.*3.*2"),
        ([1, 2, 3, 4], None, "`seed`.*3.*4"),
        ([], None, "`seed`.*3.*0"),
        (np.array(5), None, r"`seed`.*3.*array\(5\)"),
        (None, {"reset_mask": [True, False, True]}, "reset_mask"),
        (None, {"reset_mask": MASK.astype(int)}, "reset_mask"),
        (None, {"reset_mask": MASK[:2]}, "reset_mask"),
        (None, {"reset_mask": MASK[None]}, "reset_mask"),
        (None, {"reset_mask": np.zeros(3, bool)}, "reset_mask.*at least one"),
        (None, {"reset_mask": None}, "reset_mask"),
        (None, {"mask": MASK}, "'reset_mask', 'scene_seed'.*'mask'"),
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
    ("action_format", "actions", "message"),
    [
        ("box", 3, r"each of the 2 sub-envs, got actions of shape \(\)"),
        ("box", np.zeros((3, 12), np.float32), r"got actions of shape \(3, 12\)"),
        ("dict", {}, "got none"),
        (
            "dict",
            {"location": np.zeros((2, 2), np.float32), "label": np.zeros(3, np.int64)},
            r"got location of shape \(2, 2\), label of shape \(3,\)",
        ),
    ],
)
def test_batches_of_another_size_are_told_by_their_shapes(
    action_format: str, actions: Any, message: str
) -> None:
    """The error says what came, part by part."""
    envs = make_native(2, action_format=action_format)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        envs.step(actions)


def test_a_time_limit_is_refused_with_a_way_out() -> None:
    """`gym.make_vec` hands on `max_episode_steps`, which a native vector env has not."""
    with pytest.raises(TypeError, match=r"`num_glimpses` steps.*vectorization_mode='sync'"):
        gym.make_vec("ram_env:GlimpseMNIST-v0", 2, dataset="digits", max_episode_steps=3)


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
