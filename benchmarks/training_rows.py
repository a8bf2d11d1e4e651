"""Rows of the learner: images per second, and how much of the machine that is."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from agents import RAM, make_vec_env
from agents.model.config import PRESETS
from agents.model.networks import RAMNetworks, forward_multiply_adds
from agents.runs.run import measure_speed
from agents.runs.team import leave_signals_to_leader, local_team
from benchmarks.timing import Settings, rates
from ram_env import TASKS

MATRIX_SIDE = 1024
PRODUCTS = 4  # matrix products between two looks at the clock


@dataclass(frozen=True)
class Plan:
    """One kind of training, measured some times; it is sent to every process of the team."""

    env_id: str
    env_kwargs: dict[str, Any]
    preset: str
    precision: str
    batch_size: int
    processes: int
    device: str
    repeats: int
    seconds: float

    @property
    def num_glimpses(self) -> int:
        """Of an episode."""
        number: int = self.env_kwargs.get("num_glimpses", TASKS[self.env_id]["num_glimpses"])
        return number

    def make_model(self) -> RAM:
        """Make a model that has not learned yet; each process plays its share of the batch."""
        num_envs = self.batch_size // self.processes
        env = make_vec_env(self.env_id, num_envs, **self.env_kwargs)
        settings = {"batch_size": self.batch_size, "precision": self.precision}
        return RAM("RAMPolicy", env, self.preset, seed=0, device=self.device, **settings)


def training(
    settings: Settings,
    env_id: str,
    preset: str,
    precision: str,
    batch_size: int | None = None,
    processes: int = 1,
    device: str = "cpu",
    **env_kwargs: Any,
) -> list[float]:
    """Measure the images that a training classifies and learns from per second.

    Args:
        settings: How it is measured.
        env_id: The task.
        preset: Of the agent.
        precision: `"auto"`, `"float32"` or `"bfloat16"`.
        batch_size: Episodes per gradient step; the preset's own if None.
        processes: Processes that share each batch, one thread each.
        device: Where the networks are.
        **env_kwargs: Arguments of the env.
    """
    env_kwargs = {"dataset": settings.dataset, **env_kwargs}
    # Twice as long as other rows: an update takes a good part of a second.
    seconds = 2 * settings.seconds
    batch_size = batch_size or PRESETS[preset].batch_size
    plan = Plan(
        env_id,
        env_kwargs,
        preset,
        precision,
        batch_size,
        processes,
        device,
        settings.repeats,
        seconds,
    )
    with local_team(processes, follow, plan):
        return speeds(plan)


def speeds(plan: Plan) -> list[float]:
    """Train a fresh model for a moment, several times: images per second of the whole team."""
    torch.set_num_threads(1)
    return [
        measure_speed(plan.make_model(), plan.num_glimpses, plan.seconds)
        for _ in range(plan.repeats)
    ]


def follow(plan: Plan) -> None:
    """Do the same in the other processes of the team."""
    leave_signals_to_leader()
    speeds(plan)


def matrix_product(settings: Settings, precision: str) -> list[float]:
    """Measure the GFLOP/s of a product of two square matrices of side 1,024."""
    torch.set_num_threads(settings.cores)
    dtype = getattr(torch, precision)
    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.randn(MATRIX_SIDE, MATRIX_SIDE, generator=generator).to(dtype) for _ in range(2)
    )
    product = torch.empty_like(left)

    def multiply() -> int:
        for _ in range(PRODUCTS):
            torch.mm(left, right, out=product)
        return PRODUCTS

    operations = 2 * MATRIX_SIDE**3  # a multiplication and an addition for each of side**3 terms
    return [rate * operations / 1e9 for rate in rates(multiply, settings)]


def share_of_matrix_product(
    settings: Settings, env_id: str, preset: str, precision: str
) -> list[float]:
    """Measure the share of the machine's matrix-product rate that a training reaches, percent.

    The useful work of an image is counted from the layers alone (`training_multiply_adds`), two
    operations per multiply-add. Everything else that takes time, from scenes to the optimiser,
    counts as nothing, so 100 % is out of reach. Both rates are measured in turn, so that a clock
    that changes changes both.
    """
    shares = []
    once = dataclasses.replace(settings, repeats=1)
    data = {"dataset": settings.dataset}
    batch_size = PRESETS[preset].batch_size
    model = Plan(env_id, data, preset, precision, batch_size, 1, "cpu", 1, 0.0).make_model()
    per_glimpse = training_multiply_adds(model.policy.networks)
    operations = 2 * TASKS[env_id]["num_glimpses"] * per_glimpse
    for _ in range(settings.repeats):
        (machine,) = matrix_product(once, precision)
        (images,) = training(once, env_id, preset, precision)
        shares.append(100.0 * images * operations / (machine * 1e9))
    return shares


def training_multiply_adds(networks: RAMNetworks) -> int:
    """Return the multiply-adds of learning from one glimpse: forward and backward.

    Backward, each matrix is used twice, for the gradient of its weights and for that of its
    inputs: with the forward pass 3 * m * n. The two layers that see the observation have no use for
    the gradient of their inputs: 2 * m * n.
    """
    glimpse_network = networks.glimpse_network
    first = (glimpse_network.from_glimpse.weight, glimpse_network.from_location.weight)
    return 3 * forward_multiply_adds(networks) - sum(weight.numel() for weight in first)
