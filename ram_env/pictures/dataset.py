"""Which pictures are there to classify? Those of a folder, or arrays in memory."""

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ram_env.arguments import shown
from ram_env.data.mnist import cache_folder
from ram_env.pictures.folder import SPLITS, list_folder
from ram_env.pictures.intake import Reading, take_in
from ram_env.pictures.pyramids import PictureStore


@dataclass(frozen=True, eq=False)
class PictureDataset:
    """Pictures with one label each.

    Attributes:
        store: The pictures, maybe with others.
        numbers: Which of them these are, int64 (N,).
        labels: Their classes, int64 (N,), in 0..num_classes - 1.
        class_names: The name of each class, the same for each split.
        name: The folder that they lie in.
        paths: Where each lies in it, with `/`.
    """

    store: PictureStore
    numbers: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    name: str
    paths: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @cached_property
    def sha256(self) -> str:
        """What tells other data: the SHA-256 of paths, shapes and class names, in hexadecimal."""
        shapes = self.store.shapes[self.numbers].tolist()
        return hashlib.sha256(repr((self.paths, shapes, self.class_names)).encode()).hexdigest()


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
    if not isinstance(split, str) or split not in SPLITS:
        raise ValueError(f"`split` must be one of {', '.join(SPLITS)}, got {shown(split)}.")
    if not isinstance(dataset, str | os.PathLike):
        raise ValueError(
            "`dataset` must be the path of a folder with a folder of pictures for each class, got "
            f"{shown(dataset)}."
        )
    usual = cache_folder().with_name("pictures")
    cache = usual if data_cache is None else Path(data_cache).expanduser()
    listing = list_folder(Path(dataset).expanduser().absolute())
    store, places = take_in(listing, reading, cache)
    chosen = np.flatnonzero((listing.splits == SPLITS.index(split)) & (places >= 0))
    return PictureDataset(
        store=store,
        numbers=places[chosen],
        labels=listing.labels[chosen],
        class_names=listing.class_names,
        name=str(listing.root),
        paths=tuple(listing.paths[number] for number in chosen),
    )
