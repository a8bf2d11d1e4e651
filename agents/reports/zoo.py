"""How does RL Baselines3 Zoo train what `train.py --algo` trains? Its hyper-parameters, as YAML."""

import json
from typing import Any

from agents.sb3.algorithms import ALGORITHMS
from agents.sb3.policy_file import CLASSES

NUM_STEPS = 1_000_000
NAMES = {name: name for name in ALGORITHMS if name != "ram"} | {"recurrent_ppo": "ppo_lstm"}
WRAPPERS = {
    "history": "ram_env.wrappers.GlimpseHistory",
    "canvas": "ram_env.wrappers.SeenCanvas",
}


def zoo_yaml(algo: str) -> str:
    """Return a file for the Zoo: the command that trains, and settings for every env of ours."""
    settings = zoo_settings(algo)
    # The Zoo hands the `env_kwargs` of a file to the envs of training alone.
    evaluation = settings["env_kwargs"] | {"split": "validation"}
    words = " ".join(f'"{key}:{value!r}"' for key, value in evaluation.items())
    return "\n".join(
        [
            f"# python -m rl_zoo3.train --algo {NAMES[algo]} --env GlimpseMNIST-v0 \\",
            "#   --gym-packages ram_env --conf-file glimpses.yml \\",
            f"#   --eval-env-kwargs {words}",
            "default:",
            *(f"  {key}: {json.dumps(value)}" for key, value in settings.items()),
        ]
    )


def zoo_settings(algo: str) -> dict[str, Any]:
    """Return what stands in `agents.sb3.algorithms`, in the words of the Zoo."""
    chosen = ALGORITHMS[algo]
    network = chosen.settings["policy_kwargs"].items()
    parts = [f"{key}={_in_python(key, value)}" for key, value in network]
    game = {
        "action_format": chosen.action_formats[0],
        "reward": chosen.reward,
        "location_grid": chosen.location_grid,
    }
    wrapper = {"env_wrapper": WRAPPERS[chosen.memory]} if chosen.memory in WRAPPERS else {}
    return {
        "policy": chosen.policy,
        "n_timesteps": NUM_STEPS,
        "n_envs": chosen.num_envs,
        "env_kwargs": {key: value for key, value in game.items() if value is not None},
        **wrapper,
        **chosen.settings,
        # The Zoo reads it as Python.
        "policy_kwargs": f"dict({', '.join(parts)})",
    }


def _in_python(name: str, value: Any) -> str:
    """Return how an argument of a policy is written in Python; classes are names in ours."""
    if name not in CLASSES:
        return repr(value)
    module, _, attribute = CLASSES[name][value].partition(":")
    return f"__import__({module!r}, fromlist=[{attribute!r}]).{attribute}"
