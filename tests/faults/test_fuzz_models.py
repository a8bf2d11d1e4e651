"""Model and checkpoint files with any damage are loaded as whole models or refused."""

import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzzing import LIES, Bulk, damaged, json_values, refusals
from hypothesis import given
from hypothesis import strategies as st
from model_files import FILE, HEADER, MEMBERS, TENSORS, zipped
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from agents import RAM
from agents.base.errors import DivergenceError
from agents.runs.checkpoints import CHECKPOINT, PREVIOUS, load_checkpoint
from agents.sb3.spaces import describe_box


def paths_in(value: Any) -> list[list[Any]]:
    """Return where all values of nested dicts and lists are."""
    parts: Any = value.items() if isinstance(value, dict) else enumerate(value)
    nested = [
        [key, *path]
        for key, part in parts
        for path in ([[], *paths_in(part)] if isinstance(part, dict | list) else [[]])
    ]
    return nested


@st.composite
def headers(draw: st.DrawFn, content: Bulk) -> bytes:
    """Draw JSON with some values replaced by others of any kind, or left out."""
    header = json.loads(content)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(paths_in(header)))
        part = header
        for key in path:
            part = part[key]
        if draw(st.booleans()):
            part[last] = draw(json_values)
        elif isinstance(part, dict):
            del part[last]
    return json.dumps(header).encode()


@st.composite
def tensors(draw: st.DrawFn) -> bytes:
    """Draw the tensors with a damaged table of contents in front of them, or other damage."""
    length = int.from_bytes(MEMBERS[TENSORS][:8], "little")
    table, numbers = MEMBERS[TENSORS][8 : 8 + length], MEMBERS[TENSORS][8 + length :]
    if draw(st.booleans()):
        return draw(damaged(MEMBERS[TENSORS]))
    table = draw(headers(Bulk(table)))
    size = len(table).to_bytes(8, "little")
    return draw(st.sampled_from([size, size, size, *LIES])) + table + numbers


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Draw damaged files: as a whole, in the header, or in the tensors."""
    match draw(st.sampled_from(["file", "header", "tensors"])):
        case "header":
            return Bulk(zipped(MEMBERS | {HEADER: draw(headers(Bulk(MEMBERS[HEADER])))}))
        case "tensors":
            return Bulk(zipped(MEMBERS | {TENSORS: draw(tensors())}))
    return draw(damaged(FILE))


def assert_works(model: RAM) -> None:
    """Require that a model is whole: its weights are numbers, it answers, and it can be saved.

    Only where numbers are so large that their products may be none, it may say so instead.
    """
    for value in model.policy.state_dict().values():
        assert torch.isfinite(value).all()
    observation = model.observation_space.sample()
    try:
        action, _ = model.predict(observation, deterministic=True)
        assert model.action_space.contains(action)
    except DivergenceError:
        weights = [value.abs().max().item() for value in model.policy.state_dict().values()]
        config = model.config
        assert max(*weights, abs(config.glimpse_shift), 1.0 / config.glimpse_scale) > 1e3
    model.save(io.BytesIO())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that all examples write to."""
    return tmp_path_factory.mktemp("fuzz")


@given(content=files())
def test_damaged_models(folder: Path, content: bytes) -> None:
    """From a path and from an open file: a model that works, or a ValueError."""
    path = folder / "model.zip"
    path.write_bytes(content)
    for source in (path, io.BytesIO(content)):
        with refusals():
            assert_works(RAM.load(source, device="cpu"))


@given(content=files())
def test_damaged_checkpoint_never_costs_the_one_before(folder: Path, content: bytes) -> None:
    """With a whole checkpoint before it, a damaged one ends no run, and both stay as they are."""
    (folder / CHECKPOINT).write_bytes(content)
    (folder / PREVIOUS).write_bytes(FILE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = load_checkpoint(folder, None, "cpu")
    assert model is not None
    assert_works(model)
    assert (folder / CHECKPOINT).read_bytes() == content
    assert sorted(os.listdir(folder)) in (
        [CHECKPOINT, PREVIOUS],
        sorted([CHECKPOINT, PREVIOUS, "model.zip"]),
    )


# What fuzzing found, and what it would find too seldom.


def with_header(**changes: Any) -> bytes:
    """Return the model with changes of its header."""
    return zipped(MEMBERS | {HEADER: json.dumps(json.loads(MEMBERS[HEADER]) | changes).encode()})


def glimpses(*sides: int) -> dict[str, Any]:
    """Return a header's part that says that glimpses have these sides."""
    spaces = json.loads(MEMBERS[HEADER])["observation_space"]
    spaces["spaces"]["glimpse"]["shape"] = list(sides)
    return {"observation_space": spaces}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (glimpses(1, 60_000, 60_000), "damaged"),
        (glimpses(1, 2**62, 2**62), "damaged"),
        (glimpses(1, 2, 4), "`glimpse`"),
        ({"action_space": describe_box(-1.0, 1.0, [2**33])}, "damaged"),
        ({"action_space": {"type": "multidiscrete", "nvec": [7, 7, 2**40]}}, "damaged"),
        ({"action_space": {"type": "cube", "size": 12}}, "`action_space`"),
    ],
)
def test_spaces_beyond_the_weights_are_never_made(changes: dict[str, Any], message: str) -> None:
    """A header of a few bytes does not make a space of gigabytes."""
    with refusals(), pytest.raises(ValueError, match=message):
        RAM.load(io.BytesIO(with_header(**changes)), device="cpu")


@pytest.mark.parametrize("config", [[], None, "gru", 0])
def test_settings_of_another_kind_are_refused(config: Any) -> None:
    """Settings that are no object of JSON, be they empty, are damage."""
    with refusals(), pytest.raises(ValueError, match=r"damaged.*its settings are no settings"):
        RAM.load(io.BytesIO(with_header(config=config)), device="cpu")


def test_sizes_beyond_the_file_are_not_asked_of_the_system(tmp_path: Path) -> None:
    """A member that claims four gigabytes is refused, not allocated, from the disk as well."""
    content = bytearray(FILE)
    place = content.rindex(b"PK\x01\x02")  # the list's entry of the tensors, the last member
    content[place + 20 : place + 28] = (2**32 - 2).to_bytes(4, "little") * 2
    (tmp_path / "model.zip").write_bytes(content)
    with refusals(), pytest.raises(ValueError, match=r"4,294,967,294 bytes, more than"):
        RAM.load(tmp_path / "model.zip", device="cpu")


def test_offsets_before_the_file_are_damage(tmp_path: Path) -> None:
    """What makes the system itself complain is a ValueError that names the file."""
    content = bytearray(FILE)
    place = content.rindex(b"PK\x05\x06") + 16  # where the list begins
    content[place : place + 4] = (2**31).to_bytes(4, "little")
    (tmp_path / "model.zip").write_bytes(content)
    with refusals(), pytest.raises(ValueError, match=r"model.zip` is damaged"):
        RAM.load(tmp_path / "model.zip", device="cpu")


def test_a_message_does_not_quote_half_the_file() -> None:
    """A member's name that swallows its content is damage, told in a line."""
    content = bytearray(FILE)
    content[26:28] = (2_000).to_bytes(2, "little")  # length of the first member's name
    with refusals(), pytest.raises(ValueError, match="is damaged") as caught:
        RAM.load(io.BytesIO(content), device="cpu")
    assert "header" in str(caught.value) and len(str(caught.value)) < 1_000


def test_half_an_optimiser_is_refused() -> None:
    """Moments without their count of steps would fail at the first update."""
    whole = load_tensors(MEMBERS[TENSORS])
    names = [name for name in whole if name.startswith("optimizer.0.")]
    assert len(names) == 3
    for name in names:
        rest = {key: value for key, value in whole.items() if key != name}
        content = zipped(MEMBERS | {TENSORS: save_tensors(rest)})
        with pytest.raises(ValueError, match=r"is damaged, or .*: optimizer\.0 holds"):
            RAM.load(io.BytesIO(content), device="cpu")


def test_a_moment_of_another_shape_is_refused() -> None:
    """One number for all of a weight is no moment of it, nor a moment a count of steps."""
    whole = load_tensors(MEMBERS[TENSORS])
    moment = whole["optimizer.0.exp_avg_sq"]
    changed = {"exp_avg_sq": torch.tensor(0.5), "step": torch.ones_like(moment)}
    for name, value in changed.items():
        content = zipped(MEMBERS | {TENSORS: save_tensors(whole | {f"optimizer.0.{name}": value})})
        with pytest.raises(ValueError, match=r"is damaged, or .*: optimizer\.0 holds"):
            RAM.load(io.BytesIO(content), device="cpu")
