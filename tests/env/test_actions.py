"""What an action means in each format, and that a wrong one is an error that changes nothing."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from helpers import FORMATS, assert_identical, random_action, stack_actions
from hypothesis import given
from hypothesis import strategies as st

from ram_env.env import GlimpseEnv
from ram_env.games.actions import (
    ActionFormat,
    BoxFormat,
    DictFormat,
    MultiDiscreteFormat,
    action_format_of,
    make_format,
)
from ram_env.vector_env import GlimpseVectorEnv

NUM_CLASSES = 3
NAN, INF = float("nan"), float("inf")

# Each is wrong for an env of 3 classes and a 4 x 4 grid, whose box has 5 numbers.
WRONG: dict[str, dict[str, Any]] = {
    "box": {
        "nan in location": np.array([NAN, 0, 0, 0, 0], np.float32),
        "nan in scores": np.array([0, 0, 0, NAN, 0], np.float32),
        "infinity": np.array([0, INF, 0, 0, 0], np.float32),
        "minus infinity in scores": np.array([0, 0, 0, 0, -INF], np.float32),
        "too short": np.zeros(4, np.float32),
        "too long": np.zeros(6, np.float32),
        "batched": np.zeros((1, 5), np.float32),
        "scalar": 0.5,
        "empty": [],
        "bool": np.zeros(5, bool),
        "complex": np.zeros(5, complex),
        "strings": ["a"] * 5,
        "objects": np.array([None] * 5),
        "None": None,
        "dict": {"location": np.zeros(2, np.float32), "label": 1},
    },
    "multidiscrete": {
        "column too high": np.array([4, 0, 0]),
        "row too high": np.array([0, 4, 0]),
        "label too high": np.array([0, 0, 3]),
        "negative column": np.array([-1, 0, 0]),
        "negative label": np.array([0, 0, -1]),
        "floats": np.zeros(3, np.float32),
        "nan": np.array([NAN, 0, 0]),
        "bool": np.zeros(3, bool),
        "too short": np.array([0, 0]),
        "too long": np.array([0, 0, 0, 0]),
        "batched": np.zeros((1, 3), np.int64),
        "scalar": 1,
        "empty": [],
        "strings": ["a"] * 3,
        "None": None,
        "dict": {"location": np.zeros(2, np.float32), "label": 1},
    },
    "dict": {
        "nan": {"location": np.array([NAN, 0], np.float32), "label": 1},
        "infinity": {"location": np.array([0, -INF], np.float32), "label": 1},
        "short location": {"location": np.zeros(1, np.float32), "label": 1},
        "long location": {"location": np.zeros(3, np.float32), "label": 1},
        "batched": {"location": np.zeros((1, 2), np.float32), "label": np.array([1])},
        "label in an array": {"location": np.zeros(2, np.float32), "label": np.array([1])},
        "location of strings": {"location": ["a", "b"], "label": 1},
        "location None": {"location": None, "label": 1},
        "label too high": {"location": np.zeros(2, np.float32), "label": 3},
        "label negative": {"location": np.zeros(2, np.float32), "label": -1},
        "label float": {"location": np.zeros(2, np.float32), "label": 1.0},
        "label bool": {"location": np.zeros(2, np.float32), "label": True},
        "label None": {"location": np.zeros(2, np.float32), "label": None},
        "no label": {"location": np.zeros(2, np.float32)},
        "no location": {"label": 1},
        "one key more": {"location": np.zeros(2, np.float32), "label": 1, "score": 1},
        "no keys": {},
        "array": np.zeros(5, np.float32),
        "None": None,
    },
}
WRONG_CASES = [
    pytest.param(action_format, action, id=f"{action_format}-{name}")
    for action_format, actions in WRONG.items()
    for name, action in actions.items()
]
# What cannot be said of a single action: batches of three that do not fit the vector env.
WRONG_BATCHES = [
    ("box", np.zeros((2, 5), np.float32)),
    ("box", np.zeros((4, 5), np.float32)),
    ("box", np.zeros(5, np.float32)),
    ("box", np.zeros((3, 4), np.float32)),
    ("box", np.zeros((3, 5, 1), np.float32)),
    ("box", np.full((3, 5), NAN, np.float32)),
    ("box", 0.0),
    ("box", None),
    ("box", []),
    ("multidiscrete", np.zeros((2, 3), np.int64)),
    ("multidiscrete", np.zeros((3, 2), np.int64)),
    ("multidiscrete", np.full((3, 3), 4)),
    ("multidiscrete", np.zeros((3, 3), np.float32)),
    ("multidiscrete", 0),
    ("dict", {"location": np.zeros((2, 2), np.float32), "label": np.zeros(2, np.int64)}),
    ("dict", {"location": np.zeros((3, 2), np.float32), "label": np.zeros(2, np.int64)}),
    ("dict", {"location": np.zeros((2, 2), np.float32), "label": np.zeros(3, np.int64)}),
    ("dict", {"location": np.zeros((3, 2), np.float32), "label": np.zeros((3, 1), np.int64)}),
    ("dict", {"location": np.zeros((3, 2), np.float32), "label": np.zeros(3, np.float32)}),
    ("dict", {"location": np.zeros((3, 2), np.float32)}),
    ("dict", {}),
    ("dict", None),
]


def wrong_only_alone(action: Any) -> bool:
    """Whether a batch makes the action right: numpy turns a bool beside numbers into a number."""
    values = action.values() if isinstance(action, dict) else [action]
    return any(np.asarray(value).dtype == bool for value in values)


@pytest.fixture
def arguments(small_images: str) -> dict[str, Any]:
    """Arguments of a small task with 3 classes."""
    return {
        "dataset": small_images,
        "canvas_size": (12, 16),
        "patch_size": 4,
        "num_scales": 2,
        "num_glimpses": 3,
        "location_grid": 4,
    }


def test_spaces(arguments: dict[str, Any]) -> None:
    """Each format's space is that of the specification, with the number of classes of the data."""
    location = spaces.Box(-1, 1, (2,), np.float32)
    expected = {
        "box": spaces.Box(-1, 1, (2 + NUM_CLASSES,), np.float32),
        "multidiscrete": spaces.MultiDiscrete([4, 4, NUM_CLASSES]),
        "dict": spaces.Dict(location=location, label=spaces.Discrete(NUM_CLASSES)),
    }
    for name, space in expected.items():
        for spelled in (name, ActionFormat(name)):
            env = GlimpseEnv(action_format=spelled, **arguments)
            assert env.action_space == space
            glimpse = spaces.Box(0, 1, (2, 4, 4), np.float32)
            assert env.observation_space == spaces.Dict(glimpse=glimpse, location=location)


@pytest.mark.parametrize("grid", [1, 2, 3, 7, 10])
def test_cells_of_the_grid(arguments: dict[str, Any], grid: int) -> None:
    """Cell i of the grid is at (2 i + 1) / grid - 1, x first: symmetric about the centre."""
    arguments |= {"action_format": "multidiscrete", "location_grid": grid}
    env = GlimpseEnv(**arguments)
    centers = [np.float32((2 * cell + 1) / grid - 1) for cell in range(grid)]
    for x in range(grid):
        for y in range(grid):
            env.reset(seed=0)
            observation = env.step(np.array([x, y, 0]))[0]
            assert observation["location"].tolist() == [centers[x], centers[y]]
    # The two sides of a centre are rounded separately: up to one unit in the last place apart.
    assert np.allclose(centers, -np.array(centers[::-1]), rtol=0, atol=2.0**-24)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ((0.25, -0.75), (0.25, -0.75)),
        ((1.0, -1.0), (1.0, -1.0)),
        ((1.5, -7), (1.0, -1.0)),
        ((3e38, -3e38), (1.0, -1.0)),
        ((1.0000001, -1.0000001), (1.0, -1.0)),
    ],
)
@pytest.mark.parametrize("action_format", ["box", "dict"])
def test_location_is_clipped_and_the_clipped_one_observed(
    arguments: dict[str, Any],
    action_format: str,
    given: tuple[float, float],
    seen: tuple[float, float],
) -> None:
    """A location outside [-1, 1] is looked at, and observed, at the nearest inside."""
    env = GlimpseEnv(action_format=action_format, **arguments)

    def look(location: tuple[float, float]) -> dict[str, np.ndarray]:
        env.reset(seed=3)
        if action_format == "dict":
            action: Any = {"location": np.array(location, np.float32), "label": 0}
        else:
            action = np.array([*location, 0, 0, 0], np.float32)
        return env.step(action)[0]

    observation = look(given)
    assert observation["location"].tolist() == list(seen)
    assert_identical(observation, look(seen))
    assert env.observation_space.contains(observation)


def test_float64_and_whole_numbers_are_read_as_float32(arguments: dict[str, Any]) -> None:
    """Lists, float64 and whole numbers mean the float32 nearest to them."""
    env = GlimpseEnv(**arguments)
    results = []
    for action in (
        np.array([1, 0, -1, 0, 1], np.float32),
        np.array([1, 0, -1, 0, 1], np.float64),
        np.array([1, 0, -1, 0, 1]),
        [1, 0, -1, 0, 1],
        (1.0, 0, -1, 0, 1),
        np.array([1e300, 0, -1e300, 0, 1], np.float64),
    ):
        env.reset(seed=3)
        results.append(env.step(action))
    for result in results[1:]:
        assert_identical(result, results[0])


@pytest.mark.parametrize(
    ("scores", "label"),
    [
        ([0, 0, 0], 0),
        ([-1, -0.5, -0.75], 1),
        ([0.1, 0.2, 0.2], 1),
        ([-1, -1, -0.999], 2),
        ([5, 2, 3], 0),
        ([-3, 2, 3], 1),
    ],
)
def test_label_is_the_first_highest_score(
    arguments: dict[str, Any], scores: list[float], label: int
) -> None:
    """The label is the argmax of the clipped scores, the first among equals."""
    env = GlimpseEnv(**arguments | {"num_glimpses": 1})
    env.reset(seed=0)
    info = env.step(np.array([0, 0, *scores], np.float32))[4]
    assert info["prediction"] == label


@pytest.mark.parametrize("label", [1, np.int64(1), np.int32(1), np.uint8(1), np.array(1)])
def test_label_may_be_any_whole_number(arguments: dict[str, Any], label: Any) -> None:
    """The label of a dict is a whole number of any type, as spaces and agents return them."""
    env = GlimpseEnv(action_format="dict", **arguments | {"num_glimpses": 1})
    env.reset(seed=0)
    info = env.step({"label": label, "location": [0.0, 0.0]})[4]
    assert info["prediction"] == 1
    assert type(info["prediction"]) is int


@pytest.mark.parametrize(("action_format", "wrong"), WRONG_CASES)
def test_wrong_action_is_an_error_and_changes_nothing(
    arguments: dict[str, Any], action_format: str, wrong: Any
) -> None:
    """A wrong action raises ValueError at any step; the episode goes on as if it had not been."""
    env = GlimpseEnv(action_format=action_format, **arguments)
    twin = GlimpseEnv(action_format=action_format, **arguments)
    rng = np.random.default_rng(0)
    assert_identical(env.reset(seed=1), twin.reset(seed=1))
    for _ in range(3):
        with pytest.raises(ValueError, match="`"):
            env.step(wrong)
        action = random_action(rng, env.action_space)
        assert_identical(env.step(action), twin.step(action))
    assert_identical(env.reset(), twin.reset())


@pytest.mark.parametrize(("action_format", "wrong"), WRONG_CASES)
def test_one_wrong_action_of_three_changes_nothing(
    arguments: dict[str, Any], action_format: str, wrong: Any
) -> None:
    """In a vector env one wrong action raises ValueError, and none of the sub-envs has moved."""
    envs = GlimpseVectorEnv(3, action_format=action_format, **arguments)
    twins = GlimpseVectorEnv(3, action_format=action_format, **arguments)
    rng = np.random.default_rng(0)
    assert_identical(envs.reset(seed=1), twins.reset(seed=1))
    for _ in range(3):
        actions = [random_action(rng, envs.single_action_space) for _ in range(3)]
        try:
            batch = stack_actions([wrong, *actions[1:]])
        except (ValueError, KeyError, IndexError, TypeError):
            return  # Such a thing does not even fit into a batch.
        if wrong_only_alone(wrong):
            return
        with pytest.raises(ValueError, match="`"):
            envs.step(batch)
        assert_identical(envs.step(stack_actions(actions)), twins.step(stack_actions(actions)))


@pytest.mark.parametrize(("action_format", "wrong"), WRONG_BATCHES)
def test_wrong_batch_is_an_error_and_changes_nothing(
    arguments: dict[str, Any], action_format: str, wrong: Any
) -> None:
    """A batch of the wrong number, shape or type raises ValueError, and nothing has moved."""
    envs = GlimpseVectorEnv(3, action_format=action_format, **arguments)
    twins = GlimpseVectorEnv(3, action_format=action_format, **arguments)
    rng = np.random.default_rng(0)
    assert_identical(envs.reset(seed=1), twins.reset(seed=1))
    for step in range(7):
        actions = stack_actions([random_action(rng, envs.single_action_space) for _ in range(3)])
        with pytest.raises(ValueError, match="`"):
            envs.step(wrong)
        assert_identical(envs.step(actions), twins.step(actions))
        if step == 0:  # From here on the sub-envs restart at different steps, never all at once.
            for pair in (envs, twins):
                pair.reset(options={"reset_mask": np.array([False, True, False])})


@pytest.mark.parametrize("action_format", FORMATS)
def test_last_action_needs_a_valid_location_too(
    arguments: dict[str, Any], action_format: str
) -> None:
    """At the last step the location is not used, yet one that is no location is an error."""
    env = GlimpseEnv(action_format=action_format, **arguments | {"num_glimpses": 1})
    env.reset(seed=0)
    wrong = {
        "box": np.array([NAN, 0, 0, 0, 0], np.float32),
        "multidiscrete": np.array([4, 0, 0]),
        "dict": {"location": np.array([NAN, 0], np.float32), "label": 0},
    }
    with pytest.raises(ValueError, match="`"):
        env.step(wrong[action_format])
    assert env.step(env.action_space.sample())[2]


def test_messages_name_rule_value_and_argument(arguments: dict[str, Any]) -> None:
    """The message says which argument is wrong, what is allowed, and what was received."""
    messages = {
        "box": (np.zeros(4, np.float32), r"`action` must have shape \(5,\), got \(4,\)"),
        "multidiscrete": (np.array([0, 0, 7]), r"`action` must be in .*\[3, 3, 2\].*7"),
        "dict": ({"location": [0.0, 0.0], "label": 3}, r"`label` must be in .*2.*3"),
    }
    for action_format, (action, message) in messages.items():
        env = GlimpseEnv(action_format=action_format, **arguments)
        env.reset(seed=0)
        with pytest.raises(ValueError, match=message):
            env.step(action)


# What an agent writes is what the env reads.


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw locations, labels and log-beliefs that are highest for them: a batch, or one of each."""
    shape = draw(st.sampled_from([(), (1,), (5,)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    locations = rng.uniform(-1, 1, (*shape, 2)).astype(np.float32)
    if draw(st.booleans()):
        locations = np.sign(locations)
    logits = rng.normal(0, draw(st.sampled_from([0.1, 3.0, 100.0])), (*shape, NUM_CLASSES))
    labels = rng.integers(NUM_CLASSES, size=shape)
    highest = logits.max(axis=-1) + 0.01  # more than rounding of a score takes away
    np.put_along_axis(logits, labels[..., None], highest[..., None], axis=-1)
    return locations, labels, logits.astype(np.float32)


@given(answers(), st.sampled_from([1.0, 10.0]))
def test_box_decodes_what_it_encoded(
    answered: tuple[np.ndarray, np.ndarray, np.ndarray], score_scale: float
) -> None:
    """Locations and labels come back, and so does the belief as far as scores can say it."""
    (locations, labels, logits), written = answered, BoxFormat(NUM_CLASSES, score_scale)
    actions = written.encode(locations, labels, logits)
    assert actions.dtype == np.float32
    read = written.decode(actions)
    assert np.array_equal(read.locations, locations)
    assert np.array_equal(read.labels, labels)
    assert read.scores is not None
    relative = logits - logits.max(axis=-1, keepdims=True)
    expected = np.maximum(relative, -2 * score_scale)
    relative_read = score_scale * (read.scores.astype(np.float64) - 1.0)
    assert np.allclose(relative_read, expected, rtol=0, atol=1e-6 * score_scale)
    certain = written.decode(written.encode(locations, labels))
    assert np.array_equal(certain.labels, labels)
    assert certain.scores is not None
    assert np.array_equal(
        np.sort(certain.scores)[..., ::-1], [1.0, -1.0, -1.0] + certain.scores * 0
    )


@given(answers(), st.sampled_from([1, 2, 7, 100]))
def test_multidiscrete_decodes_what_it_encoded(
    answered: tuple[np.ndarray, np.ndarray, np.ndarray], grid: int
) -> None:
    """Labels come back, and of a location its cell: the nearest centre, which comes back itself."""
    (locations, labels, logits), written = answered, MultiDiscreteFormat(NUM_CLASSES, grid)
    actions = written.encode(locations, labels, logits)
    assert actions.dtype == written.space.dtype
    read = written.decode(actions)
    assert np.array_equal(read.labels, labels)
    assert np.abs(read.locations - locations).max() <= 1 / grid + 1e-6
    assert np.array_equal(written.encode(read.locations, read.labels), actions)


@given(answers())
def test_dict_decodes_what_it_encoded(answered: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Locations and labels come back as they are."""
    (locations, labels, logits), written = answered, DictFormat(NUM_CLASSES)
    read = written.decode(written.encode(locations, labels, logits))
    assert np.array_equal(read.locations, locations)
    assert np.array_equal(read.labels, labels)


@pytest.mark.parametrize("action_format", FORMATS)
def test_what_is_written_is_an_action(arguments: dict[str, Any], action_format: str) -> None:
    """One action is in the space of an env, many are in that of a vector env; borders included."""
    env = GlimpseEnv(action_format=action_format, **arguments)
    envs = GlimpseVectorEnv(3, action_format=action_format, **arguments)
    written = action_format_of(env.action_space)
    locations = np.array([(-1, 1), (3, -7), (0.2, 0.9)], np.float32)
    labels, logits = np.array([0, 2, 1]), np.eye(3, dtype=np.float32)[[0, 2, 1]]
    assert envs.action_space.contains(written.encode(locations, labels, logits))
    assert env.action_space.contains(written.encode(locations[1], labels[1], logits[1]))


@pytest.mark.parametrize("action_format", FORMATS)
def test_nothing_is_written_of_what_is_not_finite(action_format: str) -> None:
    """A location that is none is an error, in a box also a log-belief."""
    written = make_format(action_format, 3, 7, 10.0)
    label, logits = np.array(1), np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"`locations` must be finite, got nan"):
        written.encode(np.array([0.0, NAN], np.float32), label, logits)
    if action_format == "box":
        with pytest.raises(ValueError, match=r"`logits` must be finite, got inf"):
            written.encode(np.zeros(2, np.float32), label, logits + INF)


@pytest.mark.parametrize("action_format", FORMATS)
def test_a_space_tells_its_format(arguments: dict[str, Any], action_format: str) -> None:
    """The format of an env's action space reads actions as the env does."""
    task = GlimpseEnv(action_format=action_format, score_scale=3.0, **arguments).task
    told = action_format_of(task.action_space, score_scale=3.0)
    assert type(told) is type(task.format)
    assert told.num_classes == task.num_classes == NUM_CLASSES
    action = random_action(np.random.default_rng(0), task.action_space)
    assert_identical(tuple(told.decode(action)), tuple(task.format.decode(action)))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(5),
        spaces.Box(-1, 1, (2,), np.float32),
        spaces.Box(0, 1, (12,), np.float32),
        spaces.Box(-1, 1, (12,), np.float64),
        spaces.Box(-1, 1, (3, 4), np.float32),
        spaces.MultiDiscrete([3, 4, 10]),
        spaces.MultiDiscrete([3, 3]),
        spaces.Dict(label=spaces.Discrete(3)),
        spaces.Dict(label=spaces.Box(-1, 1, (2,)), location=spaces.Box(-1, 1, (2,))),
    ],
    ids=str,
)
def test_other_spaces_have_no_format(space: spaces.Space[Any]) -> None:
    """What no format acts in is refused; the message names the space."""
    with pytest.raises(ValueError, match="`space` must be Box") as error:
        action_format_of(space)
    assert str(space) in str(error.value)
