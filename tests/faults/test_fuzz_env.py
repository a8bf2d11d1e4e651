"""Whatever is passed to the envs: they play rightly or raise a documented error that names it."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from fuzzing import any_array, anything, refusals
from gymnasium.vector import AutoresetMode
from helpers import (
    FORMATS,
    assert_equal_to_reference,
    assert_identical,
    make_reference,
    random_action,
    random_actions,
)
from hypothesis import given
from hypothesis import strategies as st

from ram_env.env import GlimpseEnv
from ram_env.geometry import location_to_pixel
from ram_env.vector_env import GlimpseVectorEnv

ARGUMENTS: dict[str, Any] = {
    "canvas_size": (12, 16),
    "patch_size": 4,
    "num_scales": 2,
    "num_glimpses": 3,
    "location_grid": 4,
}
NAMES = [
    *("dataset", "data_dir", "split", "canvas_size", "num_distractors", "distractor_size"),
    *("distortion", "elastic_distortion", "patch_size", "num_scales", "num_glimpses"),
    *("action_format", "location_grid", "score_scale", "reward", "initial_location"),
]
ROWS = 3  # of the vector envs
single_arguments = st.dictionaries(st.sampled_from(NAMES), anything, min_size=1, max_size=2)


@pytest.fixture(scope="module", autouse=True)
def no_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let `dataset="auto"` find no MNIST, at once."""
    from ram_env.data import mnist

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist, "MIRRORS", ("file:///no-such-mirror/",))
        patch.delenv("RAM_ENV_DATA", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        mnist._complete_once.cache_clear()
        yield
        mnist._complete_once.cache_clear()


def play(env: gym.Env[Any, Any]) -> None:
    """Play one episode and look at what comes back."""
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    terminated = False
    while not terminated:
        assert env.observation_space.contains(observation)
        action = random_action(rng, env.action_space)
        observation, reward, terminated, _, _ = env.step(action)
        assert math.isfinite(reward)


def play_many(envs: gym.vector.VectorEnv[Any, Any, Any]) -> None:
    """Play some steps and look at what comes back."""
    rng = np.random.default_rng(0)
    observation, _ = envs.reset(seed=0)
    for _ in range(3):
        assert envs.observation_space.contains(observation)
        observation, rewards, terminations, _, _ = envs.step(random_actions(rng, envs))
        assert np.isfinite(rewards).all()
        if terminations.any():
            return


# Arguments.


@given(changes=single_arguments)
def test_arguments_of_make(small_images: str, changes: dict[str, Any]) -> None:
    """An env of `gym.make` plays, or one of the arguments is named in a ValueError."""
    with refusals():
        play(gym.make("GlimpseMNIST-v0", **{"dataset": small_images, **ARGUMENTS, **changes}))


@given(
    changes=single_arguments,
    own=st.dictionaries(
        st.sampled_from(["num_envs", "autoreset_mode", "render_mode"]), anything, max_size=1
    ),
)
def test_arguments_of_the_vector_env(
    small_images: str, changes: dict[str, Any], own: dict[str, Any]
) -> None:
    """A vector env plays, or one of the arguments is named in a ValueError."""
    with refusals():
        arguments = {"dataset": small_images, **ARGUMENTS, "num_envs": ROWS, **changes, **own}
        play_many(GlimpseVectorEnv(**arguments))


@given(render_mode=anything)
def test_render_mode(small_images: str, render_mode: Any) -> None:
    """It is one of the modes, or named in a ValueError; Gymnasium reads it before the env does."""
    with refusals():
        env = GlimpseEnv(render_mode=render_mode, dataset=small_images, **ARGUMENTS)
        assert env.render_mode in (None, "rgb_array")


@pytest.mark.parametrize("name", [*NAMES, "num_envs", "autoreset_mode", "render_mode"])
def test_number_of_thousands_of_digits(small_images: str, name: str) -> None:
    """An error names its argument even if Python does not write the value."""
    arguments = {"dataset": small_images, **ARGUMENTS, name: 10**5000}
    with pytest.raises(ValueError, match=rf"`{name}` must be .*of type int"):
        GlimpseVectorEnv(**arguments)


@st.composite
def tasks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw arguments that fit each other and images of 9x7 pixels."""
    canvas_size = draw(st.tuples(st.integers(9, 24), st.integers(7, 24)))
    action_format = draw(st.sampled_from(FORMATS))
    rewards = ["final", "every_step"] + ["log_likelihood"] * (action_format == "box")
    patch_size = draw(st.integers(1, 9))
    widest = [scales for scales in (1, 2, 3) if patch_size * 2 ** (scales - 1) < 4 * 9]
    return {
        "canvas_size": canvas_size,
        "num_distractors": draw(st.integers(0, 4)),
        "distractor_size": draw(st.integers(1, 7)),
        "patch_size": patch_size,
        "num_scales": draw(st.sampled_from(widest)),
        "num_glimpses": draw(st.integers(1, 4)),
        "action_format": action_format,
        "location_grid": draw(st.integers(1, 50)),
        "score_scale": draw(st.floats(0.01, 100.0)),
        "reward": draw(st.sampled_from(rewards)),
        "initial_location": draw(st.sampled_from(["random", "center"])),
    }


@given(arguments=tasks(), seed=st.integers(0, 2**32))
def test_any_task_equals_the_reference(
    small_images: str, arguments: dict[str, Any], seed: int
) -> None:
    """Scenes, glimpses, rewards and ends are, value by value, those of the slow reference."""
    env = GlimpseEnv(dataset=small_images, **arguments)
    assert_equal_to_reference(env, make_reference(env, arguments), 1, seed)


# Resets and actions, each against a twin that is not disturbed.


def is_refused(call: Callable[[], object]) -> bool:
    """Return whether a call brings a documented error; any other is raised."""
    accepted = False
    with refusals():
        call()
        accepted = True
    return not accepted


def make_pair(action_format: str, small_images: str, vector: bool) -> tuple[Any, Any]:
    """Make two envs that have begun the same episodes."""
    arguments = {**ARGUMENTS, "dataset": small_images, "action_format": action_format}
    pair: list[Any] = [
        GlimpseVectorEnv(ROWS, AutoresetMode.NEXT_STEP, **arguments)
        if vector
        else GlimpseEnv(**arguments)
        for _ in "ab"
    ]
    for env in pair:
        env.reset(seed=1)
    return pair[0], pair[1]


def any_action(env: Any) -> Any:
    """Return a right action, of one or of many."""
    rng = np.random.default_rng(0)
    if isinstance(env, GlimpseVectorEnv):
        return random_actions(rng, env)
    return random_action(rng, env.action_space)


number = st.one_of(st.integers(-2, 70), anything)
options = st.one_of(
    anything,
    st.dictionaries(
        st.sampled_from(["index", "scene_seed", "reset_mask", "seed"]),
        st.one_of(number, any_array, st.lists(number, min_size=ROWS, max_size=ROWS)),
        max_size=3,
    ),
)
seeds = st.one_of(number, st.lists(number, min_size=ROWS, max_size=ROWS))


@pytest.mark.parametrize("vector", [False, True])
@given(seed=seeds, options=options)
def test_resets(small_images: str, vector: bool, seed: Any, options: Any) -> None:
    """Seeds and options bring a new episode, or an error after which the old one goes on."""
    env, twin = make_pair("box", small_images, vector)
    if is_refused(lambda: env.reset(seed=seed, options=options)):
        assert_identical(env.step(any_action(env)), twin.step(any_action(env)))
        assert_identical(env.reset(), twin.reset())
    else:
        twin.reset(seed=seed, options=options)
        assert env.observation_space.contains(env.step(any_action(env))[0])


classes, cells = st.integers(-1, 4), st.integers(-1, 5)
locations = st.lists(st.floats(width=32), min_size=2, max_size=2)
likely_actions = {
    "box": st.lists(st.floats(width=32), min_size=5, max_size=5),
    "multidiscrete": st.tuples(cells, cells, classes).map(list),
    "dict": st.fixed_dictionaries({"location": locations, "label": classes}),
}
likely_batches = {
    "box": st.lists(likely_actions["box"], min_size=ROWS, max_size=ROWS),
    "multidiscrete": st.lists(likely_actions["multidiscrete"], min_size=ROWS, max_size=ROWS),
    "dict": st.fixed_dictionaries(
        {
            "location": st.lists(locations, min_size=ROWS, max_size=ROWS),
            "label": st.lists(classes, min_size=ROWS, max_size=ROWS),
        }
    ),
}
parts = st.one_of(anything, any_array)
unlikely = st.one_of(parts, st.fixed_dictionaries({"location": parts, "label": parts}))


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("action_format", FORMATS)
@given(data=st.data())
def test_actions(small_images: str, action_format: str, vector: bool, data: st.DataObject) -> None:
    """An action is taken, or an error follows after which the episode goes on as if it were not."""
    env, twin = make_pair(action_format, small_images, vector)
    likely = (likely_batches if vector else likely_actions)[action_format]
    for _ in range(ARGUMENTS["num_glimpses"]):
        action = data.draw(st.one_of(likely, unlikely))
        if is_refused(partial(env.step, action)):
            right = any_action(env)
            assert_identical(env.step(right), twin.step(right))
        else:
            assert_identical(twin.step(action)[0], env._observation())


# Functions.


@given(
    values=any_array,
    shape=st.tuples(st.integers(1, 2**31), st.integers(1, 2**31)),
)
def test_location_to_pixel(values: np.ndarray, shape: tuple[int, int]) -> None:
    """Any numbers are locations on the canvas; any other array is a ValueError."""
    with refusals():
        pixels = location_to_pixel(values, shape)
        assert pixels.dtype == np.int64
        assert pixels.shape == values.shape
        assert ((pixels >= 0) & (pixels < np.array(shape))).all()
