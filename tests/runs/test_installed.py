"""The wheel in an environment of its own: what a user has who never saw the checkout."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from helpers import REAL_MNIST

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="bin/ of POSIX")]
OWN_MODULE = """
import gymnasium
gymnasium.register(
    "Mine-v0",
    entry_point="ram_env.env:GlimpseEnv",
    vector_entry_point="ram_env.vector_env:GlimpseVectorEnv",
    kwargs={"dataset": "digits", "num_glimpses": 2},
)
"""
PAGES = ("README.md", "CHANGELOG.md", "CITATION.cff")
QUICK = ["--dataset", "digits", "--minutes", "0.02", "--threads", "1", "--processes", "1"]

BUILD = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new environment that holds the wheel, and modules with names like ours."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"  # a copy: what setuptools builds beside it stays out of the checkout
    for name in ("agents", "ram_env"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "LICENSE", *PAGES):
        shutil.copy(ROOT / name, source)
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    subprocess.run([*BUILD, "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("ram_env-*.whl")
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    install = [sys.executable, "-m", "pip", f"--python={python}", "install", "--no-deps", "--quiet"]
    subprocess.run([*install, str(wheel)], check=True)
    # What the project needs is where the tests run; a path in here brings no editable install.
    (site_packages,) = (folder / "venv").glob("lib/python*/site-packages")
    (site_packages / "needed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    work = folder / "work"
    (work / "agents").mkdir(parents=True)
    for name in ("agents/__init__.py", "train.py"):
        (work / name).write_text("raise RuntimeError('this is the user's own')\n")
    (work / "mymodule.py").write_text(OWN_MODULE)
    return folder


def run(folder: Path, program: str, *arguments: str) -> str:
    """Run a program of the environment in the user's folder; return what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(folder / "venv" / "bin" / program), *arguments],
        cwd=folder / "work",
        env=kept,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_brings_two_packages_and_no_module(folder: Path) -> None:
    """`ram_env` and `agents` are on the path, from the environment, and `train` is not."""
    (site_packages,) = (folder / "venv").glob("lib/python*/site-packages")
    names = {path.name for path in site_packages.iterdir()} - {"needed.pth"}
    assert {name for name in names if "dist-info" not in name} == {"agents", "ram_env"}
    code = "import sys; sys.path.remove(''); import agents, ram_env; print(agents.__file__)"
    assert run(folder, "python", "-c", code).startswith(str(site_packages))


def test_wheel_and_sdist_are_fit_for_pypi(folder: Path) -> None:
    """As `twine check --strict` has it: their metadata is whole, README.md can be shown."""
    pytest.importorskip("twine", reason="needs the extra check: pip install '.[check]'")
    files = [str(path) for path in folder.glob("ram_env-*") if path.is_file()]
    assert len(files) == 2
    check = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout


def test_the_sdist_holds_what_the_wheel_is_made_of(folder: Path, tmp_path: Path) -> None:
    """The same files come of it, and it tells what changed and how to cite."""
    (sdist,), (wheel,) = folder.glob("ram_env-*.tar.gz"), folder.glob("ram_env-*.whl")
    with tarfile.open(sdist) as archive:
        assert set(PAGES) <= {Path(name).name for name in archive.getnames()}
    subprocess.run([*BUILD, "--wheel-dir", str(tmp_path), str(sdist)], check=True)
    contents = []
    for path in (wheel, tmp_path / wheel.name):
        with zipfile.ZipFile(path) as archive:
            contents.append({it.filename: it.CRC for it in archive.infolist()})
    assert contents[0] == contents[1]
    assert any(name.endswith("pretrained/cluttered.zip") for name in contents[0])


def test_ram_env_trains_in_a_folder_with_modules_of_the_same_names(folder: Path) -> None:
    """The folder's own `agents` and `train` are not imported; a run folder is left."""
    output = run(folder, "ram-env", "train", "--env", "centered", *QUICK, "--run-dir", "run")
    assert "% error on 300 test scenes" in output
    assert (folder / "work" / "run" / "evaluation.json").exists()
    assert "% error on 300 test scenes" in run(folder, "ram-env", "evaluate", "--run", "run")


def test_ram_env_finds_modules_of_the_current_folder(folder: Path) -> None:
    """`--env mymodule:MyEnv-v0` is the user's env, here and when the run is measured again."""
    run(folder, "ram-env", "train", "--env", "mymodule:Mine-v0", *QUICK, "--run-dir", "mine")
    assert "300 test scenes" in run(folder, "ram-env", "evaluate", "--run", "mine")


def test_a_shipped_model_is_shown_and_measured(folder: Path) -> None:
    """The models are in the wheel."""
    run(folder, "ram-env", "show", "centered", "--out", "shown")
    assert {"gaze.png", "gaze.gif"} <= {path.name for path in (folder / "work/shown").iterdir()}
    if REAL_MNIST:
        measured = run(folder, "ram-env", "evaluate", "--pretrained", "centered")
        error, committed = re.findall(r"(\d+\.\d+) %", measured)[0::3][:2]
        assert f"{error} % error on 10,000 test scenes of MNIST" in measured and committed
