"""Data-parallel training: several processes learn one model, each from its share of the batch.

They start from the same weights, and the gradient that each of them steps along is the average of
all, so their weights stay the same. Process 0 leads: it alone logs, evaluates and writes.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

HOST = "127.0.0.1"
# Long enough for process 0 to evaluate while the others wait for it.
TIMEOUT = timedelta(minutes=10)


def rank() -> int:
    """Return the number of this process, 0 if it is alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return how many processes learn together, 1 if this one is alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def agree(value: float) -> float:
    """Return process 0's value in every process."""
    if world_size() == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(shared, src=0)
    return shared.item()


def average_gradients(parameters: Iterable[nn.Parameter], stopping: bool) -> bool:
    """Replace the gradients by their average over the processes.

    Args:
        parameters: The same in every process, all with a gradient.
        stopping: Whether this process wants to stop.

    Returns:
        Whether any process wants to stop: all learn it at the same update.
    """
    if world_size() == 1:
        return stopping
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    wish = gradients[0].new_tensor([float(stopping)])
    # One message for all: its latency costs more than its bytes.
    flat = torch.cat([*(gradient.flatten() for gradient in gradients), wish])
    dist.all_reduce(flat)
    *averages, wishes = (flat / world_size()).split([*(g.numel() for g in gradients), 1])
    for gradient, average in zip(gradients, averages, strict=True):
        gradient.copy_(average.view_as(gradient))
    return wishes.item() > 0.0


@contextmanager
def local_team(size: int, follow: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Let this process lead a team on this machine for a while.

    Args:
        size: Processes, this one included; a team of 1 starts none.
        follow: What each of the others calls, a function of a module, when it has joined.
        *arguments: Its arguments.
    """
    if size == 1:
        yield
        return
    store = dist.TCPStore(  # type: ignore[attr-defined]
        HOST, 0, size, is_master=True, wait_for_workers=False, timeout=TIMEOUT
    )
    context = multiprocessing.get_context("spawn")
    followers = [
        context.Process(
            target=_follow, args=(number, size, store.port, follow, arguments), daemon=True
        )
        for number in range(1, size)
    ]
    for process in followers:
        process.start()
    dist.init_process_group("gloo", store=store, rank=0, world_size=size, timeout=TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()
        for process in followers:
            process.join(timeout=10.0)
            process.terminate()


def _follow(
    number: int, size: int, port: int, follow: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    """Join the team that process 0 leads, and do what it asks for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: process 0 decides
    store = dist.TCPStore(  # type: ignore[attr-defined]
        HOST, port, size, is_master=False, timeout=TIMEOUT
    )
    dist.init_process_group("gloo", store=store, rank=number, world_size=size, timeout=TIMEOUT)
    try:
        follow(*arguments)
    finally:
        dist.destroy_process_group()
