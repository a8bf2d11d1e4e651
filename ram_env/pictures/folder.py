"""Which pictures lie in a folder, of which class and split? `PATH/CLASS/.../*.jpg`."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ram_env.arguments import shown, some_of
from ram_env.data.datasets import SPLITS, warn_once
from ram_env.pictures.decoding import endings
from ram_env.pictures.slides import ENDINGS as SLIDE_ENDINGS

# Above the classes, if at all, in letters of whatever case.
_FOLDERS = {"train": 0, "validation": 1, "valid": 1, "val": 1, "test": 2}
_ENDS = (0.8, 0.9)  # of train and validation, on the scale of the hash; the rest is test


@dataclass(frozen=True, eq=False)
class Listing:
    """The pictures of a folder, in the order of their paths."""

    root: Path
    paths: list[str]  # of each picture, relative to the root, with `/`
    labels: np.ndarray  # int64 (N,): number of each picture's class
    splits: np.ndarray  # int64 (N,): number of each picture's split in `SPLITS`
    class_names: tuple[str, ...]  # of the folders that are classes, in order


def list_folder(root: Path) -> Listing:
    """List the pictures below a folder; no file is opened.

    What lies below a folder of `root` is of that folder's class, however deep. Folders `train`,
    `validation` (or `valid`, `val`) and `test` in `root` are splits and hold the classes. A split
    that has no folder is taken from the others by a hash of each path, 80 : 10 : 10, so that a new
    file moves no other one. Names that begin with a dot are passed over, and with a warning files
    whose ending neither Pillow nor OpenSlide knows; links are followed.

    Raises:
        ValueError: If the folder is none, holds no two classes with pictures, or others beside
            splits.
    """
    if not root.is_dir():
        raise ValueError(f"`dataset` must be a folder with a folder for each class, got {root}.")
    tops = sorted(_folders(root))
    split_of_top = {top: _FOLDERS.get(top.casefold(), -1) for top in tops}
    has_splits = _has_splits(root, split_of_top)
    present = set(split_of_top.values()) if has_splits else {0}
    paths, names, splits = [], [], []
    unknown: Counter[str] = Counter()
    for top in tops:
        for path in _pictures(root, top, unknown):
            parts = path.split("/")[1 if has_splits else 0 :]
            if len(parts) > 1:  # not between the folder of a split and those of the classes
                paths.append(path)
                names.append(parts[0])
                splits.append(_split_of(path, split_of_top[top] if has_splits else 0, present))
    class_names = sorted(set(names))
    passed_over = ", ".join(f"{number} of {end or 'no ending'}" for end, number in unknown.items())
    _check_classes(root, tops, class_names, passed_over)
    if passed_over:
        warn_once(
            f"`dataset` {root} holds files that are no pictures known here, which are passed over: "
            f"{passed_over}.",
            stacklevel=4,  # the caller of load_pictures
        )
    number_of = {name: number for number, name in enumerate(class_names)}
    labels = [number_of[name] for name in names]
    listing = Listing(root, paths, np.array(labels), np.array(splits), tuple(class_names))
    _check_splits(listing)
    return listing


def pictures_in(folder: Path) -> Iterator[str]:
    """Yield the path of each picture below a folder, however deep, relative to it."""
    return _pictures(folder, "", Counter())


def _folders(path: Path) -> Iterator[str]:
    """Yield the names of the folders in a folder, links to folders too."""
    with os.scandir(path) as entries:
        yield from (it.name for it in entries if it.is_dir() and not it.name.startswith("."))


def _has_splits(root: Path, split_of_top: dict[str, int]) -> bool:
    """Return whether the folders of a root, with the number of each one's split or -1, are splits.

    Raises:
        ValueError: If some are, and others are not.
    """
    splits = set(split_of_top.values()) - {-1}
    others = [top for top, split in split_of_top.items() if split < 0]
    if others and 0 in splits and len(splits) > 1:
        raise ValueError(
            f"`dataset` must be a folder with a folder for each class, or for each split, got "
            f"{root} with splits and {some_of(others)} beside them: move these away."
        )
    return 0 in splits and not others


def _pictures(root: Path, top: str, unknown: Counter[str]) -> Iterator[str]:
    """Yield the path of each picture below a folder of `root`, in a fixed order.

    Args:
        root: The folder.
        top: The folder in it.
        unknown: Counts the files that are passed over by their ending.
    """
    known = SLIDE_ENDINGS | endings()
    seen = set()
    for folder, inner, files in os.walk(root / top, followlinks=True):
        real = os.path.realpath(folder)
        # A link may lead back up; a folder that was seen is not walked again.
        inner[:] = sorted(name for name in inner if not name.startswith(".")) * (real not in seen)
        if real in seen:
            continue
        seen.add(real)
        for name in sorted(it for it in files if not it.startswith(".")):
            ending = os.path.splitext(name)[1].lower()
            if ending not in known:
                unknown[ending] += 1
            else:
                yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def _split_of(path: str, split: int, present: set[int]) -> int:
    """Return the split of a picture that lies in the folder of another one, or in none."""
    if split != 0 or len(present) == len(SPLITS):
        return split
    # The same on all systems: some take names apart into letters and accents.
    name = unicodedata.normalize("NFC", path).encode(errors="surrogateescape")
    digest = hashlib.sha256(name).digest()
    share = int.from_bytes(digest[:8], "big") / 2.0**64
    drawn = int(np.searchsorted(_ENDS, share, side="right"))
    return 0 if drawn in present else drawn


def _check_classes(root: Path, tops: list[str], class_names: list[str], passed_over: str) -> None:
    if len(class_names) < 2:
        others = f", and no pictures known here: {passed_over}" if passed_over else ""
        raise ValueError(
            "`dataset` must be a folder with a folder of pictures for each of at least 2 classes, "
            f"got {root} with folders {shown(tops)} and pictures of {shown(class_names)}{others}."
        )


def _check_splits(listing: Listing) -> None:
    """Refuse a folder of which a split has no pictures, or whose training split lacks a class."""
    for number, split in enumerate(SPLITS):
        if not (listing.splits == number).any():
            raise ValueError(
                f"`dataset` {listing.root} has {len(listing.paths)} pictures, none of them for "
                f"{split!r}: add pictures, or sort them into folders train, validation and test."
            )
    trained = set(listing.labels[listing.splits == 0].tolist())
    missing = [name for n, name in enumerate(listing.class_names) if n not in trained]
    if missing:
        raise ValueError(
            f"`dataset` {listing.root} has no pictures of {shown(missing)} to train on: add "
            "pictures, or sort them into folders train, validation and test."
        )
