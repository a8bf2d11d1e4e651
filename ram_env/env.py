"""How is the game of looking played, one episode at a time? `GlimpseEnv` is the specification."""

from typing import Any

import gymnasium as gym
import numpy as np

from ram_env.arguments import shown
from ram_env.drawing.rendering import EpisodeView, render_episode
from ram_env.drawing.window import HumanWindow
from ram_env.games.game import Observation
from ram_env.games.make import PlaysGame, make_game

ONLY = 0  # the row of a single env: see `ram_env.geometry.Rows`


def draw_scene_seed(np_random: np.random.Generator) -> int:
    """Draw the one number that decides a scene, uniform in 0..2**63 - 1."""
    # Raw bits: numpy promises the streams of its bit generators, not those of its distributions.
    return int(np_random.bit_generator.random_raw()) >> 1


def skip_scene_seeds(np_random: np.random.Generator, number: int) -> None:
    """Let a generator go on as so many draws of `draw_scene_seed` would, at least 0."""
    bits: Any = np_random.bit_generator
    bits.advance(number)


class GlimpseEnv(PlaysGame, gym.Env[Observation, Any]):
    """Classify a hidden image by looking at it piece by piece, or catch a ball.

    ## Description
    What follows is the game of classifying. `GlimpseCatch-v0`, with `game="catch"`, plays another
    one with the same retina and the same actions: `ram_env.games.catch.CatchTask` has its rules.

    An image lies somewhere on a canvas that the agent never sees whole; or the scene is a picture
    of the user's own, of any size. The agent sees through a retina: a few concentric square windows
    around the point it looks at, the narrowest sharp, each wider one coarser. After every glimpse
    it says where to look next and which class it believes in; after `num_glimpses` glimpses its
    label is scored, or with `stop=True` as soon as it says so.

    ## Action Space
    By `action_format`; C is the number of classes.

    | format | space | meaning |
    |---|---|---|
    | `"box"` | `Box(-1, 1, (2 + C,), float32)` | next location (x, y), then a score per class |
    | `"multidiscrete"` | `MultiDiscrete([G, G, C])` | cell (x, y) of a G x G grid, label |
    | `"dict"` | `Dict(location: Box(-1, 1, (2,)), label: Discrete(C))` | next location, label |

    With `stop=True` each has one element more, which says to answer now: a last number of the box,
    if it is over 0, so that it has 2 + C + 1; a last 2 of the `MultiDiscrete`, and a key `stop`,
    `Discrete(2)`, if they are 1. (The box of C classes with it is that of C + 1 without: the
    attribute `stop` tells them apart.)

    In `"box"` the label is the argmax of the scores, the lowest class of equal ones, and the belief
    is softmax(`score_scale` * scores). Cell i of the grid has its centre at (2 i + 1) / G - 1.
    Values outside [-1, 1] are clipped first, so scale raw logits into it; one that is not finite is
    an error.

    ## Observation Space
    A `Dict` of

    | key | space | meaning |
    |---|---|---|
    | `glimpse` | `Box(0, 1, (K, g, g), float32)` | K scales of the retina, finest first |
    | | `Box(0, 1, (K, 3, g, g), float32)` | of pictures in colour: red, green, blue |
    | `location` | `Box(-1, 1, (2,), float32)` | (x, y) that the glimpse was taken at |
    | `reach` | `Box(0, w, (2,), float32)` | if `observe_reach`: half the side of the widest |
    | | | window, w pixels, as (x, y) in the units of `location` |

    (0, 0) is the centre of the scene, (-1, -1) its top-left, x grows to the right, y downwards.
    The pixel under a location is clip(floor((l + 1) / 2 * side), 0, side - 1) in float64. Outside
    the scene lies 0. Up to 2**24 pixels a side every pixel has a location of its own; beyond,
    numbers in float32 lie further apart than pixels.
    Of a canvas, scale k is the window of side w = g * 2**k that covers pixel - w // 2 to
    pixel - w // 2 + w - 1, averaged over blocks of 2**k x 2**k pixels and divided by 255.
    Of a picture, scale k is g x g pixels of level k of its pyramid, from floor(pixel / 2**k) -
    g // 2, divided by 255: never more than half a coarse cell off that window. Level 0 is the
    picture, level k + 1 the means of 2x2 pixels of level k, rounded half up to whole numbers; an
    odd side repeats its last row or column.

    ## Rewards
    By `reward`, for an episode of T steps:

    | rule | reward |
    |---|---|
    | `"final"` | 1 at the last step if its label is right, else 0 |
    | `"every_step"` | 1 / T at each step with the right label |
    | `"log_likelihood"` | log belief[label] / T at each step; only with `"box"` |

    `glimpse_cost` is taken off for each glimpse after the first: at each step but the last.

    ## Starting State
    A new scene: `num_distractors` crops of `distractor_size` pixels from images of the same split
    are added to a black canvas, then one image; all choices and positions are uniform, sums
    saturate at 255. The first glimpse is taken at a uniformly random location or at the centre.
    With `canvas_range` each scene has a square canvas whose side is drawn log-uniformly, every
    doubling as likely; with `distractors_range` each has a uniformly drawn number of distractors.
    For its seed it is then the scene of an env of this canvas and number, distortion aside.
    `set_canvas_range` moves the bounds, from the next episode on: a curriculum can let canvases
    grow. Large canvases are never held: of `"canvas"` scenes the cost does not depend on the size.
    With `distortion` d, and only if `split="train"`, the image is first redrawn through a linear
    map around its centre, the identity with up to d added to or taken from each of its four
    numbers. With `elastic_distortion` e it is bent as well: each node of a grid of 5x5 over it is
    shifted by up to e of its height and width, and what lies between moves smoothly along (cubic
    B-splines). An agent in training then never sees quite the same image twice.
    Or, with `scenes="megapixel"`, `num_digits` images of one uniformly chosen class and
    `num_others` of other classes, each uniform over the images of these, at uniform places, redrawn
    until no two overlap, and `num_scribbles` tiles with two random strokes, out of 1,000 of the
    split's own, at uniform places one image's size off the border. What is drawn later overwrites
    what lies under it, black pixels too: first the scribbles (`occlusion="digits"`), or first the
    images (`"noise"`). The label is the class of most images (`question="majority"`), the highest
    class (`"max"`) or that of the uppermost image (`"top"`). With `canvas_range`, a canvas is never
    smaller than its images need, and smaller ones have fewer scribbles, as their area. A share of
    scenes, `single_share` or what `set_single_share` moved it to, has one image alone. With
    `num_scenes` n, seeds that leave the same rest when divided by n mean one scene, wherever its
    first glimpse is taken.
    Or, with `scenes="pictures"`, a uniformly chosen picture as it is. Only if `split="train"`, it
    is first mirrored every other time (`flip`), then enlarged around its centre by a factor between
    1 / (1 + `zoom`) and 1 + `zoom` (its logarithm is uniform), moved by up to `shift` of each side,
    and its pixels are multiplied by 1 - `brightness` to 1 + `brightness`: each cell of a glimpse
    then is the pixel of its level that its centre falls on.
    A reset draws one scene seed from `np_random`, and a scene follows from its seed alone. The
    `reset` options `index` (which image) and `scene_seed` (0..2**63 - 1) override parts of it:
    with ranges, `canvas_size` and `num_distractors` within them too. The frozen test set is
    `split="test"` with `index=i, scene_seed=i` for every i, the frozen validation set
    `split="validation"` with `index=i, scene_seed=10_000 + i`. Scenes of several images know no
    `index`: theirs are the same seeds, 10,000 of each split.

    ## Episode End
    Termination: at step T = `num_glimpses`, or with `stop=True` at the first step that says to
    answer now. The steps before it move the sensor; that one scores the label, does not move, and
    returns the last observation again. Truncation: never.

    ## Information
    `label`, `index`, `scene_seed` (int) and `target_box` (int64: row, column, height, width of the
    image); of several images `index` (D,) and `target_box` (D, 4) of each, -1 and zeros where there
    is none; at the last step also `prediction` (int) and `is_success` (bool). They serve training
    signals, evaluation and pictures: a policy that sees `label` or `target_box` is cheating.
    `env.unwrapped.class_names` has the name of each label.

    ## Arguments
    All but `game` and `scenes` are attributes too, to be read; to change one, make a new env.

    Arguments of all scenes:

    | argument | default | meaning |
    |---|---|---|
    | `game` | `"classify"` | or `"catch"`, whose other arguments are those of `CatchTask` |
    | `scenes` | `"canvas"` | an image on a `"canvas"`, several on one of `"megapixel"`, or |
    | | | `"pictures"` as they are |
    | `split` | `"train"` | the images of `"train"`, `"validation"` or `"test"` |
    | `action_format` | `"box"` | see Action Space |
    | `location_grid` | 7 | G, for `"multidiscrete"` |
    | `score_scale` | 10.0 | sharpness of the belief, for `"box"`; up to 1e9 |
    | `reward` | `"final"` | see Rewards |
    | `stop` | `False` | whether an action can say to answer now |
    | `glimpse_cost` | 0.0 | what a glimpse after the first costs, up to 1 |
    | `initial_location` | `"random"` | or `"center"` |
    | `observe_reach` | `False` | show `reach`, by which an agent can look relative to where it is |
    | | | however large the scene |
    | `render_mode` | `None` | `"rgb_array"`, or `"human"` (needs pygame) |

    Arguments of scenes on a canvas:

    | argument | default | meaning |
    |---|---|---|
    | `dataset` | `"auto"` | `"auto"`, `"mnist"`, `"digits"`, `"idx"` or the path of an `.npz`; |
    | | | or an `ImageDataset` of `ram_env.data.images`, all of it of the split |
    | `data_dir` | `None` | the folder of the IDX files |
    | `canvas_size` | 28 | side of the canvas in pixels, or (height, width); no image is larger |
    | `canvas_range` | `None` | lowest and highest side of canvases that differ; replaces the size |
    | `num_distractors` | 0 | crops that clutter the canvas |
    | `distractors_range` | `None` | lowest and highest number of crops; replaces their number |
    | `distractor_size` | 8 | side of a crop in pixels; at most the images' shorter side |
    | `distortion` | 0.0 | strength of random linear maps of training images, up to 0.45 |
    | `elastic_distortion` | 0.0 | strength of random bends of training images, up to 0.25 |
    | `patch_size` | 8 | g, side of each scale of a glimpse; at most the canvas's longer side |
    | `num_scales` | 1 | K, up to 13: windows may be wider than the canvas |
    | `num_glimpses` | 7 | T |

    Arguments of scenes of several images, beside `dataset`, `data_dir` and `canvas_range` as above:

    | argument | default | meaning |
    |---|---|---|
    | `canvas_size` | 1500 | as above |
    | `num_digits` | 3 | images of the class that most have, up to 100 |
    | `num_others` | 2 | images of other classes, up to 100 |
    | `num_scribbles` | 50 | scribbles on the largest canvas, up to 1,000 |
    | `occlusion` | `"digits"` | what lies on top: the images, or `"noise"`, the scribbles |
    | `question` | `"majority"` | or `"max"`, `"top"`: see Starting State |
    | `single_share` | 0.0 | the share of scenes with one image alone, which are easier |
    | `num_scenes` | `None` | how many different scenes there are; `None`: as many as seeds |
    | `patch_size` | 16 | as above |
    | `num_scales` | 8 | as above |
    | `num_glimpses` | 16 | T |

    Arguments of scenes that are pictures:

    | argument | default | meaning |
    |---|---|---|
    | `dataset` | `None` | a folder with a folder for each class; or `train`, ... above those; |
    | | | or an `ImageDataset`, or a `PictureDataset` of `ram_env.pictures.dataset` |
    | `image_size` | 512 | pixels that the longer side is averaged down to; `None`: as it is |
    | `channels` | `None` | 1 for grey, 3 for colour; `None`: grey if all pictures are |
    | `damaged` | `"error"` | or `"skip"`: files that cannot be read are passed over |
    | `data_cache` | `None` | where decoded pictures are kept; `None`: the user's cache folder |
    | `flip` | `False` | mirror training pictures |
    | `zoom` | 0.0 | how much to enlarge training pictures, up to 0.4 |
    | `shift` | 0.0 | how far to move training pictures, up to 0.5 of their sides |
    | `brightness` | 0.0 | how much lighter or darker to make training pictures, up to 1 |
    | `patch_size` | 16 | g, side of each scale of a glimpse |
    | `num_scales` | `None` | K, up to 13; `None`: as many as cover the largest picture |
    | `num_glimpses` | 6 | T |

    ## Vectorized environment
    `gym.make_vec(id, num_envs=N)` makes the native `GlimpseVectorEnv`, which returns bit for bit
    what N of these return.

    ## Registered configurations

    | id | canvas | distractors | patch | scales | glimpses |
    |---|---|---|---|---|---|
    | `GlimpseMNIST-v0` | 28x28 | 0 | 8x8 | 1 | 7 |
    | `GlimpseTranslatedMNIST-v0` | 60x60 | 0 | 12x12 | 3 | 8 |
    | `GlimpseClutteredMNIST-v0` | 60x60 | 4 | 12x12 | 3 | 8 |
    | `GlimpseClutteredMNIST100-v0` | 100x100 | 8 | 12x12 | 4 | 8 |
    | `GlimpseClutteredMNIST1000-v0` | 1000x1000 | 8 | 12x12 | 8 | 12 |
    | `GlimpseMegapixelMNIST-v0` | 1500x1500 | 50 scribbles | 16x16 | 8 | 16 |
    | `GlimpseImageFolder-v0` | the picture | none | 16x16 | as many as cover it | 6 |
    | `GlimpseCatch-v0` | 24x24, moving | none | 6x6 | 3 | 23 |

    `GlimpseImageFolder-v0` has `flip=True`, `zoom=0.4`, `shift=0.2` and `brightness=0.2`.

    ## References
    Mnih, Heess, Graves, Kavukcuoglu: Recurrent Models of Visual Attention. NIPS 2014,
    arXiv:1406.6247.
    Katharopoulos, Fleuret: Processing Megapixel Images with Deep Attention-Sampling Models. ICML
    2019, arXiv:1905.03711, and Bergner, Lippert, Mahendran: Iterative Patch Selection for
    High-Resolution Image Recognition. ICLR 2023, arXiv:2210.13007: `scenes="megapixel"`.

    ## Version History
    * v0: initial version.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None, **task_arguments: Any) -> None:
        """Make the env; `task_arguments` are those of the tables above.

        Raises:
            TypeError: If an argument is unknown.
            ValueError: If an argument is out of its range or does not fit the others.
        """
        self.render_mode = checked_render_mode(render_mode, self.metadata["render_modes"])
        self.task = make_game(task_arguments)
        self.observation_space = self.task.observation_space  # type: ignore[assignment]
        self.action_space = self.task.action_space
        self._episodes = self.task.allocate(1)
        # The info of the episode, which stays the same: its numbers, and what must be copied.
        self._numbers: dict[str, int] = {}
        self._arrays: list[tuple[str, np.ndarray]] = []
        self._window = HumanWindow()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode on a new scene.

        Args:
            seed: Restarts the env's random numbers.
            options: `index` and `scene_seed` override parts of the scene, and so do `canvas_size`
                and `num_distractors` of an env with their ranges.

        Raises:
            ValueError: If an option is unknown or out of its range.
        """
        given = self.task.scene_options(options, 1)  # first: a refused reset changes nothing
        super().reset(seed=seed)
        # Drawn even when overridden, so that the scenes after it do not depend on the options.
        drawn = np.array(draw_scene_seed(self.np_random), dtype=np.int64)
        chosen = {name: values[ONLY] for name, values in given.items()}
        scene_seed, index = chosen.pop("scene_seed", drawn), chosen.pop("index", None)
        self.task.begin(self._episodes, ONLY, scene_seed, index, **chosen)
        self._numbers, self._arrays = {}, []
        for name, fact in self.task.info(self._episodes, ONLY).items():
            if fact.ndim:
                self._arrays.append((name, fact))
            else:
                self._numbers[name] = int(fact)
        self._show()
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move the sensor, or at the last step score the label.

        Raises:
            ResetNeeded: Before the first `reset` and after the end of an episode.
            ValueError: If the action is not one of the action space; out of [-1, 1] is clipped.
        """
        outcome = self.task.step(self._episodes, ONLY, action)
        terminated = bool(outcome.terminated)
        info = self._info()
        if terminated:
            for name, value in outcome.verdict.items():
                info[name] = value.item()
        self._show()
        return self._observation(), float(outcome.rewards), terminated, False, info

    def render(self) -> np.ndarray | None:
        """Draw the episode so far: uint8 (height, width, 3) in mode `"rgb_array"`, else None."""
        if self.render_mode != "rgb_array":
            return None
        return render_episode(self.view())

    def skip_resets(self, number: int) -> None:
        """Let the random numbers go on as so many resets would, without playing.

        Args:
            number: Not negative.
        """
        skip_scene_seeds(self.np_random, number)

    def view(self) -> EpisodeView:
        """Return what there is to draw of the episode so far, the hidden scene included."""
        return self.task.view(self._episodes, ONLY)

    def close(self) -> None:
        """Close the window, if there is one."""
        self._window.close()

    def _show(self) -> None:
        """Bring the window of mode `"human"` up to date."""
        if self.render_mode == "human":
            self._window.show(render_episode(self.view()), self.metadata["render_fps"])

    def _observation(self) -> Observation:
        return self.task.observe(self._episodes, ONLY)

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = self._numbers.copy()
        for name, value in self._arrays:
            info[name] = value.copy()
        return info


def checked_render_mode(render_mode: str | None, modes: list[str]) -> str | None:
    """Return the render mode.

    Raises:
        ValueError: If it is none of the env's.
    """
    if render_mode is None or (isinstance(render_mode, str) and render_mode in modes):
        return render_mode
    raise ValueError(f"`render_mode` must be None or one of {modes}, got {shown(render_mode)}.")
