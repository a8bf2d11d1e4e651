"""PPO of TorchRL, many games in one `GymWrapper`: python examples/torchrl_ppo.py [TASK STEPS]."""

import sys
from typing import Any

import gymnasium as gym
import torch
from tensordict.nn import TensorDictModule
from torch.distributions import Categorical
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper
from torchrl.modules import MLP, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

from agents import FlatPolicy, FrozenScenes
from ram_env import SHORT_NAMES
from ram_env.wrappers.vector import DiscreteAction, FlattenObservation, GlimpseHistory

GAME: Any = {"action_format": "multidiscrete", "location_grid": 4, "reward": "every_step"}


def main(task: str = "centered", num_steps: int = 200_000, num_envs: int = 128) -> float:
    """Train for some steps; return the error on the test scenes in percent."""
    torch.manual_seed(0)
    games: Any = gym.make_vec(SHORT_NAMES[task], num_envs, autoreset_mode="SameStep", **GAME)
    games = DiscreteAction(FlattenObservation(GlimpseHistory(games)))
    env = GymWrapper(games, categorical_action_encoding=True)
    env.set_seed(0)
    layers: dict[str, Any] = {"num_cells": [256, 256], "activation_class": torch.nn.ReLU}
    logits = MLP(out_features=int(games.single_action_space.n), **layers)
    scorer = TensorDictModule(logits, ["observation"], ["logits"])
    choice = {"distribution_class": Categorical, "return_log_prob": True}
    actor = ProbabilisticActor(scorer, in_keys=["logits"], **choice)
    critic = ValueOperator(MLP(out_features=1, **layers), in_keys=["observation"])
    with torch.no_grad():
        critic(actor(env.reset()))  # the first call makes the layers
    loss = ClipPPOLoss(actor, critic, entropy_coeff=0.02, normalize_advantage=True)
    gae = GAE(gamma=0.95, lmbda=0.95, value_network=critic)
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-3)
    steps = {"frames_per_batch": 8 * num_envs, "total_frames": num_steps}
    for batch in Collector(env, actor, **steps):
        with torch.no_grad():
            rollout = gae(batch).reshape(-1)
        for rows in torch.cat([torch.randperm(len(rollout)) for _ in range(3)]).split(512):
            losses = loss(rollout[rows])
            optimizer.zero_grad()
            sum(value for name, value in losses.items() if name.startswith("loss_")).backward()
            torch.nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
            optimizer.step()
    scenes = FrozenScenes(SHORT_NAMES[task], GAME, memory="history")
    greedy = FlatPolicy(lambda seen: logits(torch.as_tensor(seen)).argmax(1), *scenes.single_spaces)
    return scenes.evaluate(greedy).error


if __name__ == "__main__":
    task, num_steps = sys.argv[1:] or ("centered", "200_000")
    print(f"{main(task, int(num_steps)):.1f} % test error")
