"""`save` and `load` of a Stable-Baselines3 algorithm, with files that cannot run code."""

import io
import pathlib
import sys
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable
from typing import Any, Self

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from agents.model.config import RAMConfig, replace_settings
from agents.model.networks import RAMNetworks
from agents.model.policy import RAMPolicy
from agents.model.pretrained import pretrained_path
from agents.sb3.archive import (
    TensorSpec,
    load_archive,
    pack_optimizer,
    save_archive,
    unpack_optimizer,
)
from agents.sb3.spaces import (
    describe_action_space,
    described_glimpse_shape,
    described_num_classes,
    glimpse_shape_of,
    make_action_space,
    make_observation_space,
)
from ram_env.arguments import number_between, shown, whole_number

FORMAT = "ram-model"
FORMAT_VERSION = 2
# What settings were called in version 1.
RENAMED = {
    "glimpse_hidden_size": "what_hidden_size",
    "location_hidden_size": "where_hidden_size",
    "gaze_hidden_size": "location_hidden_size",
}
SUCCESSES = "recent_successes"
# What the optimisers of PyTorch that a policy may be given keep for each weight, all or nothing.
OPTIMIZER_STATES = (
    {"momentum_buffer"},  # SGD
    {"step", "exp_avg", "exp_avg_sq"},  # Adam, AdamW, RAdam
    {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"},  # AMSGrad
    {"step", "exp_avg", "exp_avg_sq", "mu_product"},  # NAdam
    {"step", "exp_avg", "exp_inf"},  # Adamax
    {"step", "square_avg"},  # RMSprop
    {"step", "square_avg", "momentum_buffer"},
    {"step", "square_avg", "grad_avg"},
    {"step", "square_avg", "momentum_buffer", "grad_avg"},
    {"step", "square_avg", "acc_delta"},  # Adadelta
    {"step", "sum"},  # Adagrad
)
COUNTS = {"step", "mu_product"}  # scalars; the others are shaped like the weight
MOMENTS = set[str]().union(*OPTIMIZER_STATES) - COUNTS


def settings_of(header: dict[str, Any]) -> dict[str, Any]:
    """Return the settings in a header, by their names of today."""
    if header["version"] > 1:
        return dict(header["config"])
    return {RENAMED.get(name, name): value for name, value in header["config"].items()}


def expected_tensors(header: dict[str, Any]) -> dict[str, TensorSpec]:
    """Return what a model file must hold, and may hold of its optimiser, by its header.

    Raises:
        ValueError, KeyError, TypeError, RuntimeError: If the header is of no model.
    """
    for name in ("seed", "num_timesteps", "episodes", "updates"):
        whole_number(name, header[name], 0)
    number_between("seconds", header.get("seconds", 0.0), 0.0, sys.float_info.max)
    if not isinstance(header["config"], dict):
        raise ValueError(f"its settings are no settings: {shown(header['config'])}")
    config = replace_settings(RAMConfig(), settings_of(header))
    glimpse_shape = described_glimpse_shape(header["glimpse_shape"])
    num_classes = described_num_classes(header["action_space"])
    with torch.device("meta"):  # shapes alone: nothing is allocated
        weights = RAMNetworks(glimpse_shape, num_classes, config).state_dict()
    specs = {"policy.location_std": TensorSpec((), torch.float32)}
    specs[SUCCESSES] = TensorSpec((None,), torch.bool, required=False)
    for index, (name, weight) in enumerate(weights.items()):
        spec = TensorSpec(tuple(weight.shape), weight.dtype)
        specs[f"policy.networks.{name}"] = spec
        for moment in MOMENTS:
            specs[f"optimizer.{index}.{moment}"] = spec._replace(required=False)
        for count in COUNTS:
            specs[f"optimizer.{index}.{count}"] = TensorSpec((), torch.float32, required=False)
    return specs


def optimizer_states(tensors: dict[str, Tensor]) -> dict[str, set[str]]:
    """Return the names of what an optimiser keeps, by the number of the weight."""
    states: dict[str, set[str]] = {}
    for key in tensors:
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            states.setdefault(index, set()).add(name)
    return states


def check_optimizer(path: Any, tensors: dict[str, Tensor]) -> None:
    """Refuse a part of an optimiser's state, with which learning could not go on.

    Raises:
        ValueError: If the weights that have a state do not all have the same whole one.
    """
    states = optimizer_states(tensors)
    first = next(iter(states.values()), None)
    for index, state in states.items():
        if state != first or state not in OPTIMIZER_STATES:
            raise ValueError(
                f"`{path}` is damaged: optimizer.{index} holds {sorted(state)}, which is no whole "
                "state of an optimiser. Choose another file or save the model again."
            )


class SafeFiles(BaseAlgorithm):
    """The part of `RAM` that deals with files: the base class would pickle and unpickle."""

    config: RAMConfig
    policy: RAMPolicy
    _seconds_before = 0.0  # of training before the process began

    @property
    @abstractmethod
    def seconds_trained(self) -> float:
        """How long the model has trained, in all processes that worked on it."""

    @abstractmethod
    def seed_env(self) -> None:
        """Seed the envs with the model's seed."""

    def save(
        self,
        path: str | pathlib.Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Save the model in one zip of JSON and tensors; nothing in it can run code.

        Args:
            path: File to write, `.zip` is added if it has no suffix; or a binary file object.
            exclude: `["optimizer"]` leaves out the optimiser's state: two thirds of the size.
            include: Accepted for compatibility; everything is included anyway.

        Raises:
            ValueError: If the optimiser's state is of a kind that `load` does not know.
        """
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "config": self.config.to_dict(),
            "glimpse_shape": list(glimpse_shape_of(self.observation_space)),
            "action_space": describe_action_space(self.action_space),
            "seed": self.seed,
            "num_timesteps": self.num_timesteps,
            "episodes": self._episode_num,
            "updates": self._n_updates,
            "seconds": self.seconds_trained,
        }
        tensors = {f"policy.{name}": value for name, value in self.policy.state_dict().items()}
        if "optimizer" not in (exclude or ()):
            tensors |= pack_optimizer(self.policy.optimizer)
            if any(state not in OPTIMIZER_STATES for state in optimizer_states(tensors).values()):
                raise ValueError(
                    f"the state of the optimiser {type(self.policy.optimizer).__name__} cannot be "
                    'saved: leave it out by `exclude=["optimizer"]`.'
                )
            # For the running error in the log of a training that goes on.
            tensors[SUCCESSES] = torch.tensor([*(self.ep_success_buffer or ())], dtype=torch.bool)
        save_archive(path, header, tensors)

    @classmethod
    def load(
        cls,
        path: str | pathlib.Path | io.BufferedIOBase,
        env: Any = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Load a model that `save` wrote.

        Args:
            path: The file or a binary file object.
            env: To go on learning; predicting needs none.
            device: Where the networks shall live.
            custom_objects: Accepted for compatibility; nothing in the file is an object.
            print_system_info: Accepted for compatibility.
            force_reset: Reset the env before learning on.
            **kwargs: More arguments of the constructor, such as `tensorboard_log` and
                `policy_kwargs`, which is not saved; settings replace the saved ones.

        Raises:
            ValueError: If the file is not a model of this version, or does not fit the env.
        """
        header, tensors = load_archive(path, FORMAT, FORMAT_VERSION, expected_tensors)
        check_optimizer(path, tensors)
        try:
            arguments: dict[str, Any] = {"seed": header["seed"], **settings_of(header), **kwargs}
            model = cls(env=None, device=device, _init_setup_model=False, **arguments)  # type: ignore[call-arg]
            model._restore(header, tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"`{path}` does not hold a whole model ({error}).") from error
        if env is not None:
            model.set_env(env, force_reset)
            model.seed_env()
        return model

    @classmethod
    def from_pretrained(cls, name: str, env: Any = None, **arguments: Any) -> Self:
        """Load a trained model that comes with the package.

        Args:
            name: Short name of its task: `"centered"`, `"cluttered"`, ...
            env: To go on learning; predicting needs none.
            **arguments: Those of `load`, such as `device`.

        Raises:
            ValueError: If there is no model of that name.
        """
        return cls.load(pretrained_path(name), env, **arguments)

    def _restore(self, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Take over what `save` wrote."""
        self.observation_space = make_observation_space(header["glimpse_shape"])
        self.action_space = make_action_space(header["action_space"])
        self._setup_model()
        prefix = "policy."
        weights = {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        self.policy.load_state_dict(weights)
        unpack_optimizer(self.policy.optimizer, tensors)
        if SUCCESSES in tensors:
            size = self._stats_window_size
            self.ep_info_buffer = deque(maxlen=size)
            self.ep_success_buffer = deque(tensors[SUCCESSES].tolist(), maxlen=size)
        self._seconds_before = header.get("seconds", 0.0)
        self.num_timesteps = header["num_timesteps"]
        self._episode_num, self._n_updates = header["episodes"], header["updates"]
