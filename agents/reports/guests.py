"""How does an agent of somebody else's join the table of agents?"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from agents.base.files import CONFIG, EVALUATION, read_json, write_json
from agents.evaluation.provenance import describe_source
from agents.evaluation.result import Evaluation
from agents.reports.table import Row, Table, fill
from ram_env import SHORT_NAMES
from ram_env.registration import CATCH_TASKS

DATASET = "mnist"  # of all rows
FACTS: dict[str, tuple[type, ...]] = {
    "what": (str,),
    "reads_labels": (bool,),
    "env_steps": (int,),
    "seconds": (int, float),
    "parameters": (int,),
}
# Of the task's arguments, those that do not make it another task.
FREE = {"action_format", "location_grid", "score_scale", "reward", "dataset", "data_dir"}


def check_facts(facts: dict[str, Any]) -> None:
    """Refuse facts about an agent that are not those that a row needs.

    Raises:
        ValueError: If one is missing, unknown, of another type or negative.
    """
    right = set(facts) == set(FACTS) and all(
        type(facts[name]) in types and (types == (str,) or facts[name] >= 0)
        for name, types in FACTS.items()
    )
    if not right:
        raise ValueError(
            "`facts` must be what=TEXT reads_labels=true|false env_steps=N seconds=S "
            f"parameters=N, of its training, got {facts}."
        )


def write_guest(
    folder: Path,
    test: Evaluation,
    validation: Evaluation,
    memory: str,
    command: str,
    facts: dict[str, Any],
    num_glimpses: int,
) -> None:
    """Leave in a folder what the run of an agent would, and the facts about it."""
    learned = {
        "episodes": facts["env_steps"] // num_glimpses,
        "training_seconds": facts["seconds"],
        "parameters": facts["parameters"],
        "validation_error": validation.error,
    }
    config = {"memory": memory, "command": command, "facts": facts, **describe_source()}
    config["env_steps"] = facts["env_steps"]
    write_json(folder / CONFIG, config)
    write_json(folder / EVALUATION, dataclasses.asdict(test) | learned)


def add_guest(table: Table, folder: Path, options: argparse.Namespace) -> int:
    """Put the agent of a folder into a table, as a row of the folder's name; return the exit code.

    Raises:
        ValueError: If `write_guest` did not leave the folder, or the agent has played another task.
    """
    folder = folder.resolve()
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if "facts" not in config:
        raise ValueError(
            f"`--add` must be a folder that `agents.evaluate --out` has left, got {folder}."
        )
    result = read_json(folder / EVALUATION)
    if folder.name in table.rows:
        raise ValueError(f"`--add`: {folder.name} is a row of the table's own: rename the folder.")
    tasks = {SHORT_NAMES[row.facts["task"]]: row.facts["task"] for row in table.rows.values()}
    others = sorted(set(result["env_kwargs"]) - FREE)
    has_images = result["env_id"] not in CATCH_TASKS
    other_images = has_images and result["dataset"] != DATASET
    if result["env_id"] not in tasks or others or other_images:
        raise ValueError(
            f"`--add` must be of {' or '.join(tasks)} as registered, on {DATASET}, got "
            f"{result['env_id']} with {', '.join(others) or 'no other arguments'} on "
            f"{result['dataset']}."
        )
    facts = {"task": tasks[result["env_id"]], "agent": folder.name, "algo": "guest"}
    facts |= {key: config["facts"][key] for key in ("what", "reads_labels")}
    row = Row(folder.name, facts, config["command"], lambda run: 0)
    chosen = {"rows": [row.name], "runs": folder.parent, "out": options.out}
    larger = dataclasses.replace(table, rows={**table.rows, row.name: row})
    return fill(larger, argparse.Namespace(**chosen))
