"""Which scene is played: randomness, `reset` options, first location, splits and data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digit_games import LARGEST_SEED, make_env
from gymnasium.utils import seeding
from helpers import (
    IDS,
    assert_identical,
    rollout,
    save_images,
)
from reference import make_scene

from ram_env.data.datasets import load_dataset
from ram_env.env import GlimpseEnv

# Randomness.


@pytest.mark.parametrize("task_id", IDS)
def test_same_seed_same_episodes(task_id: str) -> None:
    """Two envs with one seed, and one env seeded twice, return the same; also in later episodes."""
    env, twin = make_env(task_id), make_env(task_id)
    first = list(rollout(env, 20, seed=1))
    assert_identical(list(rollout(twin, 20, seed=1)), first)
    assert_identical(list(rollout(env, 20, seed=1)), first)


@pytest.mark.parametrize("task_id", IDS)
def test_other_seed_other_episode(task_id: str) -> None:
    """A hundred seeds, and a hundred episodes of one seed, give a hundred different scenes."""
    env = make_env(task_id)
    for seeds in (range(100), [0] + [None] * 99):
        starts = [env.reset(seed=seed) for seed in seeds]
        assert len({info["scene_seed"] for _, info in starts}) == 100
        assert len({observation["location"].tobytes() for observation, _ in starts}) == 100


def test_unseeded_envs_differ() -> None:
    """Without a seed two envs play different episodes."""
    assert make_env().reset()[1]["scene_seed"] != make_env().reset()[1]["scene_seed"]


def test_each_reset_draws_one_scene_seed() -> None:
    """A reset takes exactly one number from the env's generator, even if options override it."""
    env = make_env()
    raw = seeding.np_random(3)[0].bit_generator
    drawn = [int(raw.random_raw()) >> 1 for _ in range(6)]
    given: list[dict[str, Any] | None] = [
        None,
        {},
        {"index": 5},
        {"scene_seed": 77},
        {"index": 5, "scene_seed": 77},
        None,
    ]
    for episode, options in enumerate(given):
        info = env.reset(seed=3 if episode == 0 else None, options=options)[1]
        expected = (options or {}).get("scene_seed", drawn[episode])
        assert info["scene_seed"] == expected
        assert 0 <= info["scene_seed"] <= LARGEST_SEED
        env.step(env.action_space.sample())  # draws nothing
    assert env.np_random.bit_generator.random_raw() == raw.random_raw()


def test_a_scene_follows_from_its_seed_alone() -> None:
    """The scene seed in the info, given as an option to another env, brings the episode back."""
    env, other = make_env("GlimpseClutteredMNIST-v0"), make_env("GlimpseClutteredMNIST-v0")
    other.reset(seed=99)
    for seed in range(5):
        result = env.reset(seed=seed)
        again = other.reset(options={"scene_seed": result[1]["scene_seed"]})
        assert_identical(again, result)
        assert np.array_equal(env.view().canvas, other.view().canvas)


# Options.


@pytest.mark.parametrize("scene_seed", [0, 1, 10_000, np.int64(7), LARGEST_SEED, np.array(3)])
def test_option_index_changes_the_image_alone(scene_seed: Any) -> None:
    """`index` overrides which image is shown; placement, clutter and first location stay."""
    env = make_env("GlimpseClutteredMNIST-v0", split="test")
    dataset: Any = env.get_wrapper_attr("dataset")
    images, labels = dataset.images, dataset.labels
    for index in (0, 5, np.int32(12), 299):
        observation, info = env.reset(options={"index": index, "scene_seed": scene_seed})
        scene = make_scene(images, (60, 60), 4, 8, int(scene_seed), int(index))
        assert env.view().canvas.tolist() == scene.canvas
        assert tuple(observation["location"].tolist()) == scene.location
        assert info["index"] == index
        assert info["label"] == labels[index]
        assert info["scene_seed"] == scene_seed
        assert tuple(info["target_box"].tolist()) == scene.box


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"indices": 3}, r"\['index', 'scene_seed'\].*'indices'"),
        ({"index": 3, "seed": 4}, "'seed'"),
        ({"reset_mask": np.array([True])}, "'reset_mask'"),
        ({3: 3}, "'3'"),
        ({"index": -1}, r"index.*0\.\.1296.*-1"),
        ({"index": 1297}, r"index.*0\.\.1296.*1297"),
        ({"index": 1.0}, "index.*whole number"),
        ({"index": True}, "index.*whole number"),
        ({"index": 2**70}, r"index.*in 0\.\.1296.*1180591620717411303424"),
        ({"index": "3"}, "index.*whole number"),
        ({"index": None}, "index.*whole number"),
        ({"index": [1, 2]}, "index.*whole number"),
        ({"scene_seed": -1}, "scene_seed.*-1"),
        ({"scene_seed": 2**63}, "scene_seed.*9223372036854775808"),
        ({"scene_seed": 2**64}, "scene_seed.*18446744073709551616"),
        ({"scene_seed": 0.5}, "scene_seed.*whole number"),
        ({"scene_seed": np.nan}, "scene_seed.*whole number"),
    ],
)
def test_wrong_options_are_errors_and_change_nothing(options: dict[Any, Any], message: str) -> None:
    """An unknown or impossible option raises ValueError; episode and random numbers go on."""
    env, twin = make_env(), make_env()
    assert_identical(env.reset(seed=0), twin.reset(seed=0))
    with pytest.raises(ValueError, match=message):
        env.reset(options=options)
    action = np.zeros(12, np.float32)
    assert_identical(env.step(action), twin.step(action))
    assert_identical(env.reset(), twin.reset())


def test_a_reset_that_fails_does_not_seed() -> None:
    """A seed given beside a wrong option is not taken, as in the vector env."""
    env, twin = make_env(), make_env()
    assert_identical(env.reset(seed=0), twin.reset(seed=0))
    with pytest.raises(ValueError, match="'indices'"):
        env.reset(seed=5, options={"indices": 3})
    assert_identical(env.reset(), twin.reset())


def test_options_are_not_changed() -> None:
    """The dict of options that was passed is left as it was."""
    options = {"index": 3, "scene_seed": 4}
    make_env().reset(options=options)
    assert options == {"index": 3, "scene_seed": 4}


# First location, splits and data.


def test_initial_location_center() -> None:
    """`center` looks at the middle first; the scene is the one of `random`."""
    centred = make_env("GlimpseClutteredMNIST-v0", initial_location="center")
    random = make_env("GlimpseClutteredMNIST-v0", initial_location="random")
    for seed in range(5):
        observation, info = centred.reset(seed=seed)
        assert observation["location"].tolist() == [0, 0]
        other_observation, other_info = random.reset(seed=seed)
        assert_identical(info, other_info)
        assert np.array_equal(centred.view().canvas, random.view().canvas)
        assert other_observation["location"].tolist() != [0, 0]


@pytest.mark.parametrize(
    ("split", "num_images"), [("train", 1297), ("validation", 200), ("test", 300)]
)
def test_index_and_label_are_those_of_the_split(split: str, num_images: int) -> None:
    """`index` counts within the split, and the label is that of the image shown."""
    env = make_env(split=split)
    dataset = load_dataset("digits", split)
    assert len(dataset.images) == num_images
    for index in (0, 1, num_images - 1):
        _, info = env.reset(options={"index": index})
        row, column, height, width = info["target_box"]
        assert (row, column, height, width) == (0, 0, 28, 28)
        assert np.array_equal(env.view().canvas, dataset.images[index])
        assert info["label"] == dataset.labels[index]
    with pytest.raises(ValueError, match=f"0..{num_images - 1}"):
        env.reset(options={"index": num_images})


def test_any_number_of_classes(tmp_path: Path) -> None:
    """A data set of 23 classes has 23 scores; each class can be answered and be right."""
    path = save_images(tmp_path / "images.npz", 230, (5, 5), 23)
    env = GlimpseEnv(dataset=path, canvas_size=5, patch_size=5, num_glimpses=1)
    assert env.action_space.shape == (25,)
    seen = set()
    for index in range(len(env.get_wrapper_attr("dataset").labels)):
        _, info = env.reset(options={"index": index})
        action = np.zeros(25, np.float32)
        action[2 + info["label"]] = 1
        _, reward, _, _, info = env.step(action)
        assert (reward, info["is_success"], info["prediction"]) == (1.0, True, info["label"])
        seen.add(info["prediction"])
    assert seen == set(range(23))
