"""Scenes are what the written rules say: what is drawn, where, how often, and of which images."""

import hashlib
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers import IDS, needs_mnist, save_images
from idx_files import encode_idx
from reference import make_scene

from ram_env import TASKS
from ram_env.data.datasets import load_dataset
from ram_env.env import GlimpseEnv
from ram_env.scenes.canvases import PaddedImages, sliding_windows
from ram_env.scenes.painted import ScenePainter, add_saturating
from ram_env.scenes.source import frozen_scenes
from ram_env.vector_env import GlimpseVectorEnv

SEEDS = {
    "consecutive": np.arange(40_000),
    "far apart": np.random.default_rng(0).integers(2**63 - 1, size=40_000),
    "multiples of 2**40": np.arange(40_000) << 40,
}
LARGEST_SEED = 2**63 - 1
# Fixed seeds make these tests exact repetitions: the limit only says how unlikely an honest draw
# was to fail when the seeds were chosen, under one in a million per test.
STANDARD_DEVIATIONS = 5


def assert_uniform(values: np.ndarray, bound: int) -> None:
    """Compare the counts of 0..bound - 1 with equal ones by chi-square."""
    assert values.min() == 0
    assert values.max() == bound - 1
    counts = np.bincount(values, minlength=bound)
    expected = len(values) / bound
    chi_square = ((counts - expected) ** 2 / expected).sum()
    # Chi-square of n degrees of freedom has mean n and variance 2 n.
    freedom = bound - 1
    assert abs(chi_square - freedom) < STANDARD_DEVIATIONS * np.sqrt(2 * freedom)


def make_painter(task_id: str = "GlimpseClutteredMNIST-v0", num_images: int = 50) -> ScenePainter:
    """Return the painter of a registered task, over black images of MNIST's size."""
    task = TASKS[task_id]
    side = task["canvas_size"]
    images = np.zeros((num_images, 28, 28), np.uint8)
    return ScenePainter(images, (side, side), task["num_distractors"], 8)


@pytest.mark.parametrize("seeds", SEEDS.values(), ids=SEEDS)
def test_positions_are_uniform_and_reach_both_ends(seeds: np.ndarray) -> None:
    """The image lies at 0..W-28, a distractor at 0..W-8, its crop at 0..20: all equally often."""
    plans = make_painter().plan(seeds)
    assert_uniform(plans.index, 50)
    for axis in (0, 1):
        assert_uniform(plans.box[:, axis], 33)
    for distractor in range(4):
        image, crop_row, crop_column, row, column = plans.distractors[:, distractor].T
        assert_uniform(image, 50)
        assert_uniform(crop_row, 21)
        assert_uniform(crop_column, 21)
        assert_uniform(row, 53)
        assert_uniform(column, 53)


@pytest.mark.parametrize("seeds", SEEDS.values(), ids=SEEDS)
def test_first_locations_are_uniform(seeds: np.ndarray) -> None:
    """Random first locations fill [-1, 1) x [-1, 1) evenly and never reach 1."""
    location = make_painter().plan(seeds).location
    assert location.dtype == np.float32
    assert location.min() >= -1
    assert location.max() < 1
    cells = np.floor((location.astype(np.float64) + 1) * 8).astype(np.int64)  # 0..15
    assert_uniform(cells[:, 0] * 16 + cells[:, 1], 256)


@pytest.mark.parametrize("seeds", SEEDS.values(), ids=SEEDS)
def test_decisions_of_a_scene_are_independent(seeds: np.ndarray) -> None:
    """No two decisions of one scene, nor those of neighbouring seeds, go together."""
    plans = make_painter().plan(seeds)
    assert_uniform(plans.box[:, 0] * 33 + plans.box[:, 1], 33 * 33)
    columns = [plans.index, *plans.box[:, :2].T, *plans.location.T]
    columns += list(plans.distractors.reshape(len(seeds), -1).T)
    both = np.concatenate([np.stack(columns)[:, 1:], np.stack(columns)[:, :-1]])
    correlations = np.corrcoef(both) - np.eye(len(both))
    # Of m independent values the correlation has standard deviation 1 / sqrt(m).
    assert np.abs(correlations).max() < STANDARD_DEVIATIONS / np.sqrt(len(seeds) - 1)


@pytest.mark.parametrize("task_id", IDS)
def test_positions_in_all_tasks(task_id: str) -> None:
    """In every registered task the image reaches both ends of its canvas and no further."""
    side = TASKS[task_id]["canvas_size"]
    plans = make_painter(task_id).plan(np.arange(5_000))
    assert plans.box[:, :2].min() == 0
    assert plans.box[:, :2].max() == side - 28
    assert plans.distractors.shape == (5_000, TASKS[task_id]["num_distractors"], 5)
    if plans.distractors.size:
        assert plans.distractors[..., 3:].min() == 0
        assert plans.distractors[..., 3:].max() == side - 8


@pytest.mark.parametrize(
    ("canvas_shape", "num_distractors", "size"),
    [((9, 7), 0, 3), ((9, 7), 3, 7), ((20, 30), 5, 1), ((31, 12), 12, 4), ((10, 8), 2, 6)],
)
def test_canvases_equal_the_slow_reference(
    small_images: str, canvas_shape: tuple[int, int], num_distractors: int, size: int
) -> None:
    """Every pixel of a scene is the saturated sum of what the reference adds there."""
    images = load_dataset(small_images).images
    painter = ScenePainter(images, canvas_shape, num_distractors, size)
    seeds = np.array([*range(20), LARGEST_SEED])
    plans = painter.plan(seeds)
    canvases = np.full((len(seeds) + 1, *canvas_shape), 77, np.uint8)
    rows = np.random.default_rng(0).permutation(len(seeds))  # the last canvas is left alone
    painter.paint(PaddedImages(canvases), rows, plans)
    for position, (seed, row) in enumerate(zip(seeds.tolist(), rows, strict=True)):
        scene = make_scene(images, canvas_shape, num_distractors, size, seed)
        assert canvases[row].tolist() == scene.canvas
        assert plans.index[position] == scene.index
        assert tuple(plans.box[position]) == scene.box
        assert tuple(plans.location[position]) == scene.location
    assert (canvases[-1] == 77).all()


def test_sums_saturate() -> None:
    """Every sum of two grey values is that sum, or 255: there is no wrap-around."""
    values = np.arange(256)
    canvases = np.repeat(values.astype(np.uint8), 256).reshape(1, 256, 256)
    patches = np.tile(values.astype(np.uint8), 256).reshape(1, 256, 256)
    zero = np.array([0])
    add_saturating(sliding_windows(canvases, 256, 256), (zero, zero, zero), patches)
    assert np.array_equal(canvases[0], np.minimum(values[:, None] + values, 255))


def test_image_and_clutter_add_up(tmp_path: Path) -> None:
    """Of all-grey images a crop adds its value to what it overlaps, and covers nothing."""
    np.savez(tmp_path / "a.npz", images=np.full((10, 6, 6), 100, np.uint8), labels=np.arange(10))
    env = GlimpseEnv(
        dataset=str(tmp_path / "a.npz"), canvas_size=8, num_distractors=3, distractor_size=5
    )
    seen = set()
    for seed in range(30):
        _, info = env.reset(options={"scene_seed": seed})
        canvas = env.view().canvas
        row, column, height, width = info["target_box"]
        assert canvas[row : row + height, column : column + width].min() >= 100
        seen |= set(np.unique(canvas).tolist())
    assert seen == {0, 100, 200, 255}


@pytest.fixture
def folder_of_splits(tmp_path: Path) -> str:
    """A folder of IDX files whose images are all 1 in train, 16 in validation and 64 in test."""
    values = {"train": [1] * 110 + [16] * 10, "t10k": [64] * 12}
    for name, pixels in values.items():
        images = np.array(pixels, np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
        labels = np.arange(len(pixels), dtype=np.uint8) % 10
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(encode_idx(images))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(encode_idx(labels))
    return str(tmp_path)


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize(
    ("split", "allowed"),
    [("train", {0, 1, 2, 3}), ("validation", {0, 16, 32, 48}), ("test", {0, 64, 128, 192})],
)
def test_scenes_are_made_of_their_own_split(
    folder_of_splits: str, split: str, allowed: set[int], vector: bool
) -> None:
    """Image and distractors of a test scene are of the test split, and so for each split."""
    arguments: dict[str, Any] = {"dataset": "idx", "data_dir": folder_of_splits, "split": split}
    arguments |= {"canvas_size": 40, "num_distractors": 2, "patch_size": 12}
    seen = set()
    if vector:
        envs = GlimpseVectorEnv(60, **arguments)
        envs.reset(seed=0)
        canvases = [envs.view(row).canvas for row in range(60)]
    else:
        env = GlimpseEnv(**arguments)
        canvases = []
        for seed in range(60):
            env.reset(seed=seed)
            canvases.append(env.view().canvas)
    for canvas in canvases:
        seen |= set(np.unique(canvas).tolist())
    assert seen == allowed


def test_distractors_are_drawn_from_all_images(small_images: str) -> None:
    """Each image of the split is at some time a distractor, the scene's own image included."""
    painter = ScenePainter(load_dataset(small_images).images, (20, 20), 4, 5)
    plans = painter.plan(np.arange(2_000))
    images = plans.distractors[:, :, 0]
    assert set(np.unique(images).tolist()) == set(range(48))
    assert (images == plans.index[:, None]).any()
    assert (images[:, 0] == images[:, 1]).any()


def test_frozen_scenes_name_image_and_seed() -> None:
    """Test image i has scene seed i, validation image i has 10,000 + i, train images have none."""
    indices = np.array([0, 5, 299])
    frozen = frozen_scenes("test", indices)
    assert {key: value.tolist() for key, value in frozen.items()} == {
        "index": [0, 5, 299],
        "scene_seed": [0, 5, 299],
    }
    assert frozen_scenes("validation", indices)["scene_seed"].tolist() == [10_000, 10_005, 10_299]
    assert frozen_scenes("validation", indices)["index"].tolist() == [0, 5, 299]
    for split in ("train", "tests", ""):
        with pytest.raises(ValueError, match="`split`"):
            frozen_scenes(split, indices)


def digest_of_frozen_scenes(dataset: str) -> str:
    """Return the SHA-256 over canvases, labels and first locations of 100 frozen test scenes."""
    envs = gym.make_vec("GlimpseClutteredMNIST-v0", 100, dataset=dataset, split="test")
    assert isinstance(envs, GlimpseVectorEnv)
    observation, infos = envs.reset(options=frozen_scenes("test", np.arange(100)))
    assert infos["index"].tolist() == infos["scene_seed"].tolist() == list(range(100))
    digest = hashlib.sha256()
    for row in range(100):
        digest.update(envs.view(row).canvas.tobytes())
    digest.update(infos["label"].astype("<i8").tobytes())
    digest.update(observation["location"].astype("<f4").tobytes())
    return digest.hexdigest()


def test_frozen_scenes_of_made_up_images_never_change(tmp_path: Path) -> None:
    """A hundred frozen cluttered scenes of images made here are what they were when written."""
    dataset = save_images(tmp_path / "images.npz", 1_000, (28, 28), 10)
    assert digest_of_frozen_scenes(dataset) == (
        "ca3204ed0a25210d4243b2e8ec31189ac440f94eec0511853f32e5adf6344f07"
    )


@needs_mnist
def test_frozen_scenes_of_mnist_never_change() -> None:
    """The first hundred scenes of the frozen cluttered MNIST test set never change."""
    assert digest_of_frozen_scenes("mnist") == (
        "e99e92df95a36f3aaa38f3b4f9aafcf247e4f39de60d6c31fba2c8a02110d7a9"
    )
