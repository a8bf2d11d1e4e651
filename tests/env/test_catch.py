"""The game of catching: every rule of its docstring, against a slow reference of whole episodes."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import (
    FORMATS,
    assert_identical,
    assert_same_rollout,
    random_action,
    random_actions,
    rollout,
)

from ram_env import wrappers
from ram_env.env import GlimpseEnv
from ram_env.geometry import location_to_pixel
from ram_env.retina import Retina
from ram_env.scenes.canvases import Canvases
from ram_env.scenes.falling_ball import ball_columns
from ram_env.vector_env import GlimpseVectorEnv
from ram_env.wrappers import vector as vector_wrappers

ID = "GlimpseCatch-v0"
MODES = list(AutoresetMode)
CHANGES: list[dict[str, Any]] = [
    {},
    {"canvas_size": (9, 5), "patch_size": 3, "num_scales": 2, "paddle_size": 3},
    {"initial_location": "center", "split": "test", "canvas_size": (2, 30)},
]


def slow_columns(start: int, drift: Fraction, height: int, width: int) -> Iterator[int]:
    """Let a ball fall in exact fractions, mirrored whenever it is outside."""
    for row in range(height):
        place = start + Fraction(1, 2) + row * drift
        while not 0 <= place <= width:
            place = -place if place < 0 else 2 * width - place
        yield min(int(place), width - 1)


def slow_glimpse(screen: np.ndarray, location: np.ndarray, patch: int, scales: int) -> np.ndarray:
    """Look at a screen by itself."""
    retina = Retina(patch, scales)
    canvases = Canvases(1, (screen.shape[0], screen.shape[1]), retina)
    canvases.visible[0] = screen
    return retina.glimpse(canvases, 0, location_to_pixel(location, screen.shape))


def make_vec(mode: AutoresetMode, num_envs: int, native: bool = True, **arguments: Any) -> Any:
    """Make the native vector env, or Gymnasium's over single envs."""
    if native:
        return gym.make_vec(ID, num_envs, autoreset_mode=mode, **arguments)
    kwargs: Any = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode}}
    return gym.make_vec(ID, num_envs, **kwargs, **arguments)


@pytest.mark.parametrize(("height", "width"), [(24, 24), (40, 3), (30, 1)])
def test_ball_columns_are_those_of_exact_fractions(height: int, width: int) -> None:
    """For any start and drift, the steepest, none and those that meet a border exactly included."""
    rng = np.random.default_rng(0)
    drifts = [-(2**24), 2**24, 0, 2**23, -(2**23), *rng.integers(-(2**24), 2**24, 40).tolist()]
    starts = np.arange(len(drifts)) % width
    columns = ball_columns(starts, np.array(drifts), (height, width))
    for row, (start, drift) in enumerate(zip(starts.tolist(), drifts, strict=True)):
        exact = slow_columns(start, Fraction(drift, 2**24), height, width)
        # A ball that is exactly between two pixels on its way back is in the one to its right.
        assert np.abs(columns[row] - list(exact)).max() <= (drift % 2**23 == 0)
    assert columns.min() == 0 and columns.max() == width - 1
    assert np.abs(np.diff(columns)).max() <= 1


@pytest.mark.parametrize("changes", CHANGES, ids=str)
@pytest.mark.parametrize("action_format", FORMATS)
def test_episodes_are_those_of_a_slow_reference(
    action_format: str, changes: dict[str, Any]
) -> None:
    """Every observation, reward and end of whole episodes follows from the info and the actions."""
    env: Any = gym.make(ID, action_format=action_format, **changes).unwrapped
    rng = np.random.default_rng(0)
    (height, width), size = env.task.canvas_shape, env.paddle_size
    for episode in range(6):
        observation, info = env.reset(seed=episode)
        paddle, screens = info["paddle"], []
        assert set(info) == {"scene_seed", "ball", "paddle"}
        assert 0 <= paddle <= width - size
        for moment in range(height):
            screen = np.zeros((height, width), np.uint8)
            screen[moment, info["ball"][moment]] = 255
            screen[-1, paddle : paddle + size] = 255
            screens.append(screen)
            assert env.view().canvas.tolist() == screen.tolist()
            if moment == height - 1:
                break
            seen = (screen, observation["location"], env.patch_size, env.num_scales)
            assert observation["glimpse"].tolist() == slow_glimpse(*seen).tolist()
            assert env.observation_space.contains(observation)
            action, before = random_action(rng, env.action_space), observation
            observation, reward, terminated, truncated, step_info = env.step(action)
            answers = env.task.format.decode(action)
            paddle = int(np.clip(paddle + answers.labels - 1, 0, width - size))
            assert (terminated, truncated) == (moment == height - 2, False)
            caught = paddle <= info["ball"][-1] < paddle + size
            assert reward == float(terminated and caught)
            expected = {**info, "is_success": bool(caught)} if terminated else info
            assert_identical(step_info, expected)
            if terminated:
                assert_identical(observation, before)
            else:
                assert observation["location"].tolist() == answers.locations.tolist()
        view = env.view()
        assert view.frames.tolist() == [screen.tolist() for screen in screens[:-1]]
        assert (view.label, view.is_won, view.prediction) == (None, caught, answers.labels)
        assert view.glimpses[-1].tolist() == observation["glimpse"].tolist()
        first = screens[0 if len(screens) > 2 else -1]  # the last glimpse is shown with the end
        assert view.after(1).canvas.tolist() == first.tolist()
        with pytest.raises(ResetNeeded):
            env.step(action)


def test_scenes_are_uniform_and_follow_from_their_seeds() -> None:
    """Starts and ends of ball and paddle reach every column; a seed gives its scene anywhere."""
    env = gym.make(ID)
    infos = [env.reset(options={"scene_seed": seed})[1] for seed in range(2_000)]
    again = gym.make(ID, split="test").reset(options={"scene_seed": 1_234})[1]
    assert_identical(again, infos[1_234])
    paddles = np.bincount([info["paddle"] for info in infos], minlength=23)
    balls = np.stack([info["ball"] for info in infos])
    for counts in (paddles, np.bincount(balls[:, 0]), np.bincount(balls[:, -1])):
        assert counts.min() > 40 and counts.max() < 140  # of about 85
    assert len(paddles) == 23
    drifts = (balls[:, 1:3] - balls[:, :2]).sum(axis=1)  # in columns in two rows
    assert set(drifts.tolist()) == {-2, -1, 0, 1, 2}


def test_it_can_always_be_caught_who_knows_where_it_falls() -> None:
    """A paddle moves as fast as a ball drifts: who knows its last column is there in time."""
    env: Any = gym.make(ID, action_format="dict").unwrapped
    for seed in range(50):
        _, info = env.reset(seed=seed)
        paddle, terminated, reward = info["paddle"], False, 0.0
        while not terminated:
            step = int(np.sign(min(info["ball"][-1], 22) - paddle))
            paddle += step
            action = {"location": np.zeros(2, np.float32), "label": step + 1}
            _, reward, terminated, _, _ = env.step(action)
        assert reward == 1.0


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize("action_format", FORMATS)
def test_vector_env_equals_single_envs(
    action_format: str, num_envs: int, mode: AutoresetMode
) -> None:
    """Bit for bit, infos included, in every autoreset mode."""
    native = make_vec(mode, num_envs, action_format=action_format)
    single = make_vec(mode, num_envs, native=False, action_format=action_format)
    assert type(native.unwrapped) is GlimpseVectorEnv
    assert type(single.unwrapped) is SyncVectorEnv
    assert native.observation_space == single.observation_space
    assert native.action_space == single.action_space
    assert_same_rollout(native, single, seed=7, num_episodes=3)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("changes", CHANGES[1:], ids=str)
@pytest.mark.parametrize("memory", ["GlimpseHistory", "SeenCanvas"])
def test_memory_wrappers_are_equal(
    memory: str, changes: dict[str, Any], mode: AutoresetMode
) -> None:
    """What was seen of a moving screen too, around one env and around many."""
    wrap = getattr(wrappers, memory)
    native = getattr(vector_wrappers, memory)(make_vec(mode, 2, **changes))
    single = make_vec(mode, 2, native=False, wrappers=[wrap], **changes)
    assert_same_rollout(native, single, seed=3, num_episodes=3)


def test_partial_resets_and_options() -> None:
    """A mask restarts some games out of step; scene seeds may be one per env; there is no index."""
    envs = make_vec(AutoresetMode.SAME_STEP, 3)
    rng = np.random.default_rng(0)
    _, infos = envs.reset(options={"scene_seed": np.array([5, 6, 7])})
    ball = infos["ball"]
    for _ in range(4):
        envs.step(random_actions(rng, envs))
    mask = np.array([False, True, False])
    _, infos = envs.reset(options={"reset_mask": mask, "scene_seed": 6})
    assert infos["ball"][1].tolist() == ball[1].tolist()
    ends = np.array([envs.step(random_actions(rng, envs))[2] for _ in range(23)])
    assert ends.argmax(axis=0).tolist() == [18, 22, 18]
    for env in (envs, gym.make(ID)):
        with pytest.raises(ValueError, match=r"`options` may hold .*'scene_seed'.*got \['index'\]"):
            env.reset(options={"index": 0})


@pytest.mark.parametrize("action_format", FORMATS)
def test_checkers_find_nothing(action_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gymnasium's passes without a warning, pictures included."""
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make(ID, action_format=action_format, render_mode="rgb_array")
    check_env(env.unwrapped)
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert_identical(list(rollout(again, 50, seed=3)), list(rollout(env, 50, seed=3)))
    pictures = envs_pictures(action_format)
    assert len({picture.tobytes() for picture in pictures}) == 24


def envs_pictures(action_format: str) -> list[np.ndarray]:
    """Return the pictures of an episode, drawn by the native vector env."""
    envs = gym.make_vec(ID, 1, render_mode="rgb_array_list", action_format=action_format)
    rng = np.random.default_rng(0)
    envs.reset(seed=0)
    for _ in range(23):
        envs.step(random_actions(rng, envs))
    pictures: Any = envs.render()
    return list(pictures[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"canvas_size": 1}, "`canvas_size` must be at least 2, got 1"),
        ({"canvas_size": (5, 1), "patch_size": 2}, r"`paddle_size` must be in 1\.\.1, got 2"),
        ({"paddle_size": 0}, r"`paddle_size` must be in 1\.\.24"),
        ({"patch_size": 25}, r"`patch_size` must be in 1\.\.24"),
        ({"num_scales": 5}, "`num_scales` is too high"),
        ({"canvas_size": 2**20, "patch_size": 2**20, "num_scales": 1}, "must fit into 80 %"),
        ({"split": "tset"}, "`split`"),
        ({"game": "pong"}, "`game` must be one of classify, catch, got 'pong'"),
    ],
)
def test_impossible_arguments(arguments: dict[str, Any], message: str) -> None:
    """The message names the argument, its range and what was given."""
    with pytest.raises(ValueError, match=message):
        gym.make(ID, **arguments)


def test_arguments_of_another_game_are_unknown() -> None:
    """Nothing is classified, so there is no data set; and arguments stay as they are."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'dataset'"):
        gym.make(ID, dataset="digits")
    env = GlimpseEnv(game="catch")
    with pytest.raises(AttributeError, match=r"`paddle_size` is fixed.* options `scene_seed`"):
        env.paddle_size = 3  # type: ignore[attr-defined]
