"""PPO in one file, as CleanRL writes it: python examples/cleanrl_ppo.py [TASK STEPS]."""

import sys
from typing import Any

import gymnasium as gym
import torch
from torch import nn
from torch.distributions import Categorical

from agents import FlatPolicy, FrozenScenes
from ram_env import SHORT_NAMES
from ram_env.wrappers.vector import DiscreteAction, FlattenObservation, GlimpseHistory

GAME: Any = {"action_format": "multidiscrete", "location_grid": 4, "reward": "every_step"}


def main(task: str = "centered", num_steps: int = 200_000, num_envs: int = 128) -> float:
    """Train for some steps; return the error on the test scenes in percent."""
    torch.manual_seed(0)
    env: Any = gym.make_vec(SHORT_NAMES[task], num_envs, autoreset_mode="SameStep", **GAME)
    env = DiscreteAction(FlattenObservation(GlimpseHistory(env)))
    num_inputs, num_actions = env.single_observation_space.shape[0], env.single_action_space.n
    trunk = nn.Sequential(nn.Linear(num_inputs, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    actor, critic = nn.Sequential(trunk, nn.Linear(256, num_actions)), nn.Linear(256, 1)
    optimizer = torch.optim.Adam(weights := [*actor.parameters(), *critic.parameters()], lr=1e-3)
    seen = torch.as_tensor(env.reset(seed=0)[0])
    for _ in range(max(1, num_steps // (8 * num_envs))):
        steps, gains = list[Any](), list[torch.Tensor]()
        with torch.no_grad():
            for _ in range(8):
                policy, value = Categorical(logits=actor(seen)), critic(trunk(seen)).squeeze(1)
                action = policy.sample()
                after, reward, ended, _, _ = env.step(action.numpy())
                paid, going = torch.as_tensor(reward).float(), torch.as_tensor(~ended).float()
                steps.append((seen, action, policy.log_prob(action), value, paid, going))
                seen = torch.as_tensor(after)
            later, advantage = critic(trunk(seen)).squeeze(1), torch.zeros(num_envs)
            for *_, value, paid, going in reversed(steps):  # generalised advantage estimation
                advantage = paid + 0.95 * going * (later + 0.95 * advantage) - value
                gains, later = [advantage, *gains], value
        batch = [torch.cat([*part]) for part in [*zip(*steps, strict=True), gains]]
        for rows in torch.cat([torch.randperm(8 * num_envs) for _ in range(3)]).split(512):
            inputs, action, log_prob, value, _, _, gain = (part[rows] for part in batch)
            policy, expected = Categorical(logits=actor(inputs)), critic(trunk(inputs)).squeeze(1)
            ratio, fair = (policy.log_prob(action) - log_prob).exp(), gain / (gain.std() + 1e-8)
            policy_loss = -torch.min(ratio * fair, ratio.clamp(0.8, 1.2) * fair).mean()
            value_loss = (expected - value - gain).square().mean()
            optimizer.zero_grad()
            (policy_loss + 0.5 * value_loss - 0.02 * policy.entropy().mean()).backward()
            nn.utils.clip_grad_norm_(weights, 0.5)
            optimizer.step()
    scenes = FrozenScenes(SHORT_NAMES[task], GAME, memory="history")
    greedy = FlatPolicy(lambda seen: actor(torch.as_tensor(seen)).argmax(1), *scenes.single_spaces)
    return scenes.evaluate(greedy).error


if __name__ == "__main__":
    task, num_steps = sys.argv[1:] or ("centered", "200_000")
    print(f"{main(task, int(num_steps)):.1f} % test error")
