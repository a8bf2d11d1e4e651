"""Pictures of a run: the files can be opened and show what happened."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from agents.base.figures import Figure
from agents.evaluation.curves import _plot_errors, save_curves
from agents.looking.gazes import (
    ANSWER,
    CELL,
    FRAME_MS,
    GAP,
    LAST_FRAME_MS,
    MARGIN,
    SCENE,
    draw_gaze_grid,
    save_gaze_animation,
    save_gaze_grid,
    save_scene_rows,
)
from ram_env.drawing.rendering import RIGHT, WRONG, EpisodeView, draw_scene, glimpse_color

COLUMNS = (
    "time/episodes,rollout/error,validation/error,validation/error_low,validation/error_high,"
    "train/classification_loss,train/policy_loss,train/baseline_loss"
)
VALIDATION_BLUE, POLICY_RED = (0, 114, 178), (213, 94, 0)


def make_episode(
    seed: int, num_glimpses: int = 8, num_classes: int = 10, right: bool = True
) -> list[EpisodeView]:
    """Return an episode of noise on a 60 x 60 canvas, answered right or wrong."""
    rng = np.random.default_rng(seed)
    beliefs = rng.dirichlet(np.ones(num_classes), num_glimpses).astype(np.float32)
    best = int(beliefs[-1].argmax())
    canvas = rng.integers(256, size=(60, 60), dtype=np.uint8)
    locations = rng.uniform(-1, 1, (num_glimpses, 2)).astype(np.float32)
    glimpses = rng.random((num_glimpses, 3, 12, 12), dtype=np.float32)
    return [
        EpisodeView(
            canvas=canvas,
            scene_shape=(60, 60),
            locations=locations[:seen],
            glimpses=glimpses[:seen],
            num_glimpses=num_glimpses,
            class_names=tuple(map(str, range(num_classes))),
            label=best if right else (best + 1) % num_classes,
            belief=beliefs[seen - 1],
            prediction=best if seen == num_glimpses else None,
        )
        for seen in range(1, num_glimpses + 1)
    ]


def shows(picture: Image.Image, color: tuple[int, int, int]) -> bool:
    """Say whether any pixel has exactly this colour."""
    return bool((np.asarray(picture.convert("RGB")) == color).all(axis=-1).any())


def curves(folder: Path, text: str) -> Image.Image:
    """Return the picture of the curves of a progress file with this text."""
    (folder / "progress.csv").write_text(text)
    save_curves(folder / "curves.png", folder / "progress.csv", "digits, 100 episodes")
    with Image.open(folder / "curves.png") as picture:
        return picture.convert("RGB")


@pytest.mark.parametrize(("num_glimpses", "cells"), [(1, 1), (8, 8), (24, 10)])
@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_grid_has_a_row_per_episode(
    tmp_path: Path, num_glimpses: int, cells: int, num_classes: int
) -> None:
    """Scene, gaze, at most ten glimpses and the answer stand in a row; the canvas is exact."""
    episodes = [make_episode(seed, num_glimpses, num_classes) for seed in range(3)]
    save_gaze_grid(tmp_path / "gaze.png", episodes, "title")
    with Image.open(tmp_path / "gaze.png") as file:
        sheet = np.asarray(file)
    row_width = 2 * SCENE + cells * CELL + ANSWER + (cells + 2) * GAP
    assert sheet.shape[1] >= row_width + 2 * MARGIN
    for above, episode in enumerate(reversed(episodes)):
        top = len(sheet) - MARGIN - SCENE - above * (SCENE + GAP)
        scene = sheet[top : top + SCENE, MARGIN : MARGIN + SCENE]
        enlarged = np.kron(episode[-1].canvas, np.ones((3, 3), np.uint8))
        np.testing.assert_array_equal(scene, enlarged[..., None].repeat(3, axis=2))
        for cell, index in [(0, 0), (cells - 1, num_glimpses - 1)]:  # the first and the last
            corner = sheet[top, MARGIN + 2 * (SCENE + GAP) + cell * (CELL + GAP)]
            assert tuple(corner) == glimpse_color(index, num_glimpses)


@pytest.mark.parametrize("lengths", [(8, 3), (3, 8)])
def test_grid_of_episodes_that_ended_at_different_glimpses(lengths: tuple[int, int]) -> None:
    """All glimpses of the longest are shown, none of those that another did without."""
    episodes = [make_episode(seed)[:length] for seed, length in enumerate(lengths)]
    sheet = np.asarray(draw_gaze_grid(episodes, "title"))
    for above, episode in enumerate(reversed(episodes)):
        top = len(sheet) - MARGIN - SCENE - above * (SCENE + GAP)
        for number in range(8):
            left = MARGIN + 2 * (SCENE + GAP) + number * (CELL + GAP)
            cell = sheet[top : top + SCENE, left : left + CELL]
            assert (cell == 255).all() == (number >= len(episode))


def test_scene_rows_show_scene_gaze_and_answer(tmp_path: Path) -> None:
    """Side by side, each canvas exact, above where it was looked at, above the answer."""
    easy = [make_episode(seed)[:1] for seed in range(3)]
    hard = [make_episode(seed, right=False) for seed in range(3, 5)]
    save_scene_rows(tmp_path / "scenes.png", {"easy": easy, "hard": hard}, "title")
    with Image.open(tmp_path / "scenes.png") as file:
        sheet = np.asarray(file)
    tops = []
    for number, episode in enumerate([*easy, *hard]):
        left = MARGIN + number % 3 * (SCENE + GAP)
        enlarged = np.kron(episode[-1].canvas, np.ones((3, 3), np.uint8))[..., None].repeat(3, 2)
        band = sheet[:, left : left + SCENE]
        (top,) = (
            top
            for top in range(len(sheet) - SCENE)
            if (band[top] == enlarged[0]).all() and (band[top : top + SCENE] == enlarged).all()
        )
        tops.append(top)
        below = top + SCENE + GAP
        drawn = np.asarray(draw_scene(episode[-1], SCENE))
        np.testing.assert_array_equal(band[below : below + SCENE], drawn)
        answer = Image.fromarray(band[below + SCENE : below + SCENE + 50])
        assert shows(answer, WRONG) == (number >= 3)
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4]
    with pytest.raises(ValueError, match="`episodes` must hold at least one episode"):
        save_scene_rows(tmp_path / "none.png", {"easy": []}, "title")


@pytest.mark.parametrize(("right", "color"), [(True, RIGHT), (False, WRONG)])
def test_grid_colors_the_answer(tmp_path: Path, right: bool, color: tuple[int, int, int]) -> None:
    """A right answer is green, a wrong one red, and never both."""
    save_gaze_grid(tmp_path / "gaze.png", [make_episode(1, right=right)], "title")
    with Image.open(tmp_path / "gaze.png") as sheet:
        left = MARGIN + 2 * (SCENE + GAP) + 8 * (CELL + GAP)
        answer = sheet.crop((left, sheet.height - MARGIN - SCENE, sheet.width, sheet.height))
    assert shows(answer, color)
    assert not shows(answer, WRONG if right else RIGHT)


def test_animation_has_a_frame_per_glimpse_and_rests_on_the_answer(tmp_path: Path) -> None:
    """Three episodes of four glimpses make twelve frames; each fourth stays longer."""
    episodes = [make_episode(seed, num_glimpses=4) for seed in range(3)]
    save_gaze_animation(tmp_path / "gaze.gif", episodes, "title")
    with Image.open(tmp_path / "gaze.gif") as animation:
        assert isinstance(animation, GifImageFile)
        assert animation.n_frames == 12
        assert animation.info["loop"] == 0  # for ever
        assert animation.size == (888, 396)
        for index in range(12):
            animation.seek(index)
            assert animation.info["duration"] == (LAST_FRAME_MS if index % 4 == 3 else FRAME_MS)
            border = np.asarray(animation.convert("RGB"))[84, 324]  # of the retina's picture
            # 256 colours per frame: close enough that glimpses cannot be confused.
            np.testing.assert_allclose(border, glimpse_color(index % 4, 4), atol=8)


def test_a_long_title_fits_into_a_frame(tmp_path: Path) -> None:
    """In a smaller font: it says of what data the error is."""
    ends = {}
    for name, title in (("long", "m" * 150), ("longer", "m" * 149 + " m")):
        save_gaze_animation(tmp_path / "gaze.gif", [make_episode(0, num_glimpses=2)], title)
        with Image.open(tmp_path / "gaze.gif") as animation:
            ends[name] = np.asarray(animation.convert("L"))[:36]
        columns = np.flatnonzero((ends[name] != ends[name][0, 0]).any(0))
        assert 600 < columns.max() < 888 - 5
    assert not np.array_equal(ends["long"], ends["longer"])


@pytest.mark.parametrize("save", [save_gaze_grid, save_gaze_animation])
def test_no_episodes_are_an_error(tmp_path: Path, save: type) -> None:
    """There is nothing to draw, and nothing is written."""
    with pytest.raises(ValueError, match="`episodes` must hold at least one"):
        save(tmp_path / "gaze", [], "title")
    assert list(tmp_path.iterdir()) == []


def test_curves_show_errors_and_losses(tmp_path: Path) -> None:
    """Validation is drawn where it was measured, the losses in their own panel."""
    rows = [f"{100 * i},{90 / i},,,,{2 / i},{0.1 - i / 100},0.2" for i in range(1, 20)]
    rows[9] = "1000,9,8,7,9,0.2,0,0.2"
    rows[18] = "1900,5,4,3,5,0.1,0,0.2"
    picture = curves(tmp_path, "\n".join([COLUMNS, *rows]))
    errors = picture.crop((0, 0, picture.width // 2, picture.height))
    losses = picture.crop((picture.width // 2, 0, *picture.size))
    assert shows(errors, VALIDATION_BLUE)
    assert shows(losses, POLICY_RED)
    assert not shows(errors, POLICY_RED)


@pytest.mark.parametrize(
    ("text", "has_validation", "has_policy"),
    [
        (f"{COLUMNS}\n", False, False),
        (f"{COLUMNS}\n100,90,,,,2,0.1,0.2\n", False, True),
        (f"{COLUMNS}\n100,90,80,75,85,,,\n", True, False),
        (f"{COLUMNS}\n100,0,0,0,0.1,0,0,0\n", False, True),
        (f"{COLUMNS}\n100,90,,,,2,0.1,0.2\n200,8", False, True),
        (f"{COLUMNS}\n100,90,,,,2,0.1,0.2\n200,80,,,,1,-", False, True),
        ("time/episodes,train/policy_loss\n100,1\n200,2\n", False, True),
        ("rollout/error\n90\n", False, False),
        ("", False, False),
    ],
    ids=["header", "one-row", "one-validation", "zero", "short", "torn", "few", "no-x", "empty"],
)
def test_curves_draw_what_there_is(
    tmp_path: Path, text: str, has_validation: bool, has_policy: bool
) -> None:
    """Missing columns, empty cells and a torn last line leave gaps, not errors."""
    picture = curves(tmp_path, text)
    assert shows(picture, POLICY_RED) == has_policy
    errors = picture.crop((0, 0, picture.width // 2, picture.height))
    if has_validation:
        assert shows(errors, VALIDATION_BLUE)


def test_failed_write_keeps_the_old_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk loses neither the picture of the last evaluation nor leaves half a file."""

    def fail(self: Image.Image, file: object, *_: object) -> None:
        file.write(b"half a")  # type: ignore[attr-defined]
        raise OSError("no space left")

    (tmp_path / "gaze.png").write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        save_gaze_grid(tmp_path / "gaze.png", [make_episode(0)], "title")
    assert [path.name for path in tmp_path.iterdir()] == ["gaze.png"]
    assert (tmp_path / "gaze.png").read_bytes() == b"old"


def test_ticks_of_the_error_axis_say_their_value() -> None:
    """Half a percent is not rounded to none."""
    axes = Figure().subplots()
    _plot_errors(axes, {})
    axes.set_ylim(bottom=0.1)
    formatter = axes.yaxis.get_major_formatter()
    assert [formatter(tick) for tick in (0.1, 0.5, 1, 100)] == ["0.1 %", "0.5 %", "1 %", "100 %"]
