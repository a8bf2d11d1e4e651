"""Which processes learn one model together, and how are they started, joined and ended?"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import current_process
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

from agents.base.errors import DivergenceError, TeamError
from agents.base.processes import TIMEOUT, Launch, launched, talking

HOST = "127.0.0.1"
READY = "ready"  # key of the store: how many processes are about to join
SIGNALS = (signal.SIGINT, signal.SIGTERM)
NO_GUARD = (
    "A script that starts a training runs again in each process of it: let it do so below "
    "`if __name__ == '__main__':`, or with `processes` 1."
)


def join_launched_team(launch: Launch, device: torch.device) -> None:
    """Be one of the processes that `torchrun` has started, maybe on several machines.

    GPUs talk through NCCL, all else through Gloo. Raises TeamError if the others do not come.
    """
    if device.type == "cpu":
        take_share_of_cores(launch.local_rank, launch.local_size)
    elif device.type == "cuda":
        torch.cuda.set_device(device)  # NCCL refuses two processes that talk from one GPU
    with talking():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)


class Team(NamedTuple):
    """How processes, threads and devices are dealt out."""

    processes: int  # in all, on all machines
    threads: int  # per process
    device: str  # of this process


def plan_team(processes: int | None, threads: int | None, device: str, num_envs: int) -> Team:
    """Decide how processes, threads and devices are dealt out.

    Args:
        processes: As many as asked for; None: 4, 2 or 1 as the cores allow. With a GPU 2 or 1: it
            computes for one process while the other plays, and more would crowd it.
        threads: Per process, as many as asked for; None: the cores of this machine shared out.
        device: As asked for; of the GPUs of a machine, each process of `torchrun` gets its own.
        num_envs: To be divided among the processes.

    Raises:
        ValueError: If `torchrun` has started another number of processes than is asked for, or
            none can be started.
    """
    cores = count_cores()
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    launch = launched()
    if launch is None:
        counts = (2, 1) if on_gpu else (4, 2, 1)
        fitting = (count for count in counts if count <= cores and num_envs % count == 0)
        size = processes or (next(fitting) if can_start_processes() else 1)
        if size > 1 and not can_start_processes():
            raise ValueError(
                "`processes` must be 1 in a daemon process, and in a program that is read from "
                f"standard input: others cannot be started from there, got {size}."
            )
        return Team(size, threads or max(1, cores // size), device)
    if processes not in (None, launch.size):
        raise ValueError(
            f"`processes` is for torchrun to say, which started {launch.size}, got {processes}."
        )
    if on_gpu and ":" not in device:
        device = f"cuda:{launch.local_rank}"
    return Team(launch.size, threads or max(1, cores // launch.local_size), device)


def count_cores() -> int:
    """Return how many cores this process may use, where the system tells; `taskset` says fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def can_start_processes() -> bool:
    """Return whether others can be started: by no daemon, and they read the program's file anew."""
    program = getattr(sys.modules["__main__"], "__file__", None)  # "<stdin>" of one that was piped
    return not current_process().daemon and (program is None or os.path.exists(program))


@contextmanager
def local_team(size: int, follow: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Let this process lead a team of `size` on this machine for a while; 1 starts no other.

    Each of the others calls `follow`, a function of a module, with the arguments when it has
    joined. Raises TeamError if one ends before that.
    """
    if size == 1:
        yield
        return
    store = dist.TCPStore(  # type: ignore[attr-defined]
        HOST, 0, size, is_master=True, wait_for_workers=False, timeout=TIMEOUT
    )
    followers: Sequence[BaseProcess] = ()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        handlers = take_signals(signal.SIG_IGN)  # what is started meanwhile ignores them too
        try:
            started = start_processes(
                _follow, (size, store.port, follow, arguments), size - 1, join=False, daemon=True
            )
        finally:
            give_signals_back(handlers)
        assert started is not None  # it is None of processes that were waited for
        followers = started.processes
        # Only now: a process that is started inherits the cores of the one that starts it.
        take_share_of_cores(0, size)
        _wait_for(followers, store)
        dist.init_process_group("gloo", store=store, rank=0, world_size=size, timeout=TIMEOUT)
        yield
        dist.destroy_process_group()
        for process in followers:
            process.join(timeout=10.0)
    finally:
        if dist.is_initialized():  # something went wrong: nobody is waited for
            dist.destroy_process_group()
        for process in followers:
            process.kill()
        if cores is not None:
            os.sched_setaffinity(0, cores)


def _wait_for(followers: Sequence[BaseProcess], store: Any) -> None:
    """Wait until all processes are about to join, in steps: joining itself heeds no Ctrl-C."""
    while store.add(READY, 0) < len(followers):
        if not all(process.is_alive() for process in followers):
            raise TeamError(f"a process that should help to train has ended at once. {NO_GUARD}")
        time.sleep(0.01)


def take_signals(handler: Any) -> dict[signal.Signals, Any]:
    """Handle Ctrl-C and SIGTERM; return who did before. Only the main thread can: else nobody."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in SIGNALS}


def give_signals_back(handlers: dict[signal.Signals, Any]) -> None:
    """Undo `take_signals`, given what it returned."""
    for number, handler in handlers.items():
        signal.signal(number, handler or signal.SIG_DFL)  # None: one that is not Python's


def take_share_of_cores(number: int, size: int) -> None:
    """Keep this process on cores of its own, where the system can.

    Otherwise the system now and then puts two processes on one core: they wait for each other at
    every update, so it takes them for idle. `number` counts this process among the `size` on this
    machine; if those are more than the cores, nothing is done.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        share = len(cores) // size
        if share:
            os.sched_setaffinity(0, cores[number * share : (number + 1) * share])


def leave_signals_to_leader() -> None:
    """Go on after Ctrl-C and SIGTERM, which reach all processes, until process 0 says stop."""
    take_signals(signal.SIG_IGN)


def _follow(
    index: int, size: int, port: int, follow: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    """Join the team that process 0 leads, do what it asks for, and end this process."""
    number = index + 1
    store = dist.TCPStore(  # type: ignore[attr-defined]
        HOST, port, size, is_master=False, timeout=TIMEOUT
    )
    take_share_of_cores(number, size)
    store.add(READY, 1)
    dist.init_process_group("gloo", store=store, rank=number, world_size=size, timeout=TIMEOUT)
    try:
        follow(*arguments)
    except (TeamError, DivergenceError):
        pass  # process 0 has ended, or sees the same: it says so
    finally:
        dist.destroy_process_group()
    # Not by way of Python's own end: threads of PyTorch that outlive it may abort the process.
    sys.stdout.flush()
    os._exit(0)
