"""Arrays from Python are data as files are: on a canvas in grey, as pictures in colour too."""

import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers import assert_identical, rollout
from PIL import Image

from ram_env.data.datasets import load_dataset
from ram_env.data.images import ImageDataset

GREY, COLOR = (13, 17), (13, 17, 3)


def make_arrays(num_images: int, shape: tuple[int, ...]) -> ImageDataset:
    """Make images of noise, labelled in turn."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (num_images, *shape), np.uint8)
    return ImageDataset(images, np.arange(num_images) % 2, ("cat", "dog"))


def test_arrays_on_a_canvas_are_what_files_are() -> None:
    """The same images from either place make the same episodes."""
    by_name: Any = gym.make("GlimpseMNIST-v0", dataset="digits", split="test")
    digits = load_dataset("digits", "test")
    arrays = ImageDataset(digits.images, digits.labels, digits.class_names)
    by_arrays: Any = gym.make("GlimpseMNIST-v0", dataset=arrays, split="test")
    assert_identical(list(rollout(by_arrays, 20, seed=0)), list(rollout(by_name, 20, seed=0)))
    assert by_arrays.unwrapped.task.dataset.sha256 == by_name.unwrapped.task.dataset.sha256
    assert by_arrays.unwrapped.task.dataset.name == "arrays"


@pytest.mark.parametrize("image_size", [None, 9])
@pytest.mark.parametrize("shape", [GREY, COLOR], ids=["grey", "color"])
def test_arrays_as_pictures_are_what_files_are(
    tmp_path: Path, shape: tuple[int, ...], image_size: int | None
) -> None:
    """The same pictures from either place make the same episodes."""
    arrays = make_arrays(6, shape)
    for split in ("train", "validation", "test"):
        for number, (image, label) in enumerate(zip(arrays.images, arrays.labels, strict=True)):
            path = tmp_path / "d" / split / arrays.class_names[label] / f"{number // 2}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    order = np.argsort(arrays.labels, kind="stable")
    arrays = ImageDataset(arrays.images[order], arrays.labels[order], arrays.class_names)
    arguments: dict[str, Any] = {"image_size": image_size, "data_cache": tmp_path / "cache"}
    one, other = (
        gym.make("GlimpseImageFolder-v0", dataset=dataset, **arguments)
        for dataset in (arrays, tmp_path / "d")
    )
    assert one.observation_space == other.observation_space
    assert_identical(list(rollout(one, 20, seed=0)), list(rollout(other, 20, seed=0)))


def test_lists_are_arrays() -> None:
    """As other libraries return them."""
    arrays = make_arrays(3, COLOR)
    images: Any = [Image.fromarray(image) for image in arrays.images]
    labels: Any = arrays.labels.tolist()
    names: Any = ["cat", "dog"]
    assert ImageDataset(np.stack(images), labels, names).sha256 == arrays.sha256
    with pytest.raises(ValueError, match="`images` must be an array"):
        ImageDataset([images[0], [1, 2]], labels, names)  # type: ignore[arg-type]


def test_classes_may_be_numbered() -> None:
    """Their names are texts, which pictures show."""
    arrays = make_arrays(3, COLOR)
    numbered = ImageDataset(arrays.images, arrays.labels, range(2))  # type: ignore[arg-type]
    assert numbered.class_names == ("0", "1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 10**6}, "`patch_size` 1000000 must fit into 80 %"),
        ({"channels": 2}, "`channels` must be 1 for grey, 3 for colour, or None, got 2"),
        ({"channels": 3.0}, "`channels` must be a whole number, got 3.0"),
        ({"channels": True}, "`channels` must be a whole number, got True"),
    ],
)
def test_impossible_arguments_are_errors(arguments: dict[str, Any], message: str) -> None:
    """Of pictures too, before anything large is made."""
    with pytest.raises(ValueError, match=message):
        gym.make("GlimpseImageFolder-v0", dataset=make_arrays(3, COLOR), **arguments)


def test_many_envs_share_the_pixels_of_arrays() -> None:
    """Single envs too, for the levels of the pictures are made once."""
    arrays = make_arrays(20, COLOR)
    envs: list[Any] = [
        gym.make("GlimpseImageFolder-v0", dataset=arrays, split=split)
        for split in ("train", "test")
    ]
    stores = [env.unwrapped.task.dataset.store for env in envs]
    assert stores[0] is stores[1]


@pytest.mark.parametrize("env_id", ["GlimpseMNIST-v0", "GlimpseImageFolder-v0"])
def test_a_single_image_is_enough_for_a_split(env_id: str) -> None:
    """All images are of the split that is named; another one has none."""
    arguments: Any = {"dataset": make_arrays(1, GREY), "split": "test"}
    env: Any = gym.make(env_id, **arguments)
    _, info = env.reset(seed=0)
    assert info["index"] == 0 and env.unwrapped.class_names == ("cat", "dog")
    task = env.unwrapped.task
    assert task.load("test").labels.tolist() == [0]
    with pytest.raises(ValueError, match=r"`split` 'test', got 'train': make another env"):
        task.load("train")
    with pytest.raises(ValueError, match="`split` must be one of train, validation, test, got 'x'"):
        gym.make(env_id, **arguments | {"split": "x"})


def test_colour_is_refused_on_a_canvas(tmp_path: Path) -> None:
    """Of arrays and of files: the message names the env that takes it."""
    arrays = make_arrays(20, COLOR)
    np.savez(tmp_path / "color.npz", images=arrays.images, labels=arrays.labels)
    message = r"`dataset` must hold grey images .* \(13, 17, 3\) each: .*GlimpseImageFolder-v0"
    for dataset in (arrays, str(tmp_path / "color.npz")):
        with pytest.raises(ValueError, match=message):
            gym.make("GlimpseMNIST-v0", dataset=dataset)


@pytest.mark.parametrize("shape", [(4, 5, 4), (4, 5, 1), (4,), (4, 0), (0, 4, 3)])
def test_arrays_that_are_no_images_are_refused(shape: tuple[int, ...]) -> None:
    """The message says what images look like."""
    message = "`images` of 'arrays' must be uint8 (N, h, w), in colour (N, h, w, 3)"
    with pytest.raises(ValueError, match=re.escape(message)):
        make_arrays(2, shape)
