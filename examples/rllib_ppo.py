"""PPO of RLlib, which makes envs of one dict: python examples/rllib_ppo.py [TASK STEPS]."""

import sys
from typing import Any

import gymnasium as gym
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.columns import Columns
from ray.tune.registry import register_env

from agents import FlatPolicy, FrozenScenes
from ram_env import SHORT_NAMES
from ram_env.wrappers import DiscreteAction, FlattenObservation, GlimpseHistory

GAME: Any = {"action_format": "multidiscrete", "location_grid": 4, "reward": "every_step"}


def make(env_config: dict[str, Any]) -> gym.Env[Any, Any]:
    """Make a game from the one dict that RLlib hands on."""
    return DiscreteAction(FlattenObservation(GlimpseHistory(gym.make(**env_config))))


def main(task: str = "centered", num_steps: int = 100_000, num_envs: int = 64) -> float:
    """Train for some steps; return the error on the test scenes in percent."""
    register_env("glimpses", make)
    rollout = 8 * num_envs
    config = (
        PPOConfig()
        .environment("glimpses", env_config={"id": SHORT_NAMES[task], **GAME})
        .env_runners(num_env_runners=0, num_envs_per_env_runner=num_envs)
        .training(lr=1e-3, gamma=0.95, lambda_=0.95, entropy_coeff=0.02, num_epochs=3)
        .training(train_batch_size=2 * rollout, minibatch_size=rollout, grad_clip=0.5)
        .training(use_kl_loss=False, vf_loss_coeff=0.5)
        .rl_module(model_config={"fcnet_hiddens": [256, 256], "fcnet_activation": "relu"})
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    for _ in range(max(1, num_steps // (2 * rollout))):
        algorithm.train()
    module = algorithm.get_module()

    def best(seen: Any) -> Any:
        with torch.no_grad():
            out = module.forward_inference({Columns.OBS: torch.as_tensor(seen)})
        return out[Columns.ACTION_DIST_INPUTS].argmax(1)

    scenes = FrozenScenes(SHORT_NAMES[task], GAME, memory="history")
    error = scenes.evaluate(FlatPolicy(best, *scenes.single_spaces)).error
    algorithm.stop()
    return error


if __name__ == "__main__":
    task, num_steps = sys.argv[1:] or ("centered", "100_000")
    print(f"{main(task, int(num_steps)):.1f} % test error")
