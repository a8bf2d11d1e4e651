"""Attributes of envs, read, set and called one by one or of many at once, as Gymnasium has them."""

import copy
import pickle
import sys
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import assert_identical, random_actions
from PIL import Image
from vector_games import by_mode, make_native, make_pair

from ram_env.games.make import make_game
from ram_env.games.settings import CanvasSettings

ARGUMENTS = list(CanvasSettings.__dataclass_fields__)
MAKERS: dict[str, Any] = {
    "make": lambda **arguments: gym.make("GlimpseMNIST-v0", dataset="digits", **arguments),
    "make_vec": lambda **arguments: gym.make_vec(
        "GlimpseMNIST-v0", 2, dataset="digits", **arguments
    ),
}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_can_be_read_and_not_changed(make: str, name: str) -> None:
    """Each argument is an attribute; to set it, on the env or its task, says what to do instead."""
    env = MAKERS[make]().unwrapped
    value = getattr(env.task, name)
    assert getattr(env, name) is value
    message = rf"`{name}` is fixed once .*got 0: make a new env, .*gym\.make\(id, {name}=.*`index`"
    for owner in (env, env.task):
        with pytest.raises(AttributeError, match=message):
            setattr(owner, name, 0)
    assert getattr(env, name) is value


def test_setting_through_wrappers_is_refused_too() -> None:
    """Gymnasium's ways of setting an attribute below wrappers find it."""
    env = MAKERS["make"]()
    assert env.get_wrapper_attr("num_distractors") == 0
    with pytest.raises(AttributeError, match="`num_distractors` is fixed"):
        env.set_wrapper_attr("num_distractors", 3)
    pair: Any = make_pair(2)
    for envs in pair:
        assert envs.get_attr("num_distractors") == (4, 4)
        with pytest.raises(AttributeError, match="`num_distractors` is fixed"):
            envs.set_attr("num_distractors", [3, 3])


@pytest.mark.parametrize("make_copy", [copy.copy, lambda task: pickle.loads(pickle.dumps(task))])
def test_copies_of_a_task_are_as_fixed(make_copy: Any) -> None:
    """What was derived from the arguments is fixed as they are, in copies as well."""
    task = make_copy(make_game({"dataset": "digits"}))
    with pytest.raises(AttributeError, match="`retina` is fixed"):
        task.retina = None


# Gymnasium's methods of vector envs that reach into their sub-envs.


def test_call_and_get_attr_are_those_of_sync_vector_env() -> None:
    """One value per sub-env, that of a single env: spaces, seeds, pictures, arguments."""
    native, single = make_pair(3, render_mode="rgb_array", canvas_size=(60, 61))
    native.reset(seed=5)
    single.reset(seed=5)
    sync: Any = single
    names = ["observation_space", "action_space", "np_random_seed", "render_mode", "canvas_size"]
    for name in [*names, "num_glimpses"]:
        assert native.get_attr(name) == sync.get_attr(name), name
    assert_identical(native.call("render"), sync.call("render"))
    views = zip(native.call("view"), sync.call("view"), strict=True)
    assert all(np.array_equal(one.canvas, other.canvas) for one, other in views)
    states = [[each.bit_generator.state for each in envs.np_random] for envs in (native, sync)]
    assert states[0] == states[1] == [each.bit_generator.state for each in native.call("np_random")]
    assert make_native(2).call("render") == (None, None)
    with pytest.raises(AttributeError, match="no_such"):
        native.get_attr("no_such")


@pytest.mark.parametrize("values", ["hello", ["hello"] * 3, ("hello",) * 3])
def test_set_attr_sets_one_value(values: Any) -> None:
    """A value, or one per sub-env, can be read again as of `SyncVectorEnv`."""
    pair: Any = make_pair(3)
    for envs in pair:
        envs.set_attr("note", values)
        assert envs.get_attr("note") == ("hello",) * 3


@pytest.mark.parametrize("values", [[1, 2, 3], [1, 1], [np.zeros(2), np.ones(2), np.zeros(2)]])
def test_values_that_differ_are_refused(values: Any) -> None:
    """All sub-envs of a native vector env have the same attributes."""
    with pytest.raises(ValueError, match=r"`values` must be .*3 sub-envs.*vectorization_mode"):
        make_native(3).set_attr("note", values)


# Pictures of many envs.


@by_mode
def test_lists_of_pictures_are_those_of_single_envs(mode: AutoresetMode) -> None:
    """`rgb_array_list` gives all pictures since the last `render` or reset, sub-env by sub-env."""
    arguments: dict[str, Any] = {
        "dataset": "digits",
        "num_glimpses": 2,
        "render_mode": "rgb_array_list",
    }
    maker = lambda: gym.make("GlimpseMNIST-v0", **arguments)  # noqa: E731
    sync: Any = SyncVectorEnv([maker] * 2, autoreset_mode=mode)
    native: Any = gym.make_vec("GlimpseMNIST-v0", 2, autoreset_mode=mode, **arguments)
    assert native.render_mode == sync.render_mode == "rgb_array_list"
    rng = np.random.default_rng(0)

    def reset(mask: list[bool]) -> None:
        for envs in (native, sync):
            envs.reset(options={"reset_mask": np.array(mask)})

    for envs in (native, sync):
        envs.reset(seed=1)
    assert_identical(native.render(), sync.render())
    for step in range(7):
        if step % 2 == 1:
            reset([True, False])
        if step % 2 == 0 and step:
            reset([False, True])
        actions = random_actions(rng, native)
        native.step(actions)
        sync.step(actions)
        if step in (2, 5):
            shown = native.render()
            assert_identical(shown, sync.render())
            assert shown is not None and sorted(map(len, shown)) != [0, 0]
            assert native.render() == sync.render() == ([], [])


def test_human_rendering_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gymnasium's wrapper tiles the pictures in one window."""
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")

    def resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        return np.asarray(Image.fromarray(picture).resize(size))

    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(resize=resize))  # as OpenCV has it
    from gymnasium.wrappers.vector import HumanRendering

    envs = HumanRendering(MAKERS["make_vec"](render_mode="rgb_array", autoreset_mode="SameStep"))
    envs.env.metadata["render_fps"] = 1000
    envs.reset(seed=0)
    before = pygame.surfarray.array3d(pygame.display.get_surface())
    envs.step(envs.action_space.sample())
    after = pygame.surfarray.array3d(pygame.display.get_surface())
    assert before.shape == after.shape == (888, 360, 3)
    assert (before != after).any()
    assert "rgb_array" in envs.metadata["render_modes"]
    envs.close()
    with pytest.raises(ValueError, match=r"`render_mode='human'`.*HumanRendering"):
        MAKERS["make_vec"](render_mode="human")
