"""Names mean tasks: short ones, ids, and ids of modules that are imported for them."""

import sys
from pathlib import Path

import pytest

from ram_env import SHORT_NAMES
from ram_env.registration import import_env_module, resolve_env


@pytest.mark.parametrize(("name", "env_id"), list(SHORT_NAMES.items()))
def test_short_names_are_resolved(name: str, env_id: str) -> None:
    """A short name, the id, and the id with its module mean the same."""
    assert resolve_env(name) == resolve_env(env_id) == (env_id, None)
    assert resolve_env(f"ram_env:{env_id}") == (env_id, "ram_env")


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("cluterd", "`env_id` must be one of centered, .*'cluterd'.* Did you mean 'cluttered'"),
        ("GlimpseMNIST", "Did you mean 'GlimpseMNIST-v0'"),
        ("", "`env_id` must be one of"),
        ("no_such_module:Thing-v0", "`env_id`: cannot import 'no_such_module'"),
        (".module:Thing-v0", "`env_id`: cannot import '.module'"),
        ("ram_env:Thing-v0", "got 'ram_env:Thing-v0'"),
    ],
)
def test_names_of_nothing_are_errors(env_id: str, message: str) -> None:
    """The message names the argument, what is known, and what is nearest."""
    with pytest.raises(ValueError, match=message):
        resolve_env(env_id)


def test_a_module_of_the_current_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Python has not put that folder on the path, as in a console script."""
    (tmp_path / "made_for_this_test.py").write_text("loaded = True")
    elsewhere = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]
    monkeypatch.setattr(sys, "path", list(elsewhere))
    monkeypatch.chdir(tmp_path)
    import_env_module("made_for_this_test")
    import_env_module("made_for_this_test")
    assert sys.path == [*elsewhere, str(tmp_path)]
    assert sys.modules.pop("made_for_this_test").loaded


def test_what_fails_within_the_module_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that imports what is missing cannot be imported either."""
    (tmp_path / "broken_for_this_test.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"cannot import .*nothing_of_this_name"):
        import_env_module("broken_for_this_test")
