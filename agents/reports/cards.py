"""What does one publish of a model that ships? A folder as the Hugging Face Hub lays one out.

`README.md` is the model's card: facts for programs, as YAML, then text for people.
"""

import json
from pathlib import Path
from typing import Any

import ram_env
from agents.base.files import CONFIG, MODEL, make_folder, write_atomically, write_json
from agents.base.pretrained import env_of_task, pretrained_rows
from agents.evaluation.pictures import draw_gazes
from agents.evaluation.players import player_of_pretrained
from agents.evaluation.result import describe_dataset, markdown_table
from ram_env.registration import CATCH_TASKS

CARD, RESULTS = "README.md", "results.json"
TAGS = ("reinforcement-learning", "stable-baselines3", "gymnasium", "visual-attention")
TEXT = """
# RAM on {game}

The Recurrent Attention Model of [Mnih et al. 2014](https://arxiv.org/abs/1406.6247), trained with
RAM-Env {version}: it {does} through a small retina, by {num_glimpses} glimpses
whose places it chooses itself.

![Where it looks, what it sees there, what it believes](gaze.gif)

## How good it is

**{error:.2f} %** error on {num_scenes:,} frozen test scenes of {data} (95 % interval {low:.2f} to
{high:.2f} %): one deterministic pass, the last weights. On the validation scenes, by which it was
chosen, it is {validation_error:.2f} %.{paper}

{glimpses}

## How to use it

`pip install ram-env`, then, in the folder of this card's files:

```python
{code}
```

A model's file holds numbers and text alone: loading it cannot run code.

## How it was trained

`{command}`

at commit {commit}, {date}, in {minutes:.1f} minutes on {machine}: {episodes:,} episodes,
{parameters:,} parameters. `config.json` has all settings, `results.json` all that was measured.

## What it is for

Research and teaching. {knows}
"""
LOOK = """import numpy as np
from agents import RAM

model = RAM.load("model.zip")
look = model.look_at(np.zeros({canvas}, np.uint8))  # white on black; or the path of a picture
print(look.label, look.belief, look.locations)
env = model.make_env(split="test")  # the task that it has learned, a `VecEnv`"""
PLAY = """from agents import RAM

model, state = RAM.load("model.zip"), None
env = model.make_env(num_envs=10)  # the task that it has learned, a `VecEnv`
observation, done = env.reset(), [False]
while not all(done):
    actions, state = model.predict(observation, state, deterministic=True)
    observation, rewards, done, infos = env.step(actions)
print(rewards)"""
DIGITS = """It knows the digits of MNIST (LeCun, Cortes, Burges), {scene}, and
answers with one of them whatever it is shown. How it fares on other sizes and clutter is in the
results of RAM-Env."""
BALLS = "It knows one game, by the rules of `GlimpseCatch-v0`, and learned it from reward alone."


def write_card(name: str, folder: Path, **data: Any) -> None:
    """Write what there is to publish of a model.

    Args:
        name: That of the model, the short name of its task.
        folder: Where to write it; files of an earlier card are replaced.
        **data: `dataset` and `data_dir`, on which the pictures are drawn.

    Raises:
        ValueError: If there is no such model, no such data, or the folder cannot be written to.
    """
    player, row = player_of_pretrained(name, **data), pretrained_rows()[name]
    model: Any = player.model
    make_folder(folder)
    write_atomically(folder / MODEL, lambda file: model.save(file, exclude=["optimizer"]))
    task = model.task.to_json()
    write_json(folder / CONFIG, {"algo": "ram", "config": model.config.to_dict(), "task": task})
    write_json(folder / RESULTS, row)
    write_atomically(folder / CARD, lambda file: file.write(card_of(model, row).encode()))
    images = describe_dataset(player.scenes.task.data_name)
    draw_gazes(player.scenes, model, folder, f"{game_of(name)}, test scenes of {images}")


def card_of(model: Any, row: dict[str, Any]) -> str:
    """Return the card of a model, by what the package says of it."""
    env_id, game = model.task.env_id, game_of(row["task"])
    per_glimpse = enumerate(row["error_per_glimpse"], start=1)
    columns = {"after glimpse": "{number}", "error": "{error:.2f} %"}
    table = markdown_table(columns, [{"number": n, "error": error} for n, error in per_glimpse])
    paper = row["paper"]
    text = TEXT.format(
        **row | {"paper": "" if paper is None else f" The paper reports {paper:.2f} %."},
        **(what_it_plays if env_id in CATCH_TASKS else what_it_reads)(model.task.arguments),
        game=game,
        version=ram_env.__version__,
        glimpses="\n".join(table),
    )
    return f"---\n{front_matter(env_id, game, row)}---\n{text}"


def game_of(task: str) -> str:
    """Return what the model of a task plays: the id of its env, and what differs from it."""
    env_id, changes = env_of_task(task)
    return " ".join([env_id, *(f"{name}={value}" for name, value in changes.items())])


def what_it_reads(arguments: dict[str, Any]) -> dict[str, str]:
    """Return what a card says of a model that reads digits, by the arguments of its env."""
    side = arguments["canvas_size"]
    smallest, _ = arguments.get("canvas_range") or (side, side)
    sides = f"{smallest}x{smallest} to " if smallest < side else ""
    digits, clutter = "one", ""
    if arguments.get("num_distractors"):
        clutter = f" among {arguments['num_distractors']} pieces of others"
    if "num_scribbles" in arguments:
        digits = f"{arguments['num_digits']} of a class and {arguments['num_others']} of others"
        clutter = f" among {arguments['num_scribbles']} scribbles"
    scene = f"{digits} on a black canvas of {sides}{side}x{side} pixels{clutter}"
    code, knows = LOOK.format(canvas=(side, side)), DIGITS.format(scene=scene)
    return {"does": "classifies a hidden image", "data": "MNIST", "code": code, "knows": knows}


def what_it_plays(_: dict[str, Any]) -> dict[str, str]:
    """Return what a card says of a model that catches balls."""
    return {"does": "catches a ball", "data": "falling balls", "code": PLAY, "knows": BALLS}


def front_matter(env_id: str, game: str, row: dict[str, Any]) -> str:
    """Return the facts that the Hub reads: lines of YAML, whose values are written as JSON."""
    accuracy = {"type": "accuracy", "name": "accuracy", "value": round(1 - row["error"] / 100, 6)}
    measured = {
        "task": {"type": "reinforcement-learning", "name": "reinforcement-learning"},
        "dataset": {"type": env_id, "name": game},
        "metrics": [accuracy | {"verified": False}],
    }
    facts = {
        "library_name": "stable-baselines3",
        "license": "mit",
        "pipeline_tag": "reinforcement-learning",
        "tags": [env_id, *TAGS],
        **({} if env_id in CATCH_TASKS else {"datasets": ["mnist"]}),
        "model-index": [{"name": "RAM", "results": [measured]}],
    }
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in facts.items())
