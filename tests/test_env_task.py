"""The rules of the game: whole episodes, rewards, ends, randomness, options and errors."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from helpers import (
    FORMATS,
    IDS,
    assert_equal_to_reference,
    assert_identical,
    make_reference,
    random_action,
    rollout,
    save_images,
)
from reference import belief, make_scene

from ram_env import TASKS
from ram_env.datasets import load_dataset
from ram_env.env import GlimpseEnv
from ram_env.task import GlimpseTask, InitialLocation, RewardRule

LARGEST_SEED = 2**63 - 1
REWARDS = ("final", "every_step", "log_likelihood")


def make_env(task_id: str = "GlimpseMNIST-v0", **changes: Any) -> GlimpseEnv:
    """Make the env of a registered task on the digits of scikit-learn."""
    return GlimpseEnv(**{"dataset": "digits", **TASKS[task_id], **changes})


@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize("task_id", IDS)
def test_episodes_equal_the_reference(task_id: str, action_format: str) -> None:
    """In every registered task a whole episode is, value by value, that of the slow reference."""
    env = make_env(task_id, action_format=action_format)
    arguments = {**TASKS[task_id], "action_format": action_format}
    assert_equal_to_reference(env, make_reference(env, arguments))


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("initial_location", ["random", "center"])
@pytest.mark.parametrize(
    "sizes",
    [
        {"canvas_size": (9, 7), "patch_size": 3, "num_scales": 1, "num_glimpses": 1},
        {"canvas_size": (30, 12), "patch_size": 5, "num_scales": 3, "num_distractors": 3},
        {"canvas_size": [12, 30], "patch_size": 30, "num_scales": 2, "num_distractors": 1},
        {"canvas_size": 20, "patch_size": 1, "num_scales": 4, "distractor_size": 7},
    ],
    ids=["smallest", "odd", "wide", "point"],
)
def test_odd_tasks_equal_the_reference(
    small_images: str, sizes: dict[str, Any], initial_location: str, reward: str
) -> None:
    """Canvases that are not square, odd patches and other rewards follow the same rules."""
    arguments = {"num_distractors": 0, "distractor_size": 4, "num_glimpses": 4, **sizes}
    arguments |= {"reward": reward, "initial_location": initial_location}
    env = GlimpseEnv(dataset=small_images, **arguments)
    assert_equal_to_reference(env, make_reference(env, arguments))


# Rewards, worked out by hand.


def play(env: GlimpseEnv, labels: list[int]) -> list[float]:
    """Answer with these labels (relative to the right one) and return the rewards."""
    _, info = env.reset(seed=2)
    rewards = []
    for offset in labels:
        label = (info["label"] + offset) % 10
        if env.task.action_format == "box":
            action: Any = np.zeros(12, np.float32)
            action[2 + label] = 1
        elif env.task.action_format == "multidiscrete":
            action = np.array([0, 0, label])
        else:
            action = {"location": np.zeros(2, np.float32), "label": label}
        rewards.append(env.step(action)[1])
    return rewards


@pytest.mark.parametrize("action_format", FORMATS)
@pytest.mark.parametrize(
    ("reward", "labels", "rewards"),
    [
        ("final", [0, 0, 0, 0], [0.0, 0.0, 0.0, 1.0]),
        ("final", [0, 0, 0, 1], [0.0, 0.0, 0.0, 0.0]),
        ("final", [1, 2, 3, 0], [0.0, 0.0, 0.0, 1.0]),
        ("every_step", [0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]),
        ("every_step", [0, 1, 0, 9], [0.25, 0.0, 0.25, 0.0]),
        ("every_step", [5, 1, 1, 1], [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_rewards_by_hand(
    action_format: str, reward: str, labels: list[int], rewards: list[float]
) -> None:
    """`final` pays 1 for the last label alone, `every_step` 1 / T for each right one."""
    env = make_env(num_glimpses=4, action_format=action_format, reward=reward)
    assert_identical(play(env, labels), rewards)


def test_log_likelihood_by_hand() -> None:
    """With equal scores the belief is 1/10; with one score higher by 1 it is e^10 / (e^10 + 9)."""
    env = make_env(num_glimpses=4, reward="log_likelihood")
    right = math.log(math.exp(10) / (math.exp(10) + 9)) / 4
    wrong = math.log(1 / (math.exp(10) + 9)) / 4
    # Relative 1e-9: log of a number near 1 loses digits, here and there in another way.
    assert play(env, [0, 1, 0, 3]) == pytest.approx([right, wrong, right, wrong], rel=1e-9)
    env.reset(seed=2)
    assert env.step(np.zeros(12, np.float32))[1] == pytest.approx(-math.log(10) / 4, rel=1e-15)


def test_log_likelihood_is_finite_for_any_scale() -> None:
    """However sharp the belief, its logarithm is a finite number: the softmax never underflows."""
    env = make_env(num_glimpses=2, reward="log_likelihood", score_scale=1e6)
    _, info = env.reset(seed=0)
    action = np.ones(12, np.float32)
    action[2 + info["label"]] = -1
    assert env.step(action)[1] == pytest.approx(-(2e6 + math.log(9)) / 2, rel=1e-15)


@pytest.mark.parametrize("score_scale", [0.5, 1, 10, 1e-3, 300])
def test_belief(score_scale: float) -> None:
    """The belief that is drawn is softmax(score_scale * clipped scores) of the latest action."""
    env = make_env(score_scale=score_scale)
    env.reset(seed=0)
    assert env.view().belief is None
    for seed in range(3):
        scores = np.random.default_rng(seed).uniform(-1.5, 1.5, 10).astype(np.float32)
        env.step(np.concatenate([np.zeros(2, np.float32), scores]))
        expected = belief(np.clip(scores, -1, 1), score_scale)
        drawn = env.view().belief
        assert drawn is not None
        # The order of the sum and the rounding of exp differ.
        assert drawn.tolist() == pytest.approx(expected, rel=1e-12)
        assert drawn.sum() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("action_format", ["multidiscrete", "dict"])
def test_no_belief_without_scores(action_format: str) -> None:
    """Formats without scores have no belief to draw."""
    env = make_env(action_format=action_format)
    env.reset(seed=0)
    env.step(random_action(np.random.default_rng(0), env.action_space))
    assert env.view().belief is None


# What is returned.


@pytest.mark.parametrize("reward", REWARDS)
def test_exact_types(reward: str) -> None:
    """Rewards are float, flags bool, info int, bool and int64: no numpy scalar in their place."""
    env = make_env(reward=reward, num_glimpses=3)
    observation, info = env.reset(seed=0)
    results: list[Any] = [(observation, 0.0, False, False, info)]
    results += [env.step(env.action_space.sample()) for _ in range(3)]
    for number, (observation, paid, terminated, truncated, info) in enumerate(results):
        assert type(observation) is dict
        assert list(observation) == ["glimpse", "location"]
        assert observation["glimpse"].dtype == observation["location"].dtype == np.float32
        assert env.observation_space.contains(observation)
        assert (type(paid), type(terminated), type(truncated)) == (float, bool, bool)
        expected = {"label": int, "index": int, "scene_seed": int, "target_box": np.ndarray}
        if number == 3:
            expected |= {"prediction": int, "is_success": bool}
        assert {key: type(value) for key, value in info.items()} == expected
        assert info["target_box"].dtype == np.int64
        assert info["target_box"].shape == (4,)


def test_returned_arrays_are_the_callers_own() -> None:
    """Writing into what was returned, or what was passed, changes nothing that follows."""
    env, twin = make_env(), make_env()
    action = np.zeros(12, np.float32)
    for _ in range(2):
        result: Any = env.reset(seed=0)
        expected: Any = twin.reset(seed=0)
        for _ in range(7):
            assert_identical(result, expected)
            for array in (*result[0].values(), result[-1]["target_box"]):
                array[...] = 99
            action[...] = 0.25
            result = env.step(action)
            action[...] = -0.5
            expected = twin.step(np.full(12, 0.25, np.float32))
        assert_identical(result, expected)


def test_earlier_observations_stay_as_they_were() -> None:
    """No returned array is written to later: the env reuses no buffer."""
    env = make_env("GlimpseClutteredMNIST-v0")
    results = list(rollout(env, 17, seed=4))
    kept = [
        {key: value.copy() for key, value in result[0].items()}
        | {"box": result[-1]["target_box"].copy()}
        for result in results
    ]
    list(rollout(env, 17, seed=5))
    for result, copy in zip(results, kept, strict=True):
        assert_identical(result[0] | {"box": result[-1]["target_box"]}, copy)
    arrays = [array for result in results for array in result[0].values()]
    for number, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in arrays[:number])


@pytest.mark.parametrize("action_format", FORMATS)
def test_last_step_returns_the_last_observation_again(action_format: str) -> None:
    """Step T does not move: its observation equals the one before it and is a copy of it."""
    env = make_env(action_format=action_format)
    rng = np.random.default_rng(1)
    env.reset(seed=0)
    for _ in range(6):
        before = env.step(random_action(rng, env.action_space))[0]
    after = env.step(random_action(rng, env.action_space))[0]
    assert_identical(after, before)
    for key in before:
        assert not np.shares_memory(after[key], before[key])


@pytest.mark.parametrize("num_glimpses", [1, 2, 5])
def test_episode_ends_after_as_many_steps_as_glimpses(num_glimpses: int) -> None:
    """Step T = `num_glimpses` terminates, none before it does, and none truncates."""
    env = make_env(num_glimpses=num_glimpses)
    for _ in range(2):
        env.reset(seed=0)
        flags = [env.step(env.action_space.sample())[2:4] for _ in range(num_glimpses)]
        assert flags == [(False, False)] * (num_glimpses - 1) + [(True, False)]


def test_step_before_reset_and_after_the_end_needs_a_reset() -> None:
    """A step outside an episode raises ResetNeeded, says why, and spoils nothing."""
    env = make_env(num_glimpses=2)
    action = np.zeros(12, np.float32)
    with pytest.raises(ResetNeeded, match="before the first episode"):
        env.step(action)
    with pytest.raises(ResetNeeded, match=r"render.*before the first episode"):
        env.view()
    for _ in range(2):
        env.reset()
        env.step(action)
        assert env.step(action)[2]
        for _ in range(2):
            with pytest.raises(ResetNeeded, match="after the last glimpse"):
                env.step(action)


def test_reset_in_the_middle_of_an_episode() -> None:
    """An episode may be left at any time; nothing of it is found in the next one."""
    env = make_env("GlimpseClutteredMNIST-v0")
    expected = env.reset(seed=8)
    for steps in range(8):
        env.reset(seed=steps)
        for _ in range(steps):
            env.step(env.action_space.sample())
        assert_identical(env.reset(seed=8), expected)
        assert len(env.view().locations) == 1
        assert env.view().belief is None
        assert env.view().prediction is None


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
    images, labels = env.task.dataset.images, env.task.dataset.labels
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
    for index in range(len(env.task.dataset.labels)):
        _, info = env.reset(options={"index": index})
        action = np.zeros(25, np.float32)
        action[2 + info["label"]] = 1
        _, reward, _, _, info = env.step(action)
        assert (reward, info["is_success"], info["prediction"]) == (1.0, True, info["label"])
        seen.add(info["prediction"])
    assert seen == set(range(23))


# Arguments.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"canvas_size": 27}, r"`canvas_size`.*\(28, 28\).*\(27, 27\)"),
        ({"canvas_size": (28, 27)}, r"`canvas_size`.*\(28, 27\)"),
        ({"canvas_size": (27, 100)}, r"`canvas_size`.*\(27, 100\)"),
        ({"canvas_size": 0}, "`canvas_size`.*0"),
        ({"canvas_size": -28}, "`canvas_size`.*-28"),
        ({"canvas_size": (28, 28, 1)}, "`canvas_size`.*28, 28, 1"),
        ({"canvas_size": 28.0}, "`canvas_size`.*28.0"),
        ({"canvas_size": "28"}, "`canvas_size`.*'28'"),
        ({"canvas_size": None}, "`canvas_size`.*None"),
        ({"canvas_size": 10**7}, r"1 envs of `canvas_size` 10000000x10000000.*memory of .* GiB"),
        ({"num_distractors": 10**12}, "`num_distractors` 1000000000000 .*memory"),
        ({"num_glimpses": 10**13}, "`num_glimpses` 10000000000000 .*memory"),
        ({"num_distractors": -1}, "`num_distractors`.*-1"),
        ({"num_distractors": 1.5}, "`num_distractors`.*1.5"),
        ({"num_distractors": 1, "distractor_size": 29}, r"`distractor_size`.*1\.\.28.*29"),
        ({"distractor_size": 0}, "`distractor_size`.*0"),
        ({"patch_size": 0}, "`patch_size`.*0"),
        ({"patch_size": 29}, r"`patch_size`.*1\.\.28.*29"),
        ({"patch_size": (30, 60), "canvas_size": 60}, "`patch_size`"),
        ({"num_scales": 0}, "`num_scales`.*0"),
        ({"num_scales": 40}, "`num_scales`"),
        ({"num_scales": 10**6}, "`num_scales`"),
        ({"num_glimpses": 0}, "`num_glimpses`.*0"),
        ({"num_glimpses": -3}, "`num_glimpses`.*-3"),
        ({"num_glimpses": 2.0}, "`num_glimpses`.*2.0"),
        ({"action_format": "boxes"}, "`action_format`.*'box'.*'boxes'"),
        ({"action_format": None}, "`action_format`.*None"),
        ({"location_grid": 0}, "`location_grid`.*0"),
        ({"score_scale": 0}, "`score_scale`.*0"),
        ({"score_scale": -1.0}, "`score_scale`.*-1"),
        ({"score_scale": math.nan}, "`score_scale`.*nan"),
        ({"score_scale": math.inf}, "`score_scale`.*inf"),
        ({"score_scale": "10"}, "`score_scale`.*'10'"),
        ({"reward": "last"}, "`reward`.*'final'.*'last'"),
        ({"initial_location": "centre"}, "`initial_location`.*'center'.*'centre'"),
        ({"split": "val"}, "`split`.*'validation'.*'val'|`split`.*validation.*'val'"),
        ({"dataset": "MNIST"}, "`dataset`.*'MNIST'"),
        ({"reward": "log_likelihood", "action_format": "dict"}, "`reward=.*log_likelihood.*'dict'"),
        ({"reward": "log_likelihood", "action_format": "multidiscrete"}, "'multidiscrete'"),
        ({"render_mode": "ansi"}, "`render_mode`.*'ansi'"),
    ],
)
def test_impossible_arguments_are_errors(arguments: dict[str, Any], message: str) -> None:
    """An impossible argument raises ValueError that names argument, rule and value."""
    with pytest.raises(ValueError, match=message):
        make_env(**arguments)


def test_unknown_argument_is_an_error() -> None:
    """A misspelt argument is not swallowed."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'num_glimpse'"):
        make_env(num_glimpse=3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"canvas_size": (28, 28)},
        {"canvas_size": [28, 40]},
        {"canvas_size": np.int64(28)},
        {"patch_size": 28},
        {"patch_size": 1, "num_scales": 6},
        {"num_distractors": 2, "distractor_size": 28},
        {"distractor_size": 100},  # without distractors there is none to be too large
        {"num_glimpses": 1},
        {"score_scale": 1},
        {"score_scale": np.float32(2)},
        {"location_grid": 1, "action_format": "multidiscrete"},
        {"reward": RewardRule.LOG_LIKELIHOOD},
        {"initial_location": InitialLocation.CENTER},
    ],
    ids=str,
)
def test_limits_of_the_arguments_are_allowed(arguments: dict[str, Any]) -> None:
    """Sizes at the limit, numbers of numpy and members of enums make an env that plays."""
    env = make_env(**arguments)
    for result in rollout(env, 15, seed=0):
        assert env.observation_space.contains(result[0])


def test_scenes_of_full_size_lie_still() -> None:
    """An image as large as the canvas has one position."""
    env = make_env()
    boxes = {tuple(env.reset(seed=seed)[1]["target_box"].tolist()) for seed in range(10)}
    assert boxes == {(0, 0, 28, 28)}


def test_task_defaults_are_the_centred_task() -> None:
    """Without arguments the task is that of `GlimpseMNIST-v0`."""
    task = GlimpseTask(dataset="digits")
    for name, value in TASKS["GlimpseMNIST-v0"].items():
        assert (
            (task.canvas_shape == (value, value))
            if name == "canvas_size"
            else getattr(task, name) == value
        )
