"""A recurrent actor-critic in plain PyTorch: where to look and what to answer from reward alone.

python examples/recurrent_actor_critic.py
"""

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

import ram_env  # noqa: F401 - registers the envs


class ActorCritic(nn.Module):
    """A GRU over glimpses, with a head for each part of the action and one for the value."""

    def __init__(self, glimpse_size: int, choices: list[int], hidden_size: int = 256) -> None:
        """Make the layers; `choices` says how many values each part of the action has."""
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(glimpse_size + 2, hidden_size), nn.ReLU())
        self.core = nn.GRUCell(hidden_size, hidden_size)
        self.actor = nn.Linear(hidden_size, sum(choices))
        self.critic = nn.Linear(hidden_size, 1)
        self.choices, self.hidden_size = choices, hidden_size

    def forward(self, observation: dict[str, np.ndarray], hidden: Tensor) -> tuple[Tensor, ...]:
        """Take in a glimpse: return logits of all parts, value (B,), new state (B, H)."""
        glimpse = torch.as_tensor(observation["glimpse"]).flatten(1)  # (B, K g g)
        location = torch.as_tensor(observation["location"])  # (B, 2)
        hidden = self.core(self.encode(torch.cat([glimpse, location], dim=1)), hidden)  # (B, H)
        return self.actor(hidden), self.critic(hidden).squeeze(1), hidden

    def act(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw actions (B, 3): return them, log-probability and entropy of each part, (B, 3)."""
        parts = [Categorical(logits=part) for part in logits.split(self.choices, dim=1)]
        action = [part.sample() for part in parts]
        log_probs = [part.log_prob(a) for part, a in zip(parts, action, strict=True)]
        entropies = [part.entropy() for part in parts]
        return torch.stack(action, 1), torch.stack(log_probs, 1), torch.stack(entropies, 1)


def main(num_updates: int = 1_500, num_envs: int = 256, discount: float = 0.9) -> float:
    """Train; return the error of the last fifty updates in percent, exploration included."""
    torch.manual_seed(0)
    env = gym.make_vec(
        "GlimpseMNIST-v0", num_envs, action_format="multidiscrete", reward="every_step"
    )
    glimpse_size = int(np.prod(env.single_observation_space["glimpse"].shape))  # type: ignore[index]
    agent = ActorCritic(glimpse_size, env.single_action_space.nvec.tolist())  # type: ignore[attr-defined]
    optimizer = torch.optim.Adam(agent.parameters(), lr=2e-3)
    errors = []
    for update in range(num_updates):
        observation, info = env.reset(seed=0 if update == 0 else None)
        hidden, steps, terminations = torch.zeros(num_envs, agent.hidden_size), [], np.zeros(1)
        while not terminations.any():  # all episodes end together
            logits, value, hidden = agent(observation, hidden)
            action, log_prob, entropy = agent.act(logits)
            observation, reward, terminations, _, info = env.step(action.numpy())
            steps.append((torch.as_tensor(reward).float(), log_prob, entropy, value))
        rewards, log_probs, entropies, values = map(torch.stack, zip(*steps, strict=True))
        later = torch.zeros_like(rewards)  # (T, B): what the next look brings, and those after it
        for t in reversed(range(len(rewards) - 1)):
            later[t] = rewards[t + 1] + discount * later[t + 1]
        looks = len(rewards) * (later - values).detach()  # an answer is paid 1 / T
        answers = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-6)
        advantages = torch.stack([0.1 * looks, 0.1 * looks, answers], dim=2)  # (T, B, 3)
        loss = -(advantages * log_probs + 0.01 * entropies).sum(2).mean()
        optimizer.zero_grad()
        (loss + (later - values).square().mean()).backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        optimizer.step()
        errors.append(100.0 * (1.0 - info["is_success"].mean()))
    return float(np.mean(errors[-50:]))


if __name__ == "__main__":
    print(f"{main():.1f} % error while exploring")
