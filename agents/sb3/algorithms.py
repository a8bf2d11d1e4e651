"""Which algorithms are there, and what suits each on these tasks? No torch in here."""

from dataclasses import dataclass, field
from typing import Any

MEMORIES = ("none", "history", "canvas")  # see `ram_env.wrappers`


@dataclass(frozen=True)
class Algorithm:
    """An algorithm and its defaults on the tasks of this project."""

    home: str  # of its class, `module:name`
    policy: str  # the name of its policy
    action_formats: tuple[str, ...]  # that it can take; the first suits it best
    losses: tuple[str, ...]  # that it logs, columns of progress.csv
    memory: str = "none"  # how it remembers what was seen, one of `MEMORIES`
    reward: str | None = None  # rule of the env; None: the env's own default
    location_grid: int | None = None  # cells of a side under `multidiscrete`; None: the env's own
    num_envs: int = 256  # games at once
    settings: dict[str, Any] = field(default_factory=dict)  # of its constructor, as JSON has them


# RAM's glimpse network sees every glimpse, then one layer: it learns several times as fast as two
# layers over all numbers at once.
_ENCODER = {
    "features_extractor_class": "GlimpseEncoder",
    "net_arch": [256],
    "activation_fn": "ReLU",
}
_ON_POLICY = {"gamma": 0.8, "gae_lambda": 0.9, "ent_coef": 0.02, "policy_kwargs": _ENCODER}
_PPO = {
    "n_steps": 8,  # about an episode: short rollouts learn several times as fast
    "batch_size": 1024,
    "n_epochs": 3,
    "learning_rate": "lin_0.001",  # falls to 0 over the budget
    **_ON_POLICY,
}
_PPO_LOSSES = ("train/policy_gradient_loss", "train/value_loss", "train/entropy_loss")

# A gaze that is a choice among few cells goes on exploring; 7 along each side are too many to try.
COARSE_GRID = 4

ALGORITHMS: dict[str, Algorithm] = {
    # Its settings are those of `agents.model.config`; it has a memory of its own.
    "ram": Algorithm(
        "agents.model.ram:RAM",
        "RAMPolicy",
        ("box", "multidiscrete", "dict"),
        ("train/classification_loss", "train/policy_loss", "train/baseline_loss"),
    ),
    "ppo": Algorithm(
        "stable_baselines3:PPO",
        "MultiInputPolicy",
        ("multidiscrete", "box", "dict"),
        _PPO_LOSSES,
        memory="history",
        reward="every_step",
        location_grid=COARSE_GRID,
        settings=_PPO,
    ),
    "recurrent_ppo": Algorithm(
        "agents.sb3.recurrent_ppo:RecurrentPPO",
        "MultiInputLstmPolicy",
        ("multidiscrete", "box", "dict"),
        _PPO_LOSSES,
        reward="every_step",
        location_grid=COARSE_GRID,
        settings={
            **_PPO,
            # One LSTM instead of the layer, for policy and value.
            "policy_kwargs": {
                **_ENCODER,
                "net_arch": [],
                "lstm_hidden_size": 256,
                "shared_lstm": True,
                "enable_critic_lstm": False,
            },
        },
    ),
    "a2c": Algorithm(
        "stable_baselines3:A2C",
        "MultiInputPolicy",
        ("multidiscrete", "box", "dict"),
        ("train/policy_loss", "train/value_loss", "train/entropy_loss"),
        memory="history",
        reward="every_step",
        location_grid=COARSE_GRID,
        num_envs=64,
        settings={
            "n_steps": 8,
            "use_rms_prop": False,
            "normalize_advantage": True,
            "learning_rate": 1e-3,
            **_ON_POLICY,
        },
    ),
    "sac": Algorithm(
        "stable_baselines3:SAC",
        "MultiInputPolicy",
        ("box", "dict"),
        ("train/actor_loss", "train/critic_loss", "train/ent_coef"),
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
            "policy_kwargs": {"net_arch": [256, 256], "activation_fn": "ReLU"},
        },
    ),
}
