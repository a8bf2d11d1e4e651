"""The examples run, do what they say, and stay short."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
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
    """Under 80 lines, with the command in the docstring."""
    text = path.read_text()
    assert len(text.splitlines()) < 80
    assert f"python examples/{path.name}" in text


def test_every_example_is_run_by_a_test() -> None:
    """None is forgotten here."""
    tested = Path(__file__).read_text()
    assert all(f'load("{path.stem}")' in tested for path in EXAMPLES)


def test_random_agent_is_as_good_as_chance() -> None:
    """A tenth of its answers is right, give or take."""
    assert 0.0 < load("random_agent").main(num_episodes=100) < 0.3


def test_ppo_learns() -> None:
    """A short training leaves an error in percent; it can be repeated."""
    error = load("sb3_ppo").main(total_timesteps=28 * 8, num_envs=8)
    assert 0.0 < error <= 100.0


def test_recurrent_actor_critic_trains() -> None:
    """Some updates go through and leave an error in percent."""
    assert 0.0 < load("recurrent_actor_critic").main(num_updates=5, num_envs=16) <= 100.0


def test_torchrl_plays_whole_episodes() -> None:
    """Seven glimpses, then the end; actions and rewards are those of the env."""
    pytest.importorskip("torchrl")
    episode = load("torchrl_rollout").main(num_episodes=2)
    assert episode.batch_size[0] == 7
    assert episode["next", "terminated"].flatten().tolist() == [False] * 6 + [True]
    assert episode["glimpse"].shape == (7, 1, 8, 8)
    assert episode["next", "reward"].sum().item() in (0.0, 1.0)


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

    def note(screen: Any, picture: np.ndarray, text: str) -> None:
        draw(screen, picture, text)
        drawn.append((picture, text, pygame.surfarray.array3d(screen)))

    def wait() -> Any:
        if "click" in drawn[-1][1]:
            return pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(360, 400), button=1)
        return pygame.event.Event(pygame.KEYDOWN, unicode=str(choose()), key=0)

    module.draw = note
    pygame.event.wait = wait
    return drawn


@pytest.mark.parametrize("knows", [True, False])
def test_playing_it_yourself(pygame: Any, knows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clicks look there, the digit is the answer, and both scores are shown."""
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
    texts = [text for _, text, _ in drawn]
    assert texts[:2] == [
        "glimpse 1 of 8: click where to look next",
        "glimpse 2 of 8: click where to look next",
    ]
    assert texts[7] == "glimpse 8 of 8: press the digit"
    assert texts[8].startswith(f"you {int(knows)}, agent ")
    assert len(texts) == 18
    # What was seen is lighter than the rest, and it grows.
    assert (drawn[7][0] >= 60).mean() > (drawn[0][0] >= 60).mean()
    assert all(np.ptp(screen) == 255 for _, _, screen in drawn)


def test_an_unknown_task_is_answered_with_the_known_ones(pygame: Any) -> None:
    """In one line, before a window opens."""
    with pytest.raises(SystemExit, match=r"TASK must be one of centered, .*got 'cluttred'"):
        load("play").main("cluttred")
    assert not pygame.display.get_init()


def test_closing_the_window_ends_the_game(pygame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, whatever it waits for."""
    module = load("play")
    monkeypatch.setattr(pygame.event, "wait", lambda: pygame.event.Event(pygame.QUIT))
    with pytest.raises(SystemExit):
        module.main()
