"""Which pictures are there to classify? Those of a folder, or arrays in memory."""

import functools
import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ram_env.arguments import folder_path, shown
from ram_env.data.datasets import SPLITS, check_split
from ram_env.data.images import ImageDataset, check_labels
from ram_env.data.mnist import cache_folder
from ram_env.pictures.decoding import scaled_size, to_pixels
from ram_env.pictures.folder import Listing, list_folder
from ram_env.pictures.intake import Reading, UnreadableError, take_in
from ram_env.pictures.pyramids import PictureStore, Pyramids, num_pixels, pyramid_of
from ram_env.pictures.slides import Decoded, PictureSource, Slides, find_slides

_NUM_SHARED = 4  # arrays whose pyramids are kept to be shared


@dataclass(frozen=True, eq=False)
class PictureDataset:
    """Pictures with one label each."""

    store: PictureStore  # the pictures, maybe with others
    numbers: np.ndarray  # int64 (N,): which of them these are
    labels: np.ndarray  # int64 (N,): their classes, in 0..num_classes - 1
    class_names: tuple[str, ...]  # the same for each split
    name: str  # the folder that they lie in, or what arrays are called
    sha256: str  # what tells other data, in hexadecimal

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


@functools.lru_cache(_NUM_SHARED)
def pictures_of(arrays: ImageDataset, reading: Reading) -> PictureDataset:
    """Make pictures of arrays, in memory; calls share them.

    Args:
        arrays: Images, all of one size.
        reading: How they are read; colour stays colour unless it says otherwise.
    """
    num_images, *shape = arrays.images.shape[:3]
    channels = reading.channels or (1 if arrays.images.ndim == 3 else 3)
    height, width = scaled_size((shape[0], shape[1]), reading.image_size)
    shapes = np.full((num_images, 2), (height, width))
    pixels = np.empty((num_images, num_pixels(shapes[:1]), channels), dtype=np.uint8)
    for number, image in enumerate(arrays.images):
        scaled = to_pixels(Image.fromarray(image), channels, reading.image_size)
        pixels[number] = pyramid_of(scaled)
    return PictureDataset(
        store=Pyramids(shapes, channels, pixels.reshape(-1, channels)),
        numbers=np.arange(num_images),
        labels=arrays.labels,
        class_names=arrays.class_names,
        name=arrays.name,
        sha256=arrays.sha256,
    )


def pictures_from(
    sources: Sequence[PictureSource],
    labels: np.ndarray,
    class_names: Sequence[str],
    channels: int = 3,
    name: str = "sources",
) -> PictureDataset:
    """Make a data set of pictures that are read where one looks, as they are.

    Args:
        sources: The pictures; see `PictureSource`.
        labels: Their classes, whole numbers (N,), in 0..C - 1.
        class_names: The name of each class.
        channels: 1 or 3: how many each of them returns.
        name: What to call them.

    Raises:
        ValueError: If labels do not fit.
    """
    labels = np.asarray(labels)
    check_labels(labels, len(sources), class_names, name)
    facts = ([source.size for source in sources], labels.tolist(), tuple(class_names))
    return PictureDataset(
        store=Slides(sources, channels),
        numbers=np.arange(len(sources)),
        labels=labels.astype(np.int64),
        class_names=tuple(map(str, class_names)),
        name=name,
        sha256=hashlib.sha256(repr(facts).encode()).hexdigest(),
    )


def load_pictures(
    dataset: object, split: str, reading: Reading, data_cache: str | os.PathLike[str] | None
) -> PictureDataset:
    """Load the pictures of one split of a folder, read once into a cache.

    Args:
        dataset: A folder with a folder of pictures for each class.
        split: One of `SPLITS`.
        reading: How its files are read.
        data_cache: The folder of the cache; None: `pictures` in the user's cache folder.

    Raises:
        ValueError: If an argument is none of these, or the pictures cannot be read.
    """
    check_split(split)
    if not isinstance(dataset, str | os.PathLike):
        raise ValueError(
            "`dataset` must be the path of a folder with a folder of pictures for each class, an "
            f"ImageDataset or a PictureDataset, got {shown(dataset)}."
        )
    chosen_cache = folder_path("data_cache", data_cache)
    cache = Path(chosen_cache or cache_folder().with_name("pictures"))
    listing = list_folder(Path(dataset).expanduser().absolute())
    store, places, digests = _read_folder(listing, reading, cache)
    chosen = np.flatnonzero((listing.splits == SPLITS.index(split)) & (places >= 0))
    if not len(chosen):
        raise ValueError(
            f"`dataset` {listing.root} has no picture for {split!r} that can be read: add "
            "pictures, or mend those that were passed over; by damaged='error' you are told why."
        )
    paths = [listing.paths[number] for number in chosen]
    facts = (paths, listing.class_names, digests[chosen].tolist())
    return PictureDataset(
        store=store,
        numbers=places[chosen],
        labels=listing.labels[chosen],
        class_names=listing.class_names,
        name=str(listing.root),
        sha256=hashlib.sha256(repr(facts).encode()).hexdigest(),
    )


def _read_folder(
    listing: Listing, reading: Reading, cache: Path
) -> tuple[PictureStore, np.ndarray, np.ndarray]:
    """Return what `take_in` does of a folder's pictures; slides stay in their files.

    They may be too large to be read once: their sizes in bytes and pixels stand for what they hold.
    """
    channels = reading.channels or 3
    slides = find_slides(listing.root, listing.paths, reading.image_size, channels)
    if not slides:
        return take_in(listing, reading, cache)
    sources: list[PictureSource] = list(slides.values())
    places, digests = np.full(len(listing.paths), -1), np.full(len(listing.paths), "", object)
    places[list(slides)] = np.arange(len(slides))
    digests[list(slides)] = [
        f"{os.path.getsize(listing.root / listing.paths[number])} bytes, {slide.size} pixels"
        for number, slide in slides.items()
    ]
    if others := [number for number in range(len(listing.paths)) if number not in slides]:
        rest = replace(listing, paths=[listing.paths[number] for number in others])
        try:
            taken = take_in(rest, reading._replace(channels=channels), cache)
        except UnreadableError as error:
            if reading.damaged == "error":
                raise
            warnings.warn(f"{error} The slides are left.", stacklevel=4)
            return Slides(sources, channels), places, digests
        places[others] = np.where(taken.places < 0, -1, taken.places + len(slides))
        digests[others] = taken.digests
        sources += [Decoded(taken.store, number) for number in range(len(taken.store.shapes))]
    return Slides(sources, channels), places, digests
