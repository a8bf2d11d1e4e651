"""The command line of train.py: what it understands, and how it refuses the rest."""

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_lines import refusal

from agents.base.commands import as_option
from agents.model.config import PRESETS, RAMConfig
from agents.runs import launch, run
from agents.runs.options import EnvOptions, Options, make_parser, parse_options, parse_pairs
from agents.runs.plan import new_plan
from ram_env import SHORT_NAMES, TASKS
from ram_env.data import mnist
from ram_env.registration import CATCH_TASKS, MEGAPIXEL_TASKS, PICTURE_TASKS, resolve_env

ROOT = Path(__file__).parents[2]
QUICK = ["--env", "centered", "--dataset", "digits", "--episodes", "8", "--batch-size", "8"]
QUICK += ["--num-glimpses", "2", "--device", "cpu"]
QUICK += ["--threads", "1", "--processes", "1"]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in an empty folder without MNIST or network, and undo how warnings are printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAM_ENV_DATA", raising=False)
    monkeypatch.setattr(mnist, "MIRRORS", ("file:///nonexistent/",))
    # The test's own folder: what was not found is remembered per folder.
    cache = tmp_path.with_name(f"{tmp_path.name}-cache")
    monkeypatch.setattr(mnist, "cache_folder", lambda: cache)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield


def refuse(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Require one line and nothing written; return the line."""
    before = sorted(Path.cwd().rglob("*"))
    line = refusal(launch.main, arguments, capsys)
    assert sorted(Path.cwd().rglob("*")) == before
    return line


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--env", "cluterd"], ["`--env`", "'cluterd'", "Did you mean 'cluttered'?"]),
        (["--env", "GlimpseMNIST"], ["Did you mean 'GlimpseMNIST-v0'?"]),
        (["--env", "GlimpseMNIST-v7"], ["Did you mean 'GlimpseMNIST-v0'?"]),
        (["--env", "no_such_module:Thing-v0"], ["`--env`", "no_such_module"]),
        (["--env", ".module:Thing-v0"], ["`--env`", "cannot import '.module'"]),
        (["--env", "Acrobot-v1"], ["Acrobot-v1"]),
        (["--env", ""], ["`--env`"]),
        (["--preset", "best"], ["--preset", "'best'", "paper"]),
        (["--episodes", "0"], ["`--episodes`", "at least 1", "0"]),
        (["--episodes", "1e3"], ["--episodes", "'1e3'"]),
        (["--episodes", "-5"], ["--episodes"]),
        (["--minutes", "0"], ["`--minutes`", "more than 0"]),
        (["--minutes", "nan"], ["`--minutes`", "finite", "nan"]),
        (["--minutes", "soon"], ["--minutes", "'soon'"]),
        (["--minutes", "1e308"], ["`--minutes`", "at most 1e+09", "1e+308"]),
        (["--minutes", "1", "--episodes", "1"], ["`--episodes`", "`--minutes`", "not both"]),
        (["--num-glimpses", "0"], ["`--num-glimpses`", "0"]),
        (["--seed", "-1"], ["--seed"]),
        (["--seed", "4294967296"], ["`--seed`", "4294967296"]),
        (["--batch-size", "x"], ["--batch-size", "'x'"]),
        (["--num-envs", "2.5"], ["--num-envs", "'2.5'"]),
        (["--threads", "0"], ["`--threads`", "at least 1"]),
        (["--colour", "red"], ["--colour"]),
        (["--env-kwargs", "patch_size"], ["`--env-kwargs`", "KEY=VALUE", "'patch_size'"]),
        (["--env-kwargs", "=3"], ["`--env-kwargs`", "'=3'"]),
        (["--env-kwargs", "patch size=3"], ["`--env-kwargs`", "'patch size=3'"]),
        ([*QUICK, "--env-kwargs", "patch_sise=3"], ["patch_sise"]),
        ([*QUICK, "--env-kwargs", "patch_size=0"], ["`patch_size`", "0"]),
        ([*QUICK, "--env-kwargs", "canvas_size=20"], ["`canvas_size`", "20"]),
        (
            [*QUICK, "--env-kwargs", "canvas_size=1000000", "num_distractors=1000000000"],
            ["`canvas_size` 1000000x1000000", "memory"],
        ),
        ([*QUICK, "--env-kwargs", "num_envs=3"], ["num_envs"]),
        (["--algo", "dqn"], ["--algo", "'dqn'", "ppo"]),
        (["--memory", "history"], ["`--memory`", "ram has its core network", "'history'"]),
        (["--memory", "perfect"], ["--memory", "'perfect'", "canvas"]),
        (
            ["--algo", "sac", "--action-format", "multidiscrete"],
            ["`--action-format` of sac", "box", "'multidiscrete'"],
        ),
        (
            ["--algo", "sac", "--env-kwargs", "action_format=multidiscrete"],
            ["`--action-format` of sac", "'multidiscrete'"],
        ),
        ([*QUICK, "--algo", "ppo", "--preset", "paper"], ["`--preset` is for ram", "ppo"]),
        (["--algo", "ppo", "--processes", "2"], ["`--processes` is for ram", "ppo", "2"]),
        ([*QUICK, "--batch-size", "32", "--num-envs", "10"], ["`--batch-size=30` would do"]),
        ([*QUICK, "--settings", "cor=lstm"], ["'cor' of ram. Did you mean 'core'?"]),
        ([*QUICK, "--algo", "a2c"], ["'batch_size' of a2c", "n_steps"]),
        ([*QUICK, "--algo", "ppo", "--settings", "colour=red"], ["'colour' of ppo", "n_epochs"]),
        ([*QUICK, "--algo", "ppo", "--settings", "gamma=high"], ["`gamma` of ppo", "'high'"]),
        ([*QUICK, "--algo", "ppo", "--settings", "n_epochs=1.5"], ["`n_epochs` of ppo", "int"]),
        ([*QUICK, "--algo", "ppo", "--settings", "target_kl=low"], ["`target_kl` of ppo", "'low'"]),
        (
            [*QUICK, "--algo", "ppo", "--settings", 'policy_kwargs={"net_arch":[9000,9000]}'],
            ["9000", "too large for a policy", "smaller `net_arch`"],
        ),
        ([*QUICK, "--algo", "ppo", "--settings", "use_sde=1"], ["`use_sde` of ppo", "bool"]),
        (
            [*QUICK, "--algo", "ppo", "--settings", 'policy_kwargs={"activation_fn":"Sine"}'],
            ["`activation_fn`", "ReLU", "'Sine'"],
        ),
        (["--algo", "ppo", "--reward", "most"], ["--reward", "'most'", "every_step"]),
        (
            [*QUICK, "--algo", "ppo", "--reward", "log_likelihood"],
            ["log_likelihood", "multidiscrete"],
        ),
        (["--settings", "core"], ["`--settings`", "KEY=VALUE", "'core'"]),
        (["--settings", "core=lstm", "core=relu"], ["`--settings`", "'core' twice"]),
        (["--settings", "core=lstm", "--settings", "core=relu"], ["`--settings`", "'core' twice"]),
        (
            ["--env-kwargs", "patch_size=8", "--env-kwargs", "patch_size=9"],
            ["`--env-kwargs`", "'patch_size' twice"],
        ),
        (["--settings", f"hidden_size={10**20}"], ["`--hidden-size`", "at most", str(10**20)]),
        (["--batch-size", str(10**12), "--num-envs", "64"], ["`--batch-size`", "at most"]),
        (["--settings", "zebra=red"], ["'zebra'", "learning_rate"]),
        (["--settings", "core=crystal"], ["`--core`", "'crystal'", "gru"]),
        (
            [*QUICK, "--settings", "hidden_size=100000000"],
            ["out of memory", "smaller networks"],
        ),
        (
            [*QUICK, "--algo", "sac", "--settings", "buffer_size=100000000000000"],
            ["out of memory", "fewer `--num-envs`"],
        ),
        (["--settings", "discount=often"], ["`--discount`", "float", "'often'"]),
        ([*QUICK, "--settings", "batch_size=8"], ["`--batch-size`", "not both"]),
        ([*QUICK, "--env-kwargs", "autoreset_mode=Disabled"], ["autoreset_mode"]),
        ([*QUICK, "--env-kwargs", "split=test"], ["split"]),
        ([*QUICK, "--env-kwargs", "split=tset"], ["split"]),
        ([*QUICK, "--num-envs", "3"], ["multiple", "3"]),
        ([*QUICK, "--num-envs", "16"], ["multiple", "16"]),
        ([*QUICK, "--device", "abacus"], ["`--device`", "'abacus'"]),
        ([*QUICK, "--device", "cuda:99"], ["`--device`", "'cuda:99'"]),
        ([*QUICK, "--dataset", "emnist"], ["`--dataset`", "'emnist'"]),
        ([*QUICK, "--dataset", "missing.npz"], ["missing.npz"]),
        ([*QUICK, "--dataset", "idx"], ["`--data-dir`"]),
        ([*QUICK, "--dataset", "idx", "--data-dir", "nowhere"], ["nowhere"]),
        ([*QUICK, "--dataset", "mnist", "--data-dir", "nowhere"], ["nowhere"]),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value[0], str) else None,
)
def test_bad_option_ends_with_one_clear_line(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, a line that names option and value, no traceback, nothing written."""
    line = refuse(arguments, capsys)
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "out of memory (Python has none left): choose smaller networks"),
        (MemoryError("Unable to allocate 2 GiB"), "out of memory (Unable to allocate 2 GiB): "),
    ],
)
def test_memory_that_ends_in_the_middle_is_told_in_one_line(
    error: Exception,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever asked for it; an error of the program keeps its traceback."""
    monkeypatch.setattr(run, "train", raiser(error))
    monkeypatch.setattr(run, "make_run", lambda plan: run.Run(plan, None, {}))  # type: ignore
    assert line in refuse([], capsys)
    monkeypatch.setattr(run, "train", raiser(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        launch.main([])


def raiser(error: Exception) -> Any:
    """Return a function that raises an error."""

    def fail(*_: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("existing", ["run/notes.txt", "run"], ids=["folder", "file"])
def test_existing_run_dir_is_refused(existing: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds something, or a file of this name, is left as it is."""
    Path(existing).parent.mkdir(exist_ok=True)
    Path(existing).write_text("mine")
    assert "`--run-dir`" in refuse([*QUICK, "--run-dir", "run"], capsys)
    assert Path(existing).read_text() == "mine"


def test_run_dir_below_a_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """No folder can be made inside a file, and that is known before the training."""
    Path("file").write_text("mine")
    assert "file" in refuse([*QUICK, "--run-dir", "file/run"], capsys)


def test_a_run_dir_that_no_file_system_takes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A name too long for a folder is told, not shown as a traceback."""
    assert "File name too long" in refuse([*QUICK, "--run-dir", "n" * 300], capsys)


def test_an_option_given_twice_takes_the_values_of_both() -> None:
    """None is dropped, and what has an option of its own is joined with them."""
    words = ["--settings", "core=lstm", "--batch-size", "3", "--settings", "gaze=random"]
    options = parse_options([*words, "--num-glimpses", "2", "--env-kwargs", "patch_size=4"])
    assert options.settings == {"core": "lstm", "gaze": "random", "batch_size": 3}
    assert options.env_kwargs == {"patch_size": 4, "num_glimpses": 2}


def test_every_setting_of_ram_is_an_option() -> None:
    """Under its own name, with its help; `--settings` is a second way to the same."""
    text = make_parser().format_help()
    for field in dataclasses.fields(RAMConfig):
        option = "--" + field.name.replace("_", "-")
        assert option in text
        value = json.dumps(field.default).strip('"')
        told = (
            parse_options([option, value]),
            parse_options(["--settings", f"{field.name}={value}"]),
        )
        assert told[0] == told[1] == Options(settings={field.name: field.default})


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(env="centered", env_kwargs={"dataset": "a b.npz", "canvas_size": [60, 80]}),
        Options(algo="ppo", settings={"policy_kwargs": {"net_arch": [64]}, "gamma": 0.9}),
        Options(
            preset="pure", settings={"core": "3", "squash_location": False}, run_dir=Path("x y")
        ),
        Options(episodes=3, seed=7, device="cuda:1", processes=2, threads=1, num_envs=8),
    ],
    ids=lambda options: options.command(),
)
def test_options_survive_command_line_and_json(options: Options) -> None:
    """What a run notes down of its options asks for the same again."""
    assert parse_options(shlex.split(options.command())[2:]) == options
    assert Options.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_recorded_commands_still_parse() -> None:
    """Every command of train.py that stands beside a result asks for something today."""
    recorded = [
        row["command"]
        for path in sorted((ROOT / "results").rglob("*.json"))
        for row in json.loads(path.read_text()).get("rows", [])
        if "train.py" in row.get("command", "")
    ]
    assert len(recorded) > 30
    for command in recorded:
        new_plan(parse_options(shlex.split(command)[2:]))


def test_missing_mnist_names_the_remedies(capsys: pytest.CaptureFixture[str]) -> None:
    """`--dataset mnist` without data or network says how to get it, in one line."""
    line = refuse([*QUICK, "--dataset", "mnist", "--run-dir", "run"], capsys)
    for part in ("MNIST was not found", "`--data-dir`", "RAM_ENV_DATA", "network"):
        assert part in line


@pytest.mark.parametrize(("name", "env_id"), list(SHORT_NAMES.items()))
def test_short_names_are_resolved(name: str, env_id: str) -> None:
    """A short name, the id, and the id with its module mean the same."""
    assert resolve_env(name) == resolve_env(env_id) == (env_id, None)
    assert resolve_env(f"ram_env:{env_id}") == (env_id, "ram_env")


def test_every_id_has_a_short_name() -> None:
    """No registered task is left out."""
    others = {*MEGAPIXEL_TASKS, *PICTURE_TASKS, *CATCH_TASKS}
    assert set(SHORT_NAMES.values()) == {*TASKS, *others}


def test_values_may_be_written_as_in_python() -> None:
    """What a hand types for a number, a truth value or nothing is none of it text."""
    pairs = ["a=.03", "b=-.5", "c=1.", "d=+2e-3", "e=True", "f=False", "g=None"]
    expected = {"a": 0.03, "b": -0.5, "c": 1.0, "d": 0.002, "e": True, "f": False, "g": None}
    assert parse_pairs("--settings", pairs) == expected
    texts = {"a": "infinity", "b": "./images", "c": ".", "d": "12x12", "e": "true!", "f": "-"}
    assert parse_pairs("--settings", [f"{key}={text}" for key, text in texts.items()]) == texts


def test_pairs_are_json_where_they_can_be() -> None:
    """Numbers, lists, booleans and null are read as such; all else is text."""
    pairs = ["a=3", "b=0.5", "c=[60, 80]", "d=true", "e=null", "f=center", 'g="3"', "h=x=y", "i="]
    assert parse_pairs("--env-kwargs", pairs) == {
        "a": 3,
        "b": 0.5,
        "c": [60, 80],
        "d": True,
        "e": None,
        "f": "center",
        "g": "3",
        "h": "x=y",
        "i": "",
    }


def test_help_tells_unit_and_default_of_every_option() -> None:
    """No option is without help, and the help text can be formatted."""
    parser = make_parser()
    assert all(action.help for action in parser._actions)
    text = parser.format_help()
    for option in (
        "--env",
        "--env-kwargs",
        "--preset",
        "--settings",
        "--episodes",
        "--minutes",
        "--seed",
    ):
        assert option in text
    assert all(name in text for name in (*SHORT_NAMES, *PRESETS))


def read_config(folder: str) -> dict[str, Any]:
    """Return the config.json of a run."""
    content = json.loads(Path(folder, "config.json").read_text())
    assert isinstance(content, dict)
    return content


def test_options_reach_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """What was asked for is what config.json says, and the last lines say result and place."""
    arguments = [*QUICK, "--run-dir", "run", "--seed", "5", "--num-envs", "4"]
    arguments += ["--preset", "paper", "--env-kwargs", "initial_location=center", "patch_size=6"]
    arguments += ["--settings", "core=gru", "discount=0"]
    assert launch.main(arguments) == 0
    config = read_config("run")
    assert config["env_id"] == "GlimpseMNIST-v0"
    expected = {"dataset": "digits", "num_glimpses": 2}
    assert config["env_kwargs"] == expected | {"initial_location": "center", "patch_size": 6}
    assert (config["preset"], config["seed"], config["num_envs"]) == ("paper", 5, 4)
    assert (config["episodes"], config["config"]["batch_size"]) == (8, 8)
    changed = {"batch_size": 8, "core": "gru", "discount": 0}
    assert config["config"] == PRESETS["paper"].to_dict() | changed
    *_, result, place = capsys.readouterr().out.splitlines()
    assert "% error on 300 test scenes" in result and "NOT MNIST" in result
    assert place.startswith("Run folder: run ")


@pytest.mark.parametrize("option", ["--{}=", "--env-kwargs={}="])
@pytest.mark.parametrize("name", ["data_dir", "data_cache"])
def test_a_data_folder_is_found_from_anywhere(
    name: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~` is the user's home, and what config.json says is absolute, however it was given."""
    monkeypatch.setenv("HOME", os.getcwd())
    for given in ("images", "~/images"):
        spelled = name if "kwargs" in option else name.replace("_", "-")
        options = parse_options([option.format(spelled) + given])
        assert options.env_kwargs[name] == os.path.abspath("images")


def test_dataset_can_be_given_as_an_env_argument() -> None:
    """`--env-kwargs dataset=digits` counts where `--dataset` was not given."""
    arguments = [option for option in QUICK if option not in ("--dataset", "digits")]
    assert launch.main([*arguments, "--run-dir", "run", "--env-kwargs", "dataset=digits"]) == 0
    assert read_config("run")["env_kwargs"]["dataset"] == "digits"


def test_auto_without_mnist_warns_once_and_trains_on_digits(tmp_path: Path) -> None:
    """In a process of its own: one warning line, exit code 0, and not taken for MNIST."""
    code = (
        "import ram_env.data.mnist as m; m.MIRRORS = ('file:///nonexistent/',); import train, sys; "
    )
    code += "sys.exit(train.main(sys.argv[1:]))"
    arguments = [option for option in QUICK if option not in ("--dataset", "digits")]
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment |= {"HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--run-dir", "run"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if "warning" in line.lower()]
    assert len(warned) == 1
    assert "instead of MNIST" in warned[0] and "RAM_ENV_DATA" in warned[0]
    assert "NOT MNIST" in done.stdout.splitlines()[0]
    assert "NOT MNIST" in done.stdout.splitlines()[-2]
    assert json.loads(Path("run/evaluation.json").read_text())["dataset"] == "digits"


def test_default_run_folder_names_the_task() -> None:
    """Without `--run-dir`, the run lies in runs/, named by task and time."""
    assert launch.main(QUICK) == 0
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("centered-2")


def test_own_images_can_be_trained_on(capsys: pytest.CaptureFixture[str]) -> None:
    """`--dataset PATH.npz` with other sizes and classes, named relative to where one stands.

    What always answering one class comes to is told, as of these images nobody knows it.
    """
    images = np.arange(60 * 9 * 7, dtype=np.uint32).reshape(60, 9, 7).astype(np.uint8)
    np.savez("own.npz", images=images, labels=np.arange(60) % 3)
    arguments = [*QUICK, "--dataset", "own.npz", "--run-dir", "run"]
    assert launch.main([*arguments, "--env-kwargs", "canvas_size=12", "patch_size=4"]) == 0
    assert read_config("run")["env_kwargs"]["dataset"] == str(Path("own.npz").absolute())
    told = r"for comparison: \d\d\.\d\d % by always answering [012], the largest class"
    assert re.search(told, capsys.readouterr().out)


def test_options_have_the_order_of_their_declaration() -> None:
    """Not one that differs between processes: those of `torchrun` compare what they were asked."""
    given = {"reward": "final", "dataset": "digits", "data_dir": ".", "num_glimpses": "2"}
    given |= {"hidden_size": "8", "batch_size": "4", "core": "gru", "discount": "0.5"}
    options = parse_options([part for name in given for part in (as_option(name), given[name])])
    for kind, found in ((EnvOptions, options.env_kwargs), (RAMConfig, options.settings)):
        declared = [field.name for field in dataclasses.fields(kind)]
        assert [*found] == sorted(found, key=declared.index)
