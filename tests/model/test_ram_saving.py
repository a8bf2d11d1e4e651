"""`RAM` saved and loaded: it acts and learns on as before."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_ram import SMALL, STEPS, assert_equal_weights, make_env, make_model, observe, weights
from stable_baselines3 import PPO

from agents import RAM, RAMPolicy
from agents.model.model_file import pack_optimizer

pytestmark = pytest.mark.usefixtures("one_thread")


# Saving


@pytest.mark.parametrize("action_format", ["box", "multidiscrete"])
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_loaded_model_acts_the_same(action_format: str, preset: str, tmp_path: Path) -> None:
    """Actions, states, config, spaces and counters are those of the model that was saved."""
    model = make_model(make_env(action_format=action_format), preset=preset).learn(3 * STEPS)
    model.save(tmp_path / "model")
    loaded = RAM.load(tmp_path / "model.zip", device="cpu")
    batch = observe()
    action, state = model.predict(batch, deterministic=True)
    its_action, its_state = loaded.predict(batch, deterministic=True)
    np.testing.assert_array_equal(its_action, action)
    assert state is not None and its_state is not None
    np.testing.assert_array_equal(its_state[0], state[0])
    assert loaded.config == model.config
    assert loaded.observation_space == model.observation_space
    assert loaded.action_space == model.action_space
    assert (loaded.seed, loaded.num_timesteps) == (model.seed, model.num_timesteps)
    assert (loaded._n_updates, loaded._episode_num) == (model._n_updates, model._episode_num)
    assert_equal_weights(weights(loaded), weights(model))


def test_loaded_model_learns_on_the_same(tmp_path: Path) -> None:
    """With the same scenes to come, the loaded model's training equals the original's."""
    model = make_model().learn(3 * STEPS)
    model.save(tmp_path / "model")
    loaded = RAM.load(tmp_path / "model", make_env(), device="cpu")
    model.set_env(make_env())
    for each in (model, loaded):
        each.env.seed(77)
        each.learn(4 * STEPS, reset_num_timesteps=False)
    assert_equal_weights(weights(loaded), weights(model))


def test_loading_into_an_env_is_repeatable(tmp_path: Path) -> None:
    """As in Stable-Baselines3, the env of a loaded model is seeded with the model's seed."""
    make_model().learn(STEPS).save(tmp_path / "model")
    first, second = (
        weights(RAM.load(tmp_path / "model", make_env(), device="cpu").learn(2 * STEPS))
        for _ in range(2)
    )
    assert_equal_weights(first, second)


def test_optimizer_can_be_left_out(tmp_path: Path) -> None:
    """Without the optimiser's state the file is about a third, and the model acts the same."""
    model = make_model().learn(STEPS)
    model.save(tmp_path / "whole")
    model.save(tmp_path / "lean", exclude=["optimizer"])
    whole, lean = ((tmp_path / f"{name}.zip").stat().st_size for name in ("whole", "lean"))
    assert lean < 0.5 * whole
    loaded = RAM.load(tmp_path / "lean", make_env(), device="cpu")
    batch = observe()
    np.testing.assert_array_equal(
        loaded.predict(batch, deterministic=True)[0], model.predict(batch, deterministic=True)[0]
    )
    assert pack_optimizer(loaded.policy.optimizer) == {}
    loaded.learn(STEPS)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("Adam", {"amsgrad": True}),
        ("NAdam", {}),
        ("Adamax", {}),
        ("RMSprop", {"centered": True, "momentum": 0.9}),
        ("Adadelta", {}),
        ("Adagrad", {}),
        ("Rprop", {}),
    ],
)
def test_any_usual_optimizer_is_saved(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """What it keeps for each weight comes back."""
    optimizer = {"optimizer_class": getattr(torch.optim, name), "optimizer_kwargs": settings}
    model = make_model(policy_kwargs=optimizer).learn(STEPS)
    model.save(tmp_path / "model")
    loaded = RAM.load(tmp_path / "model", device="cpu", policy_kwargs=optimizer)
    assert_equal_weights(weights(loaded), weights(model))


def test_an_optimizer_that_keeps_more_than_tensors_is_not_saved(tmp_path: Path) -> None:
    """The error says what to leave out, and then it works."""
    model = make_model().learn(STEPS)
    weight = next(iter(model.policy.networks.parameters()))
    model.policy.optimizer.state[weight]["history"] = [1, 2, 3]
    with pytest.raises(ValueError, match=r"`history` of .*Adam.*`exclude=\[\"optimizer\"\]`"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model.zip").exists()
    model.save(tmp_path / "model", exclude=["optimizer"])
    RAM.load(tmp_path / "model", device="cpu")


def test_another_optimizer_than_saved_is_refused(tmp_path: Path) -> None:
    """What Adam kept is no state of SGD."""
    make_model().learn(STEPS).save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"optimizer\.0 holds.*where SGD has"):
        RAM.load(tmp_path / "model", policy_kwargs={"optimizer_class": torch.optim.SGD})


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    """The message says what to name instead."""
    with pytest.raises(ValueError, match=r"is a folder: name a file in it, such as model\.zip"):
        RAM.load(tmp_path)


def test_another_network_than_saved_is_refused(tmp_path: Path) -> None:
    """The message speaks of the arguments, which may be what is wrong."""
    make_model().save(tmp_path / "model")
    with pytest.raises(ValueError, match="another network or optimiser than the arguments ask for"):
        RAM.load(tmp_path / "model", hidden_size=64)


@pytest.mark.parametrize("preset", ["default", "pure"])
@pytest.mark.parametrize("name", ["Adam", "NAdam"])
def test_models_are_float32_whatever_the_default_is(preset: str, name: str, tmp_path: Path) -> None:
    """Under another default type of PyTorch's a model trains, and its file means the same."""
    arguments: Any = {"policy_kwargs": {"optimizer_class": getattr(torch.optim, name)}}
    plain = make_model(preset=preset, **arguments).learn(STEPS)
    plain.save(tmp_path / "plain")
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        model = RAM.load(tmp_path / "plain", plain.env, device="cpu", **arguments)
        assert_equal_weights(weights(model), weights(plain))
        np.testing.assert_array_equal(
            model.predict(observe(), deterministic=True)[0],
            plain.predict(observe(), deterministic=True)[0],
        )
        model.predict(observe())
        make_model(preset=preset, **arguments).learn(2 * STEPS).save(tmp_path / "other")
        if preset == "default" and name == "Adam":
            RAM.from_pretrained("centered")
    finally:
        torch.set_default_dtype(before)
    loaded = RAM.load(tmp_path / "other", device="cpu", **arguments)
    assert {value.dtype for value in weights(loaded).values()} == {torch.float32}


def test_folders_are_made(tmp_path: Path) -> None:
    """As in Stable-Baselines3: training is not lost for want of a folder."""
    make_model().save(tmp_path / "new" / "folder" / "model")
    assert (tmp_path / "new" / "folder" / "model.zip").exists()


def test_model_can_be_saved_to_a_file_object() -> None:
    """A buffer does as well as a path."""
    model, file = make_model(), io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = RAM.load(file, device="cpu")
    assert_equal_weights(weights(loaded), weights(model))


def test_loading_into_an_env_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Other spaces, or a number of envs that does not divide the batch, are errors."""
    make_model().save(tmp_path / "model")
    for env, message in (
        (make_env(action_format="multidiscrete"), "Action spaces do not match"),
        (make_env(num_scales=2), "Observation spaces do not match"),
        (make_env(3), "`batch_size` must be a multiple"),
    ):
        with pytest.raises(ValueError, match=message):
            RAM.load(tmp_path / "model", env, device="cpu")


# Parameters without a model


@pytest.mark.parametrize("through", ["dict", "path", "file object"])
def test_parameters_are_taken_over(through: str, tmp_path: Path) -> None:
    """Weights and optimiser come from the other model, which learns on by itself."""
    model, other = make_model().learn(2 * STEPS), make_model(seed=1)
    source: Any = model.get_parameters()
    assert set(source) == set(PPO("MlpPolicy", "CartPole-v1").get_parameters())
    if through != "dict":
        model.save(tmp_path / "model")
        source = tmp_path / "model"
    if through == "file object":
        source = io.BytesIO((tmp_path / "model.zip").read_bytes())
    other.set_parameters(source)
    before = weights(model)
    assert_equal_weights(weights(other), before)
    other.learn(STEPS)
    assert_equal_weights(weights(model), before)


def test_parameters_are_matched_as_by_stable_baselines3(tmp_path: Path) -> None:
    """What is missing is refused, unless it may be; what has another shape is refused."""
    model, other = make_model().learn(STEPS), make_model(seed=1)
    model.save(tmp_path / "lean", exclude=["policy.optimizer"])
    weight = {"policy": {"location_std": torch.tensor(0.5)}}
    for source in (tmp_path / "lean", {"policy": model.policy.state_dict()}):
        with pytest.raises(ValueError, match=r"do not match.*policy\.optimizer"):
            other.set_parameters(source)
    with pytest.raises(RuntimeError, match="Missing key"):
        other.set_parameters(weight)
    other.set_parameters(tmp_path / "lean", exact_match=False)
    assert_equal_weights(weights(other), dict(model.policy.state_dict()))
    other.set_parameters(weight, exact_match=False)
    assert other.policy.location_std == 0.5
    with pytest.raises(RuntimeError, match="size mismatch"):
        make_model(hidden_size=8).set_parameters(tmp_path / "lean", exact_match=False)
    with pytest.raises(ValueError, match="nonsense"):
        other.set_parameters({"nonsense": {}})


def test_parameters_of_an_untrained_model_are_whole(tmp_path: Path) -> None:
    """An optimiser that has not stepped keeps nothing, and is not left out."""
    make_model().save(tmp_path / "model")
    other = make_model(seed=1).learn(STEPS)
    other.set_parameters(tmp_path / "model")
    assert_equal_weights(weights(other), weights(make_model()))


# Arguments of Stable-Baselines3


def test_what_a_file_cannot_leave_out_or_take_in_is_refused(tmp_path: Path) -> None:
    """Only the optimiser's state can be left out, and nothing more can be put in."""
    model = make_model().learn(STEPS)
    model.save(tmp_path / "whole", exclude=["optimizer"], include=["optimizer"])
    assert pack_optimizer(RAM.load(tmp_path / "whole", device="cpu").policy.optimizer)
    for arguments in ({"exclude": ["seed"]}, {"include": ["env"]}):
        (name,) = arguments
        with pytest.raises(ValueError, match=rf"`{name}` may name 'optimizer' alone"):
            model.save(tmp_path / "model", **arguments)


def test_custom_objects_are_settings(tmp_path: Path) -> None:
    """As Stable-Baselines3 does, what is given is taken in the place of what was saved."""
    make_model().save(tmp_path / "model")
    loaded = RAM.load(tmp_path / "model", custom_objects={"learning_rate": 0.5})
    assert loaded.config.learning_rate == 0.5
    with pytest.raises(ValueError, match=r"unknown setting.*clip_range"):
        RAM.load(tmp_path / "model", custom_objects={"clip_range": 0.5})


def test_system_info_is_printed_if_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And only then."""
    make_model().save(tmp_path / "model")
    RAM.load(tmp_path / "model")
    assert capsys.readouterr().out == ""
    RAM.load(tmp_path / "model", print_system_info=True)
    assert "PyTorch" in capsys.readouterr().out


@pytest.mark.parametrize("force_reset", [True, False])
def test_set_env_resets_the_same_env_if_asked_for(force_reset: bool) -> None:
    """Without a reset, learning goes on with the episodes that have begun."""
    model, whole = make_model().learn(STEPS), make_model().learn(STEPS)
    calls = model.env.unwrapped.num_calls
    model.set_env(model.env, force_reset)
    for each in (model, whole):
        each.learn(STEPS, reset_num_timesteps=False)
    assert model.env.unwrapped.num_calls - calls == 3 + force_reset
    if not force_reset:
        assert_equal_weights(weights(model), weights(whole))


def test_policy_can_be_a_class() -> None:
    """`RAMPolicy` itself does as well as its name."""
    model = RAM(RAMPolicy, make_env(), seed=0, device="cpu", **SMALL)
    assert_equal_weights(weights(model), weights(make_model()))


def test_unknown_policy_and_settings_are_refused() -> None:
    """Errors name what is unknown."""
    with pytest.raises(ValueError, match="Policy MlpPolicy unknown"):
        RAM("MlpPolicy", make_env(), device="cpu", **SMALL)
    with pytest.raises(ValueError, match=r"'batchsize' of ram\. Did you mean 'batch_size'"):
        make_model(batchsize=3)
    with pytest.raises(ValueError, match="`preset`"):
        make_model(preset="best")
    with pytest.raises(ValueError, match=r"`learning_rate` must be a number.*lambda.*_schedule`"):
        make_model(learning_rate=lambda remaining: 1e-3 * remaining)
