"""What `import ram_env` loads, reads and fetches: little, nothing and nothing."""

import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Prints what a program loaded, and what of the outside world it touched while it ran.
WATCH = """
import os, sys
touched = []
def note(event, arguments):
    if event.startswith(("socket.", "urllib.", "subprocess.", "os.system")):
        touched.append(event)
    elif event in ("open", "os.listdir", "os.scandir", "os.mkdir") and arguments:
        if str(arguments[0]).startswith(os.environ["WATCHED"]):
            touched.append(f"{event} {arguments[0]}")
import socket, urllib.request
sys.addaudithook(note)
"""
HEAVY = {
    "agents",
    "torch",
    "stable_baselines3",
    "matplotlib",
    "pygame",
    "sklearn",
    "scipy",
    "pandas",
    "pooch",
    "platformdirs",
    "requests",
}
REPORT = "\nprint(sorted(set(sys.modules) & set({!r})), touched, sep='\\n')"


def run(program: str, watched: Path) -> list[str]:
    """Run a program in a fresh interpreter, warnings as errors; return the lines it prints."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WATCHED": str(watched),
        "RAM_ENV_DATA": str(watched / "data"),
        "HOME": str(watched),
        "XDG_CACHE_HOME": str(watched / "cache"),
        "LOCALAPPDATA": str(watched / "cache"),
    }
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.splitlines()


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    """A home folder with a data folder in it, whose contents would be an error to read."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-images-idx3-ubyte").write_bytes(b"not IDX")
    return tmp_path


def test_import_loads_reads_and_fetches_nothing(watched: Path) -> None:
    """Importing and registering load no heavy package, open no data and use no network."""
    program = WATCH + "import gymnasium, ram_env\nassert ram_env.TASKS" + REPORT.format(HEAVY)
    assert run(program, watched) == ["[]", "[]"]


def test_all_modules_load_no_heavy_package(watched: Path) -> None:
    """No module of the package needs more than numpy, Pillow and Gymnasium to be imported."""
    paths = sorted(path.relative_to(ROOT) for path in (ROOT / "ram_env").rglob("*.py"))
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    assert {"ram_env", "ram_env.vector_env", "ram_env.wrappers.vector"} < set(modules)
    imports = "".join(f"import {name}\n" for name in modules)
    assert run(WATCH + imports + REPORT.format(HEAVY), watched) == ["[]", "[]"]


@pytest.mark.parametrize("make", ["make", "make_vec"])
def test_playing_on_own_images_loads_no_heavy_package(
    small_images: str, watched: Path, make: str
) -> None:
    """An env on an .npz file is made, played and drawn without a search for MNIST."""
    program = f"""
import gymnasium
env = gymnasium.{make}("ram_env:GlimpseMNIST-v0", dataset={small_images!r}, render_mode="rgb_array")
env.reset(seed=0)
env.step(env.action_space.sample())
assert env.render() is not None
env.close()
"""
    assert run(WATCH + program + REPORT.format(HEAVY), watched) == ["[]", "[]"]


def test_digits_need_scikit_learn_only(watched: Path) -> None:
    """The digits load scikit-learn and nothing of learning, windows or plots."""
    heavy = HEAVY - {"scipy", "pandas"}
    program = 'import ram_env.data.datasets\nram_env.data.datasets.load_dataset("digits")'
    loaded = run("import sys\ntouched = []\n" + program + REPORT.format(heavy), watched)
    assert loaded == ["['sklearn']", "[]"]


def test_all_packages_are_installed() -> None:
    """Each folder of modules under `ram_env` and `agents` is a package that setup.cfg names."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in ("ram_env", "agents")
        for path in (ROOT / package).rglob("*.py")
    }
    assert set(settings["options"]["packages"].split()) == folders
