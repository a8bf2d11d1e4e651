"""Where are the files of MNIST? In a folder of the user, in the cache, or on the network."""

import functools
import tempfile
from pathlib import Path

from ram_env.data.download import download_files
from ram_env.data.folders import find_idx_files, find_idx_sets
from ram_env.data.idx import (
    IDX_FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)

# Of the decompressed bytes: copies differ in how they were compressed.
MNIST_SHA256S = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
# Where common tools put them in a folder; torchvision's is the first.
BELOW = ("MNIST/raw", "raw", "MNIST", "mnist")
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


class MnistNotFoundError(ValueError):
    """MNIST is in none of the places searched and cannot be downloaded."""


def find_mnist(data_dir: str | None, environment_dir: str | None) -> dict[str, Path]:
    """Find the files of MNIST; their content is not checked.

    They are in `data_dir`, or if that is None in `environment_dir`, or if that is None too in the
    cache folder, into which what it lacks is downloaded. A download that failed is not tried again
    in the same process.

    Args:
        data_dir: The folder that the user named as argument, or None.
        environment_dir: The folder that $RAM_ENV_DATA names, or None.

    Returns:
        The path of each of the four `IDX_FILES`.

    Raises:
        ValueError: If the named folder does not hold them; a named one is never passed over.
        MnistNotFoundError: If none is named and MNIST is nowhere; the message names the remedies.
    """
    for argument, folder in (("data_dir", data_dir), ("RAM_ENV_DATA", environment_dir)):
        if folder is not None:
            try:
                return find_idx_sets(folder, BELOW)[0]
            except ValueError as error:
                raise ValueError(
                    f"`{argument}` must be a folder with the files of MNIST, or unset, but {error}."
                    " Correct it; an .npz file is given as `dataset`."
                ) from error
    cache = cache_folder()
    failure = _complete_once(cache)
    if failure is not None:
        raise MnistNotFoundError(
            f"MNIST was not found, and the download failed ({failure}). To get it, pass its folder "
            "as `data_dir`, or set the environment variable RAM_ENV_DATA to its folder, or connect "
            f"to the network once, which saves it in {cache}: a folder that must be writable."
        )
    return find_idx_sets(str(cache), ())[0]


def cache_folder() -> Path:
    """Return where the user's copy of MNIST is kept, by the custom of the operating system."""
    from platformdirs import user_cache_path  # few need it

    try:
        base = user_cache_path("ram_env", appauthor=False, opinion=False)
    except RuntimeError:  # users in containers may have no home
        base = Path(tempfile.gettempdir(), ".cache", "ram_env")
    return base / "mnist"


@functools.cache
def _complete_once(folder: Path) -> str | None:
    """Download what the cache folder lacks; return why that failed, or None."""
    try:
        held = find_idx_files(folder) if folder.exists() else {}
        missing = {f"{name}.gz": MNIST_SHA256S[name] for name in IDX_FILES if name not in held}
        if missing:
            download_files(missing, MIRRORS, folder)
    except OSError as error:
        return str(error)
    return None
