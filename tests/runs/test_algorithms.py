"""Other algorithms in train.py: they run on all they can take, and leave the same run folder."""

import base64
import copy
import csv
import dataclasses
import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import small_runs
import torch
from helpers import IDS
from model_files import zipped
from small_runs import FILES, run
from stable_baselines3.common.base_class import BaseAlgorithm

from agents import make_vec_env
from agents.base.errors import DivergenceError
from agents.evaluation.players import player_of_run
from agents.runs import launch
from agents.runs import run as module
from agents.runs.callbacks import Progress
from agents.runs.options import Options
from agents.runs.plan import plan_of_run, plan_run, with_defaults
from agents.sb3.algorithms import ALGORITHMS, MEMORIES, Algorithm
from agents.sb3.policy_file import (
    algorithm_class,
    constructor_arguments,
    load_policy,
    save_algorithm,
)

OTHERS = {name: algorithm for name, algorithm in ALGORITHMS.items() if name != "ram"}
# What makes a training of any of them take a moment.
SMALL = {
    "n_steps": 4,
    "batch_size": 16,
    "n_epochs": 1,
    "learning_starts": 20,
    "buffer_size": 100,
    "gradient_steps": 1,
}
NET = {"net_arch": [16], "activation_fn": "ReLU"}
NUM_ENVS = 8


CATCH: dict[str, Any] = {  # paid at the end alone: it takes no `reward`
    "env": "catch",
    "env_kwargs": {"canvas_size": 6, "patch_size": 3, "num_scales": 2},
}


def small_settings(name: str) -> dict[str, Any]:
    """Return the settings of the table, made small."""
    settings = {
        key: SMALL.get(key, value)
        for key, value in OTHERS[name].settings.items()
        if key != "policy_kwargs"
    }
    kwargs: dict[str, Any] = dict(NET)
    if "lstm_hidden_size" in OTHERS[name].settings["policy_kwargs"]:
        kwargs["lstm_hidden_size"] = 8
    return settings | {"policy_kwargs": kwargs}


def make_options(name: str, folder: Path, **changes: Any) -> Options:
    """Return the options of a run that takes about a second."""
    usual: dict[str, Any] = {"algo": name, "episodes": 60, "num_envs": NUM_ENVS, "processes": None}
    usual["settings"] = small_settings(name)
    options = small_runs.make_options(folder, **changes)
    return dataclasses.replace(options, **usual | changes)


def make_model(name: str, env_id: str, memory: str, **env_kwargs: Any) -> BaseAlgorithm:
    """Make a small model of an algorithm."""
    env = make_vec_env(env_id, NUM_ENVS, memory=memory, dataset="digits", **env_kwargs)
    settings = constructor_arguments(small_settings(name))
    return algorithm_class(name)(OTHERS[name].policy, env, seed=0, device="cpu", **settings)


@pytest.mark.parametrize("game", [{}, CATCH], ids=["classify", "catch"])
@pytest.mark.parametrize("name", OTHERS)
def test_run_leaves_the_same_folder_as_ram(name: str, game: dict[str, Any], tmp_path: Path) -> None:
    """Files, result, log and a model that gives the same result when it is loaded again."""
    folder = tmp_path / "run"
    result = run(make_options(name, folder, **game)).result
    assert FILES <= {path.name for path in folder.iterdir()}
    assert player_of_run(folder, "test").measure() == result
    config = json.loads((folder / "config.json").read_text())
    assert (config["algo"], config["memory"]) == (name, OTHERS[name].memory)
    assert config["settings"] == small_settings(name)
    content = json.loads((folder / "evaluation.json").read_text())
    assert content["episodes"] >= 60 and content["stopped_early"] is False
    assert content["validation_error"] == player_of_run(folder, "validation").measure().error
    header, *rows = (folder / "progress.csv").read_text().splitlines()
    assert set(OTHERS[name].losses) <= set(header.split(","))
    assert int(rows[-1].split(",")[0]) == content["episodes"]


@pytest.mark.parametrize("name", OTHERS)
def test_episodes_that_end_early_are_counted(name: str, tmp_path: Path) -> None:
    """With `stop=True` the budget is one of episodes still, whatever their lengths."""
    env_kwargs = {**small_runs.DIGITS, "stop": True, "glimpse_cost": 0.01}
    result = run(make_options(name, tmp_path, env_kwargs=env_kwargs)).result
    assert result.mean_glimpses is not None and 1 <= result.mean_glimpses <= 3
    assert player_of_run(tmp_path).measure() == result
    with (tmp_path / "progress.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    episodes, steps = int(last["time/episodes"]), int(last["time/total_timesteps"])
    assert episodes >= 60 and steps / 3 < episodes <= steps
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert (content["episodes"], content["stopped_early"]) == (episodes, False)


def test_running_episodes_count_by_their_steps() -> None:
    """Where all have T steps, the count is that of all steps over T."""
    progress, model = Progress(num_glimpses=3, budget=4), SimpleNamespace(num_timesteps=0)
    progress.model = model  # type: ignore[assignment]
    counts = []
    for step in range(1, 8):  # two games of 3 steps, then one that ends after one
        ends = step % 3 == 0 or step == 7
        model.num_timesteps += 2
        infos = [{"episode": {"l": 3 if step < 7 else 1}}] * 2
        progress.locals = {"dones": np.array([ends, ends]), "infos": infos}
        assert progress._on_step()
        counts.append(progress.episodes)
    assert counts == [0, 1, 2, 2, 3, 4, 6]


def test_off_policy_rows_are_whole(tmp_path: Path) -> None:
    """One row for the games that end together, and it counts all of them."""
    run(make_options("sac", tmp_path, episodes=100))
    with (tmp_path / "progress.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["validation/error"]]
    assert [int(row["time/episodes"]) for row in rows] == [*range(NUM_ENVS, 101, NUM_ENVS)]
    assert all(row["rollout/error"] for row in rows[1:])


@pytest.mark.parametrize("name", [name for name in OTHERS if OTHERS[name].losses])
def test_losses_of_the_table_are_logged(name: str, tmp_path: Path) -> None:
    """No column of progress.csv stays empty."""
    run(make_options(name, tmp_path, episodes=100))
    with (tmp_path / "progress.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for column in OTHERS[name].losses:
        assert any(row[column] for row in rows), column


@pytest.mark.parametrize(
    ("name", "action_format"),
    [(name, form) for name, algorithm in OTHERS.items() for form in algorithm.action_formats],
)
@pytest.mark.parametrize("env_id", IDS)
def test_every_algorithm_learns_on_every_id_and_format(
    env_id: str, name: str, action_format: str
) -> None:
    """A few updates go through, and what comes out acts in the task's space."""
    model = make_model(name, env_id, "none", action_format=action_format)
    model.learn(NUM_ENVS * 8)
    assert model.num_timesteps >= NUM_ENVS * 8
    env = make_vec_env(env_id, 3, dataset="digits", action_format=action_format)
    actions, _ = model.predict(env.reset(), deterministic=True)
    assert all(env.action_space.contains(action) for action in actions)


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("name", OTHERS)
def test_policies_are_the_same_after_a_file(name: str, memory: str, tmp_path: Path) -> None:
    """Same tensors, same answers, in whatever space they act and observe; by SB3's `load` too."""
    model = make_model(name, "GlimpseMNIST-v0", memory)
    save_algorithm(tmp_path / "model.zip", name, small_settings(name), model)
    observation: Any = model.env.reset()  # type: ignore[union-attr]
    expected = model.predict(observation, deterministic=True)[0]
    theirs = algorithm_class(name).load(tmp_path / "model.zip", device="cpu")
    for loaded in (load_policy(tmp_path / "model.zip"), theirs):
        found = loaded.predict(observation, deterministic=True)[0]
        np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("name", OTHERS)
def test_state_dependent_exploration_is_kept(name: str, tmp_path: Path) -> None:
    """`use_sde` gives a policy other weights, which its file holds; exporting copies it."""
    settings = small_settings(name) | {"use_sde": True}
    env_kwargs = {**small_runs.DIGITS, "action_format": "box"}
    result = run(make_options(name, tmp_path, settings=settings, env_kwargs=env_kwargs)).result
    assert player_of_run(tmp_path).measure() == result
    copy.deepcopy(load_policy(tmp_path / "model.zip"))


def test_stable_baselines3_alone_loads_the_model_of_a_run(tmp_path: Path) -> None:
    """`PPO.load` in a process that knows nothing of this project, its learning rate included."""
    settings = small_settings("ppo") | {"learning_rate": "lin_0.001"}
    run(make_options("ppo", tmp_path / "run", settings=settings))
    code = "import sys; from stable_baselines3 import PPO; model = PPO.load(sys.argv[1]);"
    code += "print(model.num_timesteps, model.lr_schedule(0.5), 'agents' in sys.modules)"
    command = [sys.executable, "-c", code, str(tmp_path / "run" / "model.zip")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    timesteps, rate, knows_us = done.stdout.split()
    assert int(timesteps) >= 180
    assert (float(rate), knows_us) == (0.0005, "False")


@pytest.mark.parametrize(
    "changes",
    [
        {"algo": "dqn"},
        {"algo": "recurrent_ppo"},
        {"algo": "sac"},
        {"policy_kwargs": {"net_arch": [17]}},
        {"policy_kwargs": {"optimizer_class": "SGD"}},
        {"policy_kwargs": None},
        {"action_space": {"type": "discrete", "n": 2}},
        {"action_space": {"type": "multidiscrete", "nvec": [7, 7, 11]}},
        {
            "observation_space": {
                "type": "box",
                "low": 0,
                "high": 1,
                "shape": [10**9],
                "dtype": "float32",
            }
        },
        {"observation_space": {}},
    ],
    ids=str,
)
def test_files_that_do_not_hold_what_they_say_are_refused(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    """A header that does not fit the tensors, or describes nothing, is an error with the path."""
    path = tmp_path / "model.zip"
    model = make_model("ppo", "GlimpseMNIST-v0", "none")
    save_algorithm(path, "ppo", small_settings("ppo"), model)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["header.json"] = json.dumps(json.loads(members["header.json"]) | changes).encode()
    path.write_bytes(zipped(members))
    with pytest.raises(ValueError, match=r"model\.zip` is damaged"):
        load_policy(path)


def damaged_files(path: Path) -> dict[str, bytes]:
    """Return what a file of a model may become: torn, swapped, and hostile."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    bomb = io.BytesIO()
    torch.save({"policy": Bomb(path.with_name("executed"))}, bomb)
    compressed = members | {"policy.pth": small_file_of_zeros(zipfile.ZIP_DEFLATED)}
    optimizer = members | {"policy.optimizer.pth": small_file_of_zeros(zipfile.ZIP_DEFLATED)}
    overlapping = members | {"policy.optimizer.pth": small_file_of_zeros(zipfile.ZIP_STORED)}
    content = path.read_bytes()
    return {
        "empty": b"",
        "half": content[: len(content) // 2],
        "a pickle that runs code": zipped(members | {"policy.pth": bomb.getvalue()}),
        "weights that unpack to more": zipped(compressed),
        "an optimiser that unpacks to more": zipped(optimizer),
        "an optimiser of tensors that share their bytes": zipped(overlapping),
        "no weights": zipped({name: it for name, it in members.items() if name != "policy.pth"}),
        "no header": zipped({name: it for name, it in members.items() if name != "header.json"}),
        "another part": zipped(members | {"policy.pth": members["policy.optimizer.pth"]}),
    }


def small_file_of_zeros(compression: int) -> bytes:
    """Return a file of many tensors, compressed, or stored but all at one place."""
    whole, small = io.BytesIO(), io.BytesIO()
    torch.save([torch.zeros(2**16) + number for number in range(20)], whole)
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(small, "w", compression) as other:
        first = None
        for info in archive.infolist():
            if first is not None and "/data/" in info.filename:
                other.filelist.append(copy.copy(first))
                other.filelist[-1].filename = info.filename
                continue
            other.writestr(info.filename, archive.read(info))
            if compression == zipfile.ZIP_STORED and "/data/" in info.filename:
                first = other.filelist[-1]
    tensors = torch.load(io.BytesIO(small.getvalue()), weights_only=True)
    assert sum(tensor.nbytes for tensor in tensors) > 5 * len(small.getvalue())
    return small.getvalue()


class Bomb:
    """Leaves a file behind if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_damaged_and_hostile_files_are_refused(tmp_path: Path) -> None:
    """Each with one line that names the file; nothing of it is run, wherever it stands."""
    path = tmp_path / "model.zip"
    model = make_model("ppo", "GlimpseMNIST-v0", "none").learn(32)
    save_algorithm(path, "ppo", small_settings("ppo"), model)
    for name, content in damaged_files(path).items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.zip` is damaged"):
            load_policy(path)
        assert not (tmp_path / "executed").exists(), name


def test_what_stable_baselines3_pickles_is_not_read(tmp_path: Path) -> None:
    """The member that its own `load` unpickles may hold anything."""
    path = tmp_path / "model.zip"
    save_algorithm(path, "ppo", small_settings("ppo"), make_model("ppo", "GlimpseMNIST-v0", "none"))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(members["data"])
    evil = base64.b64encode(pickle.dumps(Bomb(tmp_path / "executed"))).decode()
    data["policy_class"][":serialized:"] = evil
    path.write_bytes(zipped(members | {"data": json.dumps(data).encode()}))
    load_policy(path)
    assert not (tmp_path / "executed").exists()


def test_every_setting_and_name_of_the_table_exists() -> None:
    """Each algorithm can be imported, and says something about memory that there is."""
    for name, algorithm in ALGORITHMS.items():
        assert isinstance(algorithm, Algorithm)
        assert issubclass(algorithm_class(name), BaseAlgorithm)
        assert algorithm.memory in MEMORIES
        assert algorithm.policy in algorithm_class(name).policy_aliases


def test_a_learning_rate_may_fall_over_the_budget() -> None:
    """`lin_X` begins at X and ends at 0, in the words of rl-baselines3-zoo; a number stays one."""
    rate = constructor_arguments({"learning_rate": "lin_0.002"})["learning_rate"]
    beyond = -0.001  # where the last rollout ends after the budget
    assert [rate(it) for it in (1.0, 0.5, 0.0, beyond)] == [0.002, 0.001, 0.0, 0.0]
    assert constructor_arguments({"learning_rate": 0.5}) == {"learning_rate": 0.5}
    for wrong in ("lin_", "lin_-1", "lin_nan", "0.001", "fast"):
        with pytest.raises(ValueError, match="`learning_rate` must be a positive number, or lin_"):
            constructor_arguments({"learning_rate": wrong})


def test_a_budget_is_whole_rollouts(tmp_path: Path) -> None:
    """PPO plays rollouts to their end, and the budget says so beforehand."""
    run(make_options("ppo", tmp_path, episodes=61))
    rollout = SMALL["n_steps"] * NUM_ENVS // 3
    episodes = json.loads((tmp_path / "config.json").read_text())["episodes"]
    assert episodes == -(-61 // rollout) * rollout


def test_minutes_choose_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measured speed counts episodes, also of an algorithm that first only fills a buffer."""
    measured: list[float] = []
    measure = module.measure_speed

    def note(model: BaseAlgorithm, num_glimpses: int) -> float:
        measured.append(measure(model, num_glimpses, seconds=0.05))
        assert model.num_timesteps > SMALL["learning_starts"]
        return 120.0

    monkeypatch.setattr(module, "measure_speed", note)
    monkeypatch.setattr(module, "measure_validation", lambda scenes, model: 0.0)
    run(make_options("sac", tmp_path, episodes=None, minutes=1 / 120))
    assert measured[0] > 0
    assert json.loads((tmp_path / "config.json").read_text())["episodes"] == 60


def test_weights_that_are_no_numbers_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the weights, and nothing is evaluated."""
    settings = small_settings("ppo") | {"learning_rate": 1e30, "max_grad_norm": 1e30}
    with pytest.raises(
        DivergenceError, match=r"training diverged: weights of the policy are over 1e\+10"
    ):
        run(make_options("ppo", tmp_path, settings=settings, episodes=10_000))
    assert not (tmp_path / "evaluation.json").exists()


def test_a_reward_of_scores_is_no_default_where_there_are_none() -> None:
    """SAC on `dict` actions, which name a label, is paid for that label."""
    assert with_defaults("sac", "GlimpseMNIST-v0", {})["reward"] == "log_likelihood"
    assert (
        with_defaults("sac", "GlimpseMNIST-v0", {"action_format": "dict"})["reward"] == "every_step"
    )


def test_location_grid_of_the_user_stands() -> None:
    """A grid that the options name is taken; RAM keeps the env's own."""
    assert with_defaults("ppo", "GlimpseMNIST-v0", {"location_grid": 9})["location_grid"] == 9
    assert "location_grid" not in with_defaults(
        "ram", "GlimpseMNIST-v0", {"action_format": "multidiscrete"}
    )


def test_command_line_chooses_what_suits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Format, reward and memory come from the table unless the options say otherwise."""
    monkeypatch.chdir(tmp_path)
    arguments = ["--env", "centered", "--dataset", "digits", "--episodes", "8", "--threads", "1"]
    arguments += ["--num-envs", "4", "--num-glimpses", "2", "--algo", "ppo"]
    settings = ["--settings", "n_steps=4", "n_epochs=1", "batch_size=8"]
    assert launch.main([*arguments, "--run-dir", "own", *settings]) == 0
    config = json.loads(Path("own/config.json").read_text())
    assert config["env_kwargs"]["action_format"] == "multidiscrete"
    assert config["env_kwargs"]["reward"] == "every_step"
    assert config["env_kwargs"]["location_grid"] == ALGORITHMS["ppo"].location_grid
    assert (config["memory"], config["settings"]["n_steps"]) == ("history", 4)
    told = ["--action-format", "box", "--reward", "final", "--memory", "canvas"]
    assert launch.main([*arguments, *told, "--run-dir", "told", *settings]) == 0
    config = json.loads(Path("told/config.json").read_text())
    assert config["env_kwargs"]["action_format"] == "box"
    assert "location_grid" not in config["env_kwargs"]
    assert (config["env_kwargs"]["reward"], config["memory"]) == ("final", "canvas")
    with pytest.raises(ValueError, match="only a run of ram can go on, and told is a run of ppo"):
        plan_of_run(Path("told"))


def test_an_env_of_a_module_can_be_evaluated_again(tmp_path: Path) -> None:
    """config.json names the module, so that the id is there in a new process."""
    options = make_options("a2c", tmp_path, env="ram_env:GlimpseMNIST-v0")
    result = run(options).result
    assert json.loads((tmp_path / "config.json").read_text())["env_module"] == "ram_env"
    assert player_of_run(tmp_path, "test").measure() == result


def test_an_unfinished_run_begins_anew(tmp_path: Path) -> None:
    """The same options find a folder that nothing can go on from: it is made anew, and whole."""
    options = make_options("a2c", tmp_path / "run")
    result = run(options).result
    (tmp_path / "run" / "evaluation.json").unlink()
    (tmp_path / "run" / "progress.csv").write_text("torn")
    plan = plan_run(options)
    assert plan is not None and plan.replaces
    assert run(options).result == result
    assert len(list((tmp_path / "run").glob("events.*"))) == 1
    assert plan_run(options) is None
