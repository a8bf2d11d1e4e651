"""`RAM` as a Stable-Baselines3 algorithm: repeating, envs of all kinds, rounds."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import TransformReward
from small_ram import (
    BATCH,
    DIGITS,
    ENV_ID,
    EVERY_STEP,
    GLIMPSES,
    NUM_ENVS,
    SMALL,
    STEPS,
    EachUpdate,
    assert_equal_weights,
    make_env,
    make_model,
    make_single,
    observe,
    weights,
)
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecMonitor,
    VecNormalize,
)
from torch import Tensor

from agents import RAM, GymnasiumVecEnv
from ram_env.games.tasks import CanvasTask

pytestmark = pytest.mark.usefixtures("one_thread")


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


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_an_id_of_another_game_is_refused_for_its_spaces(env_id: str) -> None:
    """Whether it has a native vector env or not: what it shows is what RAM cannot see."""
    with pytest.raises(ValueError, match=r"`observation_space` must be a Dict of `glimpse`"):
        RAM("RAMPolicy", env_id, device="cpu", **SMALL)


def test_an_id_can_be_set_and_loaded_into(tiny_id: str, tmp_path: Path) -> None:
    """Wherever a model takes an env, an id does as well; the module that registers it may lead."""
    model = make_model(f"ram_env:{tiny_id}")
    model.set_env(tiny_id)
    model.save(tmp_path / "model")
    loaded = RAM.load(tmp_path / "model", tiny_id, device="cpu")
    assert isinstance(loaded.env, GymnasiumVecEnv)
    assert loaded.n_envs == model.n_envs == model.config.batch_size
    with pytest.raises(ValueError, match="`env` must be an env or a registered id, got None"):
        RAM("RAMPolicy", device="cpu")


def test_id_makes_the_share_of_a_process(tiny_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a batch that two processes learn from, each plays half."""
    monkeypatch.setattr("agents.model.ram.world_size", lambda: 2)
    assert make_model(tiny_id, batch_size=6).n_envs == 3


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

    vector = SyncVectorEnv(
        [lambda: Unlabelled(make_single(**EVERY_STEP))] * NUM_ENVS,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    for env in (
        DummyVecEnv([lambda: Monitor(Unlabelled(make_single(**EVERY_STEP)))] * NUM_ENVS),
        GymnasiumVecEnv(vector),
    ):
        make_model(env, preset="pure").learn(STEPS)
        with pytest.raises(ValueError, match=r"`env` must give the `label`.*preset='pure'"):
            make_model(env).learn(STEPS)


# What the env pays and reads


def test_pure_makes_its_env_with_the_reward_that_it_needs(tiny_id: str, tmp_path: Path) -> None:
    """Of an id, wherever one is taken; other presets leave the env its default."""
    model = make_model(tiny_id, preset="pure")
    assert rewards_of(model) == {"every_step"}
    assert rewards_of(make_model(tiny_id)) == {"final"}
    model.set_env(tiny_id)
    assert rewards_of(model) == {"every_step"}
    model.save(tmp_path / "model")
    assert rewards_of(RAM.load(tmp_path / "model", tiny_id, device="cpu")) == {"every_step"}


def test_retinotopic_location_makes_an_env_that_shows_its_reach(tiny_id: str) -> None:
    """Of an id; a model that needs no reach is content with an env that shows it."""
    model = make_model(tiny_id, location="retinotopic")
    assert model.task is not None and model.task.arguments["observe_reach"] is True
    make_model(model.env).learn(STEPS)


def rewards_of(model: RAM) -> set[str]:
    """Return the reward rules of the games that a model learns from."""
    assert model.env is not None
    return {str(task.reward) for task in model.env.get_attr("task")}


@pytest.mark.parametrize("kind", list(ENVS))
def test_pure_refuses_another_reward(kind: str) -> None:
    """A reward that does not tell of each answer would teach that all but the last are wrong."""
    with pytest.raises(ValueError, match=r"`answer_loss=.*reward='every_step', got 'final'"):
        make_model(ENVS[kind](), preset="pure")


def test_pure_refuses_costs_of_glimpses() -> None:
    """A right answer could be paid less than nothing then."""
    with pytest.raises(ValueError, match=r"glimpse_cost=0, got 0\.5"):
        make_model(make_env(**EVERY_STEP, glimpse_cost=0.5), preset="pure")


@pytest.mark.parametrize("kind", list(ENVS))
def test_answers_that_are_actions_are_warned_of_another_reward(kind: str) -> None:
    """An env that the user made is taken as it is; how to make a better one is told."""
    with pytest.warns(UserWarning, match=r"learns well.*reward='every_step', got 'final'"):
        make_model(ENVS[kind](), learn_class_from="reward", gaze_reward="env")


def test_a_reward_that_was_chosen_changes_what_is_learned() -> None:
    """Another rule of the env's is learned from, by each env anew; a setting says otherwise."""
    plain = weights(make_model().learn(20 * STEPS))
    model = make_model(make_env(**EVERY_STEP)).learn(20 * STEPS)
    env_reward = make_model(make_env(**EVERY_STEP), gaze_reward="env").learn(20 * STEPS)
    assert_equal_weights(weights(model), weights(env_reward))
    assert not torch.equal(
        weights(model)["networks.location_network.mean.weight"],
        plain["networks.location_network.mean.weight"],
    )
    assert model.config.gaze_reward == "auto"
    model.set_env(make_env())
    assert model.taught_by.gaze_reward == "belief"
    with pytest.warns(UserWarning, match=r"rewards of `env` are not read.*'belief'") as caught:
        asked = make_model(make_env(**EVERY_STEP), gaze_reward="belief").learn(20 * STEPS)
    assert caught[0].filename == __file__
    assert_equal_weights(weights(asked), plain)


REWARDS: dict[str, Callable[[], Any]] = {
    "VectorEnv, negated": lambda: TransformReward(
        gym.make_vec(ENV_ID, num_envs=NUM_ENVS, autoreset_mode="SameStep", **DIGITS), np.negative
    ),
    "DummyVecEnv, constant": lambda: DummyVecEnv(
        [lambda: gym.wrappers.TransformReward(make_single(), lambda _: 1.0)] * NUM_ENVS
    ),
    "VecNormalize": lambda: VecNormalize(make_env(), norm_obs=False),
}


@pytest.mark.parametrize("kind", list(REWARDS))
def test_rewards_that_are_not_read_are_told_of_once(kind: str) -> None:
    """Whatever changed them; as told, `gaze_reward='env'` learns from them, and is silent."""
    model = make_model(REWARDS[kind]())
    with pytest.warns(UserWarning, match=r"`gaze_reward='env'` learns from them") as told:
        model.learn(20 * STEPS)
    assert len(told) == 1
    assert_equal_weights(weights(model), weights(make_model().learn(20 * STEPS)))
    reads = make_model(REWARDS[kind](), gaze_reward="env").learn(20 * STEPS)
    usual = make_model(gaze_reward="env").learn(20 * STEPS)
    assert not torch.equal(
        weights(reads)["networks.location_network.mean.weight"],
        weights(usual)["networks.location_network.mean.weight"],
    )


@pytest.mark.parametrize("kind", ["native", "SyncVectorEnv", "VecNormalize of DummyVecEnv"])
def test_beliefs_are_written_for_the_score_scale_of_the_env(kind: str, tmp_path: Path) -> None:
    """What an env of another scale reads is the model's softmax; the model file remembers it."""
    scale: dict[str, Any] = {"score_scale": 40.0}
    env: Any = {
        "native": lambda: make_env(**scale),
        "SyncVectorEnv": lambda: SyncVectorEnv(
            [lambda: make_single(**scale)] * NUM_ENVS, autoreset_mode=AutoresetMode.SAME_STEP
        ),
        "VecNormalize of DummyVecEnv": lambda: VecNormalize(
            DummyVecEnv([lambda: make_single(**scale)] * NUM_ENVS), norm_obs=False
        ),
    }[kind]()
    model, batch = make_model(env), observe()
    model.save(tmp_path / "model")
    task = CanvasTask(**DIGITS, **scale)
    tensors = {key: torch.as_tensor(value) for key, value in batch.items()}
    with torch.no_grad():
        thought = model.policy(tensors, model.policy.networks.initial_state(5))
    for player in (model, RAM.load(tmp_path / "model", device="cpu")):
        answers = task.format.decode(player.predict(batch, deterministic=True)[0])
        assert answers.scores is not None
        belief = np.exp(task.log_belief(answers.scores))
        np.testing.assert_allclose(belief, thought.logits.softmax(1).numpy(), rtol=1e-4)
    assert player.policy.score_scale == 40.0
    player.set_env(make_env())
    assert player.policy.score_scale == 10.0


def test_a_file_from_before_scales_were_kept_has_the_default() -> None:
    """So do the models that come with the package."""
    assert RAM.from_pretrained("centered", device="cpu").policy.score_scale == 10.0


@pytest.mark.slow
def test_envs_in_processes_of_their_own_tell_their_score_scale() -> None:
    """So do those of `SubprocVecEnv`."""
    games = SubprocVecEnv([functools.partial(make_single, score_scale=3.0)] * 2)
    try:
        assert make_model(games).policy.score_scale == 3.0
    finally:
        games.close()


class Foreign(gym.Env[Any, Any]):
    """An env of others, with the spaces of ours and no task."""

    observation_space = make_single().observation_space
    action_space = make_single().action_space


def test_env_without_a_task_is_taken_as_it_is() -> None:
    """Nothing is asked of it, and no reward is demanded."""
    for games in (
        DummyVecEnv([Foreign] * NUM_ENVS),
        SyncVectorEnv([Foreign] * NUM_ENVS, autoreset_mode=AutoresetMode.SAME_STEP),
    ):
        assert make_model(games, preset="pure").policy.score_scale == 10.0


# Rounds


def test_rounds_fill_a_batch() -> None:
    """4 envs play 8 episodes in 2 rounds for each of 3 gradient steps."""
    model = make_model(batch_size=8).learn(3 * 8 * GLIMPSES)
    assert (model._n_updates, model._episode_num, model.num_timesteps) == (3, 24, 72)


@pytest.mark.parametrize(
    "settings",
    [{}, {"preset": "pure", "answer_loss": "policy_gradient", "gaze_reward": "env"}],
    ids=["default", "answers by policy gradient"],
)
def test_rounds_add_up_to_the_gradient_of_the_batch(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    """If all training scenes are alike, rounds of 1, 2 and 4 give the gradient of 8 at once.

    The sums run in another order, hence the tolerance.
    """
    images = np.full((20, 28, 28), 200, dtype=np.uint8)
    labels = np.arange(20) < 19  # the last image is one of the test set's
    np.savez(tmp_path / "same.npz", images=images, labels=labels)
    scene = {"dataset": str(tmp_path / "same.npz"), "initial_location": "center", **EVERY_STEP}

    def gradient(num_envs: int) -> Tensor:
        env = make_env(num_envs, **(scene if settings else scene | {"reward": "final"}))
        model = make_model(env, batch_size=8, max_grad_norm=1e9, **settings).learn(8 * GLIMPSES)
        parts = [part.grad for part in model.policy.parameters()]
        return torch.cat([part.flatten() for part in parts if part is not None])

    whole = gradient(8)
    assert whole.abs().max() > 0.01
    for num_envs in (1, 2, 4):
        torch.testing.assert_close(gradient(num_envs), whole, rtol=1e-4, atol=1e-6)


def test_the_shortest_training_learns() -> None:
    """Also where a batch takes more steps than are asked for, again and again."""
    model = make_model(warmup_fraction=0.1)
    for _ in range(3):
        before = {name: it.clone() for name, it in model.policy.networks.named_parameters()}
        model.learn(1, reset_num_timesteps=False)
        changed = [
            not it.equal(before[name]) for name, it in model.policy.networks.named_parameters()
        ]
        assert all(changed)


@pytest.mark.parametrize("num_envs", [3, 8])
def test_batch_must_be_a_multiple_of_the_envs(num_envs: int) -> None:
    """Rounds of 3 or 8 do not fill a batch of 4."""
    with pytest.raises(ValueError, match=rf"`batch_size` must be a multiple.*got 4 and {num_envs}"):
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
