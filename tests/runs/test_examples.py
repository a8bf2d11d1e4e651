"""The examples run, do what they say, and stay short."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ram_env.drawing.rendering import glimpse_color

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
pytestmark = pytest.mark.filterwarnings("ignore:.*instead of MNIST.*")


def load(name: str) -> Any:
    """Import an example."""
    path = next(path for path in EXAMPLES if path.stem == name)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def on_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play on images that are always there."""
    from ram_env.games.make import make_game

    def make_on_digits(arguments: dict[str, Any]) -> Any:
        return make_game({"dataset": "digits"} | arguments)

    for module in ("ram_env.env", "ram_env.vector_env"):
        monkeypatch.setattr(f"{module}.make_game", make_on_digits)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short_and_tell_how_to_run_them(path: Path) -> None:
    """Under 100 lines, those of libraries at most 60, with the command in the docstring."""
    text = path.read_text()
    assert len(text.splitlines()) <= (60 if path.stem in LIBRARIES else 99)
    assert f"examples/{path.name}" in text


def test_every_example_is_run_by_a_test() -> None:
    """None is forgotten here."""
    tested = Path(__file__).read_text()
    assert all(path.stem in LIBRARIES or f'load("{path.stem}")' in tested for path in EXAMPLES)


def test_random_agent_is_as_good_as_chance() -> None:
    """A tenth of its answers is right, give or take."""
    assert 0.0 < load("random_agent").main(num_episodes=100) < 0.3


# What is trained by which library; the others need none but ours.
LIBRARIES = {
    "sb3_ppo": "stable_baselines3",
    "cleanrl_ppo": "torch",
    "torchrl_ppo": "torchrl",
    "tianshou_ppo": "tianshou",
    "skrl_ppo": "skrl",
    "rllib_ppo": "ray",
}


@pytest.mark.filterwarnings("default")  # the libraries' own
@pytest.mark.parametrize("task", ["centered", "cluttered"])
@pytest.mark.parametrize("name", LIBRARIES)
def test_each_library_trains(name: str, task: str) -> None:
    """A short training of each library goes through, and its agent can be measured."""
    library = LIBRARIES[name]
    extra = name.removesuffix("_ppo")
    pytest.importorskip(library, reason=f"needs {library}: pip install 'ram-env[{extra}]'")
    assert 50.0 < load(name).main(task, num_steps=512, num_envs=8) <= 100.0


def test_recurrent_actor_critic_trains() -> None:
    """Some updates go through and leave an error in percent."""
    assert 0.0 < load("recurrent_actor_critic").main(num_updates=5, num_envs=16) <= 100.0


def test_the_tour_shows_what_it_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All cells of the notebook run, with a shorter training; four show a picture."""
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((ROOT / "examples" / "tour.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    long = "episodes=20_000"
    assert sum(long in cell for cell in cells) == 1
    names: dict[str, Any] = {}
    shown = []
    for cell in cells:
        cell = cell.replace(long, "episodes=512, dataset='digits', processes=1, device='cpu'")
        *statements, last = ast.parse(cell).body
        if isinstance(last, ast.Expr):  # a notebook shows its value
            exec(compile(ast.Module(statements, []), "tour", "exec"), names)
            shown.append(eval(compile(ast.Expression(last.value), "tour", "eval"), names))
        else:
            exec(compile(cell, "tour", "exec"), names)
    pictures = [it._repr_png_() for it in shown if hasattr(it, "_repr_png_")]
    assert [picture[:4] for picture in pictures] == [b"\x89PNG"] * 4
    assert names["trained"].folder.is_dir()


def test_the_tour_is_small_and_without_outputs() -> None:
    """Nothing of the last reader's is kept; links lead to files."""
    path = ROOT / "examples" / "tour.ipynb"
    assert path.stat().st_size < 10_000
    for cell in json.loads(path.read_text())["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        for link in re.findall(r"\]\(([^)]+)\)", "".join(cell["source"])):
            assert (path.parent / link).exists()


@pytest.fixture
def pygame(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A display that nobody sees."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    module = pytest.importorskip("pygame")
    yield module
    module.quit()


def answer_with(pygame: Any, module: Any, choose: Callable[[], int]) -> list[Any]:
    """Let a script click and press keys; return what was drawn, filled as it goes on."""
    drawn: list[Any] = []
    draw = module.draw

    def note(pygame: Any, text: str, *scenes: Any) -> None:
        draw(pygame, text, *scenes)
        shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        drawn.append((text, [np.asarray(scene) for scene in scenes], shown))

    def wait() -> Any:
        if "click" in drawn[-1][0]:
            return pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(300, 340), button=1)
        return pygame.event.Event(pygame.KEYDOWN, unicode=str(choose()), key=0)

    module.draw = note
    pygame.event.wait = wait
    return drawn


@pytest.mark.parametrize("knows", [True, False])
def test_playing_it_yourself(pygame: Any, knows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clicks look there, the digit is the answer; both paths and both scores are shown."""
    module = load("play")
    labels: list[int] = []
    reset = module.SeenCanvas.reset

    def note_label(self: Any, **arguments: Any) -> Any:
        observation, info = reset(self, seed=3 + len(labels), **arguments)
        labels.append(info["label"])
        return observation, info

    monkeypatch.setattr(module.SeenCanvas, "reset", note_label)
    monkeypatch.setattr(pygame.event, "wait", pygame.event.wait)  # put back afterwards
    drawn = answer_with(pygame, module, lambda: (labels[-1] + (not knows)) % 10)
    assert module.main(num_episodes=2) == [knows, knows]
    texts = [text for text, _, _ in drawn]
    assert texts[:2] == [f"glimpse {t} of 8: click on the left where to look" for t in (1, 2)]
    assert texts[7] == "glimpse 8 of 8: press the digit"
    said = (labels[0] + (not knows)) % 10
    wanted = rf"It was {labels[0]}\. You: {said}\. RAM: \d\. Right so far: you {int(knows)}, RAM"
    assert re.match(wanted, texts[8])
    assert len(texts) == 18
    # The second glimpse is where the click was, and each is marked in its colour.
    for t in (1, 7):
        scene = drawn[t][1][0]
        assert (scene[290:310, 290:310] == glimpse_color(t, 8)).all(axis=-1).any()
    # What was seen is lighter than the rest of the canvas, and it grows.
    assert (drawn[7][1][0] == 0).mean() < (drawn[0][1][0] == 0).mean()
    # The last screen shows the path of each on the whole scene; the first glimpse is the same.
    yours, its = drawn[8][1]
    first = [(scene == glimpse_color(0, 8)).all(axis=-1) for scene in (yours, its)]
    assert first[0].any() and (first[0] & first[1]).any()
    assert (yours != its).any()
    assert (drawn[8][2][40:, :600] == yours).all() and (drawn[8][2][40:, 610:] == its).all()


def test_playing_without_a_trained_agent(pygame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyTorch or the task's model is missing, one plays alone."""
    module = load("play")
    monkeypatch.setitem(sys.modules, "agents", None)
    monkeypatch.setattr(pygame.event, "wait", pygame.event.wait)
    drawn = answer_with(pygame, module, lambda: 3)
    module.main("centered", 1)
    text, scenes, _ = drawn[-1]
    assert re.fullmatch(r"It was \d\. You: 3\. Right so far: you [01] of 1\. Press a key", text)
    assert len(scenes) == 1


@pytest.mark.parametrize("missing", ["screen", "pygame"])
def test_playing_without_a_screen(missing: str, tmp_path: Path) -> None:
    """One line on the error output says what is missing and what to do."""
    environment = {key: value for key, value in os.environ.items() if "DISPLAY" not in key}
    environment.pop("SDL_VIDEODRIVER", None)
    environment["PYTHONPATH"] = str(EXAMPLES[0].parents[1])
    if missing == "pygame":
        (tmp_path / "pygame.py").write_text("raise ImportError")
        environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    elif sys.platform != "linux":
        pytest.skip("other systems have a screen")
    else:
        pytest.importorskip("pygame")
    path = next(path for path in EXAMPLES if path.stem == "play")
    command = [sys.executable, "-W", "ignore", str(path)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    wanted = {"screen": "needs a screen, .*SDL_VIDEODRIVER=dummy", "pygame": "needs pygame: .*pip"}
    assert re.match(rf"A window, such as that of .* {wanted[missing]}", line)


@pytest.mark.parametrize("task", ["cluttred", "folder"])
def test_an_unknown_task_is_answered_with_the_known_ones(task: str, pygame: Any) -> None:
    """In one line, before a window opens."""
    with pytest.raises(SystemExit, match=rf"TASK must be one of centered, .*got '{task}'"):
        load("play").main(task)
    assert not pygame.display.get_init()


def test_closing_the_window_ends_the_game(pygame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, whatever it waits for."""
    module = load("play")
    monkeypatch.setattr(pygame.event, "wait", lambda: pygame.event.Event(pygame.QUIT))
    with pytest.raises(SystemExit):
        module.main()
