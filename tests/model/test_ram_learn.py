"""`RAM.learn`: budget, schedules, callbacks and log."""

import gc
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_ram import (
    BATCH,
    GLIMPSES,
    NUM_ENVS,
    STEPS,
    EachUpdate,
    assert_equal_weights,
    make_env,
    make_model,
    make_single,
    observe,
    weights,
)
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CheckpointCallback,
    EvalCallback,
    LogEveryNTimesteps,
    StopTrainingOnMaxEpisodes,
)
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from agents import RAM

pytestmark = pytest.mark.usefixtures("one_thread")


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
    assert model.config.learning_rate_at(1.0 - progress) == pytest.approx(0.004 * factor, abs=1e-12)


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


def test_time_is_counted_while_it_learns() -> None:
    """It stands still after `learn`, and adds up if learning goes on."""
    model = make_model()
    assert model.seconds_trained == 0.0
    seconds = [model.learn(STEPS).seconds_trained]
    assert 0.0 < seconds[0] == model.seconds_trained
    seconds.append(model.learn(STEPS, reset_num_timesteps=False).seconds_trained)
    assert seconds[0] < seconds[1] == model.seconds_trained


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


def test_callbacks_are_shown_what_was_played_and_learned() -> None:
    """By the names of Stable-Baselines3, each step; then the batch and its losses."""

    class Reader(BaseCallback):
        def _on_training_start(self) -> None:
            assert self.locals == {"self": self.model, "total_timesteps": STEPS}

        def _on_step(self) -> bool:
            assert self.locals["actions"].shape == (NUM_ENVS, 12)
            assert self.locals["rewards"].shape == self.locals["dones"].shape == (NUM_ENVS,)
            assert [set(info) >= {"label"} for info in self.locals["infos"]] == [True] * NUM_ENVS
            return True

        def _on_rollout_end(self) -> None:
            rewards = self.locals["rollout"].rewards
            assert rewards.shape == (GLIMPSES, NUM_ENVS)
            np.testing.assert_array_equal(rewards[-1], self.locals["rewards"])
            assert self.locals["losses"].total.isfinite()

    make_model().learn(STEPS, [Reader()])


def test_learning_leaves_nothing_behind() -> None:
    """No tensor of a batch is in a cycle of references, which would keep it for minutes."""
    model = make_model().learn(STEPS)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)  # what a sweep finds is kept in gc.garbage
    try:
        for _ in range(2):
            model.learn(STEPS, reset_num_timesteps=False)
        gc.collect()
        left = [thing for thing in gc.garbage if isinstance(thing, torch.Tensor | BaseCallback)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not left


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


@pytest.mark.parametrize(
    ("kind", "tells"), [(make_env, True), (lambda: DummyVecEnv([make_single] * NUM_ENVS), False)]
)
def test_an_env_that_others_have_played_begins_anew(
    kind: Callable[[], VecEnv], tells: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels are those of the scenes that are shown, also after an evaluation in between.

    An env that does not tell whether it was played begins anew each time.
    """
    env = kind()
    model = make_model(env).learn(STEPS)
    evaluate_policy(model, env, 2 * NUM_ENVS, warn=False)
    resets: list[None] = []
    reset = env.reset

    def counted_reset() -> Any:
        resets.append(None)
        return reset()

    monkeypatch.setattr(env, "reset", counted_reset)
    model.learn(STEPS, reset_num_timesteps=False)
    assert len(resets) == 1, "it begins new episodes"
    model.learn(STEPS, reset_num_timesteps=False)
    assert len(resets) == (1 if tells else 2), "and goes on with its own"


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


def test_callbacks_find_what_they_ask_of_an_algorithm(tmp_path: Path) -> None:
    """Statistics of a `VecNormalize` are saved, rows are logged when one asks, episodes counted."""
    model = make_model(VecNormalize(make_env(), norm_reward=False))
    log = configure(str(tmp_path), ["csv"])
    model.set_logger(log)
    kept = CheckpointCallback(
        6, str(tmp_path / "kept"), save_replay_buffer=True, save_vecnormalize=True
    )
    rows, most = LogEveryNTimesteps(4), StopTrainingOnMaxEpisodes(2)
    model.learn(100 * STEPS, [kept, rows, most], log_interval=None)
    log.close()
    assert model._n_updates == 2
    names = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert names == ["rl_model_24_steps.zip", "rl_model_vecnormalize_24_steps.pkl"]
    assert len((tmp_path / "progress.csv").read_text().splitlines()) == 1 + 6
    assert model.get_vec_normalize_env() is model.get_env()


# Stable-Baselines3 silences it when it is imported, and pytest undoes that.
@pytest.mark.filterwarnings("ignore:rich is experimental")
def test_progress_bar_works() -> None:
    """`progress_bar=True` shows one, without a warning."""
    model = make_model().learn(2 * STEPS, progress_bar=True)
    assert model._n_updates == 2


def test_log_has_the_documented_rows(tmp_path: Path) -> None:
    """Losses, error, learning rate and exploration reach the logger every `log_interval`."""
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


def test_no_log_interval_is_no_log(tmp_path: Path) -> None:
    """`None` is what every Stable-Baselines3 algorithm takes for it."""
    model = make_model()
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(2 * STEPS, log_interval=None)
    model.logger.close()
    assert model._n_updates == 2
    assert (tmp_path / "progress.csv").read_text() == ""
