"""How does a ball fall on a screen? The scenes of the game of catching, which move."""

from dataclasses import dataclass

import numpy as np

from ram_env.geometry import Rows
from ram_env.hashing import draw_integers
from ram_env.retina import Retina
from ram_env.scenes.canvases import Canvases

_BLACK, _WHITE = 0, 255
_STEPS = 2**24  # of a column that the ball drifts by, and of half the range of a location


@dataclass(frozen=True, eq=False)
class BallPlans:
    """What scenes consist of, all that their seeds decide.

    Attributes:
        ball: The column of the ball in each row of the screen, int64 (..., H).
        paddle: The column that the left end of the paddle starts at, int64 (...).
        location: The random first location (x, y), float32 (..., 2), in [-1, 1).
    """

    ball: np.ndarray
    paddle: np.ndarray
    location: np.ndarray


class FallingBalls(Canvases):
    """Screens of a white ball and a white paddle on black: a `SceneSource` of scenes that move.

    The ball is one pixel and starts in the top row, the paddle lies in the bottom row. The starting
    columns of both and the ball's drift, in columns per row from -1 to 1, are uniform. At each move
    the ball falls by one row, and the paddle goes where it is told.

    Args:
        num_scenes: How many at once.
        screen_shape: H and W of each screen in pixels.
        paddle_size: The width of the paddle in pixels.
        retina: The retina that will look at them.
    """

    def __init__(
        self, num_scenes: int, screen_shape: tuple[int, int], paddle_size: int, retina: Retina
    ) -> None:
        super().__init__(num_scenes, screen_shape, retina)
        self._shape, self._paddle_size, self._retina = screen_shape, paddle_size, retina
        self._last_paddle = screen_shape[1] - paddle_size
        # Start and drift of the ball, start of the paddle, x and y of the first location.
        bounds = [screen_shape[1], 2 * _STEPS + 1, self._last_paddle + 1, 2 * _STEPS, 2 * _STEPS]
        self._bounds = np.array(bounds, dtype=np.int64)
        self._balls = np.zeros((num_scenes, screen_shape[0]), dtype=np.int64)
        self._paddles = np.zeros((num_scenes, screen_shape[0]), dtype=np.int64)  # at each moment
        self._moments = np.zeros(num_scenes, dtype=np.int64)  # now

    def plan(self, scene_seeds: np.ndarray, indices: np.ndarray | None = None) -> BallPlans:
        """Decide what scenes consist of: see `SceneSource.plan`; there are no images."""
        draws = draw_integers(scene_seeds, self._bounds)
        ball = ball_columns(draws[..., 0], draws[..., 1] - _STEPS, self._shape)
        location = (draws[..., 3:] / _STEPS - 1.0).astype(np.float32)
        return BallPlans(ball, draws.T[2], location)

    def begin(self, rows: Rows, plans: BallPlans) -> None:
        """Put planned scenes in the place of those of some rows."""
        self._paint(rows, _BLACK)
        self._balls[rows] = plans.ball
        self._paddles[rows, 0] = plans.paddle
        self._moments[rows] = 0
        self._paint(rows, _WHITE)

    def move(self, rows: Rows, steps: np.ndarray) -> None:
        """Let balls fall by a row, and move paddles by some columns, int64 (...), if they can."""
        self._paint(rows, _BLACK)
        moment = self._moments[rows]
        paddle = self._paddles[rows, moment] + steps
        self._paddles[rows, moment + 1] = np.minimum(np.maximum(paddle, 0), self._last_paddle)
        self._moments[rows] = moment + 1
        self._paint(rows, _WHITE)

    def is_over_paddle(self, rows: Rows) -> np.ndarray:
        """Return whether the column of the ball is one of the paddle's, bool (...)."""
        moment = self._moments[rows]
        offset = self._balls[rows, moment] - self._paddles[rows, moment]
        return (offset >= 0) & (offset < self._paddle_size)

    def history(self, row: int) -> "FallingBalls":
        """Return one scene as it was at each moment so far, one per row."""
        moments = np.arange(self._moments[row] + 1)
        past = FallingBalls(len(moments), self._shape, self._paddle_size, self._retina)
        past._balls[:], past._paddles[:] = self._balls[row], self._paddles[row]
        past._moments[:] = moments
        past._paint(moments, _WHITE)
        return past

    def shapes_of(self, rows: Rows) -> np.ndarray:
        """Return height and width of screens: see `SceneSource.shapes_of`."""
        return np.broadcast_to(self._shape, (*np.shape(rows), 2))

    def picture(self, row: int) -> np.ndarray:
        """Return a copy of one screen, uint8 (H, W)."""
        return self.visible[row].copy()

    def _paint(self, rows: Rows, shade: int) -> None:
        """Give the pixels of ball and paddle, where they are now, a shade."""
        moment = self._moments[rows]
        paddle = self._paddles[rows, moment]
        self.visible[rows, moment, self._balls[rows, moment]] = shade
        for part in range(self._paddle_size):
            self.visible[rows, -1, paddle + part] = shade


def ball_columns(start: np.ndarray, drift: np.ndarray, screen_shape: tuple[int, int]) -> np.ndarray:
    """Return the column of a ball in each row of a screen: in whole numbers, so without rounding.

    It starts in the middle of a pixel, moves by its drift from row to row, and is reflected by the
    left and the right border of the screen as light is by mirrors.

    Args:
        start: Its column in the top row, int64 (...).
        drift: How far it moves per row, int64 (...), in 2**-24 of a column, to the right if over 0.
        screen_shape: H and W.

    Returns:
        int64 (..., H), in 0..W - 1.
    """
    height, width = screen_shape
    middle = _STEPS * start + _STEPS // 2
    there_and_back = 2 * width * _STEPS
    way = (middle[..., None] + drift[..., None] * np.arange(height)) % there_and_back
    return np.minimum(way, there_and_back - 1 - way) // _STEPS
