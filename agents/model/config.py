"""Which settings does RAM have, what may each be, and which presets are there? No torch in here.

A setting is declared once, as a field of a dataclass: `setting` says its default, its help and its
bounds, and what reads it from elsewhere (command line, JSON, header of a model) derives from that.
"""

import dataclasses
import math
import sys
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ram_env.arguments import did_you_mean, shown
from ram_env.games.settings import MAX_SCALES, RewardRule

MAX_UNITS = 2**31  # of a layer, and
MAX_PATCH = 2**10  # pixels along a side of a glimpse
MAX_LOOKS = 2**10  # of an episode, that are remembered
MAX_BATCH = 2**24  # episodes: far more than any machine trains
GOLDEN_RATIO = (5**0.5 - 1) / 2


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    lowest: float = -math.inf,
    highest: float = math.inf,
    above: float = -math.inf,
    **details: Any,
) -> Any:
    """Declare a setting: a field of a dataclass that calls `check_settings`.

    Args:
        default: Its value unless another is given.
        help: What it is, its unit, and what values mean.
        choices: Which texts it may be; empty: any.
        lowest: The lowest number that it may be.
        highest: The highest number that it may be.
        above: A number that it must be greater than.
        **details: What else readers of the declaration need, such as a `metavar`.
    """
    rules = {"choices": choices, "lowest": lowest, "highest": highest, "above": above}
    metadata = {"help": help, **rules, **details}
    if default == {}:
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def type_of(field: dataclasses.Field[Any]) -> type:
    """Return the type of a setting's value, None aside if it may be that."""
    kinds = [kind for kind in typing.get_args(field.type) if kind is not types.NoneType]
    kind = kinds[0] if isinstance(field.type, types.UnionType) else field.type
    return typing.get_origin(kind) or kind  # type: ignore[return-value]


def check_settings(settings: Any) -> None:
    """Check each setting of a dataclass against its declaration; make whole numbers real ones.

    Raises:
        ValueError: If one has the wrong type or is out of its range.
    """
    for field in dataclasses.fields(settings):
        value, rules = getattr(settings, field.name), field.metadata
        if value is None and types.NoneType in typing.get_args(field.type):
            continue
        check_type(f"`{field.name}`", value, type_of(field))
        if rules.get("choices") and value not in rules["choices"]:
            raise ValueError(
                f"`{field.name}` must be one of {', '.join(rules['choices'])}, got {shown(value)}."
            )
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if not abs(value) <= sys.float_info.max:  # NaN; or a whole number with too many digits
            raise ValueError(f"`{field.name}` must be finite, got {shown(value)}.")
        if type_of(field) is float:
            object.__setattr__(settings, field.name, float(value))
        for fits, limit in (
            (value >= rules["lowest"], f"at least {rules['lowest']:g}"),
            (value <= rules["highest"], f"at most {rules['highest']:g}"),
            (value > rules["above"], f"more than {rules['above']:g}"),
        ):
            if not fits:
                raise ValueError(f"`{field.name}` must be {limit}, got {shown(value)}.")


def check_type(what: str, value: Any, expected: type) -> None:
    """Refuse a setting of another type than it must have; a whole number is a float too.

    Raises:
        ValueError: If it is refused.
    """
    fits = isinstance(value, int | float) if expected is float else isinstance(value, expected)
    if not fits or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"{what} must be of type {expected.__name__}, got {value!r}.")


def check_names(given: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Refuse settings that are unknown, with the nearest that is known or else all.

    Raises:
        ValueError: If one is refused.
    """
    names = sorted(known)
    for name in sorted(set(given) - set(names)):
        hint = did_you_mean(name, names) or f" The settings are {', '.join(names)}."
        raise ValueError(f"unknown setting {name!r} of {owner}.{hint}")


@dataclass(frozen=True)
class RAMConfig:
    """All settings of `RAM`. The defaults are the preset `default`; see `PRESETS`.

    Where no other origin is named, values are those that the trials in docs/notebook/ favour; what
    Mnih et al. 2014 prints of them, section 4, is in preset `paper`.

    Raises:
        ValueError: If a setting is out of its range or does not fit the others.
    """

    # Networks
    core: str = setting(
        "gru", "core network: relu (the paper's), gru or lstm", choices=("relu", "gru", "lstm")
    )
    hidden_size: int = setting(256, "units of the core network", lowest=1, highest=MAX_UNITS)
    what_hidden_size: int = setting(
        256,
        "units of the glimpse network's layer that sees the glimpse",
        lowest=1,
        highest=MAX_UNITS,
    )
    where_hidden_size: int = setting(
        128,
        "units of the glimpse network's layer that sees where it was taken",
        lowest=1,
        highest=MAX_UNITS,
    )
    feature_size: int = setting(
        256, "units of the glimpse network's output", lowest=1, highest=MAX_UNITS
    )
    glimpse_encoder: str = setting(
        "linear",
        "what the glimpse's layer sees: linear: its pixels; conv: patterns that two convolutions "
        "find in every scale",
        choices=("linear", "conv"),
    )
    glimpse_statistics: str = setting(
        "fixed",
        "how a glimpse is normalised: fixed: by the two settings below; data: by mean and standard "
        "deviation of each scale and colour, measured when the model is made; running: by the "
        "same, measured on while it learns",
        choices=("fixed", "data", "running"),
    )
    glimpse_shift: float = setting(0.1, "subtracted from a glimpse (about its mean)")
    glimpse_scale: float = setting(0.25, "then divides it (about its standard deviation)", above=0)
    normalise_features: bool = setting(True, "layer norm before the glimpse network's last ReLU")
    location: str = setting(
        "gaussian",
        "how the next location is chosen: gaussian: around a point of the scene (the paper's); "
        "retinotopic: among the cells that the retina sees, relative to where it looks, so that "
        "scenes may have any size",
        choices=("gaussian", "retinotopic"),
    )
    location_cell_size: int = setting(
        2,
        "side, in pixels of a glimpse, of the cells that a retinotopic location is chosen among",
        lowest=1,
        highest=MAX_PATCH,
    )
    location_absolute: bool = setting(
        False,
        "whether a retinotopic gaze knows where on the scene it looks, beside which way it came: "
        "for scenes of one size, whose borders matter",
    )
    location_aim: str = setting(
        "middle",
        "where in the chosen cell a retinotopic gaze looks: middle; salient: where what stands out "
        "has its centre",
        choices=("middle", "salient"),
    )
    location_spread: float = setting(
        1.0,
        "share of the chosen cell, around its aim, that a retinotopic location is drawn from",
        lowest=0,
        highest=1,
    )
    location_memory: int = setting(
        0,
        "how many of its latest locations a retinotopic location network sees on its cells",
        lowest=0,
        highest=MAX_LOOKS,
    )
    location_memory_scale: int = setting(
        0,
        "the scale whose window around a remembered location counts as looked at; 0: the finest",
        lowest=0,
        highest=MAX_SCALES - 1,
    )
    location_aversion: float = setting(
        0.0,
        "how strongly, in nats, a retinotopic gaze avoids at first what it remembers to have "
        "looked at; 0: that is left to what it learns of each kind of cell",
        lowest=0,
    )
    location_inhibition: bool = setting(
        False,
        "whether what a retinotopic gaze remembers to have looked at is hidden from it when it "
        "chooses: inhibition of return. Wide cells then repel it only where all of them is known",
    )
    location_familiar: bool = setting(
        False,
        "whether a retinotopic gaze is told how much of what it looks at it remembers to have "
        "looked at, so that one thing does not count twice",
    )
    location_hidden_size: int = setting(
        128, "hidden units of the location network; 0: linear", lowest=0, highest=MAX_UNITS
    )
    squash_location: bool = setting(True, "tanh on the mean of the next location")
    location_gain: float = setting(
        1.0,
        "factor of what the state says of the next location: of that mean before the tanh, or of "
        "its wishes for cells. Below 1 the gaze is learned more slowly than the rest, and less by "
        "chance",
        above=0,
        highest=1,
    )
    location_salience: float = setting(
        0.0,
        "how strongly a retinotopic gaze is drawn at first to cells that differ from the mean, "
        "whatever is in them; 0: each kind of cell draws or repels it, by chance",
        lowest=0,
    )
    # What is learned, and from what
    learn_class_from: str = setting(
        "labels",
        "labels: cross-entropy (the paper's hybrid); reward: policy gradient, no labels",
        choices=("labels", "reward"),
    )
    answer_loss: str = setting(
        "policy_gradient",
        "what teaches an answer if it is learned from reward: likelihood: the classes that all "
        "rewards of an episode leave possible, where an answer is paid just if it is right; "
        "policy_gradient: what it earns",
        choices=("likelihood", "policy_gradient"),
    )
    answer_earns: str = setting(
        "step",
        "what an answer earns if it is learned by policy gradient: step: what its own step pays; "
        "episode: what later steps pay too, by the `discount`, beyond the baseline",
        choices=("step", "episode"),
    )
    classify_every_step: bool = setting(
        True, "cross-entropy after each glimpse (mean) and the last, instead of the last alone"
    )
    gaze_reward: str = setting(
        "auto",
        "what a location is paid: env: the env's rewards; belief: with each glimpse the rise of "
        "p(label), at the last to 1 or 0 for right or wrong; log_likelihood: log p(label); "
        "information: the rise of log p(label), which tells what half an answer is worth; "
        "surprise: the same, averaged over the labels as they are then believed in, whatever the "
        "label is: how far the belief moves; auto: env if the env has another `reward` than final, "
        "else belief",
        choices=("auto", "env", "belief", "log_likelihood", "information", "surprise"),
    )
    log_likelihood_floor: float = setting(
        -5.0, "lowest log p(label) that is paid, in nats", highest=0
    )
    discount: float = setting(
        0.0, "of rewards after the glimpse that a location leads to", lowest=0, highest=1
    )
    gae_lambda: float = setting(
        1.0,
        "share of what comes later that is read from rewards, step by step, instead of from the "
        "baseline, which foretells it with less chance in it; 1: rewards alone",
        lowest=0,
        highest=1,
    )
    policy_coef: float = setting(0.3, "weight of the policy loss", lowest=0)
    entropy_coef: float = setting(
        0.0,
        "weight of the entropy of the answers, if they are learned by policy gradient",
        lowest=0,
    )
    location_entropy_coef: float = setting(
        0.0, "weight of the entropy of a retinotopic choice of locations", lowest=0
    )
    baseline_coef: float = setting(1.0, "weight of the baseline loss", lowest=0)
    baseline_hidden_size: int = setting(
        0, "hidden units of the baseline network; 0: linear", lowest=0, highest=MAX_UNITS
    )
    baseline_gradient_to_core: bool = setting(
        False, "let the baseline loss shape core and glimpse networks, not only be read from them"
    )
    policy_gradient_to_core: bool = setting(
        True, "let the location network's policy gradient reach core and glimpse networks"
    )
    gaze: str = setting(
        "learned",
        "learned, or random: uniform over the canvas, the yardstick of a learned one",
        choices=("learned", "random"),
    )
    learn_stop: bool = setting(
        False,
        "learn when to answer: to stop where another glimpse is not worth its `glimpse_cost`, of "
        "an env with stop=True",
    )
    growth_fraction: float = setting(
        0.0,
        "share of the budget in which the largest canvas grows from the smallest, if the env has a "
        "`canvas_range`; 0: none grows",
        lowest=0,
        highest=1,
    )
    smallest_growth: float = setting(
        0.0,
        "how far the smallest canvas of a `canvas_range` grows too, in the course of the whole "
        "budget: 0 not at all, 1 to the largest, by equal factors",
        lowest=0,
        highest=1,
    )
    rehearsal_fraction: float = setting(
        0.0,
        "share of the updates whose largest canvas is a smaller one than it has grown to, of every "
        "order of magnitude alike, if the env has a `canvas_range`",
        lowest=0,
        highest=1,
    )
    # Exploration and optimisation; schedules run over the whole budget
    location_std: float = setting(
        0.13, "std of the location at the start (canvas spans -1 to 1)", above=0
    )
    final_location_std: float = setting(
        0.03, "std of the location at the end; linear between", above=0
    )
    learning_rate: float = setting(4.5e-3, "Adam's learning rate after the warm-up", above=0)
    adam_beta2: float = setting(
        0.98, "how slowly Adam forgets the size of gradients", lowest=0, highest=0.9999
    )
    warmup_fraction: float = setting(
        0.03, "share of the budget in which it rises from 0", lowest=0, highest=0.9
    )
    learning_rate_schedule: str = setting(
        "cosine", "cosine (to 0) or constant", choices=("cosine", "constant")
    )
    max_grad_norm: float = setting(1.0, "the gradient is scaled down to this norm", above=0)
    batch_size: int = setting(512, "episodes per gradient step", lowest=1, highest=MAX_BATCH)
    precision: str = setting(
        "auto",
        "of all but the last layers in training: float32, bfloat16 (weights stay float32), or "
        "auto: bfloat16 where the processor multiplies it natively",
        choices=("auto", "float32", "bfloat16"),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.answers_by_policy_gradient and self.gaze_reward != "env":
            raise ValueError(
                "`learn_class_from='reward'` reads no labels, and with `answer_loss="
                "'policy_gradient'` not what rewards tell of them, so `gaze_reward` must be 'env', "
                f"got {self.gaze_reward!r}."
            )
        if self.learn_class_from == "reward" and self.learn_stop:
            raise ValueError(
                "`learn_stop` needs `learn_class_from='labels'`, which tell whether an answer "
                "would have been right, got 'reward'."
            )
        for name in ("location_aversion", "location_inhibition"):
            if getattr(self, name) and not self.location_memory:
                raise ValueError(
                    f"`{name}` needs a `location_memory` of what was looked at, got "
                    f"{getattr(self, name)} and 0: let it remember as many as there are glimpses."
                )

    @property
    def answers_by_policy_gradient(self) -> bool:
        """Whether an answer is an action like a location, taught by what it earns alone."""
        return self.learn_class_from == "reward" and self.answer_loss == "policy_gradient"

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """The arguments that the env must have; the others are its own matter."""
        needed: dict[str, Any] = {}
        if self.learn_class_from == "reward" and (
            self.answer_loss == "likelihood" or self.answer_earns == "step"
        ):
            needed["reward"] = RewardRule.EVERY_STEP.value  # nothing else teaches an answer
        if self.location == "retinotopic":
            needed["observe_reach"] = True
        if self.learn_stop:
            needed["stop"] = True
        return needed

    def decided(self, reward: str | None) -> "RAMConfig":
        """Return the settings with `gaze_reward` decided by an env's reward rule, None: unknown."""
        if self.gaze_reward != "auto":
            return self
        is_chosen = reward not in (None, RewardRule.FINAL)
        return dataclasses.replace(self, gaze_reward="env" if is_chosen else "belief")

    def learning_rate_at(self, progress_remaining: float) -> float:
        """Return the learning rate at a point of the budget: 1 is the start, 0 the end."""
        progress = 1.0 - progress_remaining
        if progress < self.warmup_fraction:
            return self.learning_rate * progress / self.warmup_fraction
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        share = (progress - self.warmup_fraction) / (1.0 - self.warmup_fraction)
        return self.learning_rate * (1.0 + math.cos(math.pi * min(share, 1.0))) / 2.0

    def canvas_range_at(
        self, progress_remaining: float, full: tuple[int, int], update: int
    ) -> tuple[int, int]:
        """Return the range of canvases of an update, at a point of the budget.

        Args:
            progress_remaining: 1 at the start, 0 at the end.
            full: That of the env.
            update: The number of the update.
        """
        lowest, highest = full
        progress, growth = 1.0 - progress_remaining, self.growth_fraction
        grown = progress / growth if progress < growth else 1.0
        place = update * GOLDEN_RATIO % 1.0  # spread evenly, however few follow each other
        if place < self.rehearsal_fraction:
            grown *= place / self.rehearsal_fraction
        shares = progress * self.smallest_growth, grown
        # By equal factors in equal times, as canvases are drawn.
        smallest, largest = (round(lowest * (highest / lowest) ** share) for share in shares)
        return smallest, max(smallest, largest)

    def location_std_at(self, progress_remaining: float) -> float:
        """Return the standard deviation of the location at a point of the budget."""
        start, end = self.location_std, self.final_location_std
        return end + (start - end) * max(progress_remaining, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can hold."""
        return dataclasses.asdict(self)


def replace_settings(config: RAMConfig, settings: dict[str, Any]) -> RAMConfig:
    """Return the config with some settings changed.

    Raises:
        ValueError: If a setting is unknown, of the wrong type or out of its range.
    """
    check_names(settings, (field.name for field in dataclasses.fields(RAMConfig)), "ram")
    return dataclasses.replace(config, **settings)


PRESETS: dict[str, RAMConfig] = {
    # What trains fastest and best of what we tried.
    "default": RAMConfig(),
    # Mnih et al. 2014, section 4: networks, reward and loss as printed. Ours: Adam and its batches
    # instead of SGD with momentum on 20 at a time (one reward says little about each glimpse), and
    # what is not printed, such as the std, the weight of the gaze's gradient and the scale of a
    # glimpse, which the first layer's weights could take over.
    "paper": RAMConfig(
        core="relu",
        what_hidden_size=128,
        normalise_features=False,
        location_hidden_size=0,
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
    # Pictures of one's own, in colour, of which there may be few: see docs/own_images.md.
    "pictures": RAMConfig(
        glimpse_encoder="conv",
        glimpse_statistics="data",
        # Relative to where it looks: the sides of pictures differ, and nothing says where it is, by
        # which few pictures could be learned by heart.
        location="retinotopic",
        discount=0.8,
        policy_coef=1.0,
        location_entropy_coef=0.005,
        learning_rate=2e-3,
        batch_size=64,
    ),
    # Scenes of any size, in which what there is to see must first be found.
    "large": RAMConfig(
        location="retinotopic",
        glimpse_statistics="running",
        discount=0.8,
        policy_coef=1.0,
        location_entropy_coef=0.005,
        learning_rate=2e-3,
        batch_size=128,  # many small steps: the first place that is worth a look is found sooner
        growth_fraction=0.5,
    ),
    # Scenes in which several things are to be found, one after the other.
    "search": RAMConfig(
        location="retinotopic",
        location_aim="salient",
        location_spread=0.0,
        location_memory=16,
        location_memory_scale=2,
        location_aversion=16.0,
        location_inhibition=True,
        location_familiar=True,
        glimpse_statistics="running",
        gaze_reward="information",
        discount=0.8,
        policy_coef=0.5,
        location_entropy_coef=0.001,
        baseline_hidden_size=64,
        learning_rate=1e-3,
        batch_size=128,
        growth_fraction=0.3,
        smallest_growth=0.8,
    ),
    # Reward alone: the class too is guessed, and what the env pays for the guesses teaches it.
    "pure": RAMConfig(
        learn_class_from="reward",
        answer_loss="likelihood",
        gaze_reward="belief",
        learning_rate=2e-3,
        batch_size=128,
    ),
    # A game of moves, such as catch: answers are actions, and what they do is paid later.
    "catch": RAMConfig(
        learn_class_from="reward",
        answer_earns="episode",
        classify_every_step=False,
        gaze_reward="env",
        hidden_size=128,
        what_hidden_size=64,
        where_hidden_size=64,
        feature_size=64,
        glimpse_statistics="data",
        location="retinotopic",
        location_absolute=True,
        location_spread=0.0,
        location_hidden_size=0,
        location_gain=0.3,
        location_salience=0.5,
        discount=0.97,
        gae_lambda=0.9,
        policy_coef=0.3,
        entropy_coef=0.005,
        baseline_coef=5.0,
        baseline_hidden_size=64,
        baseline_gradient_to_core=True,
        learning_rate=2e-3,
        adam_beta2=0.999,
        warmup_fraction=0.01,
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


def check_rounds(batch_size: int, num_envs: int) -> None:
    """Refuse a number of games, those of all processes, whose rounds do not fill a batch.

    Raises:
        ValueError: If it is refused.
    """
    if batch_size % num_envs:
        nearest = max(1, round(batch_size / num_envs)) * num_envs
        raise ValueError(
            "`batch_size` must be a multiple of `num_envs`, so that rounds of games fill it, got "
            f"{batch_size} and {num_envs}: `batch_size={nearest}` would do."
        )
