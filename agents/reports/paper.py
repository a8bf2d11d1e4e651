"""What is in the paper's table: which rows, what each is trained on, and how are they shown?"""

import dataclasses
import json
import shlex
import statistics
from pathlib import Path
from typing import Any

from agents.base.figures import Figure
from agents.base.files import CONFIG, EVALUATION, make_folder, read_json, write_json
from agents.base.pretrained import VARIANTS
from agents.evaluation.players import player_of_run
from agents.evaluation.result import markdown_table
from agents.reports import whole_image
from agents.reports.table import ONE_CORE, Entry, Row, Table, describe_commands, row_of_program
from agents.runs import launch

OURS, THEIRS = "#0072B2", "#D55E00"


def make_row(
    name: str,
    task: str,  # short name, or one of `agents.base.pretrained.VARIANTS`
    preset: str,  # of RAM, or a network of `agents.reports.whole_image`
    num_glimpses: int,  # 0 for a network that sees the whole image
    episodes: int,  # the budget
    paper: float | None,  # test error in percent that the paper prints: NIPS 2014, tables 1 and 2
    gaze: str = "learned",  # or "random", or "none" for a network that sees the whole image
    seed: int = 0,
    settings: tuple[str, ...] = (),  # of RAM, beyond its preset
    dataset: str | None = "mnist",  # None: there are no images, and the game says how long it is
    init_from: str | None = None,  # the model of the package that it starts from
    one_core: bool = False,  # even where there are more
    **arguments: Any,  # of the env. Distortions pay where a budget shows each image often
) -> Row:
    """Return one row of the table."""
    env, changes = VARIANTS.get(task, (task, {}))
    facts: Entry = {"task": task, "preset": preset, "gaze": gaze, "num_glimpses": num_glimpses}
    facts |= {"seed": seed, "settings": list(settings), "paper": paper, "episodes": episodes}
    words = ["--env", env, "--episodes", str(episodes), "--seed", str(seed)]
    words += ["--dataset", dataset] if dataset else []
    if gaze == "none":
        words += ["--network", preset]
        return row_of_program(name, facts, "-m agents.reports.whole_image", whole_image.main, words)
    facts |= {"distortion": 0.0, "elastic_distortion": 0.0, **changes, **arguments}
    words += ["--preset", preset]
    if init_from is not None:
        facts["init_from"] = init_from
        words += ["--init-from", init_from]
    words += ["--num-glimpses", str(num_glimpses)] if dataset else []
    words += ["--env-kwargs", *pairs_of(changes | arguments)] if changes | arguments else []
    pairs = [*settings, *(["gaze=random"] if gaze == "random" else [])]
    words += ["--settings", *pairs] if pairs else []
    words += ONE_CORE if one_core else []
    return row_of_program(name, facts, "train.py", launch.main, words)


def pairs_of(arguments: dict[str, Any]) -> list[str]:
    """Return arguments of an env as a command line has them."""
    return [f"{name}={json.dumps(it, separators=(',', ':'))}" for name, it in arguments.items()]


def row_of_side(trained: Row, side: int, suffix: str = "", **changes: Any) -> Row:
    """Return the row of another row's model on canvases of one side, in pixels, and so changed."""
    changes = {"canvas_range": [side, side], **changes}

    def run(folder: Path) -> int:
        training = folder.with_name(trained.name)
        return trained.run(training) or measure_again(training, folder, changes)

    return Row(
        f"{trained.name}-{side}{suffix}",
        trained.facts | changes | {"canvas_size": side},
        f"python -m agents.evaluate --run runs/{trained.name} --env-kwargs "
        + shlex.join(pairs_of(changes)),
        run,
    )


def measure_again(training: Path, folder: Path, changes: dict[str, Any]) -> int:
    """Leave what a run does of its results, for a finished one on other scenes; return 0."""
    validation = player_of_run(training, "validation", changes=changes).measure()
    test = player_of_run(training, "test", changes=changes).measure()
    measured = dataclasses.asdict(test) | {"validation_error": validation.error}
    make_folder(folder)
    write_json(folder / CONFIG, read_json(training / CONFIG))
    write_json(folder / EVALUATION, read_json(training / EVALUATION) | measured)
    return 0


M = 1_000_000
STRONG: dict[str, Any] = {"distortion": 0.2, "elastic_distortion": 0.1}  # images run out
# The paper's reward, but each location is paid what its glimpse does for it. (The weight of the
# gradient that trains the locations and its way into the core are those of preset `paper`.)
CREDIT = (
    "gaze_reward=belief",
    "discount=0.0",
    "policy_coef=0.3",
    "policy_gradient_to_core=true",
    "batch_size=256",
)
# One model for canvases of every size, which it is then measured on: an hour.
GROWTH = ("rehearsal_fraction=0.9", "growth_fraction=0.6")  # most episodes on small canvases
ANY = make_row("any", "any", "large", 12, 2_048_000, None, settings=GROWTH)
ROWS = (
    # The tasks as they are, 17 to 60 minutes each; the first with three seeds.
    make_row("cluttered", "cluttered", "default", 8, 6 * M, 4.04, distortion=0.1),
    make_row("cluttered-seed1", "cluttered", "default", 8, 6 * M, 4.04, seed=1, distortion=0.1),
    make_row("cluttered-seed2", "cluttered", "default", 8, 6 * M, 4.04, seed=2, distortion=0.1),
    make_row("centered", "centered", "default", 7, 14 * M, 1.07, **STRONG),
    make_row("translated", "translated", "default", 8, 10 * M, 1.20, **STRONG),
    make_row("cluttered100", "cluttered100", "default", 8, 6 * M, 8.11, distortion=0.1),
    # With fewer glimpses, and with the paper's own model: 10 to 19 minutes each.
    make_row("cluttered-6", "cluttered", "default", 6, 5 * M, 4.08, distortion=0.1),
    make_row("cluttered-4", "cluttered", "default", 4, 7 * M, 4.96, distortion=0.1),
    make_row("centered-paper", "centered", "paper", 7, 18 * M, 1.07),
    make_row("translated-paper", "translated", "paper", 8, 18 * M, 1.20),
    make_row("cluttered-paper", "cluttered", "paper", 8, 18 * M, 4.04),
    make_row("cluttered-paper-6", "cluttered", "paper", 6, 23 * M, 4.08),
    make_row("cluttered-paper-4", "cluttered", "paper", 4, 30 * M, 4.96),
    make_row("cluttered100-paper", "cluttered100", "paper", 8, 14 * M, 8.11),
    # The same networks and reward, with credit for each glimpse.
    make_row("cluttered-paper-credit", "cluttered", "paper", 8, 8 * M, 4.04, settings=CREDIT),
    make_row("cluttered-paper-credit-6", "cluttered", "paper", 6, 8 * M, 4.08, settings=CREDIT),
    make_row("cluttered-paper-credit-4", "cluttered", "paper", 4, 8 * M, 4.96, settings=CREDIT),
    make_row("cluttered100-paper-credit", "cluttered100", "paper", 8, 7 * M, 8.11, settings=CREDIT),
    make_row("translated-paper-credit", "translated", "paper", 8, 5 * M, 1.20, settings=CREDIT),
    make_row("centered-paper-credit", "centered", "paper", 7, 6 * M, 1.07, settings=CREDIT),
    # Calibration: are the scenes as hard as the paper's?
    make_row("cluttered-random", "cluttered", "paper", 8, 10 * M, 14.4, "random"),
    make_row("cluttered-connected", "cluttered", "fully_connected", 0, 16 * M, 11.96, "none"),
    make_row("translated-connected", "translated", "fully_connected", 0, 16 * M, 2.63, "none"),
    make_row("cluttered-conv", "cluttered", "convolutional", 0, 24 * M, 8.09, "none"),
    make_row("translated-conv", "translated", "convolutional", 0, 24 * M, 1.62, "none"),
    # A canvas of 1,000 pixels, by a gaze that needs no canvas: half an hour.
    make_row("cluttered1000", "cluttered1000", "large", 12, 204_800, None, seed=1),
    ANY,
    row_of_side(ANY, 28, num_distractors=0),
    row_of_side(ANY, 60, "-cluttered", num_distractors=4),  # as that task has it; here are 8
    *(row_of_side(ANY, side) for side in (60, 100, 200, 400, 1000, 2000, 4000)),
    # Five digits on 1,500 pixels, read by what has learned `any` before: an hour of one core, as
    # two share a batch of 128 badly.
    make_row(
        "megapixel", "megapixel", "search", 16, 1_344_000, None, init_from="any", one_core=True
    ),
    # The game of section 4.2, whose figure the paper does not print, in 20 million steps.
    make_row("catch", "catch", "catch", 23, 869_000, None, dataset=None),
)
COLUMNS = {
    "row": "`{name}`",
    "test error": "**{error:.2f} %**",
    "interval": "{low:.2f} to {high:.2f}",
    "paper": "{papers_error}",
    "validation": "{validation_error:.2f} %",
    "episodes": "{episodes:,}",
    "minutes": "{minutes}",
    "parameters": "{parameters:,}",
    "multiply-adds": "{millions:.2f} M",
    "seed": "{seed}",
    "commit": "{commit}",
}
INTRODUCTION = """# The paper's table

Test error: one deterministic pass over the frozen test set of 10,000 scenes, the last weights of \
a budget fixed beforehand, with its Wilson 95 % interval. *Paper*: Mnih et al., NIPS 2014. \
Millions of multiply-adds per classified image. Written by `python -m agents.reproduce`.

![The errors of all rows with their intervals, beside the paper's](picture.png)
"""


def write_page(rows: list[Entry]) -> str:
    """Return the table as a page of Markdown."""
    shown = []
    for row in rows:
        papers_error = "" if row["paper"] is None else f"{row['paper']:.2f} %"
        millions = row["multiply_adds"] / 1e6
        shown.append(row | {"papers_error": papers_error, "millions": millions})
    lines = [INTRODUCTION, *markdown_table(COLUMNS, shown), "", *_describe_seeds(rows)]
    lines += ["## Error after each glimpse, percent", ""]
    for row in rows:
        if len(row["error_per_glimpse"]) > 1:
            errors = ", ".join(f"{error:.2f}" for error in row["error_per_glimpse"])
            lines.append(f"- `{row['name']}`: {errors}")
    return "\n".join([*lines, "", *describe_commands(rows)]) + "\n"


def _describe_seeds(rows: list[Entry]) -> list[str]:
    """Return mean and spread of each row that was trained with several seeds."""
    same = ("task", "preset", "num_glimpses", "gaze", "settings", "canvas_size", "num_distractors")
    groups: dict[tuple[str, ...], dict[int, float]] = {}  # errors by seed
    for row in rows:
        facts = tuple(str(row.get(name)) for name in same)
        groups.setdefault(facts, {})[row["seed"]] = row["error"]
    lines = []
    for (task, preset, num_glimpses, *_), errors in groups.items():
        if len(errors) > 1:
            lines.append(
                f"`{task}`, preset `{preset}`, {num_glimpses} glimpses, {len(errors)} seeds: mean "
                f"{statistics.mean(errors.values()):.2f} %, standard deviation "
                f"{statistics.stdev(errors.values()):.2f} points."
            )
    return [*lines, ""] if lines else []


def draw(rows: list[Entry]) -> Figure:
    """Draw each row's error with its interval beside the paper's."""
    figure = Figure(figsize=(9, 1.4 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots()
    errors = [row["error"] for row in rows]
    reach = (
        [row["error"] - row["low"] for row in rows],
        [row["high"] - row["error"] for row in rows],
    )
    label = "ours, 95 % interval"
    axes.errorbar(errors, range(len(rows)), xerr=reach, fmt="o", color=OURS, capsize=3, label=label)
    known = [(row["paper"], place) for place, row in enumerate(rows) if row["paper"] is not None]
    if known:
        x, y = zip(*known, strict=True)
        axes.plot(x, y, "D", color=THEIRS, markerfacecolor="none", label="paper (NIPS 2014)")
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("test error / percent")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def describe_run(config: Entry, result: Entry) -> Entry:
    """Return what only this table tells of a run."""
    return {"multiply_adds": result["multiply_adds"]}


TABLE = Table("paper", {row.name: row for row in ROWS}, describe_run, write_page, draw)
