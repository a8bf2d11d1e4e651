"""Rendering: what is drawn where, in which colour, and what stays untouched."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ram_env.drawing.rendering import (
    BACKGROUND,
    BAR,
    RIGHT,
    TRACK,
    WRONG,
    EpisodeView,
    draw_retina,
    draw_scene,
    fit,
    foveate,
    glimpse_color,
    render_episode,
)
from ram_env.geometry import location_to_pixel
from ram_env.retina import Retina
from ram_env.scenes.canvases import Canvases

CORNERS = [(-1, -1), (1, -1), (-1, 1), (1, 1)]


def make_view(
    canvas: np.ndarray,
    locations: Sequence[tuple[float, float]],
    patch_size: int = 12,
    num_scales: int = 3,
    num_glimpses: int = 8,
    label: int = 7,
    belief: np.ndarray | None = None,
    prediction: int | None = None,
    names: tuple[str, ...] = tuple(map(str, range(100))),
) -> EpisodeView:
    """Look at a canvas from some locations through the retina itself."""
    retina = Retina(patch_size, num_scales)
    canvases = Canvases(1, canvas.shape, retina)
    canvases.visible[0] = canvas
    seen = np.array(locations, np.float32)
    pixels = location_to_pixel(seen, canvas.shape)
    glimpses = retina.glimpse(canvases, np.zeros(len(seen), np.int64), pixels)
    return EpisodeView(
        canvas, canvas.shape, seen, glimpses, num_glimpses, names, label, belief, prediction
    )


def make_canvas(*shape: int) -> np.ndarray:
    """Return noise, uint8, always the same."""
    return np.random.default_rng(3).integers(256, size=shape, dtype=np.uint8)


def enlarge(canvas: np.ndarray, zoom: int) -> np.ndarray:
    """Repeat every pixel, and grey as RGB: the obvious reference for `fit`."""
    return np.kron(canvas, np.ones((zoom, zoom), np.uint8))[..., None].repeat(3, axis=2)


def has_color(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Return which pixels have exactly this colour, bool (h, w)."""
    return (picture == color).all(axis=-1)


def bar_columns(frame: np.ndarray, row: int, color: tuple[int, int, int]) -> int:
    """Count the pixels of a colour in the middle of the bar `row` of a 360-pixel frame."""
    return int(has_color(frame[48 + 15 + 30 * row, 708:841], color).sum())


@pytest.mark.parametrize("shape", [(28, 28), (60, 60), (100, 40), (37, 301), (4096, 4096)])
@pytest.mark.parametrize(("patch_size", "num_scales"), [(8, 1), (5, 3), (12, 4), (3, 6)])
def test_frame_size_is_the_same_for_every_task(
    shape: tuple[int, int], patch_size: int, num_scales: int
) -> None:
    """Canvas, retina, number of glimpses and belief do not change the size of a frame."""
    canvas = np.zeros(shape, np.uint8)
    belief = np.full(100, 0.01)
    for locations, scores, prediction in [([(0, 0)], None, None), (CORNERS, belief, 3)]:
        view = make_view(
            canvas, locations, patch_size, num_scales, belief=scores, prediction=prediction
        )
        frame = render_episode(view)
        assert frame.shape == (360, 888, 3)
        assert frame.dtype == np.uint8
        assert frame.flags.writeable


def test_frame_height_is_a_choice() -> None:
    """A frame has the height asked for, rounded down to 30; too small a one is an error."""
    view = make_view(make_canvas(28, 28), [(0, 0)])
    assert render_episode(view, height=719).shape == (690, 1702, 3)
    with pytest.raises(ValueError, match="`height` must be at least 240 pixels, got 239"):
        render_episode(view, height=239)


@pytest.mark.parametrize(("patch_size", "first", "last"), [(12, 24, 35), (5, 28, 32)])
def test_window_lies_exactly_where_the_retina_looks(patch_size: int, first: int, last: int) -> None:
    """At the centre, pixel 30, the border of the window is drawn on its outermost pixels."""
    view = make_view(np.zeros((60, 60), np.uint8), [(0, 0)], patch_size, num_scales=1)
    scene = np.asarray(draw_scene(view, 300))  # 5 x 5 pixels for each of the canvas, border 2
    border = np.zeros((300, 300), bool)
    border[5 * first : 5 * last + 5, 5 * first : 5 * last + 5] = True
    border[5 * first + 2 : 5 * last + 3, 5 * first + 2 : 5 * last + 3] = False
    dot = np.zeros((300, 300), bool)
    dot[144:162, 144:162] = True
    found = has_color(scene, glimpse_color(0, 8))
    np.testing.assert_array_equal(found[~dot], border[~dot])


def test_latest_glimpse_shows_all_windows_and_earlier_ones_their_finest() -> None:
    """Earlier windows are blended with the canvas, so that the latest stand out."""
    view = make_view(np.zeros((60, 60), np.uint8), [(-0.5, -0.5), (0, 0)], 6)
    scene = np.asarray(draw_scene(view, 300))
    for half in (3, 6, 12):
        assert tuple(scene[150, 5 * (30 - half)]) == glimpse_color(1, 8)
    faint = np.array(glimpse_color(0, 8)) * 150 / 255
    np.testing.assert_allclose(scene[60, 75], faint, atol=1)  # blending rounds
    assert tuple(scene[45, 150]) == (0, 0, 0)  # would be the second scale of the first glimpse


def test_canvas_keeps_its_values_where_nothing_is_drawn() -> None:
    """Outside the window every canvas pixel is a block of its own grey."""
    canvas = make_canvas(60, 60)
    scene = np.asarray(draw_scene(make_view(canvas, [(0, 0)], num_scales=1), 300))
    outside = np.ones((300, 300), bool)
    outside[120:180, 120:180] = False
    np.testing.assert_array_equal(scene[outside], enlarge(canvas, 5)[outside])


@pytest.mark.parametrize("corner", CORNERS)
def test_window_over_the_border_is_cut(corner: tuple[int, int]) -> None:
    """A window that hangs over the canvas is drawn as far as the canvas reaches."""
    view = make_view(np.zeros((60, 60), np.uint8), [corner])
    scene = np.asarray(draw_scene(view, 300))
    column, row = ({-1: slice(0, 30), 1: slice(270, 300)}[side] for side in corner)
    found = has_color(scene, glimpse_color(0, 8))
    assert found[row, column].any()
    for half in (6, 12, 24):  # the inner vertical border of each scale, beside the corner
        edge = 5 * half - 1 if corner[0] == -1 else 300 - 5 * (half + 1)
        assert found[row, edge].all()


def test_narrow_canvas_is_centred() -> None:
    """A canvas that is not square keeps its proportions, with margins in the background colour."""
    canvas = make_canvas(30, 60)
    scene = np.asarray(draw_scene(make_view(canvas, [(1, 1)], 4, 1), 300))
    assert has_color(scene[:75], BACKGROUND).all()
    assert has_color(scene[225:], BACKGROUND).all()
    np.testing.assert_array_equal(scene[75:200], enlarge(canvas, 5)[:125])


def test_large_canvas_is_averaged() -> None:
    """Shrinking by two takes the mean of 2 x 2 pixels, so that no thin stroke vanishes."""
    canvas = make_canvas(600, 600)
    expected = canvas.reshape(300, 2, 300, 2).mean(axis=(1, 3))
    # The two passes of the filter round one after the other.
    np.testing.assert_allclose(np.asarray(fit(canvas, 300))[..., 0], expected, atol=1)


@pytest.mark.parametrize("patch_size", [5, 12])
@pytest.mark.parametrize("num_scales", [1, 2, 3, 6])
def test_foveated_glimpse_is_the_canvas_seen_through_the_retina(
    patch_size: int, num_scales: int
) -> None:
    """The finest window shows the canvas exactly, the coarsest ring the means of its blocks."""
    canvas = make_canvas(450, 450)
    view = make_view(canvas, [(0, 0)], patch_size, num_scales)
    picture = foveate(view.glimpses[0])
    side = patch_size * 2 ** (num_scales - 1)
    assert picture.shape == (side, side)
    window = canvas[225 - side // 2 :, 225 - side // 2 :][:side, :side]
    inner = slice(side // 2 - patch_size // 2, side // 2 - patch_size // 2 + patch_size)
    np.testing.assert_array_equal(picture[inner, inner], window[inner, inner])
    block = 2 ** (num_scales - 1)
    corner = window[:block, :block].mean(dtype=np.float64)
    np.testing.assert_allclose(picture[:block, :block], corner, atol=0.51)  # rounded to a byte


def test_retina_picture_frames_every_scale() -> None:
    """The borders of three scales of 12 x 12 lie at 0, 12 and 18 of the 48 pixels they cover."""
    view = make_view(np.zeros((60, 60), np.uint8), [(0, 0)])
    middle = np.asarray(draw_retina(view, 480))[240]
    (drawn,) = np.nonzero(has_color(middle, glimpse_color(0, 8)))
    starts = [0, 120, 180, 297, 357, 477]  # three pixels wide, on the inner side
    np.testing.assert_array_equal(drawn, [at + k for at in starts for k in range(3)])


def test_many_scales_stand_side_by_side() -> None:
    """Eight scales of one bright pixel: each in a frame of its own, as bright as it can be."""
    canvas = np.zeros((1500, 1500), np.uint8)
    canvas[750, 750] = 90
    picture = np.asarray(draw_retina(make_view(canvas, [(0, 0)], 12, 8), 300))
    for scale in range(8):
        top, left = 100 * (scale // 3), 100 * (scale % 3)
        tile = picture[top : top + 100, left : left + 100]
        frame = has_color(tile, glimpse_color(0, 8))
        assert frame[:2].all() and frame[:, :2].all() and frame[-2:].all() and frame[:, -2:].all()
        assert frame.sum() == 100**2 - 96**2
        cell = np.asarray(tile[2:98, 2:98, 0]).reshape(12, 8, 12, 8)
        assert (cell == cell[:, :1, :, :1]).all()
        assert np.argwhere(cell[:, 0, :, 0] == 255).tolist() == [[6, 6]]
        assert np.count_nonzero(cell[:, 0, :, 0]) == 1
    assert (picture[200:, 200:] == BACKGROUND).all()


@pytest.mark.parametrize(("prediction", "color"), [(None, BAR), (7, RIGHT), (2, WRONG)])
def test_belief_bars_are_as_long_as_their_probabilities(
    prediction: int | None, color: tuple[int, int, int]
) -> None:
    """The full bar is 132 pixels; only the scored class is coloured, green if it is the truth."""
    top = 7 if prediction is None else prediction
    belief = np.full(10, 0.05)
    belief[top] = 0.55
    view = make_view(make_canvas(28, 28), [(0, 0)], belief=belief, prediction=prediction)
    frame = render_episode(view)
    for row in range(10):
        length = round(132 * belief[row]) + 1  # the zero line has a width too
        assert bar_columns(frame, row, color if row == top else BAR) == length
        assert bar_columns(frame, row, TRACK) == 133 - length


def test_many_classes_show_the_ten_most_believed_and_the_truth() -> None:
    """Of a hundred classes the bars fall in length; the truth, believed least, comes last."""
    belief = np.arange(100, 0, -1) / 5050
    view = make_view(make_canvas(28, 28), [(0, 0)], belief=belief, label=99, prediction=0)
    frame = render_episode(view)
    for row, label in enumerate([*range(9), 99]):
        length = round(132 * belief[label]) + 1
        assert bar_columns(frame, row, WRONG if label == 0 else BAR) == length
        marked = has_color(frame[48 + 30 * row : 78 + 30 * row, 648:702], RIGHT).any()
        assert marked == (label == 99)


def test_classes_are_drawn_by_their_names() -> None:
    """In the headline and beside the bars, shortened so that no usual name reaches the retina."""
    arguments: dict[str, Any] = {"belief": np.array([0.25, 0.75]), "label": 1, "prediction": 0}
    numbered = render_episode(make_view(make_canvas(28, 28), [(0, 0)], **arguments))
    names = ("cat", "hippopotamus")
    view = make_view(make_canvas(28, 28), [(0, 0)], **arguments, names=names)
    assert [view.name_of(label) for label in (0, 1)] == ["cat", "hippopo…"]
    named = render_episode(view)
    for part in (np.s_[:36, :600], np.s_[48:78, 648:702], np.s_[78:108, 648:702]):
        assert (named[part] != numbered[part]).any()
    np.testing.assert_array_equal(named[48:, :626], numbered[48:, :626])


def test_few_classes_leave_the_rest_empty() -> None:
    """Two classes make two bars."""
    view = make_view(make_canvas(28, 28), [(0, 0)], belief=np.array([0.25, 0.75]), label=1)
    frame = render_episode(view)
    tracks = [bar_columns(frame, row, TRACK) for row in range(10)]
    assert tracks == [133 - 34, 133 - 100, *[0] * 8]


def test_no_scores_make_no_bars() -> None:
    """Without a belief there is nothing to be read as one."""
    frame = render_episode(make_view(make_canvas(28, 28), [(0, 0)]))
    assert not has_color(frame, TRACK).any()


@pytest.mark.parametrize("num_glimpses", [1, 2, 8, 24])
def test_every_glimpse_has_a_color_of_its_own(num_glimpses: int) -> None:
    """The ramp begins with blue, and no two glimpses share a colour."""
    colors = [glimpse_color(index, num_glimpses) for index in range(num_glimpses)]
    assert colors[0] == (76, 155, 255)
    assert len(set(colors)) == num_glimpses


def test_frame_is_a_picture_of_its_parts() -> None:
    """The frame holds the scene on the left and the retina in the middle, unchanged."""
    view = make_view(make_canvas(60, 60), CORNERS[:3])
    frame = Image.fromarray(render_episode(view))
    for left, part in [(12, draw_scene(view, 300)), (324, draw_retina(view, 300))]:
        np.testing.assert_array_equal(frame.crop((left, 48, left + 300, 348)), part)
