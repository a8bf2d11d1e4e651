"""Who plays: anybody's policy, by the same protocol, and what the command line says of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_lines import refusal
from gymnasium import spaces
from PIL import Image
from stable_baselines3 import PPO

from agents import make_vec_env
from agents.evaluate import main
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.players import player_of_policy

ROOT = Path(__file__).parents[2]
ENV_ID = "GlimpseMNIST-v0"
MINE = """
import numpy as np

class Fixed:
    def __init__(self, label, size):
        self.label, self.size = label, size

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        number = len(next(iter(observation.values())))
        actions = np.zeros((number, self.size), dtype=np.float32)
        actions[:, 2 + self.label] = 1.0
        return actions, state

class Other(Fixed):
    observation_space = "another"

class Predict:
    def __init__(self, predict):
        self.predict = predict

def alone(observation_space, action_space):
    fixed = Fixed(3, action_space.shape[0])
    return Predict(lambda *arguments, **more: fixed.predict(*arguments, **more)[0])

def stateless(observation_space, action_space):
    fixed = Fixed(3, action_space.shape[0])
    return Predict(lambda observation, deterministic=False: fixed.predict(observation))

def one(observation_space, action_space):
    fixed = Fixed(3, action_space.shape[0])
    return Predict(lambda *arguments, **more: (fixed.predict(*arguments, **more)[0][0], None))

def learning(observation_space, action_space):
    import torch
    fixed = Fixed(3, action_space.shape[0])
    as_learned = lambda actions: torch.as_tensor(actions).requires_grad_()
    return Predict(lambda *arguments, **more: (as_learned(fixed.predict(*arguments)[0]), None))

def scalar(observation_space, action_space):
    return Predict(lambda *arguments, **more: (3, None))

def threes(observation_space, action_space):
    return Fixed(3, action_space.shape[0])

def wide(observation_space, action_space):
    return Fixed(3, action_space.shape[0] + 1)

def nothing(observation_space, action_space):
    return None

def foreign(observation_space, action_space):
    return Other(3, action_space.shape[0])

number = 5
"""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own, in the folder where they are."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)


def arguments(policy: str, *others: str) -> list[str]:
    """Return the options that measure a policy on digits."""
    return [
        "--policy", policy, "--env", "centered", "--env-kwargs", "dataset=digits", *others
    ]  # fmt: skip


def test_a_fixed_answer_is_right_as_often_as_its_class_comes_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error is known beforehand, and counted for each glimpse."""
    main(arguments("mine:threes", "--json"))
    result = json.loads(capsys.readouterr().out)
    labels = FrozenScenes(ENV_ID, {"dataset": "digits"}).labels
    assert result["num_errors"] == int((labels != 3).sum())
    assert result["error_per_glimpse"] == [result["error"]] * 7
    assert (result["split"], result["num_scenes"]) == ("test", 300)


def test_models_of_stable_baselines3_are_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is measured with the memory and format that it was trained with."""
    kwargs = {"dataset": "digits", "action_format": "multidiscrete"}
    env = make_vec_env(ENV_ID, 4, memory="history", **kwargs)
    model = PPO("MultiInputPolicy", env, n_steps=7, batch_size=28, seed=0)
    import mine  # type: ignore[import-not-found]

    monkeypatch.setattr(mine, "ppo", lambda *spaces: model, raising=False)
    result = player_of_policy("mine:ppo", ENV_ID, kwargs, memory="history").measure()
    scenes = FrozenScenes(ENV_ID, kwargs, memory="history")
    assert result == scenes.evaluate(model)
    with pytest.raises(ValueError, match=r"made for another observation space.*`memory`"):
        player_of_policy("mine:ppo", ENV_ID, kwargs)
    with pytest.raises(ValueError, match=r"made for another action space"):
        player_of_policy("mine:ppo", ENV_ID, kwargs | {"location_grid": 5}, memory="history")


def test_any_policy_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--pictures` draws where it looked, in a folder that is made, and says so but in JSON."""
    main(arguments("mine:threes", "--pictures", "some/pictures"))
    printed = capsys.readouterr().out
    for name, kind in (("gaze.png", "PNG"), ("gaze.gif", "GIF")):
        assert f"see some/pictures/{name}" in printed
        with Image.open(tmp_path / "some" / "pictures" / name) as picture:
            assert picture.format == kind
    main(arguments("mine:threes", "--pictures", "others", "--json"))
    assert json.loads(capsys.readouterr().out)["num_scenes"] == 300
    assert (tmp_path / "others" / "gaze.png").exists()


def test_a_picture_that_fails_costs_no_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told first; then one line says what cannot be written."""
    (tmp_path / "full" / "gaze.png").mkdir(parents=True)
    with pytest.raises(SystemExit, match="2"):
        main(arguments("mine:threes", "--pictures", "full", "--json"))
    captured = capsys.readouterr()
    assert json.loads(captured.out)["num_scenes"] == 300
    assert "error: what was asked for cannot be written" in captured.err


def test_the_factory_is_told_the_spaces_of_one_game(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing that knows the scenes."""
    import mine

    told: list[Any] = []

    def make(*spaces: Any) -> Any:
        told.extend(spaces)
        return mine.Fixed(0, 12)

    monkeypatch.setattr(mine, "told", make, raising=False)
    player_of_policy("mine:told", ENV_ID, {"dataset": "digits"}, memory="canvas").measure()
    observation, action = told
    assert isinstance(observation, spaces.Dict)
    assert set(observation) == {"glimpse", "location", "canvas", "seen"}
    assert action == spaces.Box(-1.0, 1.0, (12,), np.float32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (arguments("mine"), "`--policy` must be MODULE:FACTORY, got 'mine'"),
        (arguments("mine:"), "`--policy` must be MODULE:FACTORY"),
        (arguments("yours:make"), "`--policy yours:make` cannot be imported"),
        (arguments(".mine:threes"), "`--policy .mine:threes` cannot be imported"),
        (arguments("mine:fours"), "`--policy mine:fours` cannot be imported"),
        (arguments("mine:threes", "--env-kwargs", "foo=1"), "does not take these arguments"),
        (arguments("mine:threes", "--env-kwargs", "num_envs=3"), "`--env-kwargs num_envs=...`"),
        (arguments("mine:threes", "--env-kwargs", "split=train"), "`--env-kwargs split=...`"),
        (["--policy", "mine:threes", "--env", "CartPole-v1"], "`CartPole-v1` does not take"),
        (arguments("mine:number"), "`--policy mine:number` must be a function"),
        (arguments("mine:nothing"), "`--policy mine:nothing` must return an object with `predict("),
        (arguments("mine:foreign"), "`--policy mine:foreign` was made for another observation"),
        (arguments("mine:wide"), "(12,)"),
        (arguments("mine:alone"), "`predict` must return two values, the actions and the state"),
        (arguments("mine:stateless"), "must have `predict(observation, state, episode_start, "),
        (arguments("mine:one"), "an action for each of the 300 observations of a batch"),
        (arguments("mine:learning"), "`actions` must be an array, got tensor("),
        (arguments("mine:scalar"), "in an array of as many rows, got one of shape ()"),
        (arguments("mine:threes", "--pictures", "mine.py"), "mine.py must be a folder"),
        (arguments("mine:threes", "--memory", "all"), "--memory"),
        (["--policy", "mine:threes", "--env", "centred"], "Did you mean 'centered'?"),
        (["--policy", "mine:threes", "--env-kwargs", "dataset"], "KEY=VALUE"),
        (["--pretrained", "cluttered", "--env", "centered"], "`--env` is not for `--pretrained`"),
        (["--run", "x", "--memory", "none"], "`--memory` is not for `--run`"),
        (arguments("mine:threes", "--stopping", "x"), "`--stopping` is not for `--policy`"),
        (["--frontier", "x", "--confidence", "7"], "`--confidence` is not for `--frontier`"),
        (["--frontier", "x", "--env", "centered"], "`--env` is not for `--frontier`"),
        (["--frontier", "x", "--json"], "`--json` is not for `--frontier`"),
        (["--run", "x"], "`--run` must be the folder of a finished run: x/config.json"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_what_cannot_be_measured_is_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one clear line that names option and value."""
    assert message in refusal(main, options, capsys)


def test_a_module_of_the_current_folder_is_found_by_an_installed_script(tmp_path: Path) -> None:
    """Python looks there by itself only for `python -m`; with -P it does not."""
    code = f"from agents.evaluate import main; main({arguments('mine:threes', '--json')!r})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout)["num_scenes"] == 300
