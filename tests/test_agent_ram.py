"""`RAM` as a Stable-Baselines3 algorithm: training, repeating, saving, predicting."""

import io
import math
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback, EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor, VecNormalize
from torch import Tensor

from agents import RAM, GymnasiumVecEnv, RAMPolicy, make_vec_env
from agents.frozen_scenes import FrozenScenes
from agents.storage import pack_optimizer
from ram_env.datasets import load_dataset

ENV_ID = "GlimpseMNIST-v0"
NUM_ENVS, BATCH, GLIMPSES = 4, 4, 3
DIGITS: dict[str, Any] = {"dataset": "digits", "num_glimpses": GLIMPSES}
STEPS = BATCH * GLIMPSES  # env steps of one gradient step
SMALL: dict[str, Any] = {
    "precision": "float32",  # the default depends on the processor
    "batch_size": BATCH,
    "warmup_fraction": 0.0,
    "hidden_size": 16,
    "glimpse_hidden_size": 16,
    "location_hidden_size": 8,
    "feature_size": 16,
    "gaze_hidden_size": 8,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: small matrices gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_env(num_envs: int = NUM_ENVS, **arguments: Any) -> GymnasiumVecEnv:
    """Return the native vector env on digits."""
    return make_vec_env(ENV_ID, num_envs, **(DIGITS | arguments))


def make_model(env: Any = None, seed: int | None = 0, **settings: Any) -> RAM:
    """Return a small model on the CPU."""
    env = make_env() if env is None else env
    return RAM("RAMPolicy", env, seed=seed, device="cpu", **(SMALL | settings))


def weights(model: RAM) -> dict[str, Tensor]:
    """Return a copy of all that a training changes."""
    held = model.policy.state_dict() | pack_optimizer(model.policy.optimizer)
    return {name: value.clone() for name, value in held.items()}


def assert_equal_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Require the same bits in every tensor."""
    assert set(one) == set(other)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def observe(batch_size: int = 5) -> dict[str, np.ndarray]:
    """Return a batch of first observations."""
    env = make_env(batch_size)
    env.seed(123)
    observation = env.reset()
    assert isinstance(observation, dict)
    return observation


class EachUpdate(BaseCallback):
    """Call a function before each gradient step."""

    def __init__(self, function: Callable[[RAM], Any]) -> None:
        super().__init__()
        self.function = function
        self.results: list[Any] = []

    def _on_rollout_end(self) -> None:
        assert isinstance(self.model, RAM)
        self.results.append(self.function(self.model))

    def _on_step(self) -> bool:
        return True


# Repeating


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("preset", ["default", "paper", "pure"])
def test_same_seed_same_weights(preset: str, precision: str) -> None:
    """Two trainings with one seed give the same weights, bit for bit; another seed others."""
    first, second, third = (
        weights(make_model(seed=seed, preset=preset, precision=precision).learn(5 * STEPS))
        for seed in (3, 3, 4)
    )
    assert_equal_weights(first, second)
    assert not any(
        torch.equal(value, third[name]) for name, value in first.items() if "weight" in name
    )


def test_training_changes_every_network() -> None:
    """After some updates no layer is what it was."""
    model = make_model()
    before = weights(model)
    model.learn(5 * STEPS)
    for name, parameter in model.policy.named_parameters():
        assert not torch.equal(before[name], parameter), name


def test_seed_is_drawn_if_none_is_given() -> None:
    """Without a seed two models differ, and each knows its seed: the run can be repeated."""
    one, other = make_model(seed=None), make_model(seed=None)
    assert isinstance(one.seed, int) and isinstance(other.seed, int)
    assert one.seed != other.seed
    again = make_model(seed=one.seed)
    assert_equal_weights(weights(one.learn(STEPS)), weights(again.learn(STEPS)))


def test_exploration_depends_on_seed_and_update_alone() -> None:
    """The noise of an update is a function of both; the global generators do not matter."""
    model = make_model(seed=3)

    def noise(seed: int, update: int) -> list[float]:
        model.seed, model._n_updates = seed, update
        return torch.randn(4, generator=model._noise()).tolist()

    assert noise(3, 0) == noise(3, 0)
    draws = {tuple(noise(seed, update)) for seed in range(4) for update in range(4)}
    assert len(draws) == 16


def test_training_does_not_read_global_generators() -> None:
    """Whoever draws from torch's or numpy's generator meanwhile changes nothing."""

    def draw(model: RAM) -> None:
        torch.manual_seed(99)
        np.random.seed(99)

    undisturbed = weights(make_model().learn(4 * STEPS))
    disturbed = weights(make_model().learn(4 * STEPS, EachUpdate(draw)))
    assert_equal_weights(undisturbed, disturbed)


# Envs of all kinds


def make_single() -> gym.Env[Any, Any]:
    """Return one env on digits."""
    return gym.make(ENV_ID, **DIGITS)


ENVS: dict[str, Callable[[], Any]] = {
    "VectorEnv": lambda: gym.make_vec(
        ENV_ID, num_envs=NUM_ENVS, autoreset_mode="SameStep", **DIGITS
    ),
    "SyncVectorEnv": lambda: SyncVectorEnv(
        [make_single] * NUM_ENVS, autoreset_mode=AutoresetMode.SAME_STEP
    ),
    "DummyVecEnv": lambda: DummyVecEnv([lambda: Monitor(make_single())] * NUM_ENVS),
    "VecNormalize": lambda: VecNormalize(make_env(), norm_obs=False, norm_reward=False),
    "VecMonitor of DummyVecEnv": lambda: VecMonitor(DummyVecEnv([make_single] * NUM_ENVS)),
    "Dict actions": lambda: make_env(action_format="dict"),
    "Dict actions, VectorEnv": lambda: gym.make_vec(
        ENV_ID, num_envs=NUM_ENVS, autoreset_mode="SameStep", action_format="dict", **DIGITS
    ),
}


@pytest.mark.parametrize("kind", list(ENVS))
def test_env_of_any_kind_gives_the_same_training(kind: str) -> None:
    """However the same games are wrapped, the weights are the same, bit for bit."""
    expected = weights(make_model().learn(3 * STEPS))
    assert_equal_weights(weights(make_model(ENVS[kind]()).learn(3 * STEPS)), expected)


@pytest.mark.parametrize("action_format", ["box", "dict"])
def test_single_env_gives_the_same_training_as_a_vector_env_of_one(action_format: str) -> None:
    """A plain `gym.Env`, also one with Dict actions, is played in rounds of one episode."""
    expected = make_model(make_env(1)).learn(2 * STEPS)
    single = gym.make(ENV_ID, action_format=action_format, **DIGITS)
    assert_equal_weights(weights(make_model(single).learn(2 * STEPS)), weights(expected))


@pytest.fixture
def tiny_id() -> Iterator[str]:
    """Register an id whose defaults are cheap."""
    gym.register(
        "TinyGlimpse-v0",
        entry_point="ram_env.env:GlimpseEnv",
        vector_entry_point="ram_env.vector_env:GlimpseVectorEnv",
        kwargs=DIGITS,
    )
    yield "TinyGlimpse-v0"
    del gym.registry["TinyGlimpse-v0"]


def test_id_makes_the_native_vector_env(tiny_id: str) -> None:
    """`RAM("RAMPolicy", id)` plays one game per episode of a batch, in the native vector env."""
    model = make_model(tiny_id, batch_size=6)
    assert isinstance(model.env, GymnasiumVecEnv)
    assert model.n_envs == 6
    expected = make_model(make_env(6), batch_size=6).learn(18)
    assert_equal_weights(weights(model.learn(18)), weights(expected))


def test_multidiscrete_env() -> None:
    """Cells and labels are learned too; actions are in the space."""
    env = make_env(action_format="multidiscrete")
    model = make_model(env).learn(3 * STEPS)
    actions, _ = model.predict(observe())
    assert all(model.action_space.contains(action) for action in actions)


def test_lstm_and_one_glimpse() -> None:
    """The smallest episode has one glimpse, and the LSTM's state is twice as wide."""
    model = make_model(make_env(num_glimpses=1), core="lstm").learn(2 * BATCH)
    _, state = model.predict(observe())
    assert state is not None and state[0].shape == (5, 32)


def test_env_without_labels_is_refused_where_labels_are_needed() -> None:
    """If the infos hold no `label`, the error says so and names the way without."""

    class Unlabelled(gym.Wrapper[Any, Any, Any, Any]):
        def reset(self, **arguments: Any) -> Any:
            observation, _ = super().reset(**arguments)
            return observation, {}

    env = DummyVecEnv([lambda: Monitor(Unlabelled(make_single()))] * NUM_ENVS)
    make_model(env, preset="pure").learn(STEPS)
    with pytest.raises(ValueError, match="label"):
        make_model(env).learn(STEPS)


# Rounds


def test_rounds_fill_a_batch() -> None:
    """4 envs play 8 episodes in 2 rounds for each of 3 gradient steps."""
    model = make_model(batch_size=8).learn(3 * 8 * GLIMPSES)
    assert (model._n_updates, model._episode_num, model.num_timesteps) == (3, 24, 72)


def test_rounds_add_up_to_the_gradient_of_the_batch(tmp_path: Path) -> None:
    """If all scenes are alike, rounds of 2 and 4 give the gradient of 8 at once.

    The sums run in another order, hence the tolerance.
    """
    images = np.full((20, 28, 28), 200, dtype=np.uint8)
    np.savez(tmp_path / "same.npz", images=images, labels=np.ones(20, dtype=np.int64))
    scene = {"dataset": str(tmp_path / "same.npz"), "initial_location": "center"}

    def gradient(num_envs: int) -> Tensor:
        env = make_env(num_envs, **scene)
        model = make_model(env, batch_size=8, max_grad_norm=1e9).learn(8 * GLIMPSES)
        parts = [part.grad for part in model.policy.parameters()]
        return torch.cat([part.flatten() for part in parts if part is not None])

    whole = gradient(8)
    assert whole.abs().max() > 0.01
    for num_envs in (2, 4):
        torch.testing.assert_close(gradient(num_envs), whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("num_envs", [3, 8])
def test_batch_must_be_a_multiple_of_the_envs(num_envs: int) -> None:
    """Rounds of 3 or 8 do not fill a batch of 4."""
    with pytest.raises(ValueError, match=rf"`batch_size` must be a multiple.*{num_envs}.*got 4"):
        make_model(make_env(num_envs))


def test_set_env_takes_another_number_of_envs() -> None:
    """Any number that divides the batch will do, and learning goes on."""
    model = make_model().learn(STEPS)
    model.set_env(make_env(2))
    model.learn(STEPS, reset_num_timesteps=False)
    assert model._n_updates == 2


def test_refused_set_env_changes_nothing() -> None:
    """After an error the model still learns in its old env."""
    model = make_model().learn(STEPS)
    with pytest.raises(ValueError, match="`batch_size`"):
        model.set_env(make_env(3))
    with pytest.raises(ValueError, match="Action spaces do not match"):
        model.set_env(make_env(2, action_format="multidiscrete"))
    assert model.n_envs == NUM_ENVS
    model.learn(STEPS)
    assert model._n_updates == 2


def test_episodes_of_unequal_length_are_refused() -> None:
    """Games that do not end together are an error that names the remedy."""
    makers = [lambda t=t: gym.make(ENV_ID, dataset="digits", num_glimpses=t) for t in (2, 3, 3, 3)]
    env = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match=r"end together, got 1 of 4.*`num_glimpses`"):
        make_model(env).learn(STEPS)


def test_learning_without_env_is_refused(tmp_path: Path) -> None:
    """A loaded model has no env until it is given one."""
    make_model().save(tmp_path / "model")
    with pytest.raises(ValueError, match="needs an env"):
        RAM.load(tmp_path / "model", device="cpu").learn(STEPS)


# Budget and schedules


@pytest.mark.parametrize(("asked", "updates"), [(1, 1), (STEPS, 1), (STEPS + 1, 2)])
def test_total_timesteps_are_rounded_up_to_batches(asked: int, updates: int) -> None:
    """No batch is left half done."""
    model = make_model().learn(asked)
    assert (model._n_updates, model.num_timesteps) == (updates, updates * STEPS)
    assert model._episode_num == updates * BATCH


def test_learn_continues_counting_if_asked() -> None:
    """`reset_num_timesteps=False` adds to what was done."""
    model = make_model().learn(2 * STEPS).learn(3 * STEPS, reset_num_timesteps=False)
    assert (model.num_timesteps, model._episode_num, model._n_updates) == (5 * STEPS, 20, 5)
    model.learn(STEPS)
    assert (model.num_timesteps, model._n_updates) == (STEPS, 6)


@pytest.mark.parametrize(
    ("settings", "progress", "factor"),
    [
        ({}, 0.0, 1.0),
        ({}, 0.5, 0.5),
        ({}, 0.25, (1 + math.sqrt(0.5)) / 2),
        ({}, 1.0, 0.0),
        ({"learning_rate_schedule": "constant"}, 1.0, 1.0),
        ({"warmup_fraction": 0.2}, 0.0, 0.0),
        ({"warmup_fraction": 0.2}, 0.1, 0.5),
        ({"warmup_fraction": 0.2}, 0.2, 1.0),
        ({"warmup_fraction": 0.2}, 0.6, 0.5),
        ({"warmup_fraction": 0.2}, 1.0, 0.0),
        ({"warmup_fraction": 0.2, "learning_rate_schedule": "constant"}, 0.1, 0.5),
        ({"warmup_fraction": 0.2, "learning_rate_schedule": "constant"}, 0.9, 1.0),
    ],
)
def test_learning_rate_schedule(settings: Any, progress: float, factor: float) -> None:
    """Warm-up from 0, then cosine to 0 or constant."""
    model = make_model(learning_rate=0.004, **settings)
    assert model._learning_rate(1.0 - progress) == pytest.approx(0.004 * factor, abs=1e-12)


def test_schedules_run_over_the_budget() -> None:
    """Update k of 4 explores as planned for its start, k / 4 of the budget, and learns as planned
    for its middle.
    """
    seen = EachUpdate(lambda model: model.policy.location_std.item())
    rates: list[float] = []
    model = make_model(learning_rate=0.004, location_std=0.5, final_location_std=0.1)
    optimizer = model.policy.optimizer
    optimizer.register_step_pre_hook(lambda *inputs: rates.append(optimizer.param_groups[0]["lr"]))
    model.learn(4 * STEPS, seen)
    assert seen.results == pytest.approx([0.5, 0.4, 0.3, 0.2], rel=1e-6)
    cosines = [(1 + math.cos(math.pi * (k + 0.5) / 4)) / 2 for k in range(4)]
    assert rates == pytest.approx([0.004 * cosine for cosine in cosines], rel=1e-9)


def test_gradient_is_clipped() -> None:
    """The norm of the gradient is at most `max_grad_norm`."""
    model = make_model(max_grad_norm=0.01).learn(STEPS)
    squares = sum(p.grad.square().sum() for p in model.policy.parameters() if p.grad is not None)
    assert math.sqrt(squares) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize(
    "settings", [{"learning_rate": 1e30}, {"learning_rate": 1e18, "preset": "paper"}], ids=str
)
def test_divergence_is_an_error(settings: Any) -> None:
    """Weights that explode end the training with an error that names the remedy."""
    with pytest.raises(RuntimeError, match=r"diverged.*`learning_rate`"):
        make_model(**settings).learn(50 * STEPS)


def test_infinite_gradient_is_an_error_and_not_applied() -> None:
    """A loss beyond float32 raises before the weights are touched."""
    model = make_model()
    model.policy.networks.baseline_network.value.bias.data.fill_(1e30)
    before = weights(model)
    with pytest.raises(RuntimeError, match="diverged"):
        model.learn(STEPS)
    assert_equal_weights(weights(model), before)


# Callbacks


class StopAfter(BaseCallback):
    """Stop after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def _on_step(self) -> bool:
        return self.n_calls < self.steps


@pytest.mark.parametrize("steps", [1, GLIMPSES, GLIMPSES + 2])
@pytest.mark.parametrize("reset", [True, False])
def test_callback_stops_training_and_learning_can_go_on(steps: int, reset: bool) -> None:
    """The batch that is being played is still learned from; the next call goes on."""
    model = make_model().learn(10 * STEPS, StopAfter(steps))
    stopped_at = math.ceil(steps / GLIMPSES)
    assert (model._n_updates, model.num_timesteps) == (stopped_at, stopped_at * STEPS)
    model.learn(2 * STEPS, reset_num_timesteps=reset)
    assert model._n_updates == stopped_at + 2


def test_stopped_training_equals_the_start_of_the_whole() -> None:
    """The weights are those that the same training has after as many updates."""
    seen = EachUpdate(weights)  # before updates 1, 2, 3, ...
    make_model().learn(10 * STEPS, seen)
    stopped = weights(make_model().learn(10 * STEPS, StopAfter(GLIMPSES + 1)))
    # Each update sets the std that it explores with, so this one is behind.
    expected = seen.results[2] | {"location_std": seen.results[1]["location_std"]}
    assert_equal_weights(stopped, expected)


class Meddler(BaseCallback):
    """Predict in the middle of each episode, with and without exploration."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: set[bool] = set()
        self.batch = observe()

    def _on_step(self) -> bool:
        assert isinstance(self.model, RAM)
        self.model.predict(self.batch, deterministic=True)
        self.model.predict(self.batch)
        self.modes.add(self.model.policy.training)
        return True


@pytest.mark.parametrize("preset", ["default", "pure"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_predicting_in_mid_episode_changes_nothing(preset: str, precision: str) -> None:
    """Weights after training are the same with and without, and train mode is restored."""
    settings: dict[str, Any] = {"preset": preset, "precision": precision}
    undisturbed = weights(make_model(**settings).learn(3 * STEPS))
    meddler = Meddler()
    model = make_model(**settings).learn(3 * STEPS, meddler)
    assert_equal_weights(weights(model), undisturbed)
    assert meddler.modes == {True}


def test_prediction_is_in_full_precision_even_while_training_is_not() -> None:
    """Within a training in bfloat16, `predict` returns what it returns outside, bit for bit."""
    batch = observe()

    def act(model: RAM) -> np.ndarray:
        return model.predict(batch, deterministic=True)[0]

    class First(BaseCallback):
        actions: np.ndarray | None = None

        def _on_step(self) -> bool:
            assert isinstance(self.model, RAM)
            if self.actions is None:
                self.actions = act(self.model)
            return True

    model, first = make_model(precision="bfloat16"), First()
    before = act(model)
    model.learn(STEPS, first)
    assert first.actions is not None
    np.testing.assert_array_equal(first.actions, before)


def test_bfloat16_trains_nearly_as_float32() -> None:
    """The first gradient differs by rounding to 8 bits only; weights stay float32."""
    gradients = []
    for precision in ("float32", "bfloat16"):
        model = make_model(precision=precision).learn(STEPS)
        assert all(p.dtype == torch.float32 for p in model.policy.parameters())
        parts = [part.grad.flatten() for part in model.policy.parameters() if part.grad is not None]
        gradients.append(torch.cat(parts))
    full, half = gradients
    assert not torch.equal(full, half)
    assert torch.cosine_similarity(full, half, dim=0) > 0.99


def test_evaluate_policy_of_stable_baselines3() -> None:
    """Mean reward is the share of right answers, equal to counting them."""
    model = make_model().learn(5 * STEPS)
    env = make_env(5)
    env.seed(1)
    rewards, lengths = evaluate_policy(model, env, 20, return_episode_rewards=True)
    assert lengths == [GLIMPSES] * 20
    assert isinstance(rewards, list) and set(rewards) <= {0.0, 1.0}
    single = Monitor(make_single())
    mean, _ = evaluate_policy(model, single, 10)
    assert isinstance(mean, float) and 0.0 <= mean <= 1.0


def test_evaluate_policy_needs_no_monitor_around_the_adapter() -> None:
    """The adapter counts episodes itself, as `Monitor` does, so there is nothing to warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate_policy(make_model(), make_env(5), 5)


@pytest.mark.filterwarnings("ignore:Training and eval env are not of the same type")
def test_callbacks_of_stable_baselines3(tmp_path: Path) -> None:
    """EvalCallback and CheckpointCallback write models that load, and training is the same."""
    evaluation = EvalCallback(
        make_env(2),
        n_eval_episodes=4,
        eval_freq=5,
        best_model_save_path=str(tmp_path / "best"),
        log_path=str(tmp_path / "log"),
        verbose=0,
    )
    checkpoint = CheckpointCallback(4, str(tmp_path / "checkpoints"))
    model = make_model().learn(4 * STEPS, [evaluation, checkpoint])
    best = RAM.load(tmp_path / "best" / "best_model", device="cpu")
    assert best.predict(observe())[0].shape == (5, 12)
    saved = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert saved == ["rl_model_16_steps.zip", "rl_model_32_steps.zip", "rl_model_48_steps.zip"]
    last = RAM.load(tmp_path / "checkpoints" / "rl_model_32_steps", device="cpu")
    assert last.num_timesteps == 32
    assert_equal_weights(weights(model), weights(make_model().learn(4 * STEPS)))


# Stable-Baselines3 silences it when it is imported, and pytest undoes that.
@pytest.mark.filterwarnings("ignore:rich is experimental")
def test_progress_bar_works() -> None:
    """`progress_bar=True` shows one, without a warning."""
    model = make_model().learn(2 * STEPS, progress_bar=True)
    assert model._n_updates == 2


def test_log_has_the_documented_rows(tmp_path: Path) -> None:
    """Losses, error, learning rate and exploration reach the logger every `log_interval`."""
    from stable_baselines3.common.logger import configure

    model = make_model()
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(5 * STEPS, log_interval=2)
    model.logger.close()
    header, *rows = (tmp_path / "progress.csv").read_text().splitlines()
    assert set(header.split(",")) == {
        "time/episodes",
        "time/total_timesteps",
        "time/seconds",
        "rollout/error",
        "train/classification_loss",
        "train/policy_loss",
        "train/baseline_loss",
        "train/learning_rate",
        "train/location_std",
    }
    column = header.split(",").index("time/episodes")
    assert [int(row.split(",")[column]) for row in rows] == [8, 16, 20]


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


def test_policy_can_be_a_class() -> None:
    """`RAMPolicy` itself does as well as its name."""
    model = RAM(RAMPolicy, make_env(), seed=0, device="cpu", **SMALL)
    assert_equal_weights(weights(model), weights(make_model()))


def test_unknown_policy_and_settings_are_refused() -> None:
    """Errors name what is unknown."""
    with pytest.raises(ValueError, match="Policy MlpPolicy unknown"):
        RAM("MlpPolicy", make_env(), device="cpu", **SMALL)
    with pytest.raises(ValueError, match=r"unknown setting \['batchsize'\]"):
        make_model(batchsize=3)
    with pytest.raises(ValueError, match="`preset`"):
        make_model(preset="best")


# Learning


def labels_answered(model: RAM, env: VecEnv) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels that a model answers in one episode per env, and the true ones."""
    observation, state, starts = env.reset(), None, np.ones(env.num_envs, dtype=bool)
    labels = np.array([info["label"] for info in env.reset_infos])
    dones = np.zeros(env.num_envs, dtype=bool)
    while not dones.any():
        actions, state = model.predict(observation, state, starts, deterministic=True)
        starts = np.zeros(env.num_envs, dtype=bool)
        observation, _, dones, _ = env.step(actions)
    return actions[:, 2:].argmax(axis=1), labels


@pytest.mark.parametrize(("preset", "updates"), [("default", 150), ("paper", 400)])
def test_overfits_64_scenes(preset: str, updates: int, tmp_path: Path) -> None:
    """64 images, each in its only place and always seen from the centre first: all learned."""
    digits = load_dataset("digits", "train")
    path = str(tmp_path / "few.npz")  # 8 of 10 images are for training
    np.savez(path, images=digits.images[:80], labels=digits.labels[:80])
    scenes = {"dataset": path, "initial_location": "center", "num_glimpses": 5}
    settings: dict[str, Any] = {"batch_size": 64, "preset": preset, "precision": "float32"}
    model = RAM("RAMPolicy", make_env(64, **scenes), seed=0, device="cpu", **settings)
    model.learn(64 * 5 * updates)
    env = make_env(64, **scenes)
    env.set_options([{"index": index} for index in range(64)])
    answered, labels = labels_answered(model, env)
    assert (answered == labels).all()


def test_pure_policy_gradients_learn_from_reward_alone(tmp_path: Path) -> None:
    """Dark or bright, told by reward alone: nearly always right soon; chance is a half."""
    labels = np.arange(100) % 2
    images = np.full((100, 8, 8), 40, dtype=np.uint8) + (labels * 160)[:, None, None].astype("u1")
    np.savez(tmp_path / "two.npz", images=images, labels=labels)
    scenes = {"dataset": str(tmp_path / "two.npz"), "canvas_size": 8, "num_glimpses": 2}
    model = make_model(make_env(32, **scenes), preset="pure", batch_size=32).learn(32 * 2 * 150)
    env = make_env(64, **scenes)
    env.seed(5)
    answered, truth = labels_answered(model, env)
    assert (answered == truth).mean() > 0.9


@pytest.mark.skipif("RAM_ENV_DATA" not in os.environ, reason="RAM_ENV_DATA names no MNIST folder")
def test_learns_mnist() -> None:
    """8,192 episodes of `centered` bring the error on validation scenes far below chance.

    Chance is 90 %; two seeds measured 32.7 and 33.1 %.
    """
    data = {"dataset": "mnist"}
    env = make_vec_env(ENV_ID, 128, **data)
    model = RAM("RAMPolicy", env, seed=0, device="cpu", batch_size=128).learn(8192 * 7)
    assert FrozenScenes(ENV_ID, data, "validation", 1000).evaluate(model).error < 45.0
