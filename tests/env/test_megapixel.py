"""Several digits among scribbles: the rules of Megapixel MNIST, and easier scenes of its kind."""

import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import assert_identical, assert_same_rollout, random_actions
from vector_games import by_mode

from ram_env.env import GlimpseEnv
from ram_env.games.make import make_game
from ram_env.games.record import TaskRecord
from ram_env.scenes.megapixel import make_patterns, smallest_canvas
from ram_env.vector_env import GlimpseVectorEnv

ID = "GlimpseMegapixelMNIST-v0"
SMALL: dict[str, Any] = {"canvas_size": 200, "num_scales": 5, "num_scribbles": 20}


def make_task(**changes: Any) -> Any:
    """Make the task, on the digits of scikit-learn."""
    return make_game({"scenes": "megapixel", "dataset": "digits"} | changes)


def plans_of(task: Any, number: int, **choices: Any) -> Any:
    """Return the plans of the first scenes of a task."""
    return task.make_scenes(1).plan(np.arange(number), **choices)


def painted(task: Any, plans: Any, row: int) -> np.ndarray:
    """Paint a scene tile after tile, each over what lies under it."""
    canvas = np.zeros(plans.shape[row], np.uint8)
    patterns = make_patterns(
        task.dataset.images.shape[1:], {"train": 0, "test": 20_000}[task.split]
    )
    digits = [
        (task.dataset.images[index], *box[:2])
        for index, box in zip(plans.index[row], plans.box[row], strict=True)
        if index >= 0
    ]
    scribbles = [(patterns[it[0]], *it[1:]) for it in plans.scribbles[row] if it[1] >= 0]
    layers = scribbles + digits if task.occlusion == "digits" else digits + scribbles
    for tile, top, left in layers:
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return canvas


@pytest.mark.parametrize("occlusion", ["digits", "noise"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_tiles_overwrite_what_lies_under_them(occlusion: str, split: str) -> None:
    """A crowded scene is that of tiles painted one after another, black background included."""
    task = make_task(occlusion=occlusion, split=split, **SMALL | {"num_scribbles": 60})
    canvases, labels = task.draw_scenes(np.arange(4))
    plans = plans_of(task, 4)
    for row in range(4):
        assert np.array_equal(canvases[row], painted(task, plans, row))
    assert labels.tolist() == plans.label.tolist()


def test_glimpses_are_those_of_the_painted_canvas() -> None:
    """The finest window shows its pixels, the widest one, around all, the sum of them."""
    env = GlimpseEnv(scenes="megapixel", dataset="digits", **SMALL)
    observation, info = env.reset(seed=1)
    task: Any = env.task
    canvas = task.draw_scenes(np.array([info["scene_seed"]]))[0][0]
    x, y = observation["location"].astype(np.float64)
    row, column = int((y + 1) / 2 * 200), int((x + 1) / 2 * 200)
    bordered = np.pad(canvas, 256)
    for scale in range(5):
        side, block = 16 * 2**scale, 2**scale
        start = np.array([row, column]) - side // 2 + 256
        window = bordered[start[0] : start[0] + side, start[1] : start[1] + side]
        sums = window.reshape(16, block, 16, block).sum(axis=(1, 3), dtype=np.float32)
        assert np.array_equal(observation["glimpse"][scale], sums / np.float32(255 * 4**scale))


def test_digits_and_scribbles_lie_where_the_rules_say() -> None:
    """Three of a class and two of others, apart, anywhere; scribbles a tile off the border."""
    task = make_task()
    plans = plans_of(task, 3000)
    labels = task.dataset.labels[plans.index]
    assert (labels[:, :3] == plans.label[:, None]).all()
    assert (labels[:, 3:] != plans.label[:, None]).all()
    assert np.array_equal(np.unique(plans.label), np.arange(10))
    assert set(np.unique(plans.index)) == set(range(len(task.dataset.labels)))
    corners = plans.box[..., :2]
    assert (corners.min(), corners.max()) == (0, 1472)
    distance = np.abs(corners[:, :, None] - corners[:, None, :]).max(axis=-1)
    assert (distance + 28 * np.eye(5, dtype=int)).min() == 28
    places = plans.scribbles[..., 1:]
    assert (places.min(), places.max()) == (28, 1471)
    assert plans.scribbles.shape == (3000, 50, 3)
    assert np.array_equal(np.unique(plans.scribbles[..., 0]), np.arange(1000))
    # 0.05 is some nine standard deviations of a mean of 3,000 on [-1, 1].
    assert np.abs(plans.location.mean(axis=0)).max() < 0.05
    assert np.abs(corners.mean(axis=(0, 1)) / 736 - 1).max() < 0.05


def test_scribbles_are_two_bright_strokes() -> None:
    """They begin in corners, have no more ink than two lines, and each split has its own."""
    patterns = make_patterns((28, 28), 0)
    assert patterns.shape == (1000, 28, 28)
    inked = patterns[patterns > 0]
    assert (inked.min(), inked.max()) == (204, 255)
    assert (patterns[:, 0, 0] > 0).all()
    second = (patterns[:, 0, 27] > 0).mean()
    assert 0.39 < second < 0.49  # mirrored in 442 of 1,000; three standard deviations
    counts = (patterns > 0).sum(axis=(1, 2))
    assert counts.min() >= 28 and counts.max() <= 4 * 28
    assert len({it.tobytes() for it in patterns}) == 1000
    assert not np.array_equal(patterns, make_patterns((28, 28), 20_000))


@pytest.mark.parametrize("question", ["majority", "max", "top"])
def test_the_label_answers_the_question(question: str) -> None:
    """It is the class of most, the highest class, or that of the uppermost digit."""
    task = make_task(question=question)
    plans = plans_of(task, 300)
    for row in range(300):
        shown = task.dataset.labels[plans.index[row]]
        answers = {
            "majority": np.bincount(shown).argmax(),
            "max": shown.max(),
            "top": shown[plans.box[row, :, 0].argmin()],
        }
        assert plans.label[row] == answers[question]


@by_mode
def test_vector_env_equals_single_envs(mode: AutoresetMode) -> None:
    """Bit for bit, with canvases that differ and scenes of one digit among them."""
    arguments: dict[str, Any] = {"scenes": "megapixel", "dataset": "digits", "num_scales": 5}
    arguments |= {"canvas_range": (60, 300), "single_share": 0.5, "num_glimpses": 3}
    native = GlimpseVectorEnv(4, mode, **arguments)
    single = SyncVectorEnv([lambda: GlimpseEnv(**arguments)] * 4, autoreset_mode=mode)
    assert_same_rollout(native, single, seed=7, num_episodes=4)


def test_gymnasium_accepts_the_env() -> None:
    """By its id, through JSON, without a warning."""
    env = gym.make(ID, dataset="digits", **SMALL)
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert_identical(again.reset(seed=3), env.reset(seed=3))
    check_env(env.unwrapped, skip_render_check=True)
    info = env.reset(seed=4)[1]
    assert (info["index"].shape, info["target_box"].shape) == ((5,), (5, 4))


def test_the_registered_task_is_the_benchmarks() -> None:
    """1,500 pixels, five digits, fifty scribbles, sixteen glimpses of eight scales of 16 x 16."""
    env: Any = gym.make(ID, dataset="digits").unwrapped
    assert (env.canvas_size, env.num_digits, env.num_others, env.num_scribbles) == (1500, 3, 2, 50)
    assert env.observation_space["glimpse"].shape == (8, 16, 16)
    assert (env.num_glimpses, env.occlusion, env.question) == (16, "digits", "majority")


def test_smaller_canvases_have_as_many_scribbles_per_area() -> None:
    """And are never too small for their digits, whatever the range."""
    task = make_task(canvas_range=(40, 1000), num_scribbles=40, single_share=0.3)
    plans = plans_of(task, 2000, single_share=0.3)
    sides = plans.shape[:, 0]
    numbers = (plans.scribbles[..., 1] >= 0).sum(axis=1)
    expected = np.where(sides > 56, np.floor(40 * (sides / 1000) ** 2), 0)
    assert np.array_equal(numbers, expected)
    single = (plans.index >= 0).sum(axis=1) == 1
    assert abs(single.mean() - 0.3) < 0.05  # five standard deviations
    assert sides[single].min() < 45
    assert sides[~single].min() == smallest_canvas((28, 28), 5) == 138
    assert (plans.index[single, 1:] == -1).all()
    assert (plans.box[single, 1:] == 0).all()
    assert (task.dataset.labels[plans.index[:, 0]] == plans.label).all()
    inside = plans.box[..., :2] + plans.box[..., 2:] <= plans.shape[:, None]
    assert inside.all()
    places = plans.scribbles[..., 1:]
    assert (places + 28 <= plans.shape[:, None])[places[..., 0] >= 0].all()


def test_digits_find_a_place_on_the_smallest_canvas() -> None:
    """However many: the last one always has room, and none overlaps."""
    for num_digits in (2, 5, 9):
        side = smallest_canvas((28, 28), num_digits)
        few = {"num_digits": num_digits, "num_others": 0, "num_scribbles": 0, "num_scales": 1}
        task = make_task(canvas_size=side, **few)
        corners = plans_of(task, 200).box[..., :2]
        distance = np.abs(corners[:, :, None] - corners[:, None, :]).max(axis=-1)
        assert (distance + 28 * np.eye(num_digits, dtype=int)).min() >= 28
        with pytest.raises(
            ValueError, match=rf"`canvas_size` must be at least {side} .*{side - 1}"
        ):
            make_task(canvas_size=side - 1, **few)


def test_curriculum_of_single_digits() -> None:
    """The share of single digits, and the canvases, move from the next episode on."""
    envs = GlimpseVectorEnv(
        8,
        AutoresetMode.SAME_STEP,
        scenes="megapixel",
        dataset="digits",
        num_glimpses=1,
        canvas_range=(30, 300),
        num_scales=5,
    )
    envs.set_single_share(1.0)
    envs.set_canvas_range(30, 60)
    _, infos = envs.reset(seed=0)
    assert (infos["index"][:, 1:] == -1).all()
    assert max(envs.view(row).scene_shape[0] for row in range(8)) <= 60
    envs.set_single_share(0.0)
    _, _, _, _, infos = envs.step(random_actions(np.random.default_rng(0), envs))
    assert (infos["index"] >= 0).all()
    assert (infos["final_info"]["index"][:, 1:] == -1).all()
    with pytest.raises(ValueError, match=r"`single_share`.*0\.0\.\.1\.0.*2"):
        envs.set_single_share(2)
    with pytest.raises(ValueError, match=r"`set_single_share\(\)`.*`?scenes='megapixel'"):
        GlimpseEnv(dataset="digits").set_single_share(0.5)


def test_a_number_of_scenes_repeats_them() -> None:
    """Seeds with the same rest show one scene, from first locations of their own."""
    env = GlimpseEnv(scenes="megapixel", dataset="digits", num_scenes=50, **SMALL)
    seen, told = env.reset(options={"scene_seed": 7})
    canvas = env.view().canvas
    other, again = env.reset(options={"scene_seed": 57})
    assert_identical(again["target_box"], told["target_box"])
    assert_identical(env.view().canvas, canvas)
    assert not np.array_equal(other["location"], seen["location"])
    env.reset(options={"scene_seed": 8})
    assert not np.array_equal(env.view().canvas, canvas)


def test_frozen_scenes_are_seeds() -> None:
    """Ten thousand of each split; of other tasks they name an image as well."""
    task = make_task(split="validation")
    assert task.num_frozen == 10_000
    options = task.frozen_scenes(np.array([0, 9]))
    assert {name: it.tolist() for name, it in options.items()} == {"scene_seed": [10_000, 10_009]}
    env = GlimpseEnv(scenes="megapixel", dataset="digits", split="validation", **SMALL)
    task = make_task(split="validation", **SMALL)
    label = env.reset(options={"scene_seed": 10_009})[1]["label"]
    assert (len(task.frozen_labels()), task.frozen_labels()[9]) == (10_000, label)
    with pytest.raises(ValueError, match=r"may hold \['scene_seed'\].*'index'"):
        env.reset(options={"index": 3})
    images: Any = make_game({"dataset": "digits", "split": "test"})
    assert images.num_frozen == len(images.dataset.labels)
    assert set(images.frozen_scenes(np.arange(2))) == {"index", "scene_seed"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_digits": 0}, r"`num_digits`.*1\.\.100.*0"),
        ({"num_others": 3}, "`num_others` must be under `num_digits`.*3 and 3"),
        ({"num_scribbles": -1}, "`num_scribbles`.*-1"),
        ({"occlusion": "both"}, "`occlusion`.*'digits'.*'both'"),
        ({"question": "sum"}, "`question`.*'majority'.*'sum'"),
        ({"single_share": 1.5}, "`single_share`.*1.5"),
        ({"num_scenes": 0}, "`num_scenes`.*0"),
        ({"canvas_size": 56, "num_others": 0, "num_digits": 1, "num_scales": 2}, "at least 57.*56"),
    ],
)
def test_impossible_arguments_are_errors(changes: dict[str, Any], message: str) -> None:
    """Each names argument, rule and value."""
    with pytest.raises(ValueError, match=message):
        make_task(**changes)


def test_a_record_is_read_again() -> None:
    """Through JSON; and pictures are looked at as what they are, on a canvas of their size."""
    env = gym.make(ID, dataset="digits", question="top", **SMALL)
    record = TaskRecord.of(env.unwrapped.task, ID)  # type: ignore[attr-defined]
    assert record is not None
    again = TaskRecord.from_json(json.loads(json.dumps(record.to_json())))
    assert again == record
    assert_identical(gym.make(ID, **again.arguments).reset(seed=2), env.reset(seed=2))
    picture = again.pixels_of(np.zeros((200, 200), np.uint8))
    looked_at = gym.make(ID, **again.arguments_on([picture]))
    assert looked_at.reset(seed=0)[0]["glimpse"].shape == (5, 16, 16)
