"""Which algorithms are there, and what suits each on these tasks? No torch in here."""

from dataclasses import dataclass, field
from typing import Any

from ram_env.games.actions import ActionFormat

BOX, MULTIDISCRETE, DICT = (
    ActionFormat.BOX.value,
    ActionFormat.MULTIDISCRETE.value,
    ActionFormat.DICT.value,
)
MEMORIES = ("none", "history", "canvas")  # see `ram_env.wrappers`


@dataclass(frozen=True)
class Algorithm:
    """An algorithm and its defaults on the tasks of this project.

    Attributes:
        home: The module that it is imported from.
        class_name: Its name in that module.
        policy: The name of its policy.
        action_formats: The formats that it can take; the first suits it best.
        memory: How it remembers what was seen, one of `MEMORIES`.
        reward: The reward rule of the env; None: the env's own default.
        location_grid: How many cells each side has under `multidiscrete`; None: the env's default.
        num_envs: How many games it plays at once.
        settings: The arguments of its constructor, as JSON has them.
        losses: The losses that it logs, columns of progress.csv.
    """

    home: str
    class_name: str
    policy: str
    action_formats: tuple[str, ...]
    memory: str = "none"
    reward: str | None = None
    location_grid: int | None = None
    num_envs: int = 256
    settings: dict[str, Any] = field(default_factory=dict)
    losses: tuple[str, ...] = ()


_NETWORK = {"net_arch": [256, 256], "activation_fn": "ReLU"}
_ACTOR_CRITIC_LOSSES = ("train/policy_gradient_loss", "train/value_loss", "train/entropy_loss")

# A gaze that is a choice among few cells goes on exploring; 7 along each side are too many to try.
COARSE_GRID = 4

ALGORITHMS: dict[str, Algorithm] = {
    # Its settings are those of `agents.model.config`; it has a memory of its own.
    "ram": Algorithm(
        "agents.model.ram",
        "RAM",
        "RAMPolicy",
        (BOX, MULTIDISCRETE, DICT),
        losses=("train/classification_loss", "train/policy_loss", "train/baseline_loss"),
    ),
    "ppo": Algorithm(
        "stable_baselines3",
        "PPO",
        "MultiInputPolicy",
        (MULTIDISCRETE, BOX, DICT),
        memory="history",
        reward="every_step",
        location_grid=COARSE_GRID,
        settings={
            "n_steps": 8,  # about an episode: short rollouts learn several times as fast
            "batch_size": 1024,
            "n_epochs": 3,
            "learning_rate": "lin_0.001",  # falls to 0 over the budget
            "gamma": 0.95,
            "gae_lambda": 0.95,
            "ent_coef": 0.02,
            "policy_kwargs": _NETWORK,
        },
        losses=_ACTOR_CRITIC_LOSSES,
    ),
    "recurrent_ppo": Algorithm(
        "sb3_contrib",
        "RecurrentPPO",
        "MultiInputLstmPolicy",
        (MULTIDISCRETE, BOX, DICT),
        reward="every_step",
        location_grid=COARSE_GRID,
        settings={
            "n_steps": 14,
            "batch_size": 896,
            "n_epochs": 2,
            "learning_rate": 1e-3,
            "gamma": 0.95,
            "gae_lambda": 0.95,
            "ent_coef": 0.02,
            "policy_kwargs": {**_NETWORK, "lstm_hidden_size": 128},
        },
        losses=_ACTOR_CRITIC_LOSSES,
    ),
    "a2c": Algorithm(
        "stable_baselines3",
        "A2C",
        "MultiInputPolicy",
        (MULTIDISCRETE, BOX, DICT),
        memory="history",
        reward="every_step",
        location_grid=COARSE_GRID,
        num_envs=64,
        settings={
            "n_steps": 8,
            "use_rms_prop": False,
            "normalize_advantage": True,
            "learning_rate": 1e-3,
            "gamma": 0.95,
            "gae_lambda": 0.95,
            "ent_coef": 0.02,
            "policy_kwargs": _NETWORK,
        },
        losses=("train/policy_loss", "train/value_loss", "train/entropy_loss"),
    ),
    "sac": Algorithm(
        "stable_baselines3",
        "SAC",
        "MultiInputPolicy",
        (BOX, DICT),
        memory="history",
        reward="log_likelihood",
        num_envs=64,
        settings={
            "buffer_size": 200_000,
            "learning_starts": 5_000,
            "batch_size": 256,
            "gradient_steps": 4,
            "ent_coef": 0.01,
            "gamma": 0.95,
            "policy_kwargs": _NETWORK,
        },
        losses=("train/actor_loss", "train/critic_loss", "train/ent_coef"),
    ),
}


def choose_algorithm(name: str) -> Algorithm:
    """Return the algorithm of a name.

    Raises:
        ValueError: If there is none.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"`algo` must be one of {', '.join(ALGORITHMS)}, got {name!r}.")
    return ALGORITHMS[name]


def check_action_format(name: str, action_format: str) -> None:
    """Refuse an action format that an algorithm cannot take.

    Raises:
        ValueError: If it cannot.
    """
    takes = ALGORITHMS[name].action_formats
    if action_format not in takes:
        raise ValueError(
            f"`action_format` of {name} must be one of {', '.join(takes)}, got {action_format!r}."
        )


def check_memory(name: str, memory: str) -> None:
    """Refuse a memory that does not exist, or one for an agent that has its own.

    Raises:
        ValueError: If it is refused.
    """
    if memory not in MEMORIES:
        raise ValueError(f"`memory` must be one of {', '.join(MEMORIES)}, got {memory!r}.")
    if name == "ram" and memory != "none":
        raise ValueError(
            f"`memory` is for agents without one, and ram has its core network, got {memory!r}: "
            "leave it out."
        )
