"""A model knows its task, plays it again, and looks at pictures of anybody's."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.wrappers import TransformReward
from helpers import needs_mnist
from model_files import HEADER, TENSORS, zipped
from photos import make_photos
from PIL import Image
from small_ram import DIGITS, ENV_ID, make_env, make_model, make_single
from stable_baselines3.common.vec_env import DummyVecEnv

from agents import RAM, make_vec_env
from agents.looking.look import look_at
from ram_env.data.datasets import load_dataset
from ram_env.env import GlimpseEnv

NOISE = np.random.default_rng(0).integers(256, size=(28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures in colour, of four classes."""
    return make_photos(tmp_path_factory.mktemp("photos") / "of", 12, shortest=20, longest=60)


@pytest.fixture(scope="module")
def photo_model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RAM:
    """A model that has learned nothing of that folder yet."""
    arguments = {"dataset": folder, "data_cache": tmp_path_factory.mktemp("cache")}
    env = make_vec_env("GlimpseImageFolder-v0", 4, image_size=32, patch_size=8, **arguments)
    return make_model(env)


def reloaded(model: RAM) -> RAM:
    """Return what is left of a model in its file."""
    file = io.BytesIO()
    model.save(file)
    return RAM.load(io.BytesIO(file.getvalue()), device="cpu")


def with_task(model: RAM, change: Any) -> RAM:
    """Return a model from its file, in whose header the task was changed."""
    file = io.BytesIO()
    model.save(file)
    with zipfile.ZipFile(file) as archive:
        header, tensors = json.loads(archive.read(HEADER)), archive.read(TENSORS)
    change(header)
    return RAM.load(
        io.BytesIO(zipped({HEADER: json.dumps(header).encode(), TENSORS: tensors})), device="cpu"
    )


def test_a_file_carries_its_task(
    photo_model: RAM, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decided by the data too; an env of it needs nothing else to know."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = reloaded(photo_model)
    assert model.task == photo_model.task
    assert model.task is not None and model.task.class_names[0] == "green_circle"
    env, expected = model.make_env("train", 2), photo_model.get_env()
    assert expected is not None
    assert env.get_attr("dataset")[0].sha256 == expected.get_attr("dataset")[0].sha256
    assert env.observation_space == model.observation_space
    assert model.make_env().get_attr("split") == ["test"]
    assert model.make_env(num_glimpses=2).get_attr("num_glimpses") == [2]
    with pytest.raises(ValueError, match="`dataset` must be a folder"):
        model.make_env(dataset=str(tmp_path / "elsewhere"))


ENVS: dict[str, Any] = {
    "a native vector env": make_env,
    "a single env": make_single,
    "one of Stable-Baselines3": lambda: DummyVecEnv([make_single]),
    "one in processes, with a wrapper that cannot be sent": lambda: AsyncVectorEnv(
        [lambda: TransformReward(make_single(), lambda reward: reward)],
        autoreset_mode=AutoresetMode.SAME_STEP,
    ),
}


@pytest.mark.parametrize("kind", ENVS)
def test_a_model_knows_the_task_of_any_env(kind: str) -> None:
    """Whatever wraps it."""
    model = make_model(ENVS[kind]())
    assert model.task == make_model().task
    assert model.task is not None and model.task.env_id == ENV_ID
    model.env.close()


def test_a_model_of_no_known_task_says_so() -> None:
    """As older files, and envs that were made by no id, leave it."""
    older = with_task(make_model(), lambda header: header.pop("task"))
    nameless = make_model(GlimpseEnv(**DIGITS))
    for model in (older, nameless, reloaded(nameless)):
        assert model.task is None
        for ask in (model.make_env, lambda model=model: model.look_at(NOISE)):
            with pytest.raises(ValueError, match=r"does not know its task.* `set_env\(env\)`"):
                ask()
    older.set_env(make_env())
    assert older.look_at(NOISE).num_glimpses == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(task=5),
        lambda header: header["task"]["class_names"].pop(),
        lambda header: header["task"]["arguments"].update(patch_size=4),
        lambda header: header["task"].update(env_id="os:It-v0"),
    ],
)
def test_a_file_of_another_task_is_refused(change: Any) -> None:
    """Before anything is made of it."""
    with pytest.raises(ValueError, match="is damaged"):
        with_task(make_model(), change)


def test_a_look_is_what_an_env_shows(photo_model: RAM, folder: Path) -> None:
    """Step by step as `predict` plays a picture that is the data set, from its middle on."""
    model, path = reloaded(photo_model), folder / "square" / "0003.jpg"
    look = model.look_at(path)
    assert model.task is not None
    pixels = model.task.pixels_of(path)
    arguments = model.task.arguments_on([pixels])
    env = gym.make("GlimpseImageFolder-v0", **arguments)
    observation, _ = env.reset()
    state: Any = None
    locations, labels = [], []
    for _ in range(6):
        locations.append(observation["location"])
        action, state = model.predict(observation, state, deterministic=True)
        labels.append(int(action[2:].argmax()))
        observation, *_ = env.step(action)
    np.testing.assert_allclose(look.locations, locations, atol=1e-6)
    assert look.beliefs is not None and look.belief is not None
    assert look.beliefs.argmax(axis=1).tolist() == labels
    np.testing.assert_allclose(look.beliefs.sum(axis=1), 1.0, rtol=1e-5)
    assert (look.index, look.num_glimpses) == (labels[-1], 6)
    assert look.label == model.task.class_names[look.index]


def test_pictures_are_looked_at_each_by_itself(photo_model: RAM, folder: Path) -> None:
    """Many at once, of any sizes, as one after the other."""
    task = photo_model.task
    assert task is not None
    paths = sorted(folder.rglob("*.jpg"))[::5]
    together = look_at(photo_model, task, [task.pixels_of(path) for path in paths])
    for path, found in zip(paths, together, strict=True):
        alone = photo_model.look_at(path)
        assert alone.label == found.label
        np.testing.assert_allclose(alone.locations, found.locations, atol=1e-5)


def test_looking_ends_with_the_confidence_that_is_asked_for() -> None:
    """At the first glimpse after which a belief reaches it; else after the last."""
    model = make_model()
    whole = model.look_at(NOISE)
    assert whole.beliefs is not None
    highest = whole.beliefs.max(axis=1)
    for confidence in (0.0, float(highest[1]), 1.0):
        look = model.look_at(NOISE, confidence)
        reached = np.flatnonzero(highest >= confidence)
        assert look.num_glimpses == (reached[0] + 1 if len(reached) else 3)
        assert look.beliefs is not None
        np.testing.assert_array_equal(look.beliefs, whole.beliefs[: look.num_glimpses])
        np.testing.assert_array_equal(look.locations, whole.locations[: look.num_glimpses])
    with pytest.raises(ValueError, match="`confidence` must be a number in 0"):
        model.look_at(NOISE, 1.5)


def test_actions_without_scores_tell_no_belief() -> None:
    """And nothing can be as sure as is asked for."""
    model = make_model(make_env(action_format="multidiscrete"))
    look = model.look_at(NOISE)
    assert look.belief is None
    assert look.describe() == f"{look.label} after 3 glimpses"
    with pytest.raises(ValueError, match="`confidence` needs a model that tells its belief"):
        model.look_at(NOISE, 0.9)


def test_dict_actions_are_looked_with_too() -> None:
    """They are shown to models as the box of scores."""
    assert make_model(make_env(action_format="dict")).look_at(NOISE).belief is not None


@pytest.mark.parametrize("name", ["gaze.png", "gaze.gif", "GAZE.PNG"])
def test_a_look_is_drawn(name: str, photo_model: RAM, folder: Path, tmp_path: Path) -> None:
    """By the ending of the file; nothing claims to know the truth."""
    look = photo_model.look_at(folder / "triangle" / "0001.jpg", confidence=0.0)
    look.save(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.format == name[-3:].upper()
        assert min(image.size) > 200
    assert all(view.label is None for view in look.views)
    with pytest.raises(ValueError, match=r"`path` must end in \.png or \.gif, got .*gaze\.bmp"):
        look.save(tmp_path / "gaze.bmp")


def test_a_notebook_shows_a_look(photo_model: RAM, folder: Path, tmp_path: Path) -> None:
    """The picture that `save` writes, or one line."""
    look = photo_model.look_at(folder / "triangle" / "0001.jpg")
    look.save(tmp_path / "gaze.png")
    assert look._repr_png_() == (tmp_path / "gaze.png").read_bytes()
    assert repr(look) == f"<Look: {look.describe()}>"


def test_the_one_line_of_a_look_counts() -> None:
    """Of one glimpse too."""
    look = make_model().look_at(NOISE, confidence=0.0)
    assert look.describe().endswith("%) after 1 glimpse")


@needs_mnist
@pytest.mark.parametrize(("name", "canvas"), [("centered", 28), ("cluttered", 60)])
def test_shipped_models_read_digits(name: str, canvas: int) -> None:
    """A digit by itself, and in the middle of the canvas: of fifty at most one is misread."""
    model = RAM.from_pretrained(name, device="cpu")
    digits, margin = load_dataset("mnist", "test"), (canvas - 28) // 2
    for pad in {0, margin}:
        looks = [model.look_at(np.pad(image, pad)) for image in digits.images[:50]]
        assert sum(it.label != str(n) for it, n in zip(looks, digits.labels, strict=False)) <= 1


def test_shipped_models_play_their_task() -> None:
    """On other data if that is asked for."""
    model = RAM.from_pretrained("cluttered", device="cpu")
    env = model.make_env("validation", 3, dataset="digits")
    assert env.observation_space == model.observation_space
    assert env.get_attr("num_distractors") == [4] * 3
