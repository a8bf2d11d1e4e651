"""The four files of a data set are found however common tools spell, pack and place them."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from idx_files import write_idx_set

from ram_env.data.folders import find_idx_files, find_idx_sets
from ram_env.data.idx import IDX_FILES
from ram_env.data.mnist import BELOW


def rename(folder: Path, new_name: Callable[[str], str]) -> None:
    """Give each file in a folder another name, which may lie in a folder of its own."""
    for path in list(folder.iterdir()):
        target = folder / new_name(path.name)
        path.rename(folder / "moved")
        target.parent.mkdir(exist_ok=True)
        (folder / "moved").rename(target)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    "new_name",
    [
        lambda name: name,
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.upper(),
        lambda name: f"{name}/{name}",
        lambda name: f"{name.removesuffix('.gz')}/{name.replace('-idx', '.idx')}",
    ],
    ids=["as MNIST's", "with a dot", "in capitals", "each in a folder", "both"],
)
def test_find_idx_files_knows_the_usual_spellings(
    tmp_path: Path, new_name: Callable[[str], str], compress: bool
) -> None:
    """Each of the four is found, and is the right one."""
    folder = write_idx_set(tmp_path / "set", compress)
    sizes = {path.name.removesuffix(".gz"): path.stat().st_size for path in folder.iterdir()}
    rename(folder, new_name)
    found = find_idx_files(folder)
    assert {name: path.stat().st_size for name, path in found.items()} == sizes


def test_find_idx_files_prefers_plain_files(tmp_path: Path) -> None:
    """Others are ignored; a plain file comes before a compressed one, both before a folder's."""
    labels = "t10k-labels-idx1-ubyte"
    (tmp_path / "T10K-labels-idx1-ubyte").mkdir()
    for name in (f"T10K-labels-idx1-ubyte/{labels}", f"{labels}.gz", "README.md"):
        (tmp_path / name).touch()
    assert find_idx_files(tmp_path) == {labels: tmp_path / f"{labels}.gz"}
    (tmp_path / labels).touch()
    assert find_idx_files(tmp_path) == {labels: tmp_path / labels}


@pytest.mark.parametrize("below", ["", "MNIST/raw", "raw", "MNIST"])
def test_find_idx_sets_looks_below(tmp_path: Path, below: str) -> None:
    """Where torchvision and others put the files, through a link as well."""
    write_idx_set(tmp_path / "root" / below)
    (tmp_path / "link").symlink_to(tmp_path / "root")
    for root in (tmp_path / "root", tmp_path / "link"):
        (found,) = find_idx_sets(str(root), BELOW)
        assert set(found) == set(IDX_FILES)
        assert {path.parent for path in found.values()} == {root / below}


def test_find_idx_sets_finds_all_below_if_none_is_above(tmp_path: Path) -> None:
    """The folder's own set is enough; part of one does not hide a whole one."""
    for below in ("b/raw", "a"):
        write_idx_set(tmp_path / below)
    (tmp_path / "train-images-idx3-ubyte.gz").touch()
    found = find_idx_sets(str(tmp_path), ("*", "*/raw"))
    assert [files[IDX_FILES[0]].parent for files in found] == [tmp_path / "a", tmp_path / "b/raw"]
    shutil.copytree(tmp_path / "a", tmp_path, dirs_exist_ok=True)
    (own,) = find_idx_sets(str(tmp_path), ("*", "*/raw"))
    assert own[IDX_FILES[0]].parent == tmp_path


def test_find_idx_sets_says_what_lacks_and_what_lies_there(tmp_path: Path) -> None:
    """A part of a set, other things, many other things, and nothing."""
    folder = write_idx_set(tmp_path / "set")
    for path in folder.glob("t10k*"):
        path.unlink()
    lack = r"set' lacks t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte \(plain or with .gz\): "
    with pytest.raises(ValueError, match=f"{lack}it holds 'train-images-.*', 'train-labels-"):
        find_idx_sets(str(folder), BELOW)
    with pytest.raises(ValueError, match=r"lacks train-images.*: it holds 'set'$"):
        find_idx_sets(str(tmp_path), ())
    photos = tmp_path / "photos"
    photos.mkdir()
    with pytest.raises(ValueError, match=r"it holds nothing$"):
        find_idx_sets(str(photos), BELOW)
    for number in range(30):
        (photos / f"{number:02}.png").touch()
    with pytest.raises(ValueError, match=r"it holds '00.png', .*'04.png' and 25 more$"):
        find_idx_sets(str(photos), BELOW)


def test_find_idx_sets_names_a_folder_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typo, a file, and a folder without the right to read are errors that name it."""
    (tmp_path / "file").touch()
    for name, reason in (("typo", "No such file"), ("file", "Not a directory"), ("\0", "null")):
        with pytest.raises(ValueError, match=rf"cannot be read \(.*{reason}"):
            find_idx_sets(str(tmp_path / name), BELOW)
    write_idx_set(tmp_path / "MNIST")
    (tmp_path / "raw").mkdir()
    list_folder = Path.iterdir

    def refuse(folder: Path) -> object:
        if folder.name == closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return list_folder(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)  # root may list folders of any mode
    closed = tmp_path.name
    with pytest.raises(ValueError, match=r"cannot be read \(Permission denied"):
        find_idx_sets(str(tmp_path), BELOW)
    closed = "raw"  # one below that nobody has named
    assert re.search("MNIST", str(find_idx_sets(str(tmp_path), BELOW)[0]))
