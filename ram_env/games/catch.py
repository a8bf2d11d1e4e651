"""How is the game of catching played? A ball falls, and the agent moves a paddle under it."""

from typing import Any

import numpy as np

from ram_env.data.datasets import check_split
from ram_env.drawing.rendering import EpisodeView
from ram_env.games.actions import make_format
from ram_env.games.game import SEED_LIMITS, Episodes, Game, Outcome
from ram_env.games.settings import CatchSettings
from ram_env.geometry import Rows
from ram_env.retina import Retina
from ram_env.scenes.canvases import crop_bytes
from ram_env.scenes.falling_ball import BallPlans, FallingBalls
from ram_env.scenes.painted import painted_bytes

ANSWERS = ("left", "stay", "right")
_LEFT = 1  # what to take from an answer for the columns to move by


class CatchTask(CatchSettings, Game):
    """Catch a ball that falls, seen through the retina: the game of section 4.2 of the paper.

    The screen has black and white pixels, 24x24 unless `canvas_size` says else. The ball is one
    pixel, the paddle `paddle_size` pixels of the bottom row, two unless told. As in the paper, the
    ball starts in the top row at a random column and falls one row per step at a random angle,
    bouncing off the sides; at each step the agent says where to look next and moves the paddle to
    the left, to the right or not at all; it is paid 1 at the end if ball and paddle overlap, else
    0, and nothing before.

    What the paper leaves open:

    * Angle: the ball drifts by d columns per row, d uniform in [-1, 1], which is up to 45 degrees
      from straight down.
    * Rounding and reflection: it starts in the middle of a pixel; after s steps it is at start +
      s * d, reflected at the left border of column 0 and at the right border of the last column as
      light is by mirrors, and fills the pixel that it is in. All is reckoned in 2**-24 of a column,
      in whole numbers.
    * Paddle: its left end starts at a uniform column. A step moves it by one column, not beyond the
      borders, and the ball by one row, both at once; then the sensor looks at the new screen.
    * End: the ball is in the top row when the first glimpse is taken, and a step of H - 1 in all,
      H the height of the screen, brings it to the bottom row. That step too moves the paddle. As in
      any game here, it takes no glimpse and returns the last observation again.

    The two public versions, a PyTorch implementation of the paper and `johnrobinsn/catch`, which
    follows it, are alike but for this: they draw the angle itself uniformly, so that d is the
    cosine of 45 to 135 degrees over that of 45; the ball starts at the left border of its pixel; at
    a border it stays outside, drawn in the last column, and turns back from there; `catch` pays -1
    for a miss.

    The answers are 0 "left", 1 "stay" and 2 "right": with `num_classes` C = 3 all action formats of
    `GlimpseEnv` hold. In the info are `scene_seed`, `ball`, its column in each row of the screen,
    int64 (H,), and `paddle`, where its left end starts; at the last step also `is_success`. A
    policy that sees `ball` is cheating. There are no images: a reset takes the option `scene_seed`
    alone, and `split` changes nothing but which scenes are frozen: those of the seeds 0 to 9,999
    for `"test"`, of 10,000 to 19,999 for `"validation"`.

    Raises:
        ValueError: If an argument is out of its range or does not fit the others.
    """

    class_names = ANSWERS
    data_name = "falling balls"
    option_limits = SEED_LIMITS

    def __post_init__(self) -> None:
        """Check the arguments and make the spaces."""
        super().__post_init__()
        check_split(self.split)
        height, _ = self.canvas_shape
        self.num_glimpses = height - 1
        self.facts = {"scene_seed": (), "ball": (height,), "paddle": ()}
        self.retina = Retina(self.patch_size, self.num_scales)
        numbers_of_a_screen = 8 * 3 * height  # where ball and paddle are, and what the info tells
        self.bytes_per_scene = painted_bytes(self.canvas_shape, self.retina) + numbers_of_a_screen
        self.bytes_on_the_way = crop_bytes(self.retina)
        self.bytes_to_begin = 2 * numbers_of_a_screen
        grid, score_scale = self.location_grid, self.score_scale
        self.make_spaces(make_format(self.action_format, len(ANSWERS), grid, score_scale))

    def describe_size(self) -> str:
        """Return the arguments that the size of an episode depends on, in words."""
        height, width = self.canvas_shape
        return f"`canvas_size` {height}x{width} and `patch_size` {self.patch_size}"

    def make_scenes(self, num_scenes: int) -> FallingBalls:
        """Make room for some scenes, none of them begun."""
        return FallingBalls(num_scenes, self.canvas_shape, self.paddle_size, self.retina)

    def facts_of(self, plans: BallPlans) -> dict[str, np.ndarray]:
        """Return what the info tells of planned scenes beside their seeds, int64 (..., ...)."""
        return {"ball": plans.ball, "paddle": plans.paddle}

    def step(self, episodes: Episodes, rows: Rows, actions: Any) -> Outcome:
        """Move ball, paddle and sensor, or at the last step ball and paddle: see `Game.step`."""
        answers = self.read(episodes, rows, actions)
        screens: Any = episodes.scenes
        screens.move(rows, answers.labels - _LEFT)
        terminated = episodes.num_taken[rows] == self.num_glimpses
        self.go_on(episodes, rows, answers, terminated)
        is_success = screens.is_over_paddle(rows) & terminated
        return Outcome(is_success.astype(np.float64), terminated, {"is_success": is_success})

    def view(self, episodes: Episodes, row: int) -> EpisodeView:
        """Return what there is to draw of one episode: see `Game.view`."""
        locations = self.locations_seen(episodes, row)
        screens: Any = episodes.scenes
        past, rows = screens.history(row), np.arange(len(locations))
        pixels = past.pixels_at(rows, locations)
        has_ended = bool(episodes.ended[row])
        return EpisodeView(
            canvas=screens.picture(row),
            scene_shape=self.canvas_shape,
            locations=locations,
            glimpses=self.retina.glimpse(past, rows, pixels),
            num_glimpses=self.num_glimpses,
            class_names=ANSWERS,
            label=None,
            belief=self.belief_of(episodes, row),
            prediction=int(episodes.prediction[row]) if has_ended else None,
            frames=past.visible[: len(locations)].copy(),
            is_won=bool(screens.is_over_paddle(row)) if has_ended else None,
        )
