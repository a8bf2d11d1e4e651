"""The envs are good citizens: Gymnasium and Stable-Baselines3 find nothing to complain about."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from helpers import FORMATS, IDS, assert_identical, random_actions, rollout

from ram_env import SHORT_NAMES, TASKS
from ram_env.env import GlimpseEnv
from ram_env.games.actions import ActionFormat
from ram_env.games.settings import InitialLocation, RewardRule
from ram_env.vector_env import GlimpseVectorEnv

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize("task_id", IDS)
def test_gymnasium_check_env(task_id: str, action_format: str) -> None:
    """Gymnasium's checker passes without any warning, pictures included."""
    env = gym.make(task_id, dataset="digits", action_format=action_format, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)
    env.reset(seed=0)
    assert isinstance(env.render(), np.ndarray)


def test_gymnasium_check_env_with_all_render_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gymnasium's checker passes in all declared render modes, the window included."""
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    check_env(gym.make("GlimpseMNIST-v0", dataset="digits", render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize("task_id", IDS)
def test_stable_baselines3_check_env(task_id: str, action_format: str) -> None:
    """Its checker finds no error, and warns of small images that are no bytes and Dict actions."""
    from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

    env = gym.make(task_id, dataset="digits", action_format=action_format)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env_of_sb3(env.unwrapped)
    known = ["has to be `np.uint8`", "not in [0, 255]", "minimal resolution for an image is 36x36"]
    if action_format == "dict":
        known.append("action space is not based off a numpy array")
    messages = [str(warning.message) for warning in caught]
    for part in known:
        assert sum(part in message for message in messages) == 1, part
    assert len(messages) == len(known), messages


@pytest.mark.parametrize("action_format", ["box", "multidiscrete"])
@pytest.mark.parametrize("algorithm", ["PPO", "A2C"])
def test_agents_of_stable_baselines3_learn(algorithm: str, action_format: str) -> None:
    """PPO and A2C run as they come, with `MultiInputPolicy` and no wrapper of ours."""
    import stable_baselines3

    env = gym.make("GlimpseMNIST-v0", dataset="digits", action_format=action_format)
    settings = {"n_steps": 128, "seed": 0, "device": "cpu"}
    agent = getattr(stable_baselines3, algorithm)("MultiInputPolicy", env, **settings)
    agent.learn(256)
    assert agent.num_timesteps == 256
    observation, _ = env.reset(seed=0)
    action, _ = agent.predict(observation)
    assert env.action_space.contains(action)


@pytest.mark.parametrize(("make", "task_id"), [("make", IDS[0]), ("make_vec", IDS[-1])])
def test_a_fresh_interpreter_finds_the_tasks(make: str, task_id: str) -> None:
    """`gym.make("ram_env:ID")` imports the package by itself."""
    program = (
        "import gymnasium\n"
        f"env = gymnasium.{make}('ram_env:{task_id}', dataset='digits')\n"
        "env.reset(seed=0)\n"
        "print(env.step(env.action_space.sample())[0]['glimpse'].shape)"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    task = TASKS[task_id]
    shape = (task["num_scales"], task["patch_size"], task["patch_size"])
    assert result.stderr == ""
    assert result.stdout.strip() == str(shape if make == "make" else (1, *shape))


# The table of tasks.


def test_registered_tasks_are_the_papers() -> None:
    """Canvas, distractors, patch, scales and glimpses are the paper's four settings, and one more.

    The last has the scenes of the fourth, on a hundred times the canvas.
    """
    table = {
        "GlimpseMNIST-v0": (28, 0, 8, 1, 7),
        "GlimpseTranslatedMNIST-v0": (60, 0, 12, 3, 8),
        "GlimpseClutteredMNIST-v0": (60, 4, 12, 3, 8),
        "GlimpseClutteredMNIST100-v0": (100, 8, 12, 4, 8),
        "GlimpseClutteredMNIST1000-v0": (1000, 8, 12, 8, 12),
    }
    assert set(TASKS) == set(table)
    names = ["centered", "translated", "cluttered", "cluttered100", "cluttered1000", "megapixel"]
    assert list(SHORT_NAMES) == [*names, "folder", "catch"]
    others = ["GlimpseMegapixelMNIST-v0", "GlimpseImageFolder-v0", "GlimpseCatch-v0"]
    assert list(SHORT_NAMES.values()) == [*table, *others]
    for task_id, (canvas, distractors, patch, scales, glimpses) in table.items():
        env = gym.make(task_id, dataset="digits")
        assert isinstance(env.unwrapped, GlimpseEnv)
        assert env.observation_space["glimpse"].shape == (scales, patch, patch)  # type: ignore[index]
        results = list(rollout(env, glimpses, seed=0))
        assert [len(result) for result in results[:-1]] == [2] + [5] * glimpses
        assert results[glimpses][2]
        view = env.unwrapped.view()
        assert view.scene_shape == (canvas, canvas)
        assert env.get_wrapper_attr("num_distractors") == distractors
        assert env.get_wrapper_attr("distractor_size") == 8
        assert env.spec is not None
        assert env.spec.max_episode_steps is None


# Every argument of `gym.make`: its value, and what of the env shows it.
OVERRIDES: dict[str, Any] = {
    "split": "test",
    "canvas_size": [70, 64],
    "num_distractors": 2,
    "distractor_size": 9,
    "patch_size": 10,
    "num_scales": 2,
    "num_glimpses": 3,
    "action_format": "multidiscrete",
    "location_grid": 5,
    "score_scale": 4.0,
    "reward": "every_step",
    "initial_location": "center",
}


@pytest.mark.parametrize("task_id", IDS)
@pytest.mark.parametrize("make", [gym.make, gym.make_vec], ids=["make", "make_vec"])
def test_every_argument_can_be_overridden(make: Any, task_id: str) -> None:
    """Arguments given to `gym.make` replace those of the table, one by one and all together."""
    for name, value in [*OVERRIDES.items(), (None, None)]:
        given = OVERRIDES if name is None else {name: value}
        task = make(task_id, dataset="digits", **given).unwrapped.task
        expected: dict[str, Any] = {**TASKS[task_id], **given}
        side = expected.pop("canvas_size")
        assert task.canvas_shape == ((side, side) if isinstance(side, int) else tuple(side))
        split = expected.pop("split", "train")
        assert len(task.dataset.labels) == {"train": 1297, "test": 300}[split]
        for argument, number in expected.items():
            assert getattr(task, argument) == number


def test_dataset_arguments(small_images: str, tmp_path: Path) -> None:
    """`dataset` and `data_dir` reach the reader of the data."""
    assert gym.make(IDS[0], dataset=small_images).action_space.shape == (2 + 3,)
    for dataset in ("digits", "idx"):
        with pytest.raises(ValueError, match="`data_dir`"):
            gym.make(IDS[0], dataset=dataset, data_dir=tmp_path)


ENUMS = [
    {
        "action_format": ActionFormat.BOX,
        "reward": RewardRule.LOG_LIKELIHOOD,
        "initial_location": InitialLocation.CENTER,
    },
    {"action_format": "box", "reward": "log_likelihood", "initial_location": "center"},
    {"action_format": ActionFormat.MULTIDISCRETE, "reward": RewardRule.EVERY_STEP},
    {"action_format": ActionFormat.DICT, "initial_location": InitialLocation.RANDOM},
    {"canvas_size": (70, 64), "score_scale": 2.5},
]


@pytest.mark.parametrize("kwargs", ENUMS, ids=str)
@pytest.mark.parametrize("task_id", IDS)
def test_spec_survives_json(task_id: str, kwargs: dict[str, Any]) -> None:
    """The spec as JSON, with enums or their values, makes an env that plays the same episodes."""
    env = gym.make(task_id, dataset="digits", **kwargs)
    assert env.spec is not None
    text = env.spec.to_json()
    again = gym.make(EnvSpec.from_json(text))
    assert again.spec is not None
    assert again.spec.to_json() == text
    assert again.action_space == env.action_space
    assert_identical(list(rollout(again, 10, seed=3)), list(rollout(env, 10, seed=3)))


@pytest.mark.parametrize("mode", ["SameStep", AutoresetMode.SAME_STEP], ids=["value", "member"])
def test_spec_of_a_vector_env_makes_it_again(mode: Any) -> None:
    """The spec of the native vector env makes another one that returns the same."""
    arguments = {"dataset": "digits", "reward": "every_step", "autoreset_mode": mode}
    envs = gym.make_vec("GlimpseClutteredMNIST-v0", 2, **arguments)
    assert envs.spec is not None
    spec: Any = envs.spec
    if isinstance(mode, str):
        spec = EnvSpec.from_json(envs.spec.to_json())
    again = gym.make_vec(spec, 2)
    assert isinstance(again, GlimpseVectorEnv)
    assert again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    actions = random_actions(np.random.default_rng(0), envs)
    assert_identical(again.reset(seed=0), envs.reset(seed=0))
    for _ in range(9):
        assert_identical(again.step(actions), envs.step(actions))


def test_wrappers_do_not_change_the_game() -> None:
    """Through the wrappers of `gym.make` an env returns what the bare one returns."""
    wrapped = gym.make("GlimpseClutteredMNIST-v0", dataset="digits")
    bare = GlimpseEnv(dataset="digits", **TASKS["GlimpseClutteredMNIST-v0"])
    assert_identical(list(rollout(wrapped, 20, seed=0)), list(rollout(bare, 20, seed=0)))
    with pytest.raises(ResetNeeded):
        gym.make("GlimpseMNIST-v0", dataset="digits").step(np.zeros(12, np.float32))


@pytest.mark.parametrize("task_id", IDS)
@pytest.mark.parametrize("action_format", FORMATS)
def test_render_through_make(task_id: str, action_format: str) -> None:
    """`rgb_array` gives a new picture of one size after each glimpse and alters no episode."""
    arguments: dict[str, Any] = {"dataset": "digits", "action_format": action_format}
    env = gym.make(task_id, render_mode="rgb_array", **arguments)
    twin = gym.make(task_id, **arguments)
    env.action_space.seed(0)
    assert_identical(env.reset(seed=0), twin.reset(seed=0))
    pictures: list[Any] = [env.render()]
    for _ in range(TASKS[task_id]["num_glimpses"]):
        action = env.action_space.sample()
        assert_identical(env.step(action), twin.step(action))
        pictures.append(env.render())
        assert_identical(env.render(), pictures[-1])
    for picture in pictures:
        assert isinstance(picture, np.ndarray)
        assert (str(picture.dtype), picture.ndim, picture.shape[2]) == ("uint8", 3, 3)
        assert picture.shape == pictures[0].shape
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert twin.unwrapped.render() is None
    env.close()
    env.close()


def test_unknown_render_mode() -> None:
    """`gym.make` warns of a render mode that there is not, and the env refuses it."""
    with (
        pytest.warns(UserWarning, match="render_mode='ascii'"),
        pytest.raises(ValueError, match="`render_mode`"),
    ):
        gym.make("GlimpseMNIST-v0", dataset="digits", render_mode="ascii")
