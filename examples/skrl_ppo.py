"""PPO of skrl on many games at once: python examples/skrl_ppo.py [TASK STEPS]."""

import sys
from typing import Any

import gymnasium as gym
import torch
from skrl.agents.torch.ppo import PPO
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.trainers.torch import SequentialTrainer
from skrl.utils import set_seed
from skrl.utils.model_instantiators.torch import categorical_model, deterministic_model

from agents import FlatPolicy, FrozenScenes
from ram_env import SHORT_NAMES
from ram_env.wrappers.vector import DiscreteAction, FlattenObservation, GlimpseHistory

GAME: Any = {"action_format": "multidiscrete", "location_grid": 4, "reward": "every_step"}
HIDDEN: Any = {"name": "net", "input": "OBSERVATIONS", "layers": [256, 256], "activations": "relu"}
SETTINGS: Any = {"rollouts": 8, "learning_epochs": 3, "mini_batches": 2, "learning_rate": 1e-3}
SETTINGS |= {"discount_factor": 0.95, "entropy_loss_scale": 0.02, "value_loss_scale": 0.5}


def main(task: str = "centered", num_steps: int = 200_000, num_envs: int = 128) -> float:
    """Train for some steps; return the error on the test scenes in percent."""
    set_seed(0)
    games: Any = gym.make_vec(SHORT_NAMES[task], num_envs, autoreset_mode="SameStep", **GAME)
    env = wrap_env(DiscreteAction(FlattenObservation(GlimpseHistory(games))))
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
    layers = {**spaces, "device": env.device, "network": [HIDDEN]}
    policy = categorical_model(output="ACTIONS", **layers)
    models = {"policy": policy, "value": deterministic_model(output="ONE", **layers)}
    agent = PPO(
        models=models,
        memory=RandomMemory(memory_size=8, num_envs=num_envs, device=env.device),
        device=env.device,
        cfg={**SETTINGS, "experiment": {"write_interval": 0, "checkpoint_interval": 0}},
        **spaces,
    )
    settings = {"timesteps": max(8, num_steps // num_envs), "close_environment_at_exit": False}
    SequentialTrainer(env=env, agents=agent, cfg=settings).train()
    scenes = FrozenScenes(SHORT_NAMES[task], GAME, memory="history")

    def best(seen: Any) -> Any:
        inputs = {"observations": torch.as_tensor(seen, device=env.device)}
        with torch.no_grad():
            return policy.act(inputs, role="policy")[1]["net_output"].argmax(1).cpu()

    return scenes.evaluate(FlatPolicy(best, *scenes.single_spaces)).error


if __name__ == "__main__":
    task, num_steps = sys.argv[1:] or ("centered", "200_000")
    print(f"{main(task, int(num_steps)):.1f} % test error")
