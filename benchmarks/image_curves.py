"""RAM against a small convolutional network: the cost of classifying an image as images grow.

The cost alone: neither network is trained here, because the time of their arithmetic does not
depend on the weights.
"""

from collections.abc import Iterable

import torch

from agents import RAM, make_vec_env
from agents.model.networks import forward_multiply_adds
from benchmarks.convnet import ConvNet, crossing
from benchmarks.curve import Curve
from benchmarks.env_rows import CLUTTERED
from benchmarks.timing import Settings, seconds_per_call
from ram_env import TASKS

SIDES = (28, 40, 60, 90, 128, 256, 512, 1024, 2048)
BATCH = 16  # images that RAM looks at together
BATCH_PIXELS = 2**20  # of the images that the convolutional network is shown together
PATCH, NUM_SCALES = TASKS[CLUTTERED]["patch_size"], TASKS[CLUTTERED]["num_scales"]
NUM_GLIMPSES = TASKS[CLUTTERED]["num_glimpses"]
FIXED = f"RAM, {NUM_GLIMPSES} glimpses of 12x12, 3 scales"
GROWING = f"RAM, {NUM_GLIMPSES} glimpses of 12x12, widest half the image"
CONVOLUTIONAL = "convolutional network"


def image_curves(settings: Settings) -> Iterable[Curve]:
    """Measure milliseconds, and count multiply-adds, per classified image."""
    seconds: dict[str, list[float]] = {FIXED: [], GROWING: [], CONVOLUTIONAL: []}
    work: dict[str, list[float]] = {FIXED: [], GROWING: [], CONVOLUTIONAL: []}
    for side in SIDES:
        for name, scales in ((FIXED, NUM_SCALES), (GROWING, scales_for(side))):
            cost, count = ram_cost(settings, side, scales)
            seconds[name].append(1000.0 * cost)
            work[name].append(count)
        cost, count = convolutional_cost(settings, side)
        seconds[CONVOLUTIONAL].append(1000.0 * cost)
        work[CONVOLUTIONAL].append(count)
    sides = [float(side) for side in SIDES]
    for name, title, y_label, lines in (
        ("image_time", "time to classify an image, one core", "milliseconds per image", seconds),
        ("image_work", "multiply-adds to classify an image", "multiply-adds per image", work),
    ):
        crossings = {
            ram: crossing(sides, lines[ram], lines[CONVOLUTIONAL]) for ram in (FIXED, GROWING)
        }
        yield Curve(name, title, "side of the image / pixels", y_label, sides, lines, crossings)


def scales_for(side: int) -> int:
    """Return the scales, three at least, with which the widest window is half an image wide."""
    scales = NUM_SCALES
    while PATCH * 2 ** (scales - 1) < side / 2:
        scales += 1
    return scales


def ram_cost(settings: Settings, side: int, num_scales: int) -> tuple[float, int]:
    """Return seconds and multiply-adds per image of RAM, preset `default`.

    A glimpse is one pass of the networks and one step of the env that moves the eye and takes the
    next glimpse. The drawing of a scene is left out: it belongs to no classifier.
    """
    arguments = {"canvas_size": side, "num_scales": num_scales, "dataset": settings.dataset}
    # One glimpse more than are counted, so that no episode ends and draws a scene on the clock.
    envs = make_vec_env(CLUTTERED, BATCH, num_glimpses=NUM_GLIMPSES + 1, **arguments)
    model = RAM("RAMPolicy", envs, seed=0, device="cpu")
    observation = envs.reset()

    def reset() -> None:
        nonlocal observation
        observation = envs.reset()

    def classify() -> None:
        seen, state = observation, None
        for _ in range(NUM_GLIMPSES):
            actions, state = model.predict(seen, state, deterministic=True)
            seen, *_ = envs.env.step(actions)

    seconds = seconds_per_call(classify, settings.seconds / 4, prepare=reset) / BATCH
    return seconds, NUM_GLIMPSES * forward_multiply_adds(model.policy.networks)


def convolutional_cost(settings: Settings, side: int) -> tuple[float, int]:
    """Return seconds and multiply-adds per image of the convolutional network."""
    network = ConvNet(num_classes=10).eval()
    batch = max(1, min(BATCH, BATCH_PIXELS // side**2))
    generator = torch.Generator().manual_seed(0)
    canvases = torch.randint(256, (batch, 1, side, side), dtype=torch.uint8, generator=generator)

    def classify() -> None:
        with torch.no_grad():
            network(canvases / 255.0).argmax(1)

    return seconds_per_call(classify, settings.seconds / 4) / batch, network.multiply_adds(side)
