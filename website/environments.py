"""What does the site say of an environment? A page for each, of its docstring, and a picture."""

import functools
import inspect
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from sklearn.datasets import load_sample_images

from agents.base.pretrained import pretrained_rows
from agents.evaluation.players import Player, player_of_policy, player_of_pretrained
from agents.evaluation.result import describe_dataset
from agents.looking.gazes import save_gaze_animation
from ram_env import SHORT_NAMES
from ram_env.data.images import ImageDataset
from ram_env.env import GlimpseEnv
from ram_env.games.catch import CatchTask
from ram_env.registration import CATCH_TASKS, PICTURE_TASKS

FOLDER = "environments"
OVERVIEW = f"{FOLDER}/README.md"
NUM_SCENES = 64  # that are played until one is right and one is wrong
# Sections of the docstring of `GlimpseEnv`: those that hold for other games too, and one that lists
# what every page says of its own environment.
OF_ALL_GAMES = (
    *("Action Space", "Observation Space", "Vectorized environment", "References"),
    "Version History",
)
REGISTERED = "Registered configurations"


@functools.cache
def environment_pages() -> dict[str, str]:
    """Return the pages of the environments, by their path in the site; the first lists them."""
    return {OVERVIEW: overview()} | {
        f"{FOLDER}/{name}.md": page_of(name, env_id) for name, env_id in SHORT_NAMES.items()
    }


def overview() -> str:
    """Return the page that lists the environments."""
    lines = ["# Environments\n", "| id | `--env` | registered arguments |", "|---|---|---|"]
    for name, env_id in SHORT_NAMES.items():
        arguments = ", ".join(f"`{key}={it!r}`" for key, it in gym.spec(env_id).kwargs.items())
        lines.append(f"| [{env_id}]({name}.md) | `{name}` | {arguments} |")
    return "\n".join(lines) + "\n"


def page_of(name: str, env_id: str) -> str:
    """Return the page of an environment by its short name and its id."""
    sections = sections_of(inspect.getdoc(GlimpseEnv) or "")
    first, kept = sections.pop(""), [title for title in sections if title != REGISTERED]
    if env_id in CATCH_TASKS:
        first = (inspect.getdoc(CatchTask) or "").partition("\n\nRaises:")[0]
        kept = list(OF_ALL_GAMES)
    what, _, more = first.partition("\n\n")
    images = ', dataset="photos/"' if env_id in PICTURE_TASKS else ""
    arguments = [f"| `{key}` | `{it!r}` |" for key, it in gym.spec(env_id).kwargs.items()]
    parts = [
        f"# {env_id}",
        what,
        f"![An episode, glimpse by glimpse]({name}.gif)",
        f'```python\nimport gymnasium as gym\n\nenv = gym.make("ram_env:{env_id}"{images})\n```',
        f"On the command line it is `--env {name}`. It is registered with these arguments; all "
        "others have their default.",
        "\n".join(["| argument | value |", "|---|---|", *arguments]),
        spaces_of(env_id),
        more,
        *(f"## {title}\n\n{sections[title]}" for title in kept),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def spaces_of(env_id: str) -> str:
    """Return what an environment of ten classes observes and takes as it is registered."""
    if env_id in PICTURE_TASKS:
        return "Its spaces are those of the pictures: see below."
    images: dict[str, Any] = {} if env_id in CATCH_TASKS else {"dataset": "digits"}
    env = gym.make(env_id, **images)
    assert isinstance(env.observation_space, gym.spaces.Dict)
    rows = [f"| `{key}` | `{space}` |" for key, space in env.observation_space.items()]
    rows.append(f"| the action | `{env.action_space}` |")
    return "\n".join(["| space of | is |", "|---|---|", *rows])


def sections_of(docstring: str) -> dict[str, str]:
    """Return the text under each heading of a docstring, in order; before the first it is ''."""
    first, *rest = re.split(r"^## (.*)\n", docstring, flags=re.MULTILINE)
    return {"": first.strip()} | dict(zip(rest[::2], rest[1::2], strict=True))


def environment_pictures() -> Iterator[tuple[str, bytes]]:
    """Yield the animated picture of each environment, by its path in the site."""
    for name, env_id in SHORT_NAMES.items():
        yield f"{FOLDER}/{name}.gif", animate(name, env_id)


def animate(name: str, env_id: str) -> bytes:
    """Play test scenes, one that is answered right and one wrong if there are both; return a GIF.

    Who plays is the model of the package or, if there is none of the task, chance; on MNIST, if
    `RAM_ENV_DATA` says where it is.
    """
    player, who = player_of(name, env_id)
    title = f"{env_id} on {describe_dataset(player.scenes.task.data_name)}, played by {who}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gaze.gif"
        save_gaze_animation(path, player.scenes.record(player.model, 1, 1), title)
        return path.read_bytes()


def player_of(name: str, env_id: str) -> tuple[Player, str]:
    """Return who plays an environment, and what to call it."""
    images: dict[str, Any] = {"dataset": "mnist" if "RAM_ENV_DATA" in os.environ else "digits"}
    num_scenes: int | None = NUM_SCENES
    if env_id in PICTURE_TASKS:
        images, num_scenes = {"dataset": photos()}, None
    elif env_id in CATCH_TASKS:
        images = {}
    if name in pretrained_rows():
        return player_of_pretrained(name, num_scenes=num_scenes, **images), "RAM"
    policy = "agents.policies:RandomPolicy"
    return player_of_policy(policy, env_id, images, num_scenes=num_scenes), "chance"


def photos() -> ImageDataset:
    """Return the two photos that scikit-learn brings."""
    images = np.stack(load_sample_images().images)
    return ImageDataset(images, np.arange(2), ("temple", "flower"), "two photos")
