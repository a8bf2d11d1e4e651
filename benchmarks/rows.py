"""The table of rows: what is measured, by which function, on how many cores. Loads nothing."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.timing import Settings, available_cores

WHOLE_TRAINING = "whole training"  # all its rows are read from one
WHOLE_TRAINING_ON_GPU = "whole training on a GPU"
ALL = 0  # as many cores as there are


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        name: In the table and in the files.
        unit: Of its values.
        meaning: One line for the report.
        measure: `module.function` that takes the settings and the arguments below and returns a
            value per repetition.
        arguments: Of that function.
        cores: A number that cannot be chosen, or None: as `--cores` says.
        is_short: Whether it takes less than a whole training: `--quick` measures no others.
        needs_gpu: Whether it is of a GPU.
        process: Rows with the same word share one process; None: a process of its own.
    """

    name: str
    unit: str
    meaning: str
    measure: str
    arguments: dict[str, Any] = field(default_factory=dict)
    cores: int | None = None
    is_short: bool = True
    needs_gpu: bool = False
    process: str | None = None

    def cores_of(self, chosen: int) -> int:
        """Return how many cores the row takes when `chosen` were asked for."""
        fixed = chosen if self.cores is None else self.cores
        return available_cores() if fixed == ALL else fixed

    def values(self, settings: Settings) -> list[float]:
        """Measure: one value per repetition."""
        module, _, function = self.measure.rpartition(".")
        measure: Callable[..., list[float]]
        measure = getattr(importlib.import_module(f"benchmarks.{module}"), function)
        return measure(settings, **self.arguments)


def _env_rows() -> Iterable[Row]:
    steps = "env-steps/s"
    for name, num_envs in (("vector_env", 256), ("vector_env_1024", 1024)):
        meaning = f"native vector env, cluttered, {num_envs:,} envs, new scenes included"
        yield Row(name, steps, meaning, "env_rows.vector_env", {"num_envs": num_envs})
    meaning = "native vector env, catch, 256 envs"
    yield Row("catch_vector_env", steps, meaning, "env_rows.catch_vector_env", {"num_envs": 256})
    meaning = "gymnasium's SyncVectorEnv of 64 single envs, cluttered"
    sync = {"num_envs": 64, "vectorization_mode": "sync"}
    yield Row("sync_vector_env", steps, meaning, "env_rows.vector_env", sync)
    meaning = "one env through `gym.make`, cluttered"
    yield Row("single_env", steps, meaning, "env_rows.single_env")
    meaning = "the adapter to Stable-Baselines3, cluttered, 256 envs"
    yield Row("sb3_adapter", steps, meaning, "env_rows.sb3_adapter", {"num_envs": 256})
    meaning = "Stable-Baselines3's DummyVecEnv of 64 single envs, cluttered"
    yield Row("dummy_vec_env", steps, meaning, "env_rows.dummy_vec_env", {"num_envs": 64})
    meaning = "cluttered scenes drawn, 256 at a time"
    yield Row("scene_generation", "scenes/s", meaning, "env_rows.scene_generation")
    meaning = "glimpses taken of 256 canvases at a time, 60x60, 12x12, 3 scales"
    yield Row("retina", "glimpses/s", meaning, "env_rows.retina")


def _picture_rows() -> Iterable[Row]:
    meaning = "native vector env on colour pictures of 1 megapixel, 12x12, 4 scales, 256 envs"
    yield Row("picture_glimpses", "glimpses/s", meaning, "picture_rows.picture_glimpses")
    for side in (300, 30_000):
        meaning = (
            f"a glimpse of a colour picture of {side:,} pixels a side, 12x12, 4 scales, of 256"
        )
        arguments = {"side": side}
        yield Row(
            f"picture_glimpse_{side}", "us", meaning, "picture_rows.picture_glimpse", arguments
        )
    for name, where in (("cold", "anywhere"), ("warm", "where one has looked")):
        meaning = f"a glimpse of five scales of 16x16 {where} in a slide of 100,000 pixels a side"
        arguments = {"is_warm": name == "warm"}
        yield Row(f"slide_glimpse_{name}", "ms", meaning, "picture_rows.slide_glimpse", arguments)


def _sprite_rows() -> Iterable[Row]:
    meaning = "a new episode of `cluttered1000`, its first glimpse included, of 256 envs"
    yield Row("sprites_reset", "us", meaning, "sprite_rows.sprites_reset", {"side": 1000})
    meaning = "a glimpse near the digit of `cluttered1000`, of 256"
    yield Row("sprites_glimpse", "us", meaning, "sprite_rows.sprites_glimpse", {"side": 1000})
    for name, what in (("reset", "a new episode"), ("glimpse", "a glimpse near the digit")):
        yield Row(
            f"sprites_{name}_1000000",
            "us",
            f"{what} of the same on a million pixels a side",
            f"sprite_rows.sprites_{name}",
            {"side": 1_000_000},
        )


TRAININGS: dict[str, tuple[str, dict[str, Any]]] = {
    "train_paper_cluttered": (
        "preset paper, 60x60, 12x12, 3 scales, 8 glimpses",
        {"preset": "paper", "env_id": "GlimpseClutteredMNIST-v0"},
    ),
    "train_paper_centered": (
        "preset paper, 28x28, 8x8, 1 scale, 6 glimpses",
        {"preset": "paper", "env_id": "GlimpseMNIST-v0", "num_glimpses": 6},
    ),
    "train_paper_cluttered_2_cores": (
        "preset paper, 60x60, 12x12, 3 scales, 8 glimpses, two processes",
        {"preset": "paper", "env_id": "GlimpseClutteredMNIST-v0", "processes": 2},
    ),
    "train_default_cluttered": (
        "preset default, 60x60, 12x12, 3 scales, 8 glimpses",
        {"preset": "default", "env_id": "GlimpseClutteredMNIST-v0"},
    ),
    "train_default_cluttered_2_cores": (
        "preset default, the same, two processes",
        {"preset": "default", "env_id": "GlimpseClutteredMNIST-v0", "processes": 2},
    ),
}


def _training_rows() -> Iterable[Row]:
    for precision, suffix in (("auto", ""), ("float32", "_float32")):
        for name, (meaning, arguments) in TRAININGS.items():
            yield Row(
                name + suffix,
                "images/s",
                f"training, {meaning}" + (", in float32" if suffix else ""),
                "training_rows.training",
                {**arguments, "precision": precision},
                # Each row says in its name how many cores it takes, or takes one.
                cores=arguments.get("processes", 1),
            )
    for precision in ("float32", "bfloat16"):
        yield Row(
            f"matrix_product_{precision}",
            "GFLOP/s",
            f"product of two 1024x1024 matrices in {precision}",
            "training_rows.matrix_product",
            {"precision": precision},
        )
    for name, precision in (
        ("train_paper_cluttered", "float32"),
        ("train_default_cluttered", "float32"),
        ("train_default_cluttered", "bfloat16"),
    ):
        yield Row(
            f"{name}_{precision}_share",
            "%",
            f"of the {precision} matrix-product rate that `{name}` reaches, measured in turn",
            "training_rows.share_of_matrix_product",
            {**TRAININGS[name][1], "precision": precision},
            cores=1,
        )


def _onnx_rows() -> Iterable[Row]:
    meaning = "one look of the model of `cluttered` in onnxruntime, one scene"
    yield Row("onnx_look", "ms", meaning, "onnx_rows.onnx_look")


def _process_rows() -> Iterable[Row]:
    meaning = "added by `import ram_env` to `import gymnasium`"
    yield Row("import_ram_env", "s", meaning, "process_rows.import_ram_env")
    meaning = "`python train.py --help`"
    yield Row("help_seconds", "s", meaning, "process_rows.help_seconds")
    meaning = "start of `python train.py --env cluttered --episodes N` to its first progress"
    yield Row("first_progress", "s", meaning, "process_rows.first_progress", cores=ALL)
    meaning = "of memory at most, a short `train.py --env cluttered` with all its processes"
    yield Row("peak_memory", "MiB", meaning, "process_rows.peak_memory", cores=ALL)
    for percent in (12, 6):
        yield Row(
            f"seconds_to_{percent}",
            "s",
            f"`train.py --env cluttered`, two processes, to {percent} % validation error",
            "time_to_error.seconds_to",
            {"percent": percent},
            cores=2,
            is_short=False,
            process=WHOLE_TRAINING,
        )
    yield Row(
        "final_error",
        "%",
        "test error that the training of `seconds_to_6` ends with",
        "time_to_error.final_error",
        cores=2,
        is_short=False,
        process=WHOLE_TRAINING,
    )


def _gpu_rows() -> Iterable[Row]:
    for name in ("train_paper_cluttered", "train_default_cluttered"):
        meaning, arguments = TRAININGS[name]
        yield Row(
            f"{name}_gpu",
            "images/s",
            f"training, {meaning}, two processes that share a GPU",
            "training_rows.training",
            {**arguments, "precision": "auto", "processes": 2, "device": "cuda"},
            cores=2,
            needs_gpu=True,
        )
    whole: dict[str, Any] = {"cores": 2, "is_short": False, "needs_gpu": True}
    whole["process"] = WHOLE_TRAINING_ON_GPU
    meaning = "`train.py --env cluttered` with a GPU to 4.04 % validation error, the paper's best"
    arguments = {"percent": 4.04, "device": "cuda"}
    yield Row("seconds_to_4_gpu", "s", meaning, "time_to_error.seconds_to", arguments, **whole)
    meaning = "test error that the training of `seconds_to_4_gpu` ends with"
    arguments = {"device": "cuda"}
    yield Row("final_error_gpu", "%", meaning, "time_to_error.final_error", arguments, **whole)


ROWS: dict[str, Row] = {
    row.name: row
    for part in (
        *(_env_rows, _picture_rows, _sprite_rows, _training_rows, _onnx_rows),
        *(_process_rows, _gpu_rows),
    )
    for row in part()
}


def make_row(name: str) -> Row:
    """Return a row of the table, or the one that times another env: `MODULE:FACTORY`."""
    if ":" not in name:
        return ROWS[name]
    meaning = f"the vector env that `{name}` makes"
    return Row(name, "env-steps/s", meaning, "env_rows.other_vector_env", {"factory": name})
