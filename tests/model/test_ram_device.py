"""`RAM` on a device that is not the processor: what goes over, and that nothing is left behind.

PyTorch's device `meta` holds shapes and no numbers, and like a GPU it refuses to compute with
tensors of the processor. So it shows without a GPU where each tensor is.
"""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from small_ram import EVERY_STEP, GLIMPSES, SMALL, STEPS, make_env
from torch import Tensor

from agents import RAM

ELSEWHERE = torch.device("meta")


class Copy:
    """Stands for a tensor that has come back; `numpy` needs numbers, so it makes some up."""

    def __init__(self, of: Tensor) -> None:
        assert of.device == ELSEWHERE
        self._shape = of.shape
        self._dtype = np.float32 if of.is_floating_point() else np.int64

    def numpy(self) -> np.ndarray:
        """Return numbers that are in every action space."""
        return np.zeros(self._shape, self._dtype)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Let numbers of the device be made up where they are asked for; count who asks, and sends."""
    counts: Counter[str] = Counter()
    move = Tensor.to

    def fetch(tensor: Tensor) -> Copy:
        counts["actions back"] += 1
        return Copy(tensor)

    def read(tensor: Tensor) -> float:
        assert tensor.device == ELSEWHERE
        return 0.0

    def send(make: Callable[..., Tensor], value: Any, device: Any = None) -> Tensor:
        counts["there"] += device == ELSEWHERE
        return make(value, device=device)

    def to(tensor: Tensor, *arguments: Any, **settings: Any) -> Tensor:
        counts["there"] += tensor.device != ELSEWHERE and ELSEWHERE in arguments
        return move(tensor, *arguments, **settings)

    monkeypatch.setattr(Tensor, "cpu", fetch)
    monkeypatch.setattr(Tensor, "item", read)
    monkeypatch.setattr(Tensor, "to", to)
    for name in ("tensor", "as_tensor"):
        monkeypatch.setattr(torch, name, functools.partial(send, getattr(torch, name)))
    monkeypatch.setattr(torch, "isfinite", lambda tensor: read(tensor) == 0.0)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    return counts


@pytest.mark.parametrize("action_format", ["box", "multidiscrete"])
@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "default"},
        {"preset": "paper"},
        {"preset": "pure"},
        {"core": "lstm"},
        {"gaze": "random"},
    ],
    ids=str,
)
def test_whole_updates_are_computed_on_the_device(
    settings: dict[str, Any], action_format: str, copies: Counter[str]
) -> None:
    """Nothing of two updates mixes devices, and all weights get their gradient there."""
    reward = EVERY_STEP if settings.get("preset") == "pure" else {}
    env = make_env(action_format=action_format, **reward)
    model = RAM("RAMPolicy", env, seed=0, device=ELSEWHERE, **(SMALL | settings))
    model.learn(2 * STEPS, log_interval=1)
    assert model._n_updates == 2
    for name, value in model.policy.named_parameters():
        assert value.device == ELSEWHERE
        assert value.grad is not None and value.grad.device == ELSEWHERE, name
    assert copies["actions back"] == 2 * GLIMPSES


def test_transfers_are_few(copies: Counter[str]) -> None:
    """Glimpse, location and noise go over at each step, labels and rewards once an episode."""
    model = RAM("RAMPolicy", make_env(), seed=0, device=ELSEWHERE, **SMALL)
    copies.clear()
    model.learn(STEPS, log_interval=2)
    assert copies == {"actions back": GLIMPSES, "there": 3 * GLIMPSES + 2}
