"""Nothing is built from a model file before it is what its own header says; whatever is in it."""

import io
import json
import math
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import torch
from model_files import FILE, HEADER, MEMBERS, TENSORS, zipped
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from agents import RAM

Header = dict[str, Any]
Tensors = dict[str, Tensor]


def rewritten(change: Callable[[Header, Tensors], object]) -> bytes:
    """Return the file with header and tensors changed."""
    header, tensors = json.loads(MEMBERS[HEADER]), load_tensors(MEMBERS[TENSORS])
    change(header, tensors)
    return zipped({HEADER: json.dumps(header).encode(), TENSORS: save_tensors(tensors)})


def load(content: bytes) -> RAM:
    """Load a model from bytes."""
    return RAM.load(io.BytesIO(content), device="cpu")


def test_a_file_rewritten_as_it_was_is_loaded() -> None:
    """The changes of this file, not the rewriting, are what is refused."""
    model, other = load(FILE), load(rewritten(lambda header, tensors: None))
    for name, value in model.policy.state_dict().items():
        assert torch.equal(value, other.policy.state_dict()[name])


def glimpse(header: Header) -> dict[str, Any]:
    """Return what a header says of the space of glimpses."""
    described: dict[str, Any] = header["observation_space"]["spaces"]["glimpse"]
    return described


BIAS = "policy.networks.action_network.logits.bias"
CHANGES: dict[str, tuple[Callable[[Header, Tensors], object], str]] = {
    "a weight is NaN": (lambda h, t: t[BIAS].fill_(float("nan")), "bias is not finite"),
    "a moment is infinite": (
        lambda h, t: t["optimizer.0.exp_avg"].fill_(float("inf")),
        "exp_avg is not finite",
    ),
    "a weight is missing": (lambda h, t: t.pop(BIAS), "bias is missing"),
    "a tensor too many": (lambda h, t: t.update(evil=torch.zeros(1)), "evil belongs to no"),
    "a shape is wrong": (lambda h, t: t.update({BIAS: torch.zeros(11)}), r"\(10,\), got .*\(11,\)"),
    "a type is wrong": (lambda h, t: t.update({BIAS: torch.zeros(10).double()}), "float64"),
    "large beyond the header": (lambda h, t: t.update(x=torch.zeros(2**20)), "x belongs to no"),
    "a header of megabytes": (lambda h, t: h.update(x="x" * 2**21), "bytes, more than"),
    "a config of terabytes": (lambda h, t: h["config"].update(hidden_size=10**6), "must be"),
    "a config beyond numbers": (lambda h, t: h["config"].update(hidden_size=10**30), "at most"),
    "no config": (lambda h, t: h.pop("config"), "config"),
    "an unknown setting": (lambda h, t: h["config"].update(colour="red"), "colour"),
    "a setting of another type": (lambda h, t: h["config"].update(core=1), "`core`"),
    "an impossible setting": (lambda h, t: h["config"].update(batch_size=0), "`batch_size`"),
    "a glimpse of no shape": (lambda h, t: glimpse(h).update(shape="abc"), "damaged"),
    "a glimpse of negative sides": (lambda h, t: glimpse(h).update(shape=[-1, 8, 8]), "damaged"),
    "a glimpse without a bound": (
        lambda h, t: glimpse(h).update(low=-math.inf, high=-math.inf),
        "finite bounds",
    ),
    "an action of no class": (lambda h, t: h["action_space"].update(shape=[2]), "action_space"),
    "counts that run backwards": (lambda h, t: h.update(updates=-1), "`updates`"),
    "counts that are no numbers": (lambda h, t: h.update(episodes="many"), "`episodes`"),
    "time that is no number": (lambda h, t: h.update(seconds=float("nan")), "`seconds`"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_does_not_fit_its_header_is_refused(name: str) -> None:
    """A ValueError says what is wrong."""
    change, message = CHANGES[name]
    with pytest.raises(ValueError, match=message):
        load(rewritten(change))


def test_a_compressed_file_is_refused_unread() -> None:
    """A small file that would unpack to a gigabyte is not unpacked."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(HEADER, MEMBERS[HEADER])
        with archive.open(TENSORS, "w", force_zip64=True) as member:
            for _ in range(64):
                member.write(bytes(2**20))
    with pytest.raises(ValueError, match=r"header\.json is compressed"):
        load(file.getvalue())
