"""PPO of Stable-Baselines3, which takes a Dict: python examples/sb3_ppo.py [TASK STEPS]."""

import sys
from typing import Any

from stable_baselines3 import PPO

from agents import FrozenScenes, make_vec_env
from ram_env import SHORT_NAMES

GAME: Any = {"action_format": "multidiscrete", "location_grid": 4, "reward": "every_step"}


def main(task: str = "centered", num_steps: int = 200_000, num_envs: int = 128) -> float:
    """Train for some steps; return the error on the test scenes in percent."""
    env = make_vec_env(SHORT_NAMES[task], num_envs, memory="history", env_kwargs=GAME)
    settings: dict[str, Any] = {"learning_rate": 1e-3, "gamma": 0.95, "ent_coef": 0.02}
    settings |= {
        "n_steps": 8,
        "n_epochs": 3,
        "batch_size": 512,
        "policy_kwargs": {"net_arch": [256, 256]},
    }
    model = PPO("MultiInputPolicy", env, seed=0, **settings)
    model.learn(num_steps)
    return FrozenScenes(SHORT_NAMES[task], GAME, memory="history").evaluate(model).error


if __name__ == "__main__":
    task, num_steps = sys.argv[1:] or ("centered", "200_000")
    print(f"{main(task, int(num_steps)):.1f} % test error")
