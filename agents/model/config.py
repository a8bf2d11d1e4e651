"""Settings of the Recurrent Attention Model and the presets. No torch in here."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

MAX_UNITS = 2**31  # of a layer, and
MAX_BATCH = 2**24  # episodes: far more than any machine trains


def _setting(default: Any, text: str) -> Any:
    """Declare a field with its help text."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class RAMConfig:
    """All settings of `RAM`. The defaults are the preset `default`; see `PRESETS`.

    Where no other origin is named, values are those that the trials in docs/recipe.md favour; what
    Mnih et al. 2014 prints of them, section 4, is in preset `paper`.

    Raises:
        ValueError: If a setting is out of its range or does not fit the others.
    """

    # Networks
    core: str = _setting("gru", "core network: relu (the paper's), gru or lstm")
    hidden_size: int = _setting(256, "units of the core network")
    glimpse_hidden_size: int = _setting(256, "units of the first layer that sees the glimpse")
    location_hidden_size: int = _setting(128, "units of the first layer that sees the location")
    feature_size: int = _setting(256, "units of the glimpse network's output")
    glimpse_shift: float = _setting(0.1, "subtracted from a glimpse (about its mean)")
    glimpse_scale: float = _setting(0.25, "then divides it (about its standard deviation)")
    normalise_features: bool = _setting(True, "layer norm before the glimpse network's last ReLU")
    gaze_hidden_size: int = _setting(128, "hidden units of the location network; 0: linear")
    squash_location: bool = _setting(True, "tanh on the mean of the next location")
    # What is learned, and from what
    learn_class_from: str = _setting(
        "labels", "labels: cross-entropy (the paper's hybrid); reward: policy gradient, no labels"
    )
    classify_every_step: bool = _setting(
        True, "cross-entropy after each glimpse (mean) and the last, instead of the last alone"
    )
    gaze_reward: str = _setting(
        "belief",
        "what the gaze is paid: env: the env's rewards; belief: with each glimpse the rise of "
        "p(label), at the last to 1 or 0 for right or wrong; log_likelihood: log p(label)",
    )
    log_likelihood_floor: float = _setting(-5.0, "lowest log p(label) that is paid, in nats")
    discount: float = _setting(0.0, "of rewards after the glimpse that a location leads to")
    policy_coef: float = _setting(0.3, "weight of the policy loss")
    entropy_coef: float = _setting(
        0.0, "weight of the entropy of the answers, if the class is learned from reward"
    )
    baseline_coef: float = _setting(1.0, "weight of the baseline loss")
    policy_gradient_to_core: bool = _setting(
        True, "let the location network's policy gradient reach core and glimpse networks"
    )
    gaze: str = _setting(
        "learned", "learned, or random: uniform over the canvas, the yardstick of a learned one"
    )
    # Exploration and optimisation; schedules run over the whole budget
    location_std: float = _setting(0.13, "std of the location at the start (canvas spans -1 to 1)")
    final_location_std: float = _setting(0.03, "std of the location at the end; linear between")
    learning_rate: float = _setting(4.5e-3, "Adam's learning rate after the warm-up")
    adam_beta2: float = _setting(0.98, "how slowly Adam forgets the size of gradients")
    warmup_fraction: float = _setting(0.03, "share of the budget in which it rises from 0")
    learning_rate_schedule: str = _setting("cosine", "cosine (to 0) or constant")
    max_grad_norm: float = _setting(1.0, "the gradient is scaled down to this norm")
    batch_size: int = _setting(512, "episodes per gradient step")
    precision: str = _setting(
        "auto",
        "of all but the last layers in training: float32, bfloat16 (weights stay float32), or "
        "auto: bfloat16 where the processor multiplies it natively",
    )

    def __post_init__(self) -> None:
        """Check every setting."""
        for name, value in self.to_dict().items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"`{name}` must be finite, got {value!r}.")
        _one_of(self, "core", "relu", "gru", "lstm")
        _one_of(self, "learn_class_from", "labels", "reward")
        _one_of(self, "gaze_reward", "env", "belief", "log_likelihood")
        _one_of(self, "gaze", "learned", "random")
        _one_of(self, "learning_rate_schedule", "cosine", "constant")
        _one_of(self, "precision", "auto", "float32", "bfloat16")
        for name in ("hidden_size", "glimpse_hidden_size", "location_hidden_size", "feature_size"):
            _at_least(self, name, 1)
            _at_most(self, name, MAX_UNITS)
        _at_least(self, "batch_size", 1)
        _at_most(self, "batch_size", MAX_BATCH)
        _at_least(self, "gaze_hidden_size", 0)
        _at_most(self, "gaze_hidden_size", MAX_UNITS)
        for name in ("policy_coef", "entropy_coef", "baseline_coef", "warmup_fraction", "discount"):
            _at_least(self, name, 0.0)
        _at_most(self, "discount", 1.0)
        _at_least(self, "adam_beta2", 0.0)
        _at_most(self, "adam_beta2", 0.9999)
        _at_most(self, "warmup_fraction", 0.9)
        _at_most(self, "log_likelihood_floor", 0.0)
        for name in ("glimpse_scale", "location_std", "final_location_std", "learning_rate"):
            _positive(self, name)
        _positive(self, "max_grad_norm")
        if self.learn_class_from == "reward" and self.gaze_reward != "env":
            raise ValueError(
                "`learn_class_from='reward'` reads no labels, so `gaze_reward` must be 'env', "
                f"got {self.gaze_reward!r}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can hold."""
        return dataclasses.asdict(self)


def replace_settings(config: RAMConfig, settings: dict[str, Any]) -> RAMConfig:
    """Return the config with some settings changed.

    Raises:
        ValueError: If a setting is unknown, of the wrong type or out of its range.
    """
    fields = {field.name: field for field in dataclasses.fields(RAMConfig)}
    unknown = sorted(set(settings) - set(fields))
    if unknown:
        raise ValueError(f"unknown setting {unknown}: the settings are {sorted(fields)}.")
    for name, value in settings.items():
        check_type(f"`{name}`", value, type(fields[name].default))
    return dataclasses.replace(config, **settings)


def check_type(what: str, value: Any, expected: type) -> None:
    """Refuse a setting of another type than its default has; a whole number is a float too.

    Raises:
        ValueError: If it is refused.
    """
    fits = isinstance(value, int | float) if expected is float else isinstance(value, expected)
    if not fits or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"{what} must be of type {expected.__name__}, got {value!r}.")


def _one_of(config: RAMConfig, name: str, *choices: str) -> None:
    if getattr(config, name) not in choices:
        raise ValueError(f"`{name}` must be one of {choices}, got {getattr(config, name)!r}.")


def _at_least(config: RAMConfig, name: str, lowest: float) -> None:
    if not getattr(config, name) >= lowest:
        raise ValueError(f"`{name}` must be at least {lowest}, got {getattr(config, name)!r}.")


def _at_most(config: RAMConfig, name: str, highest: float) -> None:
    if not getattr(config, name) <= highest:
        raise ValueError(f"`{name}` must be at most {highest}, got {getattr(config, name)!r}.")


def _positive(config: RAMConfig, name: str) -> None:
    if not getattr(config, name) > 0:
        raise ValueError(f"`{name}` must be positive, got {getattr(config, name)!r}.")


PRESETS: dict[str, RAMConfig] = {
    # What trains fastest and best of what we tried.
    "default": RAMConfig(),
    # Mnih et al. 2014, section 4: networks, reward and loss as printed. Ours: Adam and its batches
    # instead of SGD with momentum on 20 at a time (one reward says little about each glimpse), and
    # what is not printed, such as the std, the weight of the gaze's gradient and the scale of a
    # glimpse, which the first layer's weights could take over.
    "paper": RAMConfig(
        core="relu",
        glimpse_hidden_size=128,
        normalise_features=False,
        gaze_hidden_size=0,
        squash_location=False,
        classify_every_step=False,
        gaze_reward="env",
        discount=1.0,
        location_std=0.2,
        learning_rate=1e-3,
        adam_beta2=0.999,
        warmup_fraction=0.0,
        batch_size=1024,
    ),
    # Policy gradient alone: the class too is an action, paid by the env; no label is read.
    "pure": RAMConfig(
        learn_class_from="reward",
        classify_every_step=False,
        gaze_reward="env",
        discount=1.0,
        policy_coef=1.0,
        entropy_coef=0.01,
        location_std=0.3,
        final_location_std=0.07,
        learning_rate=3e-3,
        adam_beta2=0.999,
        batch_size=256,
    ),
}


def make_config(preset: str = "default", **settings: Any) -> RAMConfig:
    """Return a preset with some settings changed.

    Raises:
        ValueError: If the preset or a setting is unknown, or a setting out of its range.
    """
    if preset not in PRESETS:
        raise ValueError(f"`preset` must be one of {sorted(PRESETS)}, got {preset!r}.")
    return replace_settings(PRESETS[preset], settings)
