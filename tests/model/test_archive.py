"""Archives of JSON and tensors, and files that are never half written."""

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from safetensors.torch import save as save_tensors
from stable_baselines3.common.save_util import save_to_zip_file
from torch import Tensor, nn

from agents.base.files import write_atomically, write_json
from agents.sb3.archive import load_archive, save_archive

HEADER = {"format": "box", "version": 3, "numbers": [1, 2.5, None], "text": "ä"}
PLAIN = {"matrix": torch.arange(6.0).reshape(2, 3)}


def tensors() -> dict[str, Tensor]:
    """Return tensors of several types and shapes."""
    return {
        "matrix": torch.arange(6.0).reshape(2, 3),
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "scalar": torch.tensor(0.1, dtype=torch.float64),
        "whole": torch.tensor([2**62], dtype=torch.int64),
        "empty": torch.zeros(0, 3),
    }


def assert_same_tensors(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Require the same names, types and bits."""
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


def test_archive_round_trip(tmp_path: Path) -> None:
    """What was saved is what is loaded."""
    save_archive(tmp_path / "a.zip", HEADER, tensors())
    header, found = load_archive(tmp_path / "a.zip", "box", 3)
    assert header == HEADER
    assert_same_tensors(found, tensors())


def test_archive_round_trip_through_a_file_object() -> None:
    """An open binary file does as well as a path."""
    file = io.BytesIO()
    save_archive(file, HEADER, tensors())
    file.seek(0)
    header, found = load_archive(file, "box", 3)
    assert header == HEADER
    assert_same_tensors(found, tensors())


@pytest.mark.parametrize("name", ["model", "model.ram", "v1.2", "a.b/model", ".hidden", "m.zip"])
@pytest.mark.parametrize("kind", [str, Path])
def test_names_are_those_of_stable_baselines3(name: str, kind: Any, tmp_path: Path) -> None:
    """The same file is written, with `.zip` where it has no suffix, and read by the same name."""
    for folder in ("ours", "theirs"):
        (tmp_path / folder / "a.b").mkdir(parents=True)
    save_archive(kind(tmp_path / "ours" / name), HEADER, tensors())
    save_to_zip_file(kind(tmp_path / "theirs" / name), data={})
    ours, theirs = (
        [path.relative_to(tmp_path / folder) for path in (tmp_path / folder).rglob("*")]
        for folder in ("ours", "theirs")
    )
    assert sorted(ours) == sorted(theirs)
    assert load_archive(kind(tmp_path / "ours" / name), "box", 3)[0] == HEADER


@pytest.mark.parametrize("name", ["v1.2", "model"])
def test_a_name_without_its_zip_is_found(name: str, tmp_path: Path) -> None:
    """As in Stable-Baselines3, with a dot in it too, and beside a folder of that name."""
    save_archive(tmp_path / f"{name}.zip", HEADER, tensors())
    (tmp_path / "model").mkdir()
    assert load_archive(tmp_path / name, "box", 3)[0] == HEADER


def test_tensors_that_need_gradients_are_saved_by_value(tmp_path: Path) -> None:
    """Parameters are saved, and come back without a graph."""
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    save_archive(tmp_path / "a.zip", HEADER, {"weight": weight})
    found = load_archive(tmp_path / "a.zip", "box", 3)[1]["weight"]
    assert not found.requires_grad
    assert found.tolist() == [1.0, 2.0]


def rewritten(content: bytes, **members: bytes | None) -> bytes:
    """Return an archive with members replaced, or left out where None."""
    names = {"header": "header.json", "tensors": "tensors.safetensors"}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        held: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    held |= {names[key]: value for key, value in members.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in held.items():
            if value is not None:
                archive.writestr(name, value)
    return file.getvalue()


def flipped(content: bytes, position: int) -> bytes:
    """Return content with one byte changed."""
    return content[:position] + bytes([content[position] ^ 255]) + content[position + 1 :]


DAMAGES: dict[str, Any] = {
    "empty": lambda content: b"",
    "text": lambda content: b"a poem\n" * 100,
    "truncated": lambda content: content[: len(content) // 2],
    "cut by one byte": lambda content: content[:-1],
    "flipped byte in tensors": lambda content: flipped(
        content, content.index(b"tensors.safetensors") + 200
    ),
    "flipped byte in header": lambda content: flipped(content, content.index(b"numbers")),
    "no header": lambda content: rewritten(content, header=None),
    "no tensors": lambda content: rewritten(content, tensors=None),
    "header is no JSON": lambda content: rewritten(content, header=b"{"),
    "header is no text": lambda content: rewritten(content, header=b"\xff\xfe\xfd"),
    "header is a list": lambda content: rewritten(content, header=b"[1]"),
    "tensors are no safetensors": lambda content: rewritten(content, tensors=b"0" * 50),
    "tensors are short": lambda content: rewritten(content, tensors=save_tensors(PLAIN)[:-4]),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_damaged_archive_is_refused(damage: str, tmp_path: Path) -> None:
    """The error names the file and what to do."""
    path = tmp_path / "a.zip"
    save_archive(path, HEADER, tensors())
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ValueError, match=r"a\.zip.*(damaged|must be a box file)"):
        load_archive(path, "box", 3)


@pytest.mark.parametrize(("format_name", "version"), [("ball", 3), ("box", 2)])
def test_other_format_or_version_is_refused(format_name: str, version: int, tmp_path: Path) -> None:
    """The error names the file, what was wanted and what it is."""
    save_archive(tmp_path / "a.zip", HEADER, tensors())
    wanted = rf"a\.zip.*must be a {format_name} file of version 1 to {version}, got box of"
    with pytest.raises(ValueError, match=wanted):
        load_archive(tmp_path / "a.zip", format_name, version)


def test_a_model_of_another_algorithm_is_called_that(tmp_path: Path) -> None:
    """It is not damaged; the error says what loads it."""
    weights = {"policy": {"weight": torch.zeros(2)}}
    save_to_zip_file(tmp_path / "ppo.zip", data={}, params=weights)
    with pytest.raises(ValueError, match=r"ppo\.zip.*another algorithm.*`PPO\.load\(path\)`"):
        load_archive(tmp_path / "ppo.zip", "box", 3)


def test_missing_archive_is_not_found(tmp_path: Path) -> None:
    """A file that is not there is a FileNotFoundError that names it."""
    with pytest.raises(FileNotFoundError, match="nothing"):
        load_archive(tmp_path / "nothing", "box", 3)


class Bomb:
    """Leaves a file behind if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["header.json", "tensors.safetensors", "data", "policy.pth"])
def test_pickle_in_an_archive_is_never_executed(name: str, tmp_path: Path) -> None:
    """Wherever a pickle is put in the zip, it is not run."""
    bomb = pickle.dumps(Bomb(tmp_path / "executed"))
    pickle.loads(bomb)  # it does go off
    (tmp_path / "executed").unlink()
    content = {"header.json": json.dumps(HEADER).encode()}
    content["tensors.safetensors"] = save_tensors(PLAIN)
    content[name] = bomb
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for member, value in content.items():
            archive.writestr(member, value)
    try:
        load_archive(tmp_path / "a.zip", "box", 3)
    except ValueError as error:
        assert "a.zip" in str(error)
    assert not (tmp_path / "executed").exists()


def test_write_atomically_replaces_a_file(tmp_path: Path) -> None:
    """The new content is there and nothing else."""
    path = tmp_path / "file"
    for text in (b"old, and longer", b"new"):
        write_atomically(path, lambda file, text=text: file.write(text))  # type: ignore[misc]
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_write_atomically_keeps_the_old_file_on_failure(
    error: BaseException, tmp_path: Path
) -> None:
    """A failure half-way leaves the old file as it was and no litter."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file: IO[bytes]) -> None:
        file.write(b"ne")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_json_is_readable_text(tmp_path: Path) -> None:
    """JSON is indented, ends with a line break and reads back the same."""
    write_json(tmp_path / "a.json", {"a": [1, None], "b": "c"})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"a": [1, None], "b": "c"}
    assert text.endswith("}\n") and "\n  " in text
