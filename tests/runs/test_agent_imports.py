"""What is loaded when: the environment without the agents, the command line without torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import agents

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "stable_baselines3", "matplotlib", "sklearn", "safetensors", "tensorboard"}


def loaded_modules(code: str) -> set[str]:
    """Return the top-level modules that are loaded after some code ran in a new process."""
    report = "import sys, json; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout.splitlines()[-1])
    return {name.split(".")[0] for name in modules}


def test_agents_alone_loads_no_torch() -> None:
    """`import agents` and its settings stay light."""
    assert not loaded_modules("import agents, agents.model.config, agents.base.files") & HEAVY


def test_help_of_train_loads_no_torch() -> None:
    """`train.py --help` answers without torch or Stable-Baselines3."""
    code = "import train\ntry: train.main(['--help'])\nexcept SystemExit: pass"
    assert not loaded_modules(code) & HEAVY


@pytest.mark.parametrize(
    "code",
    [
        "import train\ntry: train.main(['--env', 'x'])\nexcept SystemExit: pass",
        "import agents\ntry: agents.train(env='x')\nexcept ValueError: pass",
    ],
)
def test_bad_options_load_no_torch(code: str) -> None:
    """An unknown env is refused at once, on the command line and in Python."""
    assert not loaded_modules(code) & HEAVY


def test_env_loads_no_agent() -> None:
    """Playing the game needs neither agents nor torch."""
    code = (
        "import gymnasium, ram_env\n"
        "env = gymnasium.make('GlimpseMNIST-v0', dataset='digits')\n"
        "env.reset(seed=0); env.step(env.action_space.sample())\n"
        "envs = gymnasium.make_vec('GlimpseClutteredMNIST-v0', num_envs=2, dataset='digits')\n"
        "envs.reset(seed=0)"
    )
    assert not loaded_modules(code) & {"agents", "torch", "stable_baselines3"}


@pytest.mark.parametrize("name", agents.__all__)
def test_public_names_are_loaded_on_first_use(name: str) -> None:
    """Each name of `__all__` is a class, function or module of this package."""
    found = getattr(agents, name)
    assert getattr(found, "__module__", found.__name__).startswith("agents.")


def test_unknown_name_is_an_attribute_error() -> None:
    """The module behaves as any other for names that it lacks."""
    with pytest.raises(AttributeError, match="no attribute 'ROM'"):
        _ = agents.ROM
