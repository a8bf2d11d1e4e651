"""Gymnasium's usual wrappers and tools work around one env and around many, with the right values.

A vector wrapper is tested in the autoreset modes that Gymnasium itself allows it in.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.utils import performance
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import vector as vector_wrappers
from helpers import FORMATS, IDS, assert_identical, random_actions, rollout

from ram_env.wrappers import GlimpseHistory, SeenCanvas
from ram_env.wrappers import vector as memory_of_many

CLUTTERED = "GlimpseClutteredMNIST-v0"
KEEPS_FINAL_OBS = [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED]


def by_mode(*modes: AutoresetMode) -> pytest.MarkDecorator:
    """Run a test in some autoreset modes."""
    return pytest.mark.parametrize("mode", modes, ids=lambda mode: mode.value)


def make(task_id: str = CLUTTERED, **arguments: Any) -> Any:
    """Make a single env."""
    return gym.make(task_id, dataset="digits", **arguments)


def make_vec(
    mode: AutoresetMode = AutoresetMode.NEXT_STEP, num_envs: int = 3, **arguments: Any
) -> Any:
    """Make a native vector env."""
    return gym.make_vec(
        CLUTTERED, num_envs, dataset="digits", autoreset_mode=mode.value, **arguments
    )


def play(envs: VectorEnv[Any, Any, Any], num_steps: int, seed: int) -> Iterator[Any]:
    """Yield all that random but fixed actions bring; ended episodes restart by a mask if need be.

    The last actions are yielded too, as the last of each tuple.
    """
    rng = np.random.default_rng(seed)
    yield *envs.reset(seed=seed), None
    for _ in range(num_steps):
        actions = random_actions(rng, envs)
        result = envs.step(actions)
        yield *result, actions
        ended = np.asarray(result[2])
        if envs.metadata["autoreset_mode"] == AutoresetMode.DISABLED and ended.any():
            yield *envs.reset(options={"reset_mask": ended}), None


def flat(observation: dict[str, np.ndarray], num_axes: int = 0) -> np.ndarray:
    """Lay all numbers of an observation, or of a batch of them, in one vector each."""
    parts = [value.reshape(*value.shape[:num_axes], -1) for value in observation.values()]
    return np.concatenate(parts, axis=-1)


# Statistics of episodes.


def right_or_wrong(label: Any, is_right: bool) -> np.ndarray:
    """Return the action that answers with a label or with the one after it."""
    action = np.zeros(12, np.float32)
    action[2 + (label if is_right else (label + 1) % 10)] = 1
    return action


def test_record_episode_statistics() -> None:
    """Gymnasium's statistics are the return and the length of each episode."""
    env = wrappers.RecordEpisodeStatistics(make(num_glimpses=4, reward="every_step"))
    for num_right in range(5):
        _, info = env.reset(seed=num_right)
        for step in range(4):
            info = env.step(right_or_wrong(info["label"], step < num_right))[4]
        assert (info["episode"]["r"], info["episode"]["l"]) == (num_right / 4, 4)
    assert list(env.return_queue) == [0, 0.25, 0.5, 0.75, 1]
    assert list(env.length_queue) == [4] * 5


@by_mode(*AutoresetMode)
def test_record_episode_statistics_of_many(mode: AutoresetMode) -> None:
    """The statistics of a vector env are those of the games, episode after episode."""
    envs = vector_wrappers.RecordEpisodeStatistics(
        make_vec(mode, num_glimpses=4, reward="every_step")
    )
    for episode in range(2):
        _, infos = envs.reset(seed=episode)
        for step in range(4):
            answers = zip(infos["label"], (4, 2, 0), strict=True)
            results = envs.step(
                np.stack([right_or_wrong(label, step < right) for label, right in answers])
            )
            infos = results[4]
        assert infos["episode"]["r"].tolist() == [1, 0.5, 0]
        assert infos["episode"]["l"].tolist() == [4, 4, 4]
    assert list(envs.return_queue) == [1, 0.5, 0] * 2


@by_mode(*AutoresetMode)
@pytest.mark.parametrize("name", ["GlimpseHistory", "SeenCanvas"])
def test_statistics_inside_and_around_memory(name: str, mode: AutoresetMode) -> None:
    """Statistics inside a memory wrapper or around it change nothing of what is shown."""
    remember: Any = getattr(memory_of_many, name)
    statistics: Any = vector_wrappers.RecordEpisodeStatistics
    arguments: dict[str, Any] = {"num_glimpses": 3, "reward": "every_step"}
    plain = remember(make_vec(mode, **arguments))
    around = statistics(remember(make_vec(mode, **arguments)))
    inside = remember(statistics(make_vec(mode, **arguments)))
    for results in zip(*[play(envs, 20, seed=1) for envs in (plain, around, inside)], strict=True):
        for result in results[1:]:
            result[-2].pop("episode", None)  # holds the time that passed
            result[-2].pop("_episode", None)
            assert_identical(result, results[0])


# Videos.


class Clip:
    """Stands in for MoviePy's clip and keeps what it was given."""

    videos: dict[str, tuple[list[np.ndarray], int]]

    def __init__(self, frames: list[np.ndarray], fps: int) -> None:
        """Take the pictures."""
        self.video = list(frames), fps

    def write_videofile(self, path: str, logger: None) -> None:
        """Keep the video under the name of the file."""
        self.videos[Path(path).name] = self.video


@pytest.fixture
def videos(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[list[np.ndarray], int]]:
    """Name -> pictures and their number per second, of the videos that are recorded.

    MoviePy, which `RecordVideo` writes files with, allows no Pillow as new as ours.
    """
    name = "moviepy.video.io.ImageSequenceClip"
    for end in [7, 13, 16, len(name)]:
        monkeypatch.setitem(sys.modules, name[:end], ModuleType(name[:end]))
    monkeypatch.setattr(sys.modules[name], "ImageSequenceClip", Clip, raising=False)
    monkeypatch.setattr(Clip, "videos", {}, raising=False)
    return Clip.videos


@pytest.mark.parametrize("memory", [None, GlimpseHistory, SeenCanvas])
@pytest.mark.parametrize("task_id", IDS)
def test_record_video(task_id: str, memory: Any, tmp_path: Path, videos: dict[str, Any]) -> None:
    """A video is the pictures of all glimpses of an episode and of its end, 4 per second."""
    env, twin = (make(task_id, num_glimpses=3, render_mode="rgb_array") for _ in range(2))
    recorded: Any = wrappers.RecordVideo(
        memory(env) if memory else env, str(tmp_path / "videos"), episode_trigger=lambda _: True
    )
    pictures: list[Any] = [twin.render() for _ in rollout(twin, 6, seed=0)]
    for _ in rollout(recorded, 6, seed=0):
        pass
    recorded.close()
    names = [f"rl-video-episode-{episode}.mp4" for episode in range(3)]
    assert sorted(videos) == names
    for start, name in zip((0, 4, 8), names, strict=True):
        assert_identical(videos[name], (pictures[start : start + 4], 4))


@pytest.mark.skipif(
    not hasattr(vector_wrappers, "RecordVideo"), reason="older releases of Gymnasium have none"
)
@by_mode(AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED)
def test_record_video_of_many(mode: AutoresetMode, tmp_path: Path, videos: dict[str, Any]) -> None:
    """A video of a vector env shows the pictures of its games beside each other."""
    arguments: dict[str, Any] = {"num_envs": 2, "num_glimpses": 3, "render_mode": "rgb_array"}
    twins = make_vec(mode, **arguments)
    recorded: Any = vector_wrappers.RecordVideo(
        memory_of_many.GlimpseHistory(make_vec(mode, **arguments)),
        str(tmp_path / "videos"),
        video_aspect_ratio=(2, 1),
        episode_trigger=lambda _: True,
    )
    pictures = [np.concatenate(twins.render(), axis=1) for _ in play(twins, 3, seed=0)][:4]
    for _ in play(recorded, 3, seed=0):
        pass
    recorded.close()
    assert_identical(videos["rl-video-episode-0.mp4"], (pictures, 4))


# Transformed observations and rewards.


@pytest.mark.parametrize("memory", [None, GlimpseHistory, SeenCanvas])
def test_flatten_observation(memory: Any) -> None:
    """The flat observation holds the numbers of all parts, in the order of the space."""
    env, twin = (memory(make()) if memory else make() for _ in range(2))
    env = wrappers.FlattenObservation(env)
    for result, expected in zip(rollout(env, 20, seed=0), rollout(twin, 20, seed=0), strict=True):
        assert_identical(result, (flat(expected[0]), *expected[1:]))
        assert env.observation_space.contains(result[0])


@by_mode(*KEEPS_FINAL_OBS)
@pytest.mark.parametrize("name", [None, "GlimpseHistory", "SeenCanvas"])
def test_flatten_observation_of_many(name: str | None, mode: AutoresetMode) -> None:
    """The flat observations of a vector env hold the numbers of all parts of each sub-env."""
    envs, twins = make_vec(mode), make_vec(mode)
    if name is not None:
        envs, twins = (getattr(memory_of_many, name)(each) for each in (envs, twins))
    envs = vector_wrappers.FlattenObservation(envs)
    for result, expected in zip(play(envs, 20, seed=0), play(twins, 20, seed=0), strict=True):
        assert_identical(result, (flat(expected[0], 1), *expected[1:]))
        assert envs.observation_space.contains(result[0])


def normalised(observations: list[np.ndarray]) -> np.ndarray:
    """Return the last of some batches, normalised by mean and variance of all of them.

    Gymnasium begins with mean 0 and variance 1 that count as much as 1/10,000 of an observation.
    """
    all_of_them = np.concatenate(observations).astype(np.float64)
    weight = len(all_of_them) + 1e-4
    mean = all_of_them.sum(axis=0) / weight
    variance = ((all_of_them**2).sum(axis=0) + 1e-4) / weight - mean**2
    return (observations[-1] - mean) / np.sqrt(variance + 1e-8)


# It updates mean and variance in float32, batch by batch.
FLOAT32: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-3}


@pytest.mark.parametrize("memory", [None, GlimpseHistory, SeenCanvas])
def test_normalize_observation(memory: Any) -> None:
    """Flat observations are normalised by the mean and the variance of all so far."""
    flat_env, twin = (
        wrappers.FlattenObservation(memory(make()) if memory else make()) for _ in range(2)
    )
    env: Any = wrappers.NormalizeObservation(flat_env)
    history = []
    for result, expected in zip(rollout(env, 20, seed=0), rollout(twin, 20, seed=0), strict=True):
        history.append(expected[0][None])
        np.testing.assert_allclose(result[0], normalised(history)[0], **FLOAT32)
        assert_identical(result[1:], expected[1:])


@pytest.mark.parametrize("name", [None, "GlimpseHistory", "SeenCanvas"])
def test_normalize_observation_of_many(name: str | None) -> None:
    """Those of a vector env are normalised by mean and variance over all its sub-envs."""
    envs, twins = make_vec(), make_vec()
    if name is not None:
        envs, twins = (getattr(memory_of_many, name)(each) for each in (envs, twins))
    envs = vector_wrappers.NormalizeObservation(vector_wrappers.FlattenObservation(envs))
    history = []
    for result, expected in zip(play(envs, 20, seed=0), play(twins, 20, seed=0), strict=True):
        history.append(flat(expected[0], 1))
        np.testing.assert_allclose(result[0], normalised(history), **FLOAT32)
        assert_identical(result[1:], expected[1:])


def test_transform_reward() -> None:
    """A function of the reward is applied to the reward and to nothing else."""
    env = wrappers.TransformReward(make(reward="log_likelihood"), lambda reward: 3 * float(reward))
    twin = make(reward="log_likelihood")
    for result, expected in zip(rollout(env, 20, seed=0), rollout(twin, 20, seed=0), strict=True):
        if len(expected) == 5:
            expected = (expected[0], 3 * expected[1], *expected[2:])
        assert_identical(result, expected)


@by_mode(*AutoresetMode)
def test_transform_reward_of_many(mode: AutoresetMode) -> None:
    """A function of the rewards of a vector env is applied to them and to nothing else."""
    twins = make_vec(mode, reward="log_likelihood")
    envs: Any = vector_wrappers.TransformReward(
        make_vec(mode, reward="log_likelihood"), lambda rewards: 3 * rewards
    )
    for result, expected in zip(play(envs, 20, seed=0), play(twins, 20, seed=0), strict=True):
        if len(expected) == 6:
            expected = (expected[0], 3 * expected[1], *expected[2:])
        assert_identical(result, expected)


# Tensors.


def as_arrays(value: Any) -> Any:
    """Turn all tensors in nested dicts and tuples into arrays."""
    if isinstance(value, dict):
        return {key: as_arrays(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(as_arrays(part) for part in value)
    return value.numpy() if hasattr(value, "numpy") else value


@pytest.mark.parametrize("action_format", FORMATS)
def test_numpy_to_torch(action_format: str) -> None:
    """Tensors go in and out with the values that arrays have, reset options included."""
    pytest.importorskip("array_api_compat")
    import torch
    from gymnasium.wrappers.numpy_to_torch import NumpyToTorch

    twin = GlimpseHistory(make(action_format=action_format, num_glimpses=3))
    env: Any = NumpyToTorch(GlimpseHistory(make(action_format=action_format, num_glimpses=3)))
    twin.action_space.seed(0)
    options = {"index": 5, "scene_seed": 7}
    result: Any = env.reset(seed=0, options=options)
    expected: Any = twin.reset(seed=0, options=options)
    for step in range(4):
        assert all(isinstance(value, torch.Tensor) for value in result[0].values())
        assert_identical(as_arrays(result[0]), expected[0])
        assert_identical(result[1:-1], expected[1:-1])
        assert set(result[-1]) == set(expected[-1])
        for key, value in expected[-1].items():
            assert np.array_equal(result[-1][key], value)
        if step == 3:
            break
        action = twin.action_space.sample()
        tensors = (
            {key: torch.as_tensor(value) for key, value in action.items()}
            if isinstance(action, dict)
            else torch.as_tensor(action)
        )
        result, expected = env.step(tensors), twin.step(action)
    assert result[2] is True


@by_mode(*KEEPS_FINAL_OBS)
def test_numpy_to_torch_of_many(mode: AutoresetMode) -> None:
    """Tensors go in and out of a vector env, masks included, with the values that arrays have."""
    pytest.importorskip("array_api_compat")
    import torch
    from gymnasium.wrappers.vector.numpy_to_torch import NumpyToTorch

    twins = memory_of_many.GlimpseHistory(make_vec(mode, num_glimpses=3))
    envs: Any = NumpyToTorch(memory_of_many.GlimpseHistory(make_vec(mode, num_glimpses=3)))
    result = envs.reset(seed=0)
    for expected in play(twins, 8, seed=0):
        assert all(isinstance(value, torch.Tensor) for value in result[0].values())
        *values, actions = expected
        if actions is not None:
            result = envs.step(torch.as_tensor(actions))
        elif len(values) == 2 and len(result) == 5:
            result = envs.reset(options={"reset_mask": result[2]})
        assert_identical(as_arrays(result), tuple(values))


# Time limits, and Gymnasium's benchmarks.


@pytest.mark.parametrize("memory", [GlimpseHistory, SeenCanvas])
def test_time_limit(memory: Any) -> None:
    """A limit of 3 steps cuts an episode of 8 short, and memory inside or around begins anew."""
    plain, inside, around = make(), memory(make()), memory(make(max_episode_steps=3))
    inside = wrappers.TimeLimit(inside, max_episode_steps=3)
    rng = np.random.default_rng(0)
    for seed in range(2):
        expected = [memory(plain), inside, around]
        observations = [env.reset(seed=seed) for env in expected]
        assert_identical(observations[1], observations[0])
        assert_identical(observations[2], observations[0])
        for step in (1, 2, 3):
            action = rng.uniform(-1, 1, 12).astype(np.float32)
            observation, reward, terminated, truncated, info = expected[0].step(action)
            assert not terminated
            assert not truncated
            for env in expected[1:]:
                limited = observation, reward, False, step == 3, info
                assert_identical(env.step(action), limited)


def test_time_limit_at_the_end_of_an_episode() -> None:
    """At the last step an episode of as many steps as the limit terminates all the same."""
    env = make(num_glimpses=3, max_episode_steps=3)
    assert env.spec.max_episode_steps == 3
    flags = [result[2:4] for result in rollout(env, 6, seed=0) if len(result) == 5]
    assert flags == [(False, False), (False, False), (True, True)] * 2


@pytest.mark.parametrize("action_format", FORMATS)
def test_benchmark_step(action_format: str) -> None:
    """Gymnasium's benchmark plays episode after episode and counts steps."""
    assert (
        performance.benchmark_step(make(num_glimpses=2, action_format=action_format), 0, seed=0) > 0
    )
    assert performance.benchmark_step(GlimpseHistory(make(num_glimpses=2)), 0.02, seed=0) > 0  # type: ignore[arg-type]


@pytest.mark.skipif(
    not hasattr(performance, "benchmark_vector_step"), reason="Gymnasium has it from 1.4 on"
)
@by_mode(*AutoresetMode)
def test_benchmark_vector_step(mode: AutoresetMode) -> None:
    """Gymnasium's benchmark of vector envs runs in every autoreset mode."""
    for wrapper in (memory_of_many.GlimpseHistory, memory_of_many.SeenCanvas):
        envs: Any = wrapper(make_vec(mode, num_glimpses=2))
        assert performance.benchmark_vector_step(envs, 0.02, seed=0) > 0  # type: ignore[arg-type]
