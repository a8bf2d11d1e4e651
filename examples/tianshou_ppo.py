"""PPO of Tianshou, whose vector envs are of single ones: examples/tianshou_ppo.py [TASK STEPS]."""

import sys
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OnPolicyTrainerParams
from tianshou.utils.net.common import Net
from tianshou.utils.net.discrete import DiscreteActor, DiscreteCritic
from tianshou.utils.net.discrete import dist_fn_categorical_from_logits as from_logits

from agents import FlatPolicy, FrozenScenes
from ram_env import SHORT_NAMES
from ram_env.wrappers import DiscreteAction, FlattenObservation, GlimpseHistory

GAME: Any = {"action_format": "multidiscrete", "location_grid": 4, "reward": "every_step"}
SETTINGS: Any = {"gamma": 0.95, "ent_coef": 0.01, "max_grad_norm": 0.5}
UPDATE: Any = {"batch_size": 128, "update_step_num_repetitions": 3, "show_progress": False}


def main(task: str = "centered", num_steps: int = 100_000, num_envs: int = 64) -> float:
    """Train for some steps; return the error on the test scenes in percent."""

    def make() -> Any:
        game = gym.make(SHORT_NAMES[task], **GAME)
        return DiscreteAction(FlattenObservation(GlimpseHistory(game)))

    torch.manual_seed(0)
    envs, one = DummyVectorEnv([make] * num_envs), make()
    envs.seed(0)
    shape, actions = one.observation_space.shape, one.action_space
    nets = [Net(state_shape=shape, hidden_sizes=[256, 256]) for _ in range(2)]
    actor = DiscreteActor(preprocess_net=nets[0], action_shape=actions.n, softmax_output=False)
    policy = ProbabilisticActorPolicy(
        actor=actor, dist_fn=from_logits, action_space=actions, action_scaling=False
    )
    critic, adam = DiscreteCritic(preprocess_net=nets[1]), AdamOptimizerFactory(lr=1e-3)
    algorithm = PPO(policy=policy, critic=critic, optim=adam, **SETTINGS)
    rollout = 8 * num_envs
    collector = Collector(algorithm, envs, VectorReplayBuffer(rollout, num_envs))
    budget: dict[str, Any] = {"max_epochs": 1, "epoch_num_steps": num_steps, "verbose": False}
    budget["collection_step_num_env_steps"] = rollout
    params = OnPolicyTrainerParams(training_collector=collector, **budget, **UPDATE)
    algorithm.run_training(params)
    scenes = FrozenScenes(SHORT_NAMES[task], GAME, memory="history")
    greedy = FlatPolicy(lambda seen: actor(np.asarray(seen))[0].argmax(1), *scenes.single_spaces)
    return scenes.evaluate(greedy).error


if __name__ == "__main__":
    task, num_steps = sys.argv[1:] or ("centered", "100_000")
    print(f"{main(task, int(num_steps)):.1f} % test error")
