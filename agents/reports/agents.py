"""What each agent learns in the same time: `python -m agents.compare [--rows NAME ...]`.

Each row is one run of `train.py`, five minutes on two cores, evaluated on the frozen test set. A
finished row is written to results/agents.json, .md and .png at once; rows that are there already
are not trained again.
"""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from agents.reports.table import Table, describe_commands, fill, make_parser
from ram_env import SHORT_NAMES, TASKS

MINUTES = 5
COLORS = {True: "#0072B2", False: "#D55E00"}  # by whether labels are read


@dataclass(frozen=True)
class AgentRow:
    """One agent on one task.

    Attributes:
        task: Short name of the task.
        agent: Short name of the agent.
        what: What it is.
        algo: Of `train.py`.
        options: More options of `train.py`.
        reads_labels: Whether it learns from the true class, beyond the reward.
        seed: Of networks, scenes and exploration.
        dataset: Of the env.
        budget: Options of `train.py` that say how long.
    """

    task: str
    agent: str
    what: str
    algo: str = "ram"
    options: tuple[str, ...] = ()
    reads_labels: bool = False
    seed: int = 0
    dataset: str = "mnist"
    budget: tuple[str, ...] = ("--minutes", str(MINUTES))

    @property
    def name(self) -> str:
        """Of the row."""
        return f"{self.task}-{self.agent}"

    @property
    def resumes(self) -> bool:
        """Whether its run can go on after an interruption."""
        return self.algo == "ram"

    def command(self, folder: Path) -> list[str]:
        """Return the arguments of Python that train the row into a folder."""
        arguments = ["train.py", "--env", self.task, "--algo", self.algo, *self.options]
        arguments += [*self.budget, "--seed", str(self.seed), "--dataset", self.dataset]
        return [*arguments, "--run-dir", str(folder)]


AGENTS: tuple[tuple[Any, ...], ...] = (
    ("ram", "RAM, preset default", "ram", (), True),
    ("ram-paper", "RAM, preset paper", "ram", ("--preset", "paper"), True),
    ("ram-pure", "RAM, policy gradient alone", "ram", ("--preset", "pure")),
    ("ram-random-gaze", "RAM with a random gaze", "ram", ("--settings", "gaze=random"), True),
    ("ppo", "PPO on `GlimpseHistory`", "ppo"),
    ("ppo-bare", "PPO on the bare glimpse", "ppo", ("--memory", "none")),
    ("recurrent-ppo", "RecurrentPPO", "recurrent_ppo"),
    ("a2c", "A2C on `GlimpseHistory`", "a2c"),
    ("sac", "SAC on `GlimpseHistory`", "sac"),
    ("random", "random gaze and answer", "random"),
)
ROWS: dict[str, AgentRow] = {
    row.name: row
    for task in ("centered", "cluttered")
    for row in (AgentRow(task, *agent) for agent in AGENTS)
}


class AgentTable(Table):
    """What each agent learns; see `Table`."""

    NAME = "agents"
    VERSION = 1
    OF_ROW = ("task", "agent", "what", "algo", "reads_labels", "seed")

    def entry(
        self, row: AgentRow, config: dict[str, Any], result: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what agents.json alone holds of a row."""
        glimpses = len(result["error_per_glimpse"])
        return {key: getattr(row, key) for key in self.OF_ROW} | {
            "memory": config["memory"],
            "env_steps": result["episodes"] * glimpses,
            "seconds": result["training_seconds"],
            "command": shlex.join(["python", *row.command(Path("runs", row.name))]),
        }

    def describe(self, rows: list[dict[str, Any]]) -> str:
        """Return agents.md."""
        lines = [
            "# What each agent learns in five minutes",
            "",
            f"Test error after {MINUTES} minutes on two cores, one deterministic pass over the "
            "frozen test set of 10,000 scenes, with its Wilson 95 % interval. Each trains as many "
            "episodes as fit into that time at the speed of its first seconds; *seconds* says how "
            "long it then took, validation included. *Labels*: whether it learns from the true "
            "class of each scene by cross-entropy; the others are told no more than their reward. "
            "Settings of each are those of `agents/model/config.py` and "
            "`agents/sb3/algorithms.py` at its commit. Written by `python -m agents.compare`.",
        ]
        for task in SHORT_NAMES:
            of_task = [row for row in rows if row["task"] == task]
            if of_task:
                lines += ["", f"## {task}, {TASKS[SHORT_NAMES[task]]['num_glimpses']} glimpses", ""]
                lines += _table(of_task)
        return "\n".join([*lines, "", *describe_commands(rows)]) + "\n"

    def draw(self, rows: list[dict[str, Any]]) -> Figure:
        """Return agents.png: the errors of a task side by side, best first."""
        tasks = list(dict.fromkeys(row["task"] for row in rows))
        figure = Figure(figsize=(7 * len(tasks), 4.4), layout="constrained")
        minutes = sorted(row["seconds"] / 60.0 for row in rows)
        figure.suptitle(
            f"a budget of five minutes each, which took {minutes[0]:.0f} to {minutes[-1]:.0f}; "
            "blue learns from labels, orange from the reward alone"
        )
        for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
            shown = sorted((row for row in rows if row["task"] == task), key=_error)
            errors = [row["error"] for row in shown]
            colors = [COLORS[row["reads_labels"]] for row in shown]
            bars = axes.barh([row["what"].replace("`", "") for row in shown], errors, color=colors)
            axes.bar_label(bars, [f"{error:.2f} %" for error in errors], padding=3)
            axes.invert_yaxis()
            axes.set_xlim(0, 110)
            axes.set_xlabel("test error / percent")
            axes.set_title(task)
            axes.spines[["top", "right"]].set_visible(False)
        return figure


def _error(row: dict[str, Any]) -> float:
    return float(row["error"])


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows of one task as a table of Markdown, best first."""
    lines = [
        "| agent | test error | interval | labels | env steps | seconds | parameters | commit |",
        "|---|--:|--:|---|--:|--:|--:|---|",
    ]
    for row in sorted(rows, key=_error):
        lines.append(
            f"| {row['what']} (`{row['name']}`) | **{row['error']:.2f} %** | {row['low']:.2f} to "
            f"{row['high']:.2f} | {'yes' if row['reads_labels'] else 'no'} | "
            f"{row['env_steps']:,} | {row['seconds']:.0f} | {row['parameters']:,} | "
            f"{row['commit']} |"
        )
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    description = f"Train the agents that are not in the results yet, {MINUTES} minutes each."
    parser = make_parser("agents.compare", description, ROWS, Path("runs/agents"))
    return fill(AgentTable, ROWS, parser, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
