"""What an env is checked for before it is made is what it then takes, and no part changes it."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import bounded
from gymnasium.vector import AutoresetMode
from helpers import assert_same_rollout
from vector_games import make_native

from ram_env.wrappers.vector import GlimpseHistory, SeenCanvas

# What is made on the way, a part at a time, and what does not grow with the envs.
SLACK = 3 * 2**20
CENTERED = "GlimpseMNIST-v0"
Wrap = Callable[[Any], Any]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return the highest number of bytes that each check has counted, as they come."""
    highest: dict[str, int] = {}
    for module in ("games.game", "wrappers.memory"):

        def note(num_bytes: int, what: str, module: str = module) -> None:
            highest[module] = max(num_bytes, highest.get(module, 0))

        monkeypatch.setattr(f"ram_env.{module}.check_bytes", note)
    return highest


@pytest.mark.parametrize("wrap", [None, GlimpseHistory, SeenCanvas])
@pytest.mark.parametrize(
    ("num_envs", "task_id", "changes"),
    [
        (2048, CENTERED, {"distortion": 0.2, "elastic_distortion": 0.2}),
        (512, CENTERED, {"num_distractors": 500}),
        (256, "GlimpseClutteredMNIST100-v0", {}),
        (32, CENTERED, {"canvas_size": 300, "num_scales": 6, "patch_size": 16}),
        (32, CENTERED, {"canvas_size": 300, "num_scales": 6, "patch_size": 15}),
        (32, CENTERED, {"canvas_size": 200, "patch_size": 150}),
        (512, CENTERED, {"num_glimpses": 200, "patch_size": 2}),
        (128, CENTERED, {"canvas_size": 600, "num_scales": 8, "num_distractors": 8}),
        (64, CENTERED, {"canvas_size": 200, "num_scales": 5, "num_distractors": 60}),
    ],
    ids=str,
)
def test_the_check_counts_what_is_taken(
    num_envs: int, task_id: str, changes: dict[str, Any], wrap: Wrap | None, counted: dict[str, int]
) -> None:
    """Making, resetting and stepping take no more bytes than were counted."""
    make_native(1, dataset="digits")  # the images are shared, and not counted
    tracemalloc.start()
    try:
        envs: Any = make_native(num_envs, AutoresetMode.SAME_STEP, task_id, **changes)
        envs = envs if wrap is None else wrap(envs)
        result: Any = envs.reset(seed=0)
        actions = np.zeros((num_envs, 12), np.float32)
        for _ in range(min(envs.unwrapped.task.num_glimpses, 10)):
            result = envs.step(actions)  # the one before is still held, as agents do
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(result) == 5
    assert peak <= sum(counted.values()) + SLACK


@pytest.mark.parametrize("wrap", [None, GlimpseHistory, SeenCanvas])
@pytest.mark.parametrize("part_bytes", [1, 9000, 30000])
@pytest.mark.parametrize("patch_size", [7, 8])
def test_parts_change_nothing(
    patch_size: int, part_bytes: int, wrap: Wrap | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit the same, at once or in parts of some envs, or of one."""
    arguments: dict[str, Any] = {"patch_size": patch_size, "distortion": 0.2}
    whole: Any = make_native(7, **arguments)
    parts: Any = make_native(7, **arguments)

    def in_parts(method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            with monkeypatch.context() as context:
                context.setattr("ram_env.geometry._PART_BYTES", part_bytes)
                return method(*args, **kwargs)

        return call

    one, other = (each if wrap is None else wrap(each) for each in (whole, parts))
    monkeypatch.setattr(other, "reset", in_parts(other.reset))
    monkeypatch.setattr(other, "step", in_parts(other.step))
    assert_same_rollout(one, other, seed=3, num_episodes=2)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_a_process_with_less_memory_than_the_machine_is_told() -> None:
    """What passes the check of the machine, and is refused to the process, is a ValueError."""
    with bounded(), pytest.raises(ValueError, match=r"`num_glimpses` .*this process may use"):
        make_native(1, num_glimpses=2**27)  # a gigabyte of locations
