"""The settings of RAM: defaults, presets, and what is refused."""

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest

from agents.model.config import PRESETS, RAMConfig, check_rounds, make_config, replace_settings

FIELDS = [field.name for field in dataclasses.fields(RAMConfig)]


def test_presets() -> None:
    """There are six presets, and `default` is the plain config."""
    assert set(PRESETS) == {"default", "paper", "pure", "pictures", "large", "search", "catch"}
    assert PRESETS["default"] == RAMConfig()


def test_paper_preset_holds_what_the_paper_prints() -> None:
    """Networks and loss of `paper` are those of Mnih et al. 2014."""
    paper = PRESETS["paper"]
    assert paper.core == "relu"
    assert (paper.what_hidden_size, paper.where_hidden_size) == (128, 128)
    assert (paper.feature_size, paper.hidden_size) == (256, 256)
    assert (paper.location_hidden_size, paper.squash_location) == (0, False)
    assert not paper.normalise_features
    assert (paper.learn_class_from, paper.gaze_reward, paper.discount) == ("labels", "env", 1.0)
    assert not paper.classify_every_step
    assert paper.policy_gradient_to_core


def test_pure_preset_reads_no_label() -> None:
    """In `pure` the class is learned from the env's reward, and networks are as by default."""
    told_by_reward: dict[str, Any] = {"learn_class_from": "reward", "answer_loss": "likelihood"}
    told_by_reward["gaze_reward"] = "belief"
    steps: dict[str, Any] = {"learning_rate": 2e-3, "batch_size": 128}
    assert PRESETS["pure"] == dataclasses.replace(RAMConfig(), **told_by_reward, **steps)


def test_each_answer_must_be_paid_where_it_earns_no_more() -> None:
    """Of an answer that earns what comes later, the env may decide what it is paid."""
    assert PRESETS["pure"].env_kwargs == {"reward": "every_step"}
    assert PRESETS["catch"].env_kwargs == {"observe_reach": True}


@pytest.mark.parametrize("preset", list(PRESETS))
def test_config_survives_json(preset: str) -> None:
    """Written as JSON and read back, a config is the same."""
    config = PRESETS[preset]
    assert RAMConfig(**json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_a_help_text(name: str) -> None:
    """Each field says what it is."""
    field = next(field for field in dataclasses.fields(RAMConfig) if field.name == name)
    assert len(field.metadata["help"]) > 5


def test_config_is_frozen() -> None:
    """Nobody changes a config in the middle of a run."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        RAMConfig().batch_size = 3  # type: ignore[misc]


def test_make_config_changes_only_what_is_named() -> None:
    """A preset with one setting changed differs in that setting alone."""
    changed = make_config("paper", batch_size=32).to_dict()
    paper = PRESETS["paper"].to_dict()
    assert {name for name in changed if changed[name] != paper[name]} == {"batch_size"}
    assert changed["batch_size"] == 32


def test_whole_numbers_do_for_fractional_settings() -> None:
    """1 is as good as 1.0; what is larger than any real number is finite no more."""
    assert make_config(discount=1).discount == 1
    assert isinstance(make_config(glimpse_shift=10**30).glimpse_shift, float)
    with pytest.raises(ValueError, match="`glimpse_shift` must be finite, got 1000"):
        make_config(glimpse_shift=10**400)


def test_largest_canvas_grows_and_smaller_ones_come_back() -> None:
    """It grows by equal factors; three updates of four play smaller ones, of every size alike."""
    growing, full = make_config("large"), (60, 6000)
    assert [growing.canvas_range_at(it, full, 7)[1] for it in (1.0, 0.75, 0.5, 0.0)] == [
        *(60, 600, 6000, 6000)
    ]
    config = make_config("large", rehearsal_fraction=0.75)
    for progress_remaining, largest in ((0.75, 600), (0.2, 6000)):
        ranges = [config.canvas_range_at(progress_remaining, full, it) for it in range(1000)]
        assert {lowest for lowest, _ in ranges} == {60}
        highest = np.array(sorted(it for _, it in ranges))
        assert 740 <= (highest < largest).sum() <= 760 and highest.max() == largest
        grown = np.log(highest[:740] / 60) / np.log(largest / 60)
        np.testing.assert_allclose(grown, np.arange(740) / 750, atol=0.02)


def test_smallest_canvas_grows_too() -> None:
    """To the end of the budget, by equal factors, and never beyond the largest."""
    config, full = make_config("large", smallest_growth=0.5), (60, 6000)
    ranges = [config.canvas_range_at(it, full, 7) for it in (1.0, 0.5, 0.0)]
    assert ranges == [(60, 60), (190, 6000), (600, 6000)]
    slow = make_config("large", smallest_growth=1.0, growth_fraction=1.0, rehearsal_fraction=1.0)
    for update in range(100):
        lowest, highest = slow.canvas_range_at(0.25, full, update)
        assert highest == lowest == 1897


@pytest.mark.parametrize("name, value", [("aversion", 2.0), ("inhibition", True)])
def test_what_was_looked_at_must_be_remembered(name: str, value: float) -> None:
    """To be avoided or hidden; the error says how to give it a memory."""
    with pytest.raises(ValueError, match=f"`location_{name}` needs a `location_memory`"):
        make_config("large", **{f"location_{name}": value})


def test_unknown_preset_is_refused() -> None:
    """The error names the presets and what was given."""
    with pytest.raises(ValueError, match=r"`preset`.*default.*paper.*pure.*'papre'"):
        make_config("papre")


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("cor", r" Did you mean 'core'\?"),
        ("ent_coef", r" Did you mean 'entropy_coef'\?"),
        ("zebra", r" The settings are adam_beta2, .*, where_hidden_size\."),
    ],
)
def test_unknown_setting_is_refused(name: str, rest: str) -> None:
    """The error names the unknown setting and the nearest one, or all if none is near."""
    with pytest.raises(ValueError, match=rf"^unknown setting '{name}' of ram\.{rest}$"):
        replace_settings(RAMConfig(), {"hidden_size": 3, name: 3})


@pytest.mark.parametrize(("num_envs", "nearest"), [(3, 513), (10, 510), (600, 600), (1000, 1000)])
def test_a_batch_that_rounds_do_not_fill_is_refused(num_envs: int, nearest: int) -> None:
    """The error says which would do, and it does."""
    with pytest.raises(ValueError, match=rf"512 and {num_envs}: `batch_size={nearest}` would do"):
        check_rounds(512, num_envs)
    check_rounds(nearest, num_envs)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("core", "rnn"),
        ("learn_class_from", "both"),
        ("gaze_reward", "final"),
        ("learning_rate_schedule", "linear"),
        ("hidden_size", 0),
        ("what_hidden_size", -1),
        ("where_hidden_size", 0),
        ("feature_size", 0),
        ("location_hidden_size", -1),
        ("precision", "float16"),
        ("batch_size", 0),
        ("policy_coef", -0.1),
        ("policy_coef", math.inf),
        ("baseline_coef", -1.0),
        ("baseline_coef", math.nan),
        ("discount", 1.01),
        ("discount", -0.01),
        ("warmup_fraction", 1.5),
        ("warmup_fraction", math.nan),
        ("log_likelihood_floor", 0.5),
        ("glimpse_shift", math.nan),
        ("glimpse_scale", 0.0),
        ("location_std", 0.0),
        ("final_location_std", -0.1),
        ("learning_rate", 0.0),
        ("learning_rate", math.inf),
        ("max_grad_norm", 0.0),
        # of the wrong type
        ("batch_size", 2.5),
        ("batch_size", "256"),
        ("batch_size", True),
        ("learning_rate", "fast"),
        ("learning_rate", True),
        ("core", 3),
        ("squash_location", 1),
        ("location_std", None),
    ],
)
def test_impossible_setting_is_refused(name: str, value: Any) -> None:
    """The error names the setting and the value."""
    with pytest.raises(ValueError, match=f"`{name}`.*{value!r}"):
        make_config(**{name: value})


@pytest.mark.parametrize(
    ("asked", "reward", "decided"),
    [
        ("auto", None, "belief"),
        ("auto", "final", "belief"),
        ("auto", "every_step", "env"),
        ("auto", "log_likelihood", "env"),
        ("belief", "every_step", "belief"),
        ("env", "final", "env"),
    ],
)
def test_a_reward_that_was_chosen_is_learned_from(
    asked: str, reward: str | None, decided: str
) -> None:
    """Unless the setting says otherwise; the default rule is paid from the label, as it is."""
    config = make_config(gaze_reward=asked)
    assert config.decided(reward) == dataclasses.replace(config, gaze_reward=decided)


def test_settings_that_contradict_each_other_are_refused() -> None:
    """A gaze that is paid by the belief reads what a label is, which answers as actions do not."""
    for gaze_reward in ("auto", "belief"):
        with pytest.raises(ValueError, match="`gaze_reward` must be 'env'"):
            make_config(learn_class_from="reward", gaze_reward=gaze_reward)
