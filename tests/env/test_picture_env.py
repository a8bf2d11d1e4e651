"""The env on pictures of any sizes, in colour and in grey: all that holds on digits holds here."""

import copy
import inspect
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import (
    FORMATS,
    assert_identical,
    assert_same_rollout,
    assert_same_whatever_resets,
    rollout,
)
from photos import SHAPES, make_photos
from PIL import Image
from vector_games import by_mode

from ram_env.env import GlimpseEnv
from ram_env.games.make import SCENES
from ram_env.scenes.source import frozen_scenes
from ram_env.vector_env import GlimpseVectorEnv
from ram_env.wrappers import GlimpseHistory, SeenCanvas
from ram_env.wrappers.vector import GlimpseHistory as VectorHistory

ID = "GlimpseImageFolder-v0"
CHANGED: dict[str, Any] = {"flip": True, "zoom": 0.3, "shift": 0.2, "brightness": 0.4}
AS_THEY_ARE: dict[str, Any] = {"flip": False, "zoom": 0.0, "shift": 0.0, "brightness": 0.0}
Arguments = dict[str, Any]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Arguments:
    """The arguments that name a folder of 48 pictures of 20 to 90 pixels, and its cache."""
    folder = tmp_path_factory.mktemp("pictures")
    dataset = str(make_photos(folder / "photos", 12, 20, 90))
    return {"dataset": dataset, "data_cache": str(folder / "cache")}


def make_pair(
    num_envs: int, mode: AutoresetMode, arguments: Arguments
) -> tuple[GlimpseVectorEnv, SyncVectorEnv]:
    """Make the native vector env, and Gymnasium's over single envs."""
    arguments = {"scenes": "pictures", **arguments}
    single = SyncVectorEnv([lambda: GlimpseEnv(**arguments)] * num_envs, autoreset_mode=mode)
    return GlimpseVectorEnv(num_envs, mode, **arguments), single


@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_checkers_find_nothing(photos: Arguments, channels: int, action_format: str) -> None:
    """Gymnasium's, without a warning."""
    arguments = {**photos, "channels": channels, "action_format": action_format}
    env = gym.make(ID, render_mode="rgb_array", **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)


def test_spaces_and_arguments(photos: Arguments) -> None:
    """In colour (K, 3, g, g); as many scales as cover the largest picture, unless it is said."""
    env: Any = gym.make(ID, **photos)
    assert env.observation_space["glimpse"].shape == (4, 3, 16, 16)  # 128 pixels cover 90
    assert env.get_wrapper_attr("num_scales") == 4 and env.get_wrapper_attr("channels") == 3
    assert env.unwrapped.class_names == tuple(sorted(SHAPES))
    assert env.action_space.shape == (2 + 4,)
    env = gym.make(ID, num_scales=2, channels=1, patch_size=7, image_size=30, **photos)
    assert env.observation_space["glimpse"].shape == (2, 7, 7)
    _, info = env.reset(seed=0)
    assert max(info["target_box"]) == 30


@by_mode
@pytest.mark.parametrize("action_format", FORMATS)
def test_vector_env_equals_single_envs(
    photos: Arguments, action_format: str, mode: AutoresetMode
) -> None:
    """Bit for bit, with a picture of another size in every row, changed ones too."""
    arguments = {**photos, "action_format": action_format, "observe_reach": True, **CHANGED}
    pair = make_pair(4, mode, arguments)
    _, infos = pair[0].reset(seed=3)
    assert len({tuple(box) for box in infos["target_box"].tolist()}) == 4
    assert_same_rollout(*pair, seed=3, num_episodes=3)


@by_mode
@pytest.mark.parametrize("channels", [1, 3])
def test_any_history_of_resets_and_steps_is_equal(
    photos: Arguments, channels: int, mode: AutoresetMode
) -> None:
    """Masks, seeds and options at random moments leave the two equal, infos included."""
    arguments = {**photos, "channels": channels, "num_glimpses": 3, "reward": "every_step"}
    assert_same_whatever_resets(*make_pair(3, mode, arguments), seed=0, num_steps=100)


def test_frozen_scenes_are_the_same_whatever_came_before(photos: Arguments) -> None:
    """One per picture of the split, by an env or by many."""
    env = gym.make(ID, split="test", **photos)
    num_pictures = len(env.unwrapped.task.dataset.labels)  # type: ignore[attr-defined]
    envs = gym.make_vec(ID, num_pictures, split="test", **photos)
    many, infos = envs.reset(options=frozen_scenes("test", np.arange(num_pictures)))
    for index in reversed(range(num_pictures)):
        one, info = env.reset(options={"index": index, "scene_seed": index})
        assert_identical(one, {key: value[index] for key, value in many.items()})
        assert info["label"] == infos["label"][index]
        env.step(env.action_space.sample())


@pytest.mark.parametrize("split", ["validation", "test"])
def test_only_pictures_to_train_on_are_changed(photos: Arguments, split: str) -> None:
    """What results are measured on stays as it is."""
    plain, changed = (
        gym.make(ID, split=split, **photos, **more) for more in (AS_THEY_ARE, CHANGED)
    )
    assert_identical(list(rollout(changed, 20, seed=0)), list(rollout(plain, 20, seed=0)))
    plain, changed = (gym.make(ID, **photos, **more) for more in (AS_THEY_ARE, CHANGED))
    one, other = plain.reset(seed=0), changed.reset(seed=0)
    assert_identical(one[1], other[1])
    assert not np.array_equal(one[0]["glimpse"], other[0]["glimpse"])


def test_all_that_was_seen_is_remembered_in_colour(photos: Arguments) -> None:
    """`GlimpseHistory` around one env and many; a canvas of any size cannot be remembered."""
    env, envs = GlimpseHistory(gym.make(ID, **photos)), VectorHistory(gym.make_vec(ID, 2, **photos))
    bare = gym.make(ID, **photos)
    seen = [bare.reset(seed=0)[0]["glimpse"]]
    first, many = env.reset(seed=0)[0], envs.reset(seed=0)[0]
    assert first["glimpse"].shape == (6, 4, 3, 16, 16)
    for step in range(1, 6):
        action = np.full(6, step / 10, np.float32)
        seen.append(bare.step(action)[0]["glimpse"])
        shown, many = env.step(action)[0], envs.step(np.stack([action] * 2))[0]
        np.testing.assert_array_equal(shown["glimpse"][: step + 1], seen)
        assert_identical({key: value[0] for key, value in many.items()}, shown)
        assert not shown["glimpse"][step + 1 :].any()
    with pytest.raises(ValueError, match="differ in their shapes: remember the history"):
        SeenCanvas(bare)


def test_specs_copies_and_pickles_play_on(photos: Arguments) -> None:
    """As the original does; a copy shares the pixels."""
    env: Any = gym.make(ID, **photos, **CHANGED)
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert_identical(list(rollout(again, 10, seed=3)), list(rollout(env, 10, seed=3)))
    store = env.unwrapped.task.dataset.store
    for make_copy in (copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
        twin = make_copy(env)
        assert_identical(list(rollout(twin, 10, seed=3)), list(rollout(env, 10, seed=3)))
    twin = copy.deepcopy(env).unwrapped
    assert twin.task.dataset.store is store and twin._episodes.scenes._store is store


def colors_in(frame: np.ndarray) -> set[tuple[int, int, int]]:
    """Return all colours of a picture."""
    return set(map(tuple, frame.reshape(-1, 3).tolist()))


def test_frames_show_pictures_in_colour(tmp_path: Path) -> None:
    """Whatever the size; a large one with ten scales takes no more than a small one."""
    for name, color in (("a", (200, 30, 60)), ("b", (20, 110, 220))):
        for number in range(30):
            (tmp_path / "d" / name).mkdir(parents=True, exist_ok=True)
            size = (4000, 3000) if number % 10 == 0 else (21, 40)
            Image.new("RGB", size, color).save(tmp_path / "d" / name / f"{number}.png")
    arguments: Arguments = {"image_size": None, "num_scales": 10, "initial_location": "center"}
    arguments |= {"dataset": tmp_path / "d", "data_cache": tmp_path / "cache", **AS_THEY_ARE}
    env: Any = gym.make(ID, render_mode="rgb_array", **arguments)
    data = env.unwrapped.task.dataset
    tall = int(data.store.shapes[data.numbers, 0].argmax())
    frames = []
    for index in (tall + 1, tall):
        _, info = env.reset(seed=0, options={"index": index})
        frames.append(env.render())
        color = [(200, 30, 60), (20, 110, 220)][info["label"]]
        assert color in colors_in(frames[-1][:, :320])
    assert color in colors_in(frames[-1][:, 320:640])  # what the retina sees
    assert frames[0].shape == frames[1].shape == (360, 888, 3)


# The specification.


def table(title: str) -> dict[str, list[str]]:
    """Return the rows of a table in the docstring of the env by what stands first in them."""
    text = inspect.getdoc(GlimpseEnv).split(title)[1].split("\n\n")[1]  # type: ignore[union-attr]
    rows = [re.split(r" *\| *", line)[1:-1] for line in text.splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in rows if row[0]}


@pytest.mark.parametrize(
    ("scenes", "title"), [("canvas", "on a canvas:"), ("pictures", "that are pictures:")]
)
def test_every_argument_is_in_the_docstring_with_its_default(scenes: str, title: str) -> None:
    """Of scenes on a canvas and of pictures."""
    parameters = inspect.signature(SCENES[scenes]).parameters
    documented = table("Arguments of all scenes:") | table(f"Arguments of scenes {title}")
    assert set(documented) - {"game", "scenes", "render_mode"} == set(parameters)
    for name, parameter in parameters.items():
        default = parameter.default
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        assert f"`{shown}`" in documented[name][0] or shown == documented[name][0], name
