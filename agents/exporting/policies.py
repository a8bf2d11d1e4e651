"""What is exported of a policy of Stable-Baselines3? Its actions, as its page on exporting does it.

https://stable-baselines3.readthedocs.io/en/master/guide/export.html
"""

import copy
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor, nn

from agents.base.files import Path
from agents.exporting.onnx_file import facts_of, write_onnx
from agents.sb3.spaces import describe_space
from ram_env.games.record import TaskRecord


def export_policy(
    path: Path,
    policy: BasePolicy,
    task: TaskRecord | None,
    trained: dict[str, Any],
    memory: str,
    opset: int,
) -> None:
    """Write what a policy does with one observation, deterministically, to an ONNX file.

    Its inputs are the parts of the observation; of a policy with an LSTM also `state`, 0 at first.

    Args:
        path: The file.
        policy: Of PPO, A2C, SAC or RecurrentPPO.
        task: What it has learned, if that is known.
        trained: How it was trained.
        memory: What observations hold of what was seen before: see `agents.make_vec_env`.
        opset: See `write_onnx`.

    Raises:
        ValueError: If there is no such opset.
        gymnasium.error.DependencyNotInstalled: If the extra `onnx` is missing.
    """
    policy = copy.deepcopy(policy).cpu()
    assert isinstance(policy.observation_space, spaces.Dict)
    inputs = {
        name: torch.as_tensor(np.zeros((2, *(part.shape or ())), part.dtype))
        for name, part in policy.observation_space.items()
    }
    graph: nn.Module = PolicyGraph(policy)
    if hasattr(policy, "lstm_actor"):
        lstm: Any = policy.lstm_actor
        inputs["state"] = torch.zeros(2, 2, lstm.num_layers, lstm.hidden_size)
        graph = RecurrentPolicyGraph(policy)
    facts = facts_of(
        "policy", task, trained, memory=memory, action_space=describe_space(policy.action_space)
    )
    write_onnx(path, graph, inputs, facts, opset)


class PolicyGraph(nn.Module):
    """Choose an action for an observation, as `predict(..., deterministic=True)` does."""

    def __init__(self, policy: BasePolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, **observation: Tensor) -> dict[str, Tensor]:
        """Return `actions`, (B, ...), for the parts of an observation, (B, ...) each."""
        actions = self.policy._predict(observation, deterministic=True)
        return {"actions": in_space(actions, self.policy)}


class RecurrentPolicyGraph(nn.Module):
    """The same of a policy with an LSTM."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, state: Tensor, **observation: Tensor) -> dict[str, Tensor]:
        """Return `actions`, (B, ...), and `next_state`.

        Args:
            state: Hidden and cell state, (B, 2, layers, H); 0 where an episode begins.
            **observation: The parts of the observation, (B, ...) each.
        """
        policy = self.policy
        features = policy.extract_features(observation, policy.pi_features_extractor)
        hidden, cell = state.permute(1, 2, 0, 3).contiguous()  # (layers, B, H) each
        seen, states = policy.lstm_actor(features.unsqueeze(0), (hidden, cell))
        latent = policy.mlp_extractor.forward_actor(seen.squeeze(0))
        actions = policy._get_action_dist_from_latent(latent).get_actions(deterministic=True)
        next_state = torch.stack(states).permute(2, 0, 1, 3)
        return {"actions": in_space(actions, policy), "next_state": next_state}


def in_space(actions: Tensor, policy: BasePolicy) -> Tensor:
    """Return actions as the env takes them: `predict` unscales or clips those of a Box."""
    space = policy.action_space
    if not isinstance(space, spaces.Box):
        return actions
    low, high = torch.as_tensor(space.low), torch.as_tensor(space.high)
    if policy.squash_output:
        return low + 0.5 * (actions + 1.0) * (high - low)
    return torch.maximum(torch.minimum(actions, high), low)
