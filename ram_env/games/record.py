"""What must be written down of a task so that it can be played again, and on other pictures?"""

import dataclasses
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ram_env.arguments import check_bytes, shown, whole_number
from ram_env.data.images import MAX_CLASSES, ImageDataset
from ram_env.games.game import Game
from ram_env.games.settings import (
    CanvasSettings,
    CatchSettings,
    ImageSettings,
    InitialLocation,
    LookingSettings,
    MegapixelSettings,
    PictureSettings,
    Settings,
)
from ram_env.pictures.dataset import PictureDataset
from ram_env.pictures.decoding import GivenPicture, pixels_of
from ram_env.pictures.pyramids import pyramids_of

MAX_NAME = 255  # characters of the name of a class: no folder's is longer
_CHECKED_BY: dict[tuple[str, str], type[LookingSettings]] = {
    ("scenes", "canvas"): CanvasSettings,
    ("scenes", "megapixel"): MegapixelSettings,
    ("scenes", "pictures"): PictureSettings,
    ("game", "catch"): CatchSettings,
}
_LEFT_OUT = ("dataset", "split", "data_cache")  # what is told apart, chosen anew, this machine's
_ON_CANVAS = (  # what matters only where there are several scenes, of several images
    *("dataset", "data_dir", "canvas_range", "num_distractors", "distractors_range"),
    *("distortion", "elastic_distortion", "num_digits", "num_others", "num_scribbles"),
    *("occlusion", "question", "single_share", "num_scenes"),
)
_GIVEN = "pictures in memory"  # the name of a data set of them


@dataclass(frozen=True)
class TaskRecord:
    """A task as files hold it.

    Attributes:
        env_id: The registered id of its env.
        arguments: All arguments of the env as JSON has them, those too that were left to the data;
            but not `split`.
        class_names: The name of each class.
        image_shape: Height and width of the images on its canvas; None: pictures of any size, or no
            images.
    """

    env_id: str
    arguments: dict[str, Any]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None

    @classmethod
    def of(cls, task: Game, env_id: str) -> "TaskRecord | None":
        """Return what there is to write down of a task; None if it is of no kind here."""
        for (key, kind), settings in _CHECKED_BY.items():
            if isinstance(task, settings):
                arguments = {key: kind, **_arguments_of(task), **task.data_arguments}
                images = getattr(getattr(task, "dataset", None), "images", None)
                image_shape = None if images is None else (images.shape[1], images.shape[2])
                return cls(env_id, arguments, task.class_names, image_shape)
        return None

    def to_json(self) -> dict[str, Any]:
        """Return a dict that JSON can hold; `from_json` reads it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> "TaskRecord":
        """Return the task that a file of anybody's describes; nothing is loaded or made of it.

        Raises:
            Exception: Of nearly any kind, with a message, if it describes none.
        """
        env_id, arguments, names = (content[it] for it in ("env_id", "arguments", "class_names"))
        # No colon: before it would stand a module, which making the env would import.
        if not isinstance(env_id, str) or not re.fullmatch(r"[\w./-]{1,200}", env_id):
            raise ValueError(f"`env_id` must be the id of an env, got {shown(env_id)}")
        if not isinstance(names, list) or not 2 <= len(names) <= MAX_CLASSES:
            raise ValueError(f"`class_names` must be a list of 2..{MAX_CLASSES} names")
        for name in names:
            if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
                raise ValueError(
                    f"a name of a class must be a text of 1..{MAX_NAME} characters, got "
                    f"{shown(name)}"
                )
        for key in ("dataset", "data_dir"):
            if not isinstance(arguments.get(key, ""), str | None):
                raise ValueError(f"`{key}` must be a text, got {shown(arguments[key])}")
        settings = dict(arguments)
        key = "game" if "game" in settings else "scenes"
        kind = settings.pop(key)
        checked = _CHECKED_BY[key, kind](**settings)
        if checked.num_scales is None or getattr(checked, "channels", 1) is None:
            raise ValueError("`num_scales` and `channels` must be numbers, got None")
        image_shape = None
        if isinstance(checked, ImageSettings):
            height, width = (
                whole_number("image_shape", side, 1, highest)
                for side, highest in zip(content["image_shape"], checked.canvas_shape, strict=True)
            )
            image_shape = (height, width)
        data = {"dataset": settings.get("dataset")} if isinstance(checked, Settings) else {}
        plain = {key: kind, **_arguments_of(checked), **data}
        return cls(env_id, plain, tuple(names), image_shape)

    @property
    def glimpse_shape(self) -> tuple[int, ...]:
        """(K, g, g), or in colour (K, 3, g, g), as agents see it."""
        side, num_scales = self.arguments["patch_size"], self.arguments["num_scales"]
        colors = (3,) if self.arguments.get("channels", 1) == 3 else ()
        return (num_scales, *colors, side, side)

    def check_shows_pictures(self) -> None:
        """Refuse to look at pictures as at scenes of this task if its scenes are none.

        Raises:
            ValueError: If they are none.
        """
        if "game" in self.arguments:
            raise ValueError(
                "`model` must be of a task of classifying to look at pictures, got one that plays "
                f"{self.arguments['game']}: `model.make_env()` makes the env that it can play in."
            )

    def pixels_of(self, picture: GivenPicture) -> np.ndarray:
        """Return the pixels of a picture as this task shows them.

        Args:
            picture: A path, an image of Pillow, or uint8 (h, w) or (h, w, 3). If this task's images
                lie on a canvas, it has the size of these, and is put into the middle of the
                smallest canvas, or that of a canvas.

        Returns:
            uint8 (h, w, 1) or in colour (h, w, 3).

        Raises:
            ValueError: If it is no such picture, or cannot be read.
        """
        self.check_shows_pictures()
        if self.image_shape is None:
            channels, image_size = self.arguments["channels"], self.arguments["image_size"]
            return pixels_of(picture, channels, image_size)
        pixels, (smallest, largest) = pixels_of(picture, channels=1), self._canvas_shapes
        sides = zip(smallest, pixels.shape[:2], largest, strict=True)
        if all(low <= side <= high for low, side, high in sides):
            return pixels
        if pixels.shape[:2] != self.image_shape:
            known = dict.fromkeys((self.image_shape, smallest))
            sizes = " or ".join(f"{width} x {height}" for height, width in known)
            sizes += f" to {largest[1]} x {largest[0]}" if largest != smallest else ""
            raise ValueError(
                f"`picture` must have {sizes} pixels, as the model's images or canvas, got "
                f"{pixels.shape[1]} x {pixels.shape[0]}: scale or crop it."
            )
        # By itself, among other pictures, and as a scene.
        check_bytes(3 * math.prod(smallest), "copies of the canvas")
        margins = [canvas - own for canvas, own in zip(smallest, self.image_shape, strict=True)]
        return np.pad(pixels, [*((it // 2, it - it // 2) for it in margins), (0, 0)])

    def arguments_on(self, pictures: Sequence[np.ndarray]) -> dict[str, Any]:
        """Return the arguments of an env of pictures whose classes nobody knows; they are told 0.

        Every episode begins in the middle, so that what a picture is taken for is no matter of
        chance.

        Args:
            pictures: What `pixels_of` returns of each, at least one; on a canvas all of one shape.
        """
        labels = np.zeros(len(pictures), dtype=np.int64)
        dataset: ImageDataset | PictureDataset
        if self.image_shape is None:
            store, numbers = pyramids_of(pictures), np.arange(len(pictures))
            dataset = PictureDataset(store, numbers, labels, self.class_names, _GIVEN, sha256="")
        else:
            images = np.stack(pictures)[..., 0]
            dataset = ImageDataset(images, labels, self.class_names, _GIVEN)
        kept = {key: value for key, value in self.arguments.items() if key not in _ON_CANVAS}
        given: dict[str, Any] = {"dataset": dataset, "split": "test"}
        if self.image_shape is not None:
            given["canvas_size"] = pictures[0].shape[:2]
        if self.arguments["scenes"] == "megapixel":
            given["scenes"] = "canvas"  # that of the picture itself
        return kept | given | {"initial_location": InitialLocation.CENTER.value}

    @property
    def _canvas_shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Height and width of the smallest and of the largest canvas."""
        if self.arguments["canvas_range"] is not None:
            lowest, highest = self.arguments["canvas_range"]
            return (lowest, lowest), (highest, highest)
        size = self.arguments["canvas_size"]
        height, width = size if isinstance(size, list | tuple) else (size, size)
        return (height, width), (height, width)


def at_new_place(arguments: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an env with where its images are now.

    Args:
        arguments: Those of before.
        data: Some of them anew; `data_dir` goes with the `dataset` of before.
    """
    if "dataset" in data:
        arguments = {key: value for key, value in arguments.items() if key != "data_dir"}
    return arguments | data


def _arguments_of(settings: LookingSettings) -> dict[str, Any]:
    """Return the arguments of an env from their checked form."""
    names = [it.name for it in dataclasses.fields(settings) if it.name not in _LEFT_OUT]
    return {name: _plain(getattr(settings, name)) for name in names}


def _plain(value: Any) -> Any:
    """Return an argument as JSON has it."""
    if isinstance(value, str):
        return str(value)  # of an enum its value
    if isinstance(value, tuple | list):
        return [int(side) for side in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value if value is None or isinstance(value, bool | int | float) else int(value)
