"""RL Baselines3 Zoo trains with the settings that this project declares."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_lines import refusal

from agents import compare
from agents.reports.zoo import NAMES, zoo_settings, zoo_yaml
from agents.sb3.algorithms import ALGORITHMS
from agents.sb3.policy_file import policy_arguments


@pytest.mark.parametrize("algo", NAMES)
def test_settings_are_those_of_the_algorithm(algo: str) -> None:
    """All that is declared of an algorithm is there, but for how its network is written."""
    declared, told = ALGORITHMS[algo], zoo_settings(algo)
    for key, value in declared.settings.items():
        assert key == "policy_kwargs" or told[key] == value
    assert (told["policy"], told["n_envs"]) == (declared.policy, declared.num_envs)
    assert told["env_kwargs"]["reward"] == declared.reward
    assert ("env_wrapper" in told) == (declared.memory != "none")
    assert eval(told["policy_kwargs"]) == policy_arguments(declared.settings)["policy_kwargs"]


@pytest.mark.parametrize("algo", NAMES)
def test_yaml_says_the_same(algo: str) -> None:
    """What YAML reads is what was written, numbers as numbers."""
    yaml: Any = pytest.importorskip("yaml")
    assert yaml.safe_load(zoo_yaml(algo)) == {"default": zoo_settings(algo)}


def test_compare_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    """`--zoo` alone is PPO's; an algorithm of its own name is found by the Zoo's."""
    assert compare.main(["--zoo"]) == 0
    assert capsys.readouterr().out == zoo_yaml("ppo") + "\n"
    assert compare.main(["--zoo", "recurrent_ppo"]) == 0
    assert "--algo ppo_lstm" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        compare.main(["--zoo", "ram"])


@pytest.mark.parametrize("algo", ["ppo", "recurrent_ppo"])
def test_the_zoo_trains(algo: str, tmp_path: Path) -> None:
    """The command in the file trains with it, evaluates on validation and leaves a model."""
    pytest.importorskip("rl_zoo3", reason="needs rl_zoo3: pip install 'ram-env[zoo]'")
    text = zoo_yaml(algo)
    (tmp_path / "glimpses.yml").write_text(text)
    lines = [line for line in text.splitlines() if line.startswith("#")]
    words = shlex.split(" ".join(line.strip("#\\ ") for line in lines))
    assert words[:3] == ["python", "-m", "rl_zoo3.train"]
    few = ["--n-timesteps", "16", "--eval-freq", "8", "--eval-episodes", "1"]
    few += ["--hyperparams", "n_envs:2", "batch_size:8"]
    command = [sys.executable, "-W", "ignore", *words[1:], *few]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250
    )
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "logs" / NAMES[algo] / "GlimpseMNIST-v0_1"
    assert (folder / "GlimpseMNIST-v0.zip").exists()
    assert (folder / "evaluations.npz").exists()


def test_it_goes_with_no_other_work(capsys: pytest.CaptureFixture[str]) -> None:
    """What would be left out silently is refused."""
    for words in (["--zoo", "--rows", "centered-ram"], ["--add", "x", "--rows", "centered-ram"]):
        assert "do not go together: give one of them" in refusal(compare.main, words, capsys)
