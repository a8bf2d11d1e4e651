"""What is written down of a task: enough to play it again, and checked when it is read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from helpers import assert_identical
from photos import make_photos
from PIL import Image

from ram_env.games.record import TaskRecord
from ram_env.registration import CATCH_TASKS, PICTURE_TASKS, TASKS
from ram_env.vector_env import GlimpseVectorEnv


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures in colour, of four classes."""
    return make_photos(tmp_path_factory.mktemp("photos") / "of", 12, shortest=20, longest=60)


def record_of(env_id: str, **arguments: Any) -> TaskRecord:
    """Return the record of an env."""
    task: Any = gym.make(env_id, **arguments).unwrapped
    record = TaskRecord.of(task.task, env_id)
    assert record is not None
    return record


def digits_record(**arguments: Any) -> TaskRecord:
    """Return the record of a task of digits on a canvas of 60 x 60."""
    return record_of("GlimpseTranslatedMNIST-v0", dataset="digits", **arguments)


@pytest.mark.parametrize("env_id", [*TASKS, *PICTURE_TASKS, *CATCH_TASKS])
def test_a_task_read_again_is_the_same(env_id: str, folder: Path, tmp_path: Path) -> None:
    """Through JSON; an env of it shows what the first one showed."""
    arguments: dict[str, Any] = {"dataset": "digits", "reward": "every_step"}
    if env_id in PICTURE_TASKS:
        arguments |= {"dataset": folder, "data_cache": tmp_path / "cache", "image_size": 32}
    if env_id in CATCH_TASKS:
        arguments = {"canvas_size": (9, 12), "paddle_size": 3}
    record = record_of(env_id, **arguments)
    again = TaskRecord.from_json(json.loads(json.dumps(record.to_json())))
    assert again == record
    first = gym.make(env_id, **arguments)
    second = gym.make(again.env_id, **again.arguments)
    assert_identical(first.reset(seed=3), second.reset(seed=3))
    assert first.observation_space["glimpse"].shape == again.glimpse_shape  # type: ignore[index]


def test_ranges_are_written_down() -> None:
    """A task of many canvases is read again as one, and knows pictures of all their sizes."""
    record = digits_record(canvas_range=(30, 90), distractors_range=[1, 3])
    again = TaskRecord.from_json(json.loads(json.dumps(record.to_json())))
    assert again == record
    assert again.arguments["canvas_range"] == [30, 90]
    first = gym.make(again.env_id, **again.arguments).reset(seed=3)
    second = gym.make(
        record.env_id, dataset="digits", canvas_range=(30, 90), distractors_range=(1, 3)
    )
    assert_identical(second.reset(seed=3), first)
    for given, expected in (((28, 28), (30, 30)), ((30, 90), (30, 90)), ((55, 41), (55, 41))):
        pixels = again.pixels_of(np.full(given, 7, np.uint8))
        assert pixels.shape == (*expected, 1) and pixels.sum() == 7 * np.prod(given)
        env: Any = gym.make(again.env_id, **again.arguments_on([pixels])).unwrapped
        env.reset(seed=0)
        assert env.task.draw_scenes(np.array([0]))[0][0].tolist() == pixels[..., 0].tolist()
    sizes = r"`picture` must have 28 x 28 or 30 x 30 to 90 x 90 pixels, .*, got 91 x 28"
    with pytest.raises(ValueError, match=sizes):
        again.pixels_of(np.zeros((28, 91), np.uint8))


def test_what_the_data_decides_is_written_down(folder: Path, tmp_path: Path) -> None:
    """Scales, colours and classes, which other pictures could not tell."""
    cache = tmp_path / "cache"
    record = record_of("GlimpseImageFolder-v0", dataset=folder, data_cache=cache)
    assert record.arguments["num_scales"] == 3
    assert record.arguments["channels"] == 3
    assert record.class_names == ("green_circle", "red_circle", "square", "triangle")
    assert record.image_shape is None
    assert not {"split", "data_cache"} & set(record.arguments)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a module to import": (lambda it: it.update(env_id="evil:It-v0"), "`env_id`"),
    "no id": (lambda it: it.pop("env_id"), "env_id"),
    "one class": (lambda it: it.update(class_names=["a"]), "`class_names`"),
    "a name of megabytes": (lambda it: it.update(class_names=["a", "b" * 2**20]), "1..255"),
    "a class without a name": (lambda it: it.update(class_names=["a", ""]), "1..255"),
    "a name that is none": (lambda it: it.update(class_names=["a", 1]), "1..255"),
    "an unknown argument": (lambda it: it["arguments"].update(evil=1), "evil"),
    "an argument out of range": (lambda it: it["arguments"].update(patch_size=0), "`patch_size`"),
    "other scenes": (lambda it: it["arguments"].update(scenes="evil"), "evil"),
    "a data set that is no text": (lambda it: it["arguments"].update(dataset=[1]), "`dataset`"),
    "no shape of images": (lambda it: it.update(image_shape=None), "iter"),
    "images beyond the canvas": (lambda it: it.update(image_shape=[61, 28]), "`image_shape`"),
    "a shape of three sides": (lambda it: it.update(image_shape=[1, 1, 1]), "zip"),
    "scales that nobody knows": (
        lambda it: it.update(arguments={"scenes": "pictures"}),
        "`num_scales` and `channels`",
    ),
}


def test_arguments_that_a_file_leaves_out_have_their_defaults() -> None:
    """As in an env."""
    content = digits_record().to_json()
    content |= {"arguments": {"scenes": "canvas"}, "class_names": ["a", "b"]}
    assert TaskRecord.from_json(content).arguments["canvas_size"] == 28


@pytest.mark.parametrize("name", CHANGES)
def test_a_record_that_is_none_is_refused(name: str) -> None:
    """Whatever a file of somebody's says; nothing is imported or loaded."""
    change, message = CHANGES[name]
    content = json.loads(json.dumps(digits_record().to_json()))
    TaskRecord.from_json(content)
    change(content)
    with pytest.raises((ValueError, TypeError, KeyError), match=message):
        TaskRecord.from_json(content)


def test_a_picture_is_the_same_however_it_is_given(folder: Path, tmp_path: Path) -> None:
    """As a path, an image of Pillow or an array; scaled and coloured as the task has it."""
    record = record_of(
        "GlimpseImageFolder-v0", dataset=folder, data_cache=tmp_path / "cache", image_size=16
    )
    path = folder / "square" / "0000.jpg"
    pixels = record.pixels_of(path)
    assert pixels.shape[2] == 3 and max(pixels.shape) == 16
    with Image.open(path) as image:
        np.testing.assert_array_equal(record.pixels_of(image), pixels)
        np.testing.assert_array_equal(record.pixels_of(np.asarray(image)), pixels)
    assert record.pixels_of(np.zeros((4, 5), np.uint8)).shape == (4, 5, 3)


def test_an_image_lies_in_the_middle_of_the_canvas() -> None:
    """A picture of the canvas's size is the canvas."""
    record, image = digits_record(), np.full((28, 28), 7, dtype=np.uint8)
    pixels = record.pixels_of(image)
    assert pixels.shape == (60, 60, 1)
    np.testing.assert_array_equal(pixels[16:44, 16:44, 0], image)
    assert pixels.sum() == 7 * 28 * 28
    np.testing.assert_array_equal(record.pixels_of(pixels[..., 0]), pixels)
    sizes = r"`picture` must have 28 x 28 or 60 x 60 pixels, .*, got 30 x 29"
    with pytest.raises(ValueError, match=sizes):
        record.pixels_of(np.zeros((29, 30), np.uint8))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((3, 3)), r"`picture` must be an array of uint8, .* got float64 \(3, 3\)"),
        (np.zeros((3, 3, 4), np.uint8), r"got uint8 \(3, 3, 4\)"),
        (np.zeros((0, 3), np.uint8), r"got uint8 \(0, 3\)"),
        (5, "`picture` must be the path of a file, .* got 5"),
        ("nowhere.jpg", r"`picture` nowhere\.jpg cannot be read"),
        (Image.new("F", (28, 28)), "`picture` .* cannot be read .*floating-point"),
    ],
)
def test_what_is_no_picture_is_refused(picture: Any, message: str) -> None:
    """By the argument's name."""
    with pytest.raises(ValueError, match=message):
        digits_record().pixels_of(picture)


def test_pictures_of_any_sizes_are_played_from_their_middle(folder: Path, tmp_path: Path) -> None:
    """Unchanged, at no random place, whatever the task does to those that it trains on."""
    changes: dict[str, Any] = {"flip": True, "zoom": 0.3, "shift": 0.4, "brightness": 0.5}
    record = record_of(
        "GlimpseImageFolder-v0", dataset=folder, data_cache=tmp_path, patch_size=4, **changes
    )
    pictures = [np.full((side, 2 * side, 3), side, np.uint8) for side in (9, 20, 33)]
    arguments = record.arguments_on([record.pixels_of(picture) for picture in pictures])
    games = GlimpseVectorEnv(3, AutoresetMode.DISABLED, **arguments)
    observation, _ = games.reset(seed=0, options={"index": np.arange(3)})
    np.testing.assert_array_equal(observation["location"], 0.0)
    finest = observation["glimpse"][:, 0, 0, 1, 1] * 255
    np.testing.assert_allclose(finest, [9, 20, 33], rtol=1e-6)


def test_digits_are_played_without_clutter() -> None:
    """What distorts and clutters scenes in training has no part in a given picture."""
    record = record_of(
        "GlimpseClutteredMNIST-v0", dataset="digits", distortion=0.2, elastic_distortion=0.1
    )
    canvas = np.random.default_rng(0).integers(256, size=(60, 60, 1), dtype=np.uint8)
    task: Any = GlimpseVectorEnv(1, **record.arguments_on([canvas])).task
    scenes, _ = task.draw_scenes(np.array([5]))
    np.testing.assert_array_equal(scenes[0], canvas[..., 0])
