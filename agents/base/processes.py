"""How do several processes learn one model, each from its share of the batch?

They start from the same weights, and the gradient that each of them steps along is the average of
all, so their weights stay the same. Process 0 leads: it alone logs, evaluates and writes.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import nn

from agents.base.errors import TeamError

# Long enough for process 0 to evaluate while the others wait for it.
TIMEOUT = timedelta(minutes=10)
GONE = "another process of this training has ended, by itself or because it was killed."


class Launch(NamedTuple):
    """What `torchrun` tells a process that it has started."""

    rank: int  # of this process
    size: int  # how many it has started in all
    local_rank: int  # of this process among those on this machine
    local_size: int  # how many those are


def launched() -> Launch | None:
    """Return what `torchrun` tells this process, None if it has not started it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    return Launch(*(int(os.environ[name]) for name in names))


def rank() -> int:
    """Return the number of this process, 0 if it is alone; `torchrun` tells before it is joined."""
    if dist.is_initialized():
        return dist.get_rank()
    launch = launched()
    return 0 if launch is None else launch.rank


def world_size() -> int:
    """Return how many processes learn together, 1 if this one is alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def agree(value: float) -> float:
    """Return process 0's value in every process."""
    if world_size() == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64, device=_message_device())
    with talking():
        dist.broadcast(shared, src=0)
    return shared.item()


def average(values: torch.Tensor) -> torch.Tensor:
    """Return the average of a tensor over the processes, the same in each of them.

    Raises:
        TeamError: If another process has ended.
    """
    if world_size() == 1:
        return values
    total = values.clone()
    with talking():
        dist.all_reduce(total)
    return total / world_size()


def average_gradients(parameters: Iterable[nn.Parameter], stopping: bool) -> bool:
    """Replace the gradients by their average over the processes.

    Args:
        parameters: The same in every process, all with a gradient.
        stopping: Whether this process wants to stop.

    Returns:
        Whether any process wants to stop: all learn it at the same update.

    Raises:
        TeamError: If another process has ended.
    """
    if world_size() == 1:
        return stopping
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    wish = gradients[0].new_tensor([float(stopping)])
    # One message for all: its latency costs more than its bytes.
    flat = torch.cat([*(gradient.flatten() for gradient in gradients), wish])
    with talking():
        if flat.is_cpu:  # Gloo sums faster if all are there: 3 % of an update of two processes
            dist.barrier()
        dist.all_reduce(flat)
    *averages, wishes = (flat / world_size()).split([*(g.numel() for g in gradients), 1])
    for gradient, average in zip(gradients, averages, strict=True):
        gradient.copy_(average.view_as(gradient))
    return wishes.item() > 0.0


def all_same(description: str) -> bool:
    """Return, in every process, whether all of them describe something by the same words.

    Raises:
        TeamError: If another process has ended.
    """
    digest = hashlib.sha256(description.encode()).digest()
    mine = torch.tensor(list(digest), dtype=torch.float64, device=_message_device())
    highest, lowest = mine.clone(), mine.clone()
    with talking():
        dist.all_reduce(highest, dist.ReduceOp.MAX)
        dist.all_reduce(lowest, dist.ReduceOp.MIN)
    return torch.equal(highest, lowest)


@contextmanager
def talking() -> Iterator[None]:
    """Say what it means if there is nobody to talk to."""
    try:
        yield
    except RuntimeError as error:
        raise TeamError(GONE) from error


def _message_device() -> torch.device:
    """Return where the tensors of messages must be."""
    on_gpu = dist.is_initialized() and dist.get_backend() == "nccl"
    return torch.device("cuda" if on_gpu else "cpu")
