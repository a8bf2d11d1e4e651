"""How good are the paper's two networks that see the whole image at once?

    python -m agents.reports.whole_image --network convolutional --env cluttered \
        --episodes 2000000 --run-dir runs/NAME

They show whether scenes are as hard as the paper's.
"""

import argparse
import dataclasses
import math
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from agents.base.commands import speak_of_options
from agents.base.errors import plain_output
from agents.base.files import (
    CONFIG,
    EVALUATION,
    is_finished,
    lock_folder,
    path_of,
    read_json,
    write_json,
)
from agents.evaluation.provenance import describe_source
from agents.evaluation.result import (
    Evaluation,
    count_confusion,
    describe_dataset,
    make_evaluation,
)
from agents.runs.options import check_env_kwargs, parse_pairs
from agents.runs.plan import check_folder
from agents.sb3.envs import make_games, task_of
from ram_env import SHORT_NAMES
from ram_env.data.datasets import SPLITS
from ram_env.games.classify import GlimpseTask
from ram_env.hashing import mix_bits
from ram_env.registration import CATCH_TASKS, MEGAPIXEL_TASKS
from ram_env.scenes.source import frozen_scenes

BATCH_SIZE = 256
LEARNING_RATE = 3e-3  # of Adam at the start; a cosine leads it to 0
EVALUATION_BATCH = 500
HIDDEN_SIZE = 256
DEFAULT_EPISODES = 2_000_000
MEASURED_BATCHES = 8  # that a budget in minutes is reckoned from
PROGRAM = "python -m agents.reports.whole_image"
NETWORKS = ("fully_connected", "convolutional", "deep_convolutional")
TASK_NAMES = [
    name for name, env_id in SHORT_NAMES.items() if env_id not in CATCH_TASKS | MEGAPIXEL_TASKS
]


def make_network(name: str, shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """Return a network for scenes in [0, 1], of shape (H, W) or (3, H, W).

    Those of the paper's tables 1 and 2 have two hidden layers of 256 units each, or 8 filters of
    10x10 pixels with stride 5 and 256 units, all rectified. For pictures there is a deeper one:
    four layers of 16 to 64 filters of 3x3 pixels with stride 2, and 256 units.
    """
    channels, sides = math.prod(shape[:-2]), shape[-2:]
    as_picture = nn.Unflatten(1, (1, sides[0])) if len(shape) == 2 else nn.Identity()
    first: list[nn.Module]
    if name == "fully_connected":
        first = [nn.Flatten(), nn.Linear(math.prod(shape), HIDDEN_SIZE)]  # (B, H, W)
        hidden_size = HIDDEN_SIZE
    elif name == "convolutional":
        first = [as_picture, nn.Conv2d(channels, 8, 10, stride=5)]
        hidden_size = 8 * math.prod((side - 10) // 5 + 1 for side in sides)
    else:
        first = [as_picture]
        for filters in (16, 32, 64, 64):
            first += [nn.Conv2d(channels, filters, 3, stride=2, padding=1), nn.ReLU()]
            channels, sides = filters, tuple((side + 1) // 2 for side in sides)
        hidden_size = channels * math.prod(sides)
    hidden = [nn.ReLU(), nn.Flatten(), nn.Linear(hidden_size, HIDDEN_SIZE)]
    return nn.Sequential(*first, *hidden, nn.ReLU(), nn.Linear(HIDDEN_SIZE, num_classes))


def multiply_adds(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Return the multiply-adds that a scene takes, biases left out."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2


def train(task: GlimpseTask, name: str, episodes: int, seed: int) -> nn.Sequential:
    """Train a network on fresh scenes by cross-entropy: so many, a multiple of `BATCH_SIZE`."""
    torch.manual_seed(seed)
    network = make_network(name, input_shape(task), task.num_classes)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    updates = episodes // BATCH_SIZE
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    mininterval = 0.5 if sys.stderr.isatty() else 10.0
    for update in tqdm(range(updates), name, unit=" batches", mininterval=mininterval):
        canvases, labels = task.draw_scenes(scene_seeds(seed, update))
        loss = functional.cross_entropy(network(as_input(canvases)), torch.as_tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network


def episodes_in(minutes: float, task: GlimpseTask, name: str) -> int:
    """Return how many episodes this machine trains a network with in so many minutes."""
    train(task, name, BATCH_SIZE, seed=0)  # the first batch is slow
    started = time.perf_counter()
    train(task, name, MEASURED_BATCHES * BATCH_SIZE, seed=0)
    batches_per_second = MEASURED_BATCHES / (time.perf_counter() - started)
    return max(1, round(60.0 * minutes * batches_per_second)) * BATCH_SIZE


def scene_seeds(seed: int, update: int) -> np.ndarray:
    """Return the scene seeds of a batch, int64 (B,): a hash of seed, update and place."""
    first = mix_bits(np.array([seed], dtype=np.uint64)) + np.uint64(update * BATCH_SIZE)
    hashes = mix_bits(first + np.arange(BATCH_SIZE, dtype=np.uint64))
    return (hashes >> np.uint64(1)).astype(np.int64)


def as_input(scenes: np.ndarray) -> Tensor:
    """Return scenes, uint8 (B, H, W) or (B, H, W, 3), as the networks take them.

    Returns:
        float32 (B, H, W) or (B, 3, H, W), in [0, 1].
    """
    pixels = torch.as_tensor(scenes).float() / 255.0
    return pixels if pixels.dim() == 3 else pixels.movedim(-1, 1)


def input_shape(task: GlimpseTask) -> tuple[int, ...]:
    """Return the shape of a scene as the networks take it."""
    scenes, _ = task.draw_scenes(np.zeros(1, dtype=np.int64))
    return tuple(as_input(scenes).shape[1:])


def evaluate(
    env_id: str, env_kwargs: dict[str, Any], task: GlimpseTask, network: nn.Module
) -> Evaluation:
    """Count the errors of a network on all frozen scenes of the task of an env."""
    answers, num_scenes = np.zeros_like(task.dataset.labels), len(task.dataset.labels)
    num_batches = math.ceil(num_scenes / EVALUATION_BATCH)
    for indices in np.array_split(np.arange(num_scenes), num_batches):
        scenes = frozen_scenes(task.split, indices)
        canvases, _ = task.draw_scenes(scenes["scene_seed"], scenes["index"])
        with torch.no_grad():
            answers[indices] = network(as_input(canvases)).argmax(1).numpy()
    dataset, labels = task.dataset.name, task.dataset.labels
    num_errors = int((answers != labels).sum())
    confusion = count_confusion(labels, answers, task.class_names)
    arguments = env_kwargs | {"dataset": dataset}
    return make_evaluation(
        env_id, arguments, dataset, task.split, num_scenes, [num_errors], confusion
    )


def run(
    env_id: str,
    env_kwargs: dict[str, Any],
    network: str,
    budget: dict[str, Any],
    seed: int,
    folder: Path,
) -> None:
    """Train and measure a network; leave config.json and evaluation.json in a folder.

    The arguments of the env name a `dataset`, and the budget is a number of `episodes` or of
    `minutes`.

    A folder with the finished run of the same arguments is left alone; one that was interrupted
    begins anew.

    Raises:
        FileExistsError: If the folder holds something else, or another process writes to it.
        PermissionError: If it cannot be made.
        ValueError: If the data set cannot be had, or an argument is impossible.
    """
    facts: dict[str, Any] = {"env_id": env_id, **env_kwargs, "network": network}
    facts |= {**budget, "seed": seed}
    source = describe_source()
    found = read_json(folder / CONFIG) if (folder / CONFIG).exists() else {}
    if {name: value for name, value in found.items() if name not in source} != facts:
        check_folder(folder)
    tasks: dict[str, Any] = {
        split: task_of(make_games(env_id, 1, AutoresetMode.DISABLED, **env_kwargs, split=split))
        for split in SPLITS
    }
    folder.mkdir(parents=True, exist_ok=True)
    with lock_folder(folder):
        if is_finished(folder):
            return
        write_json(folder / CONFIG, facts | source)
        episodes = budget.get("episodes") or episodes_in(budget["minutes"], tasks["train"], network)
        episodes = math.ceil(episodes / BATCH_SIZE) * BATCH_SIZE
        started = time.monotonic()
        trained = train(tasks["train"], network, episodes, seed)
        seconds = time.monotonic() - started
        result = evaluate(env_id, env_kwargs, tasks["test"], trained)
        learned = {
            "validation_error": evaluate(env_id, env_kwargs, tasks["validation"], trained).error,
            "episodes": episodes,
            "training_seconds": round(seconds, 1),
            "parameters": sum(value.numel() for value in trained.parameters()),
            "multiply_adds": multiply_adds(trained, input_shape(tasks["train"])),
        }
        write_json(folder / EVALUATION, dataclasses.asdict(result) | learned)


@plain_output()
def main(arguments: list[str] | None = None, prog: str = PROGRAM) -> int:
    """Run the command line; return the exit code."""
    description = "Train a network that sees the whole image."
    parser = argparse.ArgumentParser(prog=prog, description=description)
    add = parser.add_argument
    add("--network", choices=NETWORKS, required=True, help="the network to train")
    add("--env", choices=TASK_NAMES, default="cluttered", help="(default: cluttered)")
    budgets = parser.add_mutually_exclusive_group()
    scenes_help = f"scenes (default: {DEFAULT_EPISODES:,})"
    budgets.add_argument("--episodes", type=int, metavar="N", help=scenes_help)
    minutes_help = "as many scenes as this machine takes in so many minutes"
    budgets.add_argument("--minutes", type=float, metavar="X", help=minutes_help)
    add("--seed", type=int, default=0, help="seed of scenes and first weights (default: 0)")
    add("--dataset", default="mnist", help="the data set (default: mnist)")
    add("--env-kwargs", nargs="+", default=[], metavar="KEY=VALUE", help="arguments of the env")
    add("--run-dir", type=path_of, required=True, metavar="DIR", help="a new or empty folder")
    options = parser.parse_args(arguments)
    budget = {"episodes": DEFAULT_EPISODES if options.episodes is None else options.episodes}
    if options.minutes is not None:
        budget = {"minutes": options.minutes}
    if not 0 <= options.seed < 2**63 or not all(0 < size < math.inf for size in budget.values()):
        parser.error(
            "`--episodes` and `--minutes` must be above 0 and `--seed` in 0..2**63 - 1, got "
            f"{[*budget.values()]} and {options.seed}."
        )
    env_id, folder = SHORT_NAMES[options.env], options.run_dir
    try:
        env_kwargs = parse_pairs("env_kwargs", options.env_kwargs)
        if "dataset" in env_kwargs:
            raise ValueError("give `dataset` by its own option, not by `env_kwargs dataset=...`.")
        check_env_kwargs(env_kwargs)
        env_kwargs["dataset"] = options.dataset
        run(env_id, env_kwargs, options.network, budget, options.seed, folder)
    except (ValueError, OSError, gym.error.Error) as error:
        parser.error(speak_of_options(str(error), vars(options)))
    result = read_json(folder / EVALUATION)
    dataset = describe_dataset(result["dataset"])
    print(f"{result['error']:.2f} % error on {result['num_scenes']:,} test scenes of {dataset}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
