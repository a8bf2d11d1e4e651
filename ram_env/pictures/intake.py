"""How are the files of a folder read once, to be looked at anywhere? Into the user's cache.

A folder of the cache holds `pixels`, all levels of all pictures, and `index.npz`, which says whose
they are. Its name is a hash of what the files are called, of their sizes, times and numbers, and of
how they are read: files that change are read anew.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ram_env.data.versions import facts_of
from ram_env.pictures.decoding import (
    is_grey,
    open_picture,
    scaled_size,
    to_pixels,
    upright_size,
)
from ram_env.pictures.folder import Listing
from ram_env.pictures.pyramids import Pyramids, level_starts, num_pixels, pyramid_of

DAMAGED = ("error", "skip")
_VERSION = 3  # of what the cache holds
_LARGE = 2**24  # pixels: of such pictures one at a time is decoded, so that memory is bounded
_NAMED = 3  # damaged files that a message names


class Reading(NamedTuple):
    """How files are read."""

    image_size: int | None = None  # pixels that the longer side is averaged down to; None: as it is
    channels: int | None = None  # 1 or 3; None: 1 if every picture is grey by its kind, else 3
    damaged: str = "error"  # or "skip", to go on without the files that cannot be read


class TakenIn(NamedTuple):
    """The pictures of a folder that could be read."""

    store: Pyramids
    places: np.ndarray  # int64 (N,): where in there each one of the listing is; -1: nowhere
    digests: np.ndarray  # str (N,): the SHA-256 of each one's file, in hexadecimal


class UnreadableError(ValueError):
    """Files that cannot be read, and are not to be skipped, or nothing would be left."""


def take_in(listing: Listing, reading: Reading, cache: Path) -> TakenIn:
    """Return the pictures of a folder, decoded now or by whoever came first.

    Args:
        listing: The folder.
        reading: How its files are read.
        cache: Where folders of pixels lie.

    Raises:
        UnreadableError: If files cannot be read.
        ValueError: If the cache cannot hold the pixels.
    """
    files = [listing.root / path for path in listing.paths]
    folder = cache / _key(files, listing.paths, reading)
    try:
        if not folder.is_dir():  # it is there whole, or not at all
            cache.mkdir(parents=True, exist_ok=True)
            from filelock import FileLock  # few need it

            with FileLock(f"{folder}.lock"):
                if not folder.is_dir():
                    _fill(folder, listing.root, files, reading)
    except OSError as error:
        raise ValueError(
            f"`data_cache` {cache} cannot hold the pixels of {listing.root} ({error}): make room "
            "or name another folder."
        ) from error
    with np.load(folder / "index.npz") as index:
        shapes, places, channels = index["shapes"], index["places"], int(index["channels"])
        digests = index["digests"]
    if num_lost := int((places < 0).sum()):
        warnings.warn(
            f"{num_lost} of {len(files)} pictures in {listing.root} cannot be read and are passed "
            "over.",
            stacklevel=4,
        )
    pixels = np.memmap(folder / "pixels", dtype=np.uint8, mode="r").reshape(-1, channels)
    return TakenIn(Pyramids(shapes, channels, pixels), places, digests)


def _key(files: list[Path], names: list[str], reading: Reading) -> str:
    """Return a name for what files hold now, read in some way."""
    facts = [_VERSION, reading, *zip(names, map(facts_of, files), strict=True)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _fill(folder: Path, root: Path, files: list[Path], reading: Reading) -> None:
    """Read files of a folder into a new one of the cache; it is there whole, or not at all.

    Raises:
        UnreadableError: If files cannot be read.
        OSError: If the cache cannot hold the pixels.
    """
    problems: dict[int, str] = {}

    def read_head(number: int) -> tuple[bool, tuple[int, int]]:
        with open_picture(files[number]) as image:
            return is_grey(image), scaled_size(upright_size(image), reading.image_size)

    heads = _in_threads(read_head, range(len(files)), problems, "looking at pictures")
    if not heads:
        _report(files, problems, reading.damaged)
    channels = reading.channels or (1 if all(grey for grey, _ in heads.values()) else 3)
    shapes = {number: shape for number, (_, shape) in heads.items()}
    all_shapes = np.array([*shapes.values()])
    num_bytes, free = num_pixels(all_shapes) * channels, shutil.disk_usage(folder.parent).free
    if num_bytes > free:
        raise OSError(f"{num_bytes:,} bytes are needed, {free:,} are free")
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    # For whoever may look into the cache, and at the pictures.
    fresh.chmod((folder.parent.stat().st_mode & root.stat().st_mode & 0o755) | 0o700)
    try:
        with open(fresh / "pixels", "wb") as pixels:
            pixels.truncate(num_bytes)
            found = _write_levels(pixels, files, shapes, channels, reading.image_size, problems)
        _report(files, problems, reading.damaged)
        digests = np.array([found.get(number, "") for number in range(len(files))])
        places = np.full(len(files), -1)
        for place, number in enumerate(shapes):
            places[number] = -1 if number in problems else place
        parts: dict[str, Any] = {"shapes": all_shapes, "places": places, "digests": digests}
        np.savez(fresh / "index.npz", **parts, channels=channels)
        os.replace(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write_levels(
    pixels: IO[bytes],
    files: list[Path],
    shapes: dict[int, tuple[int, int]],
    channels: int,
    image_size: int | None,
    problems: dict[int, str],
) -> dict[int, str]:
    """Write all levels of the files that have a shape, by number, each to its place in `pixels`.

    Returns:
        The SHA-256 of each file that could be read, in hexadecimal, by number.
    """
    first_levels = level_starts(np.array([*shapes.values()]))[:, 0]
    starts = dict(zip(shapes, (channels * first_levels).tolist(), strict=True))
    one_large, one_writer = threading.Lock(), threading.Lock()

    def take(number: int) -> str:
        with open_picture(files[number]) as image:
            is_large = image.width * image.height > _LARGE
            with one_large if is_large else contextlib.nullcontext():
                found = to_pixels(image, channels, image_size)
                if found.shape[:2] != shapes[number]:
                    raise ValueError("it is not of the size that it says")
                levels = pyramid_of(found)
        with one_writer:
            pixels.seek(starts[number])
            pixels.write(levels.data)
        with open(files[number], "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return _in_threads(take, shapes, problems, "reading pictures")


def _in_threads(
    work: Callable[[int], Any], numbers: Iterable[int], problems: dict[int, str], what: str
) -> dict[int, Any]:
    """Do some work for each number, with a progress bar; return the results where there was none.

    Args:
        work: Called with a number in one of several threads.
        numbers: The numbers.
        problems: Takes in why the work failed, by number.
        what: Is being done, for the bar.
    """
    from tqdm import tqdm  # few need it

    def try_one(number: int) -> tuple[int, Any]:
        try:
            return number, work(number)
        except (OSError, MemoryError) as error:
            if isinstance(error, OSError) and error.filename is None and error.errno is not None:
                raise  # of the cache, not of the file
            problems[number] = str(error) or type(error).__name__
        except Exception as error:  # Pillow's readers raise nearly anything at what is damaged
            problems[number] = str(error) or type(error).__name__
        return number, None

    numbers = list(numbers)
    with warnings.catch_warnings(), ThreadPoolExecutor() as threads:
        warnings.simplefilter("ignore")  # Pillow's, of metadata that nobody asks for
        done = tqdm(threads.map(try_one, numbers), what, len(numbers), disable=None, leave=False)
        return {number: result for number, result in done if number not in problems}


def _report(files: list[Path], problems: dict[int, str], damaged: str) -> None:
    """Refuse files that cannot be read, unless they are to be skipped, or nothing would be left."""
    if problems and (damaged == "error" or len(problems) == len(files)):
        first = "; ".join(f"{files[n]}: {problems[n]}" for n in sorted(problems)[:_NAMED])
        skip = ", or pass them over by damaged='skip'" if damaged == "error" else ""
        raise UnreadableError(
            f"`dataset` holds {len(problems)} of {len(files)} pictures that cannot be read ({first}"
            f"{'; ...' if len(problems) > _NAMED else ''}): mend or remove them{skip}."
        )
