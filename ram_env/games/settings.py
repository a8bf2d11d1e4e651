"""What may a task be told? Its arguments, checked."""

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ram_env.arguments import (
    flag,
    number_between,
    number_range,
    one_of,
    one_of_names,
    positive_number,
    shown,
    whole_number,
)
from ram_env.data.images import ImageDataset
from ram_env.games.actions import SCORE_SCALE, ActionFormat
from ram_env.geometry import window_side
from ram_env.pictures.dataset import PictureDataset
from ram_env.pictures.intake import DAMAGED
from ram_env.scenes.megapixel import smallest_canvas

HIGHEST_DISTORTION = 0.45  # from 0.5 on a map may fold an image over
HIGHEST_ELASTIC_DISTORTION = 0.25  # hardly a digit can be read beyond
HIGHEST_SCORE_SCALE = 1e9  # two scores that differ at all in float32 are then worlds apart
HIGHEST_ZOOM = 0.4  # the nearest pixels of a level are read: beyond, they would lie too far apart
MOST_DIGITS, MOST_SCRIBBLES = 100, 1000  # each pair of them is looked at when a scene is made
MAX_CANVAS = 2**30  # pixels a side: draws of places are of numbers up to 2**32
MAX_SCALES = 13  # a window 4,096 times as wide as its patch: what the retina can add up exactly


class RewardRule(StrEnum):
    """What an episode of T steps pays."""

    FINAL = "final"  # 1 at the last step if its label is right
    EVERY_STEP = "every_step"  # 1 / T at each step with the right label
    LOG_LIKELIHOOD = "log_likelihood"  # log belief[label] / T at each step


class InitialLocation(StrEnum):
    """Where the first glimpse of an episode is taken."""

    RANDOM = "random"
    CENTER = "center"


class Occlusion(StrEnum):
    """What lies on top where a digit and a scribble meet."""

    DIGITS = "digits"
    NOISE = "noise"


class Question(StrEnum):
    """What is asked of several digits."""

    MAJORITY = "majority"  # the class of most
    MAX = "max"  # the highest class
    TOP = "top"  # the class of the uppermost


@dataclass(kw_only=True, eq=False)
class LookingSettings:
    """The arguments that all games share; `GlimpseEnv` explains them.

    What is given is replaced by its final form: whole numbers by `int`, words by their enum.

    Raises:
        ValueError: If an argument is out of its range or does not fit the others.
    """

    split: str = "train"
    patch_size: int = 8
    num_scales: int = 1
    action_format: str | ActionFormat = ActionFormat.BOX
    location_grid: int = 7
    score_scale: float = SCORE_SCALE
    initial_location: str | InitialLocation = InitialLocation.RANDOM
    observe_reach: bool = False

    def __post_init__(self) -> None:
        """Check each argument."""
        self.patch_size = whole_number("patch_size", self.patch_size, 1)
        self.num_scales = whole_number("num_scales", self.num_scales, 1, MAX_SCALES)
        self.action_format = one_of("action_format", self.action_format, ActionFormat)
        self.location_grid = whole_number("location_grid", self.location_grid, 1)
        self.score_scale = positive_number("score_scale", self.score_scale, HIGHEST_SCORE_SCALE)
        self.initial_location = one_of("initial_location", self.initial_location, InitialLocation)
        self.observe_reach = flag("observe_reach", self.observe_reach)


@dataclass(kw_only=True, eq=False)
class Settings(LookingSettings):
    """The arguments of classifying, whatever the scenes are."""

    dataset: Any
    num_glimpses: int = 7
    reward: str | RewardRule = RewardRule.FINAL
    stop: bool = False
    glimpse_cost: float = 0.0

    def __post_init__(self) -> None:
        """Check each argument, then those that must fit each other."""
        super().__post_init__()
        self.num_glimpses = whole_number("num_glimpses", self.num_glimpses, 1)
        self.reward = one_of("reward", self.reward, RewardRule)
        self.stop = flag("stop", self.stop)
        self.glimpse_cost = number_between("glimpse_cost", self.glimpse_cost, 0.0, 1.0)
        if self.reward == RewardRule.LOG_LIKELIHOOD and self.action_format != ActionFormat.BOX:
            raise ValueError(
                "`reward='log_likelihood'` needs the class scores of `action_format='box'`, got "
                f"{str(self.action_format)!r}: choose that format or another reward."
            )


@dataclass(kw_only=True, eq=False)
class ImageSettings(Settings):
    """The arguments of scenes of images on a canvas.

    With a range, the size is its highest number.

    Attributes:
        canvas_shape: Height and width of the canvas in pixels, the largest if there are many.
    """

    dataset: str | os.PathLike[str] | ImageDataset = "auto"
    data_dir: str | os.PathLike[str] | None = None
    canvas_size: int | tuple[int, int] = 28
    canvas_range: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check each argument, then those that must fit each other."""
        self.canvas_range = number_range("canvas_range", self.canvas_range, 1, MAX_CANVAS)
        if self.canvas_range is not None:
            self.canvas_size = self.canvas_range[1]
        self.canvas_shape = canvas_shape_of(self.canvas_size)
        super().__post_init__()
        whole_number("patch_size", self.patch_size, 1, max(self.canvas_shape))

    def check_image_sizes(self, image_shape: tuple[int, ...]) -> None:
        """Refuse images in colour or larger than the canvas."""
        canvas_shape = self.canvas_shape
        if len(image_shape) > 2:
            raise ValueError(
                f"`dataset` must hold grey images to lie on a canvas, got colour, {image_shape} "
                "each: convert them; or give a folder of files, or in Python an ImageDataset, to "
                "the env of pictures, GlimpseImageFolder-v0."
            )
        if self.canvas_range is not None and self.canvas_range[0] < max(image_shape):
            raise ValueError(
                f"`canvas_range` must begin at {max(image_shape)} or above, as the images are "
                f"{image_shape}, got {self.canvas_range}: enlarge the smallest canvas."
            )
        if any(image > canvas for image, canvas in zip(image_shape, canvas_shape, strict=True)):
            raise ValueError(
                f"`canvas_size` must be at least the image size {image_shape}, "
                f"got {canvas_shape}: enlarge the canvas."
            )


@dataclass(kw_only=True, eq=False)
class CanvasSettings(ImageSettings):
    """The arguments of one image on a canvas, among distractors."""

    num_distractors: int = 0
    distractors_range: tuple[int, int] | None = None
    distractor_size: int = 8
    distortion: float = 0.0
    elastic_distortion: float = 0.0

    def __post_init__(self) -> None:
        """Check each argument, then those that must fit each other."""
        self.distractors_range = number_range("distractors_range", self.distractors_range, 0)
        if self.distractors_range is not None:
            self.num_distractors = self.distractors_range[1]
        self.num_distractors = whole_number("num_distractors", self.num_distractors, 0)
        self.distractor_size = whole_number("distractor_size", self.distractor_size, 1)
        self.distortion = number_between("distortion", self.distortion, 0.0, HIGHEST_DISTORTION)
        self.elastic_distortion = number_between(
            "elastic_distortion", self.elastic_distortion, 0.0, HIGHEST_ELASTIC_DISTORTION
        )
        super().__post_init__()

    def check_image_sizes(self, image_shape: tuple[int, ...]) -> None:
        """Refuse crops larger than the images too."""
        super().check_image_sizes(image_shape)
        if self.num_distractors and self.distractor_size > min(image_shape):
            raise ValueError(
                f"`distractor_size` must be in 1..{min(image_shape)}, the smaller side of an image,"
                f" got {self.distractor_size}."
            )


@dataclass(kw_only=True, eq=False)
class MegapixelSettings(ImageSettings):
    """The arguments of several images on a large canvas, among scribbles."""

    canvas_size: int | tuple[int, int] = 1500
    patch_size: int = 16
    num_scales: int = 8
    num_glimpses: int = 16
    num_digits: int = 3
    num_others: int = 2
    num_scribbles: int = 50
    occlusion: str | Occlusion = Occlusion.DIGITS
    question: str | Question = Question.MAJORITY
    single_share: float = 0.0
    num_scenes: int | None = None

    def __post_init__(self) -> None:
        """Check each argument, then those that must fit each other."""
        self.num_digits = whole_number("num_digits", self.num_digits, 1, MOST_DIGITS)
        self.num_others = whole_number("num_others", self.num_others, 0, MOST_DIGITS)
        self.num_scribbles = whole_number("num_scribbles", self.num_scribbles, 0, MOST_SCRIBBLES)
        self.occlusion = one_of("occlusion", self.occlusion, Occlusion)
        self.question = one_of("question", self.question, Question)
        self.single_share = number_between("single_share", self.single_share, 0.0, 1.0)
        if self.question == Question.MAJORITY and self.num_others >= self.num_digits:
            raise ValueError(
                "`num_others` must be under `num_digits` for `question='majority'`, got "
                f"{self.num_others} and {self.num_digits}: choose others, or another question."
            )
        if self.num_scenes is not None:
            self.num_scenes = whole_number("num_scenes", self.num_scenes, 1)
        super().__post_init__()

    def check_image_sizes(self, image_shape: tuple[int, ...]) -> None:
        """Refuse canvases without room for all digits too, and scribbles without a margin."""
        super().check_image_sizes(image_shape)
        height, width = image_shape
        needed = smallest_canvas((height, width), self.num_digits + self.num_others)
        if self.num_scribbles:
            needed = max(needed, 2 * max(image_shape) + 1)
        if min(self.canvas_shape) < needed:
            raise ValueError(
                f"`canvas_size` must be at least {needed} to hold {self.num_digits} + "
                f"{self.num_others} digits of {image_shape} apart, and scribbles, got "
                f"{self.canvas_shape}: enlarge the canvas, or choose fewer by `num_digits`, "
                "`num_others` and `num_scribbles`."
            )


@dataclass(kw_only=True, eq=False)
class PictureSettings(Settings):
    """The arguments of scenes that are pictures of the user's.

    `num_scales` is None until the pictures tell how many cover the largest.
    """

    dataset: str | os.PathLike[str] | ImageDataset | PictureDataset | None = None
    patch_size: int = 16
    num_scales: int | None = None  # type: ignore[assignment]
    num_glimpses: int = 6
    image_size: int | None = 512
    channels: int | None = None
    damaged: str = "error"
    data_cache: str | os.PathLike[str] | None = None
    flip: bool = False
    zoom: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0

    def __post_init__(self) -> None:
        """Check each argument."""
        covers_all = self.num_scales is None
        self.num_scales = 1 if covers_all else self.num_scales
        super().__post_init__()
        self.num_scales = None if covers_all else self.num_scales
        if self.image_size is not None:
            self.image_size = whole_number("image_size", self.image_size, 1)
        if self.channels is not None:
            self.channels = whole_number("channels", self.channels, 1)
        if self.channels not in (None, 1, 3):
            raise ValueError(
                f"`channels` must be 1 for grey, 3 for colour, or None, got {shown(self.channels)}."
            )
        self.damaged = one_of_names("damaged", self.damaged, DAMAGED)
        self.flip = flag("flip", self.flip)
        self.zoom = number_between("zoom", self.zoom, 0.0, HIGHEST_ZOOM)
        self.shift = number_between("shift", self.shift, 0.0, 0.5)
        self.brightness = number_between("brightness", self.brightness, 0.0, 1.0)


@dataclass(kw_only=True, eq=False)
class CatchSettings(LookingSettings):
    """The arguments of the game of catching.

    Attributes:
        canvas_shape: Height and width of the screen in pixels.
    """

    patch_size: int = 6
    num_scales: int = 3
    canvas_size: int | tuple[int, int] = 24
    paddle_size: int = 2

    def __post_init__(self) -> None:
        """Check each argument, then those that must fit each other."""
        super().__post_init__()
        self.canvas_shape = canvas_shape_of(self.canvas_size)
        height, width = self.canvas_shape
        whole_number("canvas_size", height, 2)  # a row to fall from, and one to fall into
        self.paddle_size = whole_number("paddle_size", self.paddle_size, 1, width)
        self._check_windows(max(height, width))

    def _check_windows(self, side: int) -> None:
        """Refuse windows so wide that nearly all of them lies outside the screen."""
        whole_number("patch_size", self.patch_size, 1, side)
        widest = window_side(self.patch_size, self.num_scales - 1)
        if self.num_scales > 1 and widest >= 4 * side:
            raise ValueError(
                "`num_scales` is too high: the widest window, `patch_size` * 2**(`num_scales` - 1)"
                f" = {widest} pixels, must be under 4 times the canvas side {side}, got "
                f"patch_size={self.patch_size} and num_scales={self.num_scales}."
            )


def canvas_shape_of(canvas_size: Any) -> tuple[int, int]:
    """Return (height, width) of a canvas given by one side or by both."""
    sides = canvas_size if isinstance(canvas_size, list | tuple) else (canvas_size, canvas_size)
    if len(sides) != 2:
        raise ValueError(
            f"`canvas_size` must be a side or (height, width), got {shown(canvas_size)}."
        )
    height, width = (whole_number("canvas_size", side, 1, MAX_CANVAS) for side in sides)
    return height, width
