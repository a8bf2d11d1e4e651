"""A run on a game without images: trained, evaluated, drawn and gone on with as any other."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_lines import refusal
from small_runs import BATCH, FILES, make_options, resume, run

from agents import RAM
from agents.classify import main as classify
from agents.evaluate import main as evaluate
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.players import expert_of_run, player_of_run
from agents.evaluation.show import main as show
from agents.runs.plan import new_plan
from ram_env.games.catch import CatchTask

ENV_ID = "GlimpseCatch-v0"
SMALL: dict[str, Any] = {"canvas_size": 6, "patch_size": 4, "num_scales": 2, "paddle_size": 1}
STEPS = 5


class Catcher:
    """Looks everywhere at once, by a patch as large as the screen, and follows the ball."""

    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[np.ndarray, Any]:
        """Return moves towards the column of the ball, and looks at the middle."""
        screens = observation["glimpse"][:, 0]
        paddle = screens[:, -1].argmax(axis=1)
        ball = screens[:, :-1].max(axis=1).argmax(axis=1)
        actions = np.zeros((len(screens), 5), dtype=np.float32)
        actions[np.arange(len(screens)), 3 + np.sign(ball - paddle)] = 1.0
        return actions, None


def options_of(folder: Path, **changes: Any) -> Any:
    """Return the options of a small run on catch."""
    return make_options(folder, env="catch", env_kwargs=SMALL, episodes=64, **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run of RAM."""
    folder = tmp_path_factory.mktemp("catch") / "run"
    run(options_of(folder))
    return folder


def test_a_run_leaves_what_any_run_leaves(finished: Path) -> None:
    """All files; an error that is the share of episodes lost, and no classes that are confused."""
    assert {path.name for path in finished.iterdir()} >= FILES
    config = json.loads((finished / "config.json").read_text())
    result = json.loads((finished / "evaluation.json").read_text())
    assert config["preset"] == "catch"
    assert config["env_kwargs"] == SMALL | {"observe_reach": True}
    assert (result["dataset"], result["num_scenes"]) == ("falling balls", 10_000)
    assert result["error_per_glimpse"] == [result["error"]]
    assert result["confusion"] == result["error_per_class"] == {}
    assert result["majority_error"] is None
    assert result["mean_glimpses"] == STEPS
    assert result["error"] == player_of_run(finished).measure().error


def test_the_model_knows_its_game(finished: Path) -> None:
    """It makes the env that it can play in, and plays a whole episode there."""
    model = RAM.load(finished / "model.zip", device="cpu")
    env = model.make_env(num_envs=3)
    task = env.env.unwrapped.task
    assert isinstance(task, CatchTask)
    assert (task.split, task.canvas_shape, task.paddle_size) == ("test", (6, 6), 1)
    observation, state, dones = env.reset(), None, np.zeros(3, dtype=bool)
    for _ in range(STEPS):
        assert not dones.any()
        actions, state = model.predict(observation, state, deterministic=True)
        observation, _, dones, infos = env.step(actions)
    assert dones.all() and all("is_success" in info for info in infos)


def test_an_interrupted_run_goes_on(finished: Path, tmp_path: Path) -> None:
    """Its weights are those of a run that was not interrupted."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.json", "progress.csv", "checkpoint.zip"):
        (folder / name).write_bytes((finished / name).read_bytes())
    assert resume(folder).result == player_of_run(finished).measure()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_frozen_scenes_are_seeds(split: str) -> None:
    """10,000 of each split; who follows the ball loses few, by the success that the env tells."""
    kwargs = SMALL | {"patch_size": 6, "num_scales": 1, "initial_location": "center"}
    scenes = FrozenScenes(ENV_ID, kwargs, split)
    assert scenes.num_scenes == 10_000
    assert scenes.task.frozen_scenes(np.array([3]))["scene_seed"] == [
        {"test": 3, "validation": 10_003}[split]
    ]
    result = scenes.evaluate(Catcher())
    assert 0.0 < result.error < 60.0
    lost = [episode for episode in scenes.record(Catcher(), 2, 2) if episode[-1].verdict == "lost"]
    assert len(lost) == 2
    assert len(lost[0]) == STEPS
    with pytest.raises(ValueError, match=r"`num_scenes` must be in 1\.\.10000"):
        FrozenScenes(ENV_ID, kwargs, split, 10_001)


def test_what_needs_classes_is_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures, a confidence and a data set: one line each."""
    model = RAM.load(finished / "model.zip", device="cpu")
    with pytest.raises(ValueError, match=r"`model` must be of a task of classifying .* catch"):
        model.look_at(np.zeros((6, 6), dtype=np.uint8))
    assert expert_of_run(finished).task == model.task
    for main, words, told in (
        (classify, ["a.png", "b.png", "--run", str(finished)], "must be of a task of classifying"),
        (evaluate, ["--run", str(finished), "--confidence", "0.9"], "`--confidence` is for tasks"),
        (show, [str(finished), "--dataset", "digits"], "unexpected keyword argument 'dataset'"),
    ):
        assert told in refusal(main, words, capsys)


def test_preset_learns_from_reward_at_the_end() -> None:
    """RAM asks for no other reward of the env, and batches are those of the preset."""
    plan = new_plan(make_options(Path("run"), {}, env="catch", env_kwargs={}))
    assert plan.env_kwargs == {"observe_reach": True}  # for its gaze
    assert plan.settings["answer_earns"] == "episode"
    assert plan.num_envs == BATCH
