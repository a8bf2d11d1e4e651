"""The study of generalisation measures what it says, and agrees with the plain evaluation."""

from pathlib import Path

import numpy as np
import pytest

from agents import RAM, make_vec_env
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.generalisation import (
    CANVASES,
    DISTRACTORS,
    NUM_GLIMPSES,
    SCALES,
    Curve,
    Study,
    draw,
    resized_set,
)
from ram_env.data.datasets import load_dataset

ENV_ID = "GlimpseClutteredMNIST-v0"
DIGITS = {"dataset": "digits"}
NUM_SCENES = 40


@pytest.fixture(scope="module")
def model() -> RAM:
    """A model that has learned next to nothing, but not the same for every scene."""
    env = make_vec_env(ENV_ID, 64, **DIGITS)
    sizes = {"hidden_size": 32, "batch_size": 64, "precision": "float32"}
    return RAM("RAMPolicy", env, seed=0, device="cpu", **sizes).learn(64 * 8 * 60)


@pytest.fixture(scope="module")
def curves(model: RAM) -> dict[str, Curve]:
    """All curves of the model, by name."""
    return {curve.name: curve for curve in Study(model, ENV_ID, DIGITS, NUM_SCENES).curves()}


def test_curves_go_over_what_they_say(curves: dict[str, Curve]) -> None:
    """The places on the x axis are those of the module, each with an error in its interval."""
    x = {name: tuple(point.x for point in curve.points) for name, curve in curves.items()}
    assert x == {
        "glimpses": tuple(range(1, NUM_GLIMPSES + 1)),
        "distractors": DISTRACTORS,
        "canvas": CANVASES,
        "size": SCALES,
    }
    for curve in curves.values():
        assert curve.trained_on in x[curve.name]
        assert all(0 <= point.low <= point.error <= point.high <= 100 for point in curve.points)
        assert len({point.error for point in curve.points}) > 1


def test_curves_meet_where_the_model_was_trained(curves: dict[str, Curve], model: RAM) -> None:
    """There every curve shows the plain error of the test scenes."""
    plain = FrozenScenes(ENV_ID, DIGITS, "test", NUM_SCENES).evaluate(model)
    for curve in curves.values():
        (point,) = (point for point in curve.points if point.x == curve.trained_on)
        assert (point.error, point.low, point.high) == (plain.error, plain.low, plain.high)


def test_resized_sets_are_read_as_they_were_made() -> None:
    """Labels stay, sides change, and the folder is gone afterwards."""
    digits = load_dataset("digits", "test")
    with resized_set(digits, 14) as folder:
        small = load_dataset("idx", "test", folder)
    assert small.images.shape == (300, 14, 14)
    assert np.array_equal(small.labels, digits.labels)
    mean, small_mean = digits.images.mean(), small.images.mean()
    assert abs(mean - small_mean) < 0.02 * 255  # as much ink per pixel
    assert not Path(folder).exists()


def test_every_curve_is_drawn(curves: dict[str, Curve]) -> None:
    """A panel each, with all points and the mark."""
    figure = draw(list(curves.values()), "title")
    assert len(figure.axes) == 4
    for axes, curve in zip(figure.axes, curves.values(), strict=True):
        assert axes.get_xlabel() == curve.x_label
        drawn = np.asarray(axes.lines[0].get_ydata(), dtype=float).tolist()
        assert drawn == [point.error for point in curve.points]
