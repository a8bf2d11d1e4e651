"""What does each agent learn in the same time: which agents, and how are they shown?"""

from pathlib import Path
from typing import Any

from agents.base.figures import Figure
from agents.evaluation.players import player_of_policy
from agents.evaluation.result import markdown_table
from agents.reports.guests import write_guest
from agents.reports.table import ONE_CORE, Entry, Row, Table, describe_commands, row_of_program
from agents.runs import launch
from ram_env import SHORT_NAMES

MINUTES, MORE_MINUTES = 5, 30
OTHER_SEEDS = (1, 2)
COLORS = {True: "#0072B2", False: "#D55E00"}  # by whether labels are read
RANDOM = "agents.policies:RandomPolicy"


def make_row(
    task: str,  # short name
    agent: str,  # short name
    what: str,  # what it is
    algo: str = "ram",  # of `train.py`, or "random", which is measured alone
    options: tuple[str, ...] = (),  # more options of `train.py`
    reads_labels: bool = False,  # whether it learns from the true class, beyond the reward
    *,
    dataset: str | None = "mnist",  # None: there are no images
    minutes: int = MINUTES,
    seed: int = 0,
    budget: tuple[str, ...] = (),  # instead of minutes
) -> Row:
    """Return the row of one agent on one task."""
    name = f"{task}-{agent}" + (f"-seed{seed}" if seed else "")
    facts: Entry = {"task": task, "agent": agent, "what": what, "algo": algo}
    facts |= {"reads_labels": reads_labels, "seed": seed}
    if algo == "random":
        command = f"python -m agents.evaluate --policy {RANDOM} --env {task}"
        command += f" --env-kwargs dataset={dataset}"
        return Row(
            name,
            facts,
            command,
            lambda folder: measure_random(task, dataset, folder, what, command),
        )
    budget = budget or ("--minutes", str(minutes))
    words = ["--env", task, "--algo", algo, *options, *budget, "--seed", str(seed)]
    words += ["--dataset", dataset] if dataset else []
    words += ONE_CORE
    return row_of_program(name, facts, "train.py", launch.main, words)


def measure_random(task: str, dataset: str | None, folder: Path, what: str, command: str) -> int:
    """Measure who knows nothing; leave in a folder what the run of an agent would. Return 0."""
    test, validation = (
        player_of_policy(RANDOM, SHORT_NAMES[task], {"dataset": dataset}, split)
        for split in ("test", "validation")
    )
    num_glimpses = test.scenes.task.num_glimpses
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"what": what, "reads_labels": False, "env_steps": 0, "seconds": 0.0, "parameters": 0}
    measured = test.measure(), validation.measure()
    write_guest(folder, *measured, "none", command, facts, num_glimpses)
    return 0


def describe_run(config: Entry, result: Entry) -> Entry:
    """Return what only this table tells of a run."""
    steps = config.get("env_steps", round(result["episodes"] * result["mean_glimpses"]))
    return {"memory": config["memory"], "env_steps": steps, "seconds": result["training_seconds"]}


AGENTS: tuple[tuple[Any, ...], ...] = (
    ("ram", "RAM, preset default", "ram", (), True),
    ("ram-paper", "RAM, preset paper", "ram", ("--preset", "paper"), True),
    ("ram-pure", "RAM, reward alone", "ram", ("--preset", "pure")),
    ("ram-random-gaze", "RAM with a random gaze", "ram", ("--settings", "gaze=random"), True),
    ("ppo", "PPO on `GlimpseHistory`", "ppo"),
    ("ppo-bare", "PPO on the bare glimpse", "ppo", ("--memory", "none")),
    ("recurrent-ppo", "RecurrentPPO", "recurrent_ppo"),
    ("a2c", "A2C on `GlimpseHistory`", "a2c"),
    ("sac", "SAC on `GlimpseHistory`", "sac"),
    ("random", "random gaze and answer", "random"),
)
# What is given more time: PPO on the easy task, and what learns the other from reward alone.
PPO = "PPO on `GlimpseHistory`, 10 minutes"
PURE = f"RAM, reward alone, {MORE_MINUTES} minutes"
PATIENT_PPO = f"PPO on `GlimpseHistory`, {MORE_MINUTES} minutes"
RECURRENT = f"RecurrentPPO, {MORE_MINUTES} minutes"
PATIENT = (
    *(
        make_row("centered", "ppo-10", PPO, "ppo", minutes=10, seed=seed)
        for seed in (0, *OTHER_SEEDS)
    ),
    make_row("cluttered", "ram-pure-30", PURE, "ram", ("--preset", "pure"), minutes=MORE_MINUTES),
    make_row("cluttered", "ppo-30", PATIENT_PPO, "ppo", minutes=MORE_MINUTES),
    make_row("cluttered", "recurrent-ppo-30", RECURRENT, "recurrent_ppo", minutes=MORE_MINUTES),
)
# Its reward comes at the end of 23 moves.
FAR_SIGHTED = ("--settings", "gamma=0.99", "gae_lambda=0.95")
CATCHERS = (
    make_row("catch", "ram", "RAM, preset catch", dataset=None),
    make_row("catch", "ppo", "PPO on `GlimpseHistory`", "ppo", FAR_SIGHTED, dataset=None),
    make_row("catch", "recurrent-ppo", "RecurrentPPO", "recurrent_ppo", FAR_SIGHTED, dataset=None),
)
ROWS = [
    *(make_row(task, *agent) for task in ("centered", "cluttered") for agent in AGENTS),
    *PATIENT,
    *CATCHERS,
    *(
        make_row(task, *agent, seed=seed)
        for seed in OTHER_SEEDS
        for task in ("centered", "cluttered")
        for agent in AGENTS[:4]
    ),
]
COLUMNS = {
    "agent": "{what} (`{name}`)",
    "test error": "**{error:.2f} %**",
    "interval": "{low:.2f} to {high:.2f}",
    "other seeds": "{other_seeds}",
    "labels": "{labels}",
    "env steps": "{env_steps:,}",
    "seconds": "{seconds:.0f}",
    "parameters": "{parameters:,}",
    "commit": "{commit}",
}
INTRODUCTION = f"""# What each agent learns in five minutes

Test error after {MINUTES} minutes on one core, or after as many as it says, one \
deterministic pass over the frozen test set of 10,000 scenes, with its Wilson 95 % interval. Each \
trains as many episodes as fit into that time with its validations, at the speed of its first \
seconds; *seconds* says how long it then took. *Other seeds*: the errors of seeds 1 and 2, where \
these were trained as well. *Labels*: whether it learns from the true class of each scene by \
cross-entropy; the others are told no more than their reward. Of `catch` an error is a ball that \
was missed. Settings of each are those of `agents/model/config.py` and `agents/sb3/algorithms.py` \
at its commit, and so are the scenes it trains on. Written by `python -m agents.compare`.

![The errors of all agents, best first](picture.png)"""


def write_page(rows: list[Entry]) -> str:
    """Return the table as a page of Markdown: the rows of each task, best first."""
    lines = [INTRODUCTION]
    for task in SHORT_NAMES:
        shown = [
            row
            | {
                "labels": "yes" if row["reads_labels"] else "no",
                "other_seeds": ", ".join(f"{error:.2f} %" for error in _errors_beside(row, rows)),
            }
            for row in _best_first(rows)
            if row["task"] == task
        ]
        if shown:
            lines += ["", f"## {task}", ""]
            lines += markdown_table(COLUMNS, shown)
    return "\n".join([*lines, "", *describe_commands(rows)]) + "\n"


def draw(rows: list[Entry]) -> Figure:
    """Draw the errors of each task side by side, best first, other seeds as points."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    figure = Figure(figsize=(7 * len(tasks), 4.4), layout="constrained")
    figure.suptitle(
        f"a budget of {MINUTES} minutes, or as it says; "
        "blue learns from labels, orange from the reward alone; points are other seeds"
    )
    for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        shown = [row for row in _best_first(rows) if row["task"] == task]
        errors = [row["error"] for row in shown]
        colors = [COLORS[row["reads_labels"]] for row in shown]
        bars = axes.barh([row["what"].replace("`", "") for row in shown], errors, color=colors)
        axes.bar_label(bars, [f"{error:.2f} %" for error in errors], padding=7)
        for place, row in enumerate(shown):
            beside = _errors_beside(row, rows)
            axes.plot(beside, [place] * len(beside), "k.", markersize=5)
        axes.invert_yaxis()
        axes.set_xlim(0, 110)
        axes.set_xlabel("test error / percent")
        axes.set_title(task)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _best_first(rows: list[Entry]) -> list[Entry]:
    """Return the rows of the first seed, or of none."""
    return sorted((row for row in rows if not row.get("seed")), key=lambda row: row["error"])


def _errors_beside(row: Entry, rows: list[Entry]) -> list[float]:
    """Return the errors of an agent's other seeds, in percent."""
    same = ("task", "agent")
    return [
        other["error"]
        for other in rows
        if other.get("seed") and all(other[key] == row[key] for key in same)
    ]


TABLE = Table("agents", {row.name: row for row in ROWS}, describe_run, write_page, draw)
