"""TorchRL: the env as a `GymEnv`, a policy as a `TensorDictModule`, and whole episodes at once.

python examples/torchrl_rollout.py
"""

import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import Tensor, nn
from torchrl.envs import GymEnv

import ram_env  # noqa: F401 - registers the envs


class Policy(nn.Module):
    """Look at the middle, and score the classes by what is seen there."""

    def __init__(self, glimpse_size: int, num_classes: int) -> None:
        """Make the one layer."""
        super().__init__()
        self.classify = nn.Linear(glimpse_size, num_classes)

    def forward(self, glimpse: Tensor) -> Tensor:
        """Return actions of format `"box"`: location (x, y), then a score per class."""
        scores = torch.tanh(self.classify(glimpse.flatten(-3)))
        return torch.cat([torch.zeros_like(scores[..., :2]), scores], dim=-1)


def main(num_episodes: int = 20) -> TensorDict:
    """Play some episodes with a policy that has not learned; return the last one."""
    env = GymEnv("GlimpseMNIST-v0")
    env.set_seed(0)
    glimpse_size = env.observation_spec["glimpse"].shape.numel()
    policy = Policy(glimpse_size, env.action_spec.shape[-1] - 2)
    module = TensorDictModule(policy, in_keys=["glimpse"], out_keys=["action"])
    with torch.no_grad():
        episodes = [env.rollout(100, module) for _ in range(num_episodes)]
    rewards = torch.stack([episode["next", "reward"].sum() for episode in episodes])
    print(f"{rewards.mean().item():.1%} right in {num_episodes} episodes, untrained")
    return episodes[-1]


if __name__ == "__main__":
    print(main())
