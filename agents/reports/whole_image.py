"""Yardsticks: the paper's two networks that see a whole scene at once.

    python -m agents.reports.whole_image --network convolutional --env cluttered \
        --episodes 2000000 --run-dir runs/NAME

They show whether scenes are as hard as the paper's.
"""

import argparse
import dataclasses
import math
import shlex
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from agents.evaluation.provenance import describe_source
from agents.evaluation.result import Evaluation, make_evaluation
from agents.files import CONFIG, EVALUATION, lock_folder, write_json
from agents.model.networks import forward_multiply_adds
from agents.runs.run_options import check_folder
from ram_env import SHORT_NAMES
from ram_env.games.classify import GlimpseTask
from ram_env.hashing import mix_bits
from ram_env.scenes.source import frozen_scenes

BATCH_SIZE = 256
LEARNING_RATE = 3e-3  # of Adam at the start; a cosine leads it to 0
EVALUATION_BATCH = 500
HIDDEN_SIZE = 256


class FullyConnected(nn.Sequential):
    """Classify a canvas by two hidden layers of 256 rectified units: table 1 and 2 of the paper."""

    def __init__(self, canvas_shape: tuple[int, int], num_classes: int) -> None:
        """Make the layers."""
        super().__init__(
            nn.Flatten(),  # (B, H, W) -> (B, H W)
            nn.Linear(math.prod(canvas_shape), HIDDEN_SIZE),
            nn.ReLU(),
            nn.Linear(HIDDEN_SIZE, HIDDEN_SIZE),
            nn.ReLU(),
            nn.Linear(HIDDEN_SIZE, num_classes),
        )

    def multiply_adds(self) -> int:
        """Return the multiply-adds that a canvas takes."""
        return forward_multiply_adds(self)


class Convolutional(nn.Sequential):
    """Classify a canvas by 8 filters of 10x10 pixels, stride 5, and 256 units, all rectified."""

    def __init__(self, canvas_shape: tuple[int, int], num_classes: int) -> None:
        """Make the layers."""
        self._positions = math.prod((side - 10) // 5 + 1 for side in canvas_shape)
        super().__init__(
            nn.Unflatten(1, (1, canvas_shape[0])),  # (B, H, W) -> (B, 1, H, W)
            nn.Conv2d(1, 8, kernel_size=10, stride=5),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * self._positions, HIDDEN_SIZE),
            nn.ReLU(),
            nn.Linear(HIDDEN_SIZE, num_classes),
        )

    def multiply_adds(self) -> int:
        """Return the multiply-adds that a canvas takes: each filter once per position."""
        filters = next(self.parameters())  # the first layer's weights come first
        return forward_multiply_adds(self) + self._positions * filters.numel()


NETWORKS: dict[str, type[FullyConnected | Convolutional]] = {
    "fully_connected": FullyConnected,
    "convolutional": Convolutional,
}


def train(task: GlimpseTask, name: str, episodes: int, seed: int) -> FullyConnected | Convolutional:
    """Train a network on fresh scenes by cross-entropy, for so many of them.

    Args:
        task: Whose scenes; made with `split="train"`.
        name: One of `NETWORKS`.
        episodes: Scenes, rounded up to whole batches.
        seed: Of the scenes and the first weights.
    """
    torch.manual_seed(seed)
    network = NETWORKS[name](task.canvas_shape, task.num_classes)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    updates = math.ceil(episodes / BATCH_SIZE)
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


def scene_seeds(seed: int, update: int) -> np.ndarray:
    """Return the scene seeds of a batch, int64 (B,): a hash of seed, update and place."""
    first = mix_bits(np.array([seed], dtype=np.uint64)) + np.uint64(update * BATCH_SIZE)
    return (mix_bits(first + np.arange(BATCH_SIZE, dtype=np.uint64)) >> np.uint64(1)).astype(
        np.int64
    )


def as_input(canvases: np.ndarray) -> Tensor:
    """Return canvases, uint8 (B, H, W), as the networks take them: float32 in [0, 1]."""
    return torch.as_tensor(canvases).float() / 255.0


def evaluate(env_id: str, task: GlimpseTask, split: str, network: nn.Module) -> Evaluation:
    """Count the errors of a network on all frozen scenes of a split.

    Args:
        env_id: The id that the task is registered under.
        task: Made with that split.
        split: `"validation"` or `"test"`.
        network: From canvases, float32 (B, H, W), to class logits (B, C).
    """
    num_errors, num_scenes = 0, len(task.dataset.labels)
    for start in range(0, num_scenes, EVALUATION_BATCH):
        indices = np.arange(start, min(start + EVALUATION_BATCH, num_scenes))
        scenes = frozen_scenes(split, indices)
        canvases, labels = task.draw_scenes(scenes["scene_seed"], scenes["index"])
        with torch.no_grad():
            answers = network(as_input(canvases)).argmax(1).numpy()
        num_errors += int((answers != labels).sum())
    dataset = task.dataset.name
    return make_evaluation(env_id, {"dataset": dataset}, dataset, split, num_scenes, [num_errors])


def run(name: str, env_id: str, dataset: str, episodes: int, seed: int, folder: Path) -> Evaluation:
    """Train and measure a network; leave config.json and evaluation.json in an empty folder.

    Raises:
        FileExistsError: If the folder holds something.
        PermissionError: If it cannot be made.
        ValueError: If the data set cannot be had.
    """
    check_folder(folder)
    tasks = {
        split: gym.make(env_id, dataset=dataset, split=split).unwrapped.task  # type: ignore[attr-defined]
        for split in ("train", "validation", "test")
    }
    folder.mkdir(parents=True, exist_ok=True)
    with lock_folder(folder):
        return _train_and_measure(name, env_id, tasks, episodes, seed, folder)


def _train_and_measure(
    name: str, env_id: str, tasks: dict[str, GlimpseTask], episodes: int, seed: int, folder: Path
) -> Evaluation:
    """Do what `run` promises, in a folder that is there; `tasks` has one for each split."""
    facts = {"env_id": env_id, "network": name, "episodes": episodes, "seed": seed}
    facts |= {"command": shlex.join(["python", "-m", "agents.reports.whole_image", *sys.argv[1:]])}
    write_json(folder / CONFIG, facts | describe_source())
    started = time.monotonic()
    network = train(tasks["train"], name, episodes, seed)
    seconds = time.monotonic() - started
    validation = evaluate(env_id, tasks["validation"], "validation", network)
    result = evaluate(env_id, tasks["test"], "test", network)
    write_json(
        folder / EVALUATION,
        dataclasses.asdict(result)
        | {
            "validation_error": validation.error,
            "episodes": episodes,
            "training_seconds": round(seconds, 1),
            "parameters": sum(value.numel() for value in network.parameters()),
            "multiply_adds": network.multiply_adds(),
        },
    )
    return result


def make_parser() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(
        prog="python -m agents.reports.whole_image",
        description="Train a yardstick that sees whole scenes.",
    )
    add = parser.add_argument
    add("--network", choices=list(NETWORKS), required=True, help="the network to train")
    add("--env", choices=list(SHORT_NAMES), default="cluttered", help="(default: cluttered)")
    add("--episodes", type=int, default=2_000_000, metavar="N", help="scenes (default: 2,000,000)")
    add("--seed", type=int, default=0, help="of scenes and first weights (default: 0)")
    add("--dataset", default="mnist", help="of the env (default: mnist)")
    add("--run-dir", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.episodes < 1 or options.seed < 0:
        parser.error(
            "`--episodes` must be at least 1 and `--seed` at least 0, got "
            f"{options.episodes} and {options.seed}."
        )
    try:
        result = run(
            options.network,
            SHORT_NAMES[options.env],
            options.dataset,
            options.episodes,
            options.seed,
            options.run_dir,
        )
    except (ValueError, FileExistsError, PermissionError, gym.error.Error) as error:
        parser.error(str(error))
    print(result.describe())


if __name__ == "__main__":
    main()
