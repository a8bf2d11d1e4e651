"""What is there to classify? Images on a canvas, or the pictures of a user."""

from typing import Any

import numpy as np

from ram_env.arguments import check_bytes, some_of
from ram_env.data.datasets import check_split, load_dataset
from ram_env.data.images import ImageDataset
from ram_env.games.classify import GlimpseTask
from ram_env.games.settings import (
    MAX_SCALES,
    CanvasSettings,
    ImageSettings,
    MegapixelSettings,
    Occlusion,
    PictureSettings,
)
from ram_env.geometry import window_side
from ram_env.pictures.dataset import PictureDataset, load_pictures, pictures_of
from ram_env.pictures.intake import Reading
from ram_env.retina import Retina
from ram_env.scenes.canvases import crop_bytes
from ram_env.scenes.megapixel import MegapixelPainter, MegapixelPlans, make_patterns
from ram_env.scenes.painted import Painted, ScenePainter, painted_bytes, plan_bytes
from ram_env.scenes.pictures import Changes, Pictures, glimpse_bytes
from ram_env.scenes.source import ScenePlans, SceneSource
from ram_env.scenes.sprites import Sprites, begin_bytes, sprite_bytes
from ram_env.scenes.sprites import glimpse_bytes as sums_bytes

# Scenes are painted as long as that handles no more bytes per glimpse and image on the canvas, of
# which at least eight are counted; else they are lists of sprites. Both look the same, bit for bit.
# With 8 distractors and windows of 48 that is so up to 440 pixels a side; the two cost the same at
# 230 on 256 envs and at 560 on 64. The wider the windows, the sooner sprites win.
PAINTED_BYTES = 2**12
SPRITE_PARTS = 16  # how many times as large the parts are in which scenes of sprites begin
_POINT = Retina(1, 1)  # one that needs no border around the canvas
FIRST_PATTERNS = {"train": 0, "validation": 10_000, "test": 20_000}  # of scribbles, in each split
WHOLE_SIDE = 96  # of a picture that is seen at once, in pixels


def as_given(dataset: Any, split: str) -> Any:
    """Return the data that an argument is, all of one split; None if it names where data lies.

    Raises:
        ValueError: If the split is none.
    """
    if not isinstance(dataset, ImageDataset | PictureDataset):
        return None
    check_split(split)
    return dataset


def only_of(given: Any, own: str, split: str) -> Any:
    """Return data that was given for a split.

    Raises:
        ValueError: If another split is asked for.
    """
    if split != own:
        raise ValueError(
            f"`dataset` was given with data of `split` {own!r}, got {split!r}: make another env of "
            f"the data of that split, by dataset=..., split={split!r}."
        )
    return given


class ImageTask(ImageSettings, GlimpseTask):
    """Images on a canvas are classified."""

    dataset: ImageDataset
    _given: Any

    def load_images(self) -> tuple[int, int]:
        """Load the images, check their size and return it."""
        self._given = as_given(self.dataset, self.split)
        self.dataset = self.load(self.split)
        if not isinstance(self.dataset, ImageDataset):
            raise ValueError(
                "`dataset` must be images of one size to lie on a canvas, got a PictureDataset: "
                "make an ImageDataset of them, or choose scenes='pictures'."
            )
        self.check_image_sizes(self.dataset.images.shape[1:])
        height, width = self.dataset.images.shape[1:]
        return height, width

    def load(self, split: str) -> ImageDataset:
        """Load a split of the images that the arguments name."""
        if self._given is not None:
            return only_of(self._given, self.split, split)
        named: Any = self.dataset
        name = named.name if isinstance(named, ImageDataset) else named
        return load_dataset(name, split, self.data_dir)

    def count_sprites(
        self, painter: ScenePainter | MegapixelPainter, crowded: tuple[int, int]
    ) -> None:
        """Note what scenes of sprites take; the canvas is the most crowded one."""
        self.bytes_per_scene = sprite_bytes(painter.sprite_shapes)
        shared = begin_bytes(painter.sprite_shapes, crowded)
        bytes_to_begin = painter.bytes_on_the_way + shared
        self.bytes_on_the_way += max(bytes_to_begin, SPRITE_PARTS * 2**20)
        # In larger parts than a cache holds: what takes time are numpy's calls, not the memory.
        self.bytes_to_begin = -(-bytes_to_begin // SPRITE_PARTS)

    def check_whole(self, num_scenes: int) -> None:
        """Refuse to draw whole canvases that differ in their shapes or do not fit.

        Raises:
            ValueError: If they do.
        """
        if self.size_limits:
            raise ValueError(
                "`canvas_range` and `distractors_range` must be None for whole scenes of one shape,"
                f" got {self.describe_size()}: choose `canvas_size` and `num_distractors` instead."
            )
        num_bytes = num_scenes * painted_bytes(self.canvas_shape, _POINT)
        check_bytes(num_bytes, f"{num_scenes} canvases of {self.describe_size()}")


class CanvasTask(CanvasSettings, ImageTask):
    """An image on a canvas is classified, among distractors if there are any."""

    def __post_init__(self) -> None:
        """Check the arguments, load the images and make the spaces."""
        super().__post_init__()
        self.retina = Retina(self.patch_size, self.num_scales)
        is_fixed = self.canvas_range is None and self.distractors_range is None
        self.bytes_per_scene = painted_bytes(self.canvas_shape, self.retina)
        bytes_to_look = crop_bytes(self.retina)
        handled = self.bytes_per_scene // self.num_glimpses + bytes_to_look
        limit = PAINTED_BYTES * max(8, 1 + self.num_distractors)
        self._is_painted = is_fixed and handled <= limit
        if not self._is_painted:
            self.bytes_per_scene, bytes_to_look = 0, sums_bytes(self.retina)
        # However many there are, scenes are planned and glimpses taken in parts.
        self.bytes_on_the_way = plan_bytes(self.num_distractors) + bytes_to_look
        self.check_bytes(num_episodes=1)  # before anything is downloaded
        self.load_images()
        is_training = self.split == "train"  # what results are measured on stays as written
        self._painter = ScenePainter(
            self.dataset.images,
            self.canvas_shape,
            self.num_distractors,
            self.distractor_size,
            self.distortion if is_training else 0.0,
            self.elastic_distortion if is_training else 0.0,
        )
        self.bytes_to_begin = self._painter.bytes_on_the_way
        if not self._is_painted:
            lowest = None if self.canvas_range is None else self.canvas_range[0]
            self.count_sprites(self._painter, (lowest, lowest) if lowest else self.canvas_shape)
        sizes = {"canvas_size": self.canvas_range, "num_distractors": self.distractors_range}
        self.size_limits = {name: limits for name, limits in sizes.items() if limits is not None}
        self.complete()

    def describe_size(self) -> str:
        """Return the arguments that the size of an episode depends on, in words."""
        height, width = self.canvas_shape
        ranges = "".join(
            f"`{name}` {given}, "
            for name, given in (
                ("canvas_range", self.canvas_range),
                ("distractors_range", self.distractors_range),
            )
            if given is not None
        )
        return (
            f"{ranges}`canvas_size` {height}x{width}, `num_distractors` {self.num_distractors} and "
            f"`num_glimpses` {self.num_glimpses}"
        )

    def make_scenes(self, num_scenes: int) -> SceneSource:
        """Make room for some scenes, none of them begun."""
        if self._is_painted:
            return Painted(num_scenes, self._painter, self.retina)
        ranges = {"canvas_range": self.canvas_range, "distractors_range": self.distractors_range}
        return Sprites(num_scenes, self._painter, self.retina, **ranges)

    def draw_scenes(
        self, scene_seeds: np.ndarray, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw whole canvases: see `GlimpseTask.draw_scenes`."""
        self.check_whole(len(scene_seeds))
        scenes = Painted(len(scene_seeds), self._painter, _POINT)
        plans = scenes.plan(scene_seeds, indices)
        scenes.begin(np.arange(len(scene_seeds)), plans)
        return scenes.visible, self.dataset.labels[plans.index]


class MegapixelTask(MegapixelSettings, ImageTask):
    """Several digits on a large canvas, among scribbles, are asked one question."""

    def __post_init__(self) -> None:
        """Check the arguments, load the images and make the spaces."""
        super().__post_init__()
        self.retina = Retina(self.patch_size, self.num_scales)
        self.bytes_per_scene, self.bytes_on_the_way = 0, sums_bytes(self.retina)
        self.check_bytes(num_episodes=1)  # before anything is downloaded
        image_shape = self.load_images()
        self._check_classes()
        self._painter = MegapixelPainter(
            self.dataset.images,
            self.dataset.labels,
            make_patterns(image_shape, FIRST_PATTERNS[self.split]),
            self.canvas_shape,
            self.num_digits,
            self.num_others,
            self.num_scribbles,
            question=str(self.question),
            digits_on_top=self.occlusion == Occlusion.DIGITS,
            num_scenes=self.num_scenes,
        )
        self.count_sprites(self._painter, self.canvas_shape)
        number = self.num_digits + self.num_others
        self.facts = {**self.facts, "index": (number,), "target_box": (number, 4)}
        if self.canvas_range is not None:
            lowest, highest = self.canvas_range
            self.size_limits = {"canvas_size": (max(lowest, self._painter.smallest), highest)}
        self.complete()

    def _check_classes(self) -> None:
        """Refuse data without an image of each class."""
        names = self.dataset.class_names
        missing = set(range(len(names))) - set(np.unique(self.dataset.labels).tolist())
        if missing:
            raise ValueError(
                f"`dataset` must hold images of every class in `split` {self.split!r}, got none of "
                f"{some_of([names[label] for label in sorted(missing)])}: choose other data."
            )

    def describe_size(self) -> str:
        """Return the arguments that the size of an episode depends on, in words."""
        return (
            f"`num_scribbles` {self.num_scribbles}, `patch_size` {self.patch_size} and "
            f"`num_glimpses` {self.num_glimpses}"
        )

    def frozen_labels(self) -> np.ndarray:
        """Return the right answer to each frozen scene of the split, int64 (`num_frozen`,)."""
        seeds = self.frozen_scenes(np.arange(self.num_frozen))["scene_seed"]
        return self.make_scenes(1).plan(seeds).label

    def facts_of(self, plans: ScenePlans) -> dict[str, np.ndarray]:
        """Return what the info tells of planned scenes beside their seeds, int64 (..., ...)."""
        assert isinstance(plans, MegapixelPlans)
        return {"label": plans.label, "index": plans.index, "target_box": plans.box}

    def make_scenes(self, num_scenes: int) -> Sprites:
        """Make room for some scenes, none of them begun."""
        choices = {"canvas_range": self.canvas_range, "single_share": self.single_share}
        return Sprites(num_scenes, self._painter, self.retina, **choices)

    def draw_scenes(
        self, scene_seeds: np.ndarray, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw whole canvases: see `GlimpseTask.draw_scenes`."""
        self.check_whole(len(scene_seeds))
        scenes, rows = self.make_scenes(len(scene_seeds)), np.arange(len(scene_seeds))
        plans = scenes.plan(scene_seeds)
        scenes.begin(rows, plans)
        return np.stack([scenes.picture(row, longest=None) for row in rows.tolist()]), plans.label


class PictureTask(PictureSettings, GlimpseTask):
    """A picture of a user's is classified, looked at as it is."""

    dataset: PictureDataset
    num_scales: int

    def __post_init__(self) -> None:
        """Check the arguments, read the pictures and make the spaces."""
        super().__post_init__()
        self._reading = Reading(self.image_size, self.channels, self.damaged)
        self._given = as_given(self.dataset, self.split)
        self.dataset = self.load(self.split)
        if self.channels not in (None, self.dataset.store.channels):
            raise ValueError(
                f"`channels` must be None or {self.dataset.store.channels}, which the pictures of "
                f"`dataset` have, got {self.channels}."
            )
        self.channels = self.dataset.store.channels
        if self.num_scales is None:
            self.num_scales = self._covering_scales()
        self.retina = Retina(self.patch_size, self.num_scales, self.channels)
        self.bytes_per_scene = 0  # pixels are read where they lie
        self.bytes_on_the_way = self.bytes_to_begin = glimpse_bytes(self.retina)
        self.complete()

    def load(self, split: str) -> PictureDataset:
        """Load a split of the pictures that the arguments name."""
        if self._given is not None:
            given = only_of(self._given, self.split, split)
            return given if isinstance(given, PictureDataset) else pictures_of(given, self._reading)
        named: Any = self.dataset
        name = named.name if isinstance(named, PictureDataset) else named
        return load_pictures(name, split, self._reading, self.data_cache)

    def _covering_scales(self) -> int:
        """Return how many scales it takes for the widest window to be as wide as any picture."""
        longest = int(self.dataset.store.shapes.max())
        scales = range(1, MAX_SCALES + 1)
        covering = (k for k in scales if window_side(self.patch_size, k - 1) >= longest)
        return next(covering, MAX_SCALES)

    def draw_scenes(
        self, scene_seeds: np.ndarray, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw whole pictures, made `WHOLE_SIDE` pixels square: see `GlimpseTask.draw_scenes`."""
        scenes, rows = self.make_scenes(len(scene_seeds)), np.arange(len(scene_seeds))
        plans = scenes.plan(scene_seeds, indices)
        scenes.begin(rows, plans)
        return scenes.whole(rows, WHOLE_SIDE), self.dataset.labels[plans.index]

    def make_scenes(self, num_scenes: int) -> Pictures:
        """Make room for some scenes, none of them begun."""
        changes = Changes(self.flip, self.zoom, self.shift, self.brightness)
        return Pictures(
            num_scenes,
            self.dataset.store,
            self.dataset.numbers,
            self.retina,
            changes if self.split == "train" else Changes(),
        )
