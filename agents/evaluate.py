"""Evaluation: error on the frozen scenes, with its interval, after each glimpse.

`python -m agents.evaluate --run runs/NAME [--split test]` measures a finished run again,
`--pretrained TASK` the model of a task that comes with the package, and
`--policy MODULE:FACTORY --env TASK` whatever has `predict` as the models of Stable-Baselines3 do.
"""

import argparse
import dataclasses
import importlib
import json
import pathlib
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from agents.errors import DivergenceError
from agents.evaluation.frozen_scenes import FrozenScenes, Predictor
from agents.evaluation.result import Evaluation
from agents.model.pretrained import pretrained_rows
from agents.runs.command_line import parse_env_kwargs
from agents.sb3.algorithms import MEMORIES
from ram_env import SHORT_NAMES
from ram_env.registration import resolve_env


def evaluate_run(run: pathlib.Path, split: str, num_scenes: int | None = None) -> Evaluation:
    """Measure the final model of a run folder.

    Raises:
        ValueError: If the folder holds no finished run.
    """
    # These load torch: not before it is clear that there is something to evaluate.
    from agents.runs.run_options import read_run_config
    from agents.sb3.policy_file import load_model

    config = read_run_config(run, "--run", "a finished run")
    if not (run / "model.zip").is_file():
        raise ValueError(
            f"`--run` must be the folder of a finished run: {run / 'model.zip'} is missing."
        )
    try:
        env_id, env_kwargs = config["env_id"], dict(config["env_kwargs"])
        algo, memory = config.get("algo", "ram"), config.get("memory", "none")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"`{run / 'config.json'}` is damaged ({error!r}).") from error
    model = load_model(run / "model.zip", algo)
    return FrozenScenes(env_id, env_kwargs, split, num_scenes, memory).evaluate(model)


def evaluate_pretrained(name: str, split: str, num_scenes: int | None = None) -> Evaluation:
    """Measure the model of a task that comes with the package, on MNIST.

    Raises:
        ValueError: If there is no model of that name, or no MNIST.
    """
    from agents.model.ram import RAM

    model = RAM.from_pretrained(name, device="cpu")
    return FrozenScenes(SHORT_NAMES[name], {"dataset": "mnist"}, split, num_scenes).evaluate(model)


def evaluate_policy(
    name: str,
    env_id: str,
    env_kwargs: dict[str, Any] | None = None,
    split: str = "test",
    num_scenes: int | None = None,
    memory: str = "none",
) -> Evaluation:
    """Measure a policy of anybody's.

    Args:
        name: `module:factory`; the factory is called with the observation and the action space of
            one game, and returns what has `predict` as the models of Stable-Baselines3 do.
        env_id: A registered id.
        env_kwargs: Arguments for it.
        split: `"validation"` or `"test"`.
        num_scenes: The first so many; all if None.
        memory: Of what was seen: see `agents.make_vec_env`.

    Raises:
        ValueError: If there is no such factory, or what it makes cannot predict here.
    """
    scenes = FrozenScenes(env_id, env_kwargs, split, num_scenes, memory)
    return scenes.evaluate(make_policy(name, *scenes.single_spaces))


def make_policy(
    name: str, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> Predictor:
    """Call the factory `module:factory`; see `evaluate_policy`."""
    module, colon, factory = name.partition(":")
    if not colon or not module or not factory:
        raise ValueError(f"`--policy` must be MODULE:FACTORY, got {name!r}.")
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError, TypeError) as error:  # TypeError: of a relative name
        raise ValueError(f"`--policy {name}` cannot be imported ({error}).") from error
    if not callable(make):
        raise ValueError(
            f"`--policy {name}` must be a function of the observation and the action space, got "
            f"{make!r}."
        )
    policy = make(observation_space, action_space)
    if not callable(getattr(policy, "predict", None)):
        raise ValueError(
            f"`--policy {name}` must return an object with `predict(observation, state, "
            f"episode_start, deterministic)`, got {policy!r}, which has none."
        )
    for kind, space in (("observation", observation_space), ("action", action_space)):
        trained_on = getattr(policy, f"{kind}_space", space)
        if trained_on != space:
            raise ValueError(
                f"`--policy {name}` was made for another {kind} space, {trained_on}; here it is "
                f"{space}: choose its task by `--env`, `--env-kwargs` and `--memory`."
            )
    return policy


def make_parser() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(prog="python -m agents.evaluate", description=__doc__)
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", type=pathlib.Path, metavar="DIR", help="run folder of train.py")
    what.add_argument("--pretrained", metavar="TASK", help="model that comes with the package")
    what.add_argument("--policy", metavar="MODULE:FACTORY", help="a policy of your own")
    add("--env", metavar="ID", help="task for `--policy` (default: cluttered)")
    add(
        "--env-kwargs",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="arguments of it (default: none)",
    )
    add("--memory", choices=MEMORIES, help="of what was seen, for `--policy` (default: none)")
    add("--split", choices=["validation", "test"], default="test", help="(default: test)")
    add("--json", action="store_true", help="print JSON instead of a line")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        evaluation = evaluate(options)
    except (ValueError, DivergenceError, gym.error.Error) as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps(dataclasses.asdict(evaluation), indent=2))
        return
    print(evaluation.describe())
    if options.pretrained and options.split == "test":
        committed = pretrained_rows()[options.pretrained]["error"]
        print(f"  committed with the model: {committed:.2f} %")
    for glimpse, value in enumerate(evaluation.error_per_glimpse, start=1):
        print(f"  after glimpse {glimpse}: {value:.2f} %")


def evaluate(options: argparse.Namespace) -> Evaluation:
    """Measure what the options name.

    Raises:
        ValueError, gymnasium.error.Error: If they name nothing that can be measured.
    """
    if not options.policy:
        for name in ("env", "env_kwargs", "memory"):
            if getattr(options, name) is not None:
                option = "--" + name.replace("_", "-")
                raise ValueError(f"`{option}` is for `--policy`: leave it out.")
    if options.run:
        return evaluate_run(options.run, options.split)
    if options.pretrained:
        return evaluate_pretrained(options.pretrained, options.split)
    env_id, _ = resolve_env(options.env or "cluttered")
    env_kwargs = parse_env_kwargs(options.env_kwargs or [])
    memory = options.memory or "none"
    return evaluate_policy(options.policy, env_id, env_kwargs, options.split, memory=memory)


if __name__ == "__main__":
    main()
