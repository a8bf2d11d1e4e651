"""What several commands share: how errors name options."""

import pytest

from agents import evaluate
from agents.__main__ import main
from agents.base.commands import speak_of_options


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("`num_envs` must be 1, got 2.", "`--num-envs` must be 1, got 2."),
        ("`env_id` must be a task.", "`--env` must be a task."),
        ("`run mine:it` and `run=it`", "`--run mine:it` and `--run=it`"),
        ("`seed` is no option here.", "`seed` is no option here."),
        ("`run/config.json` is damaged.", "`run/config.json` is damaged."),
    ],
)
def test_errors_name_options(message: str, told: str) -> None:
    """Of the arguments that have one; neither others nor paths are touched."""
    assert speak_of_options(message, ["num_envs", "env", "run"]) == told


def test_ctrl_c_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of every command, while it is loaded too; the exit code is that of a shell."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "find_player", interrupt)
    with pytest.raises(SystemExit, match="130"):
        main(["evaluate", "--run", "x"])
    monkeypatch.setattr("importlib.import_module", interrupt)
    with pytest.raises(SystemExit, match="130"):
        main(["evaluate"])
    assert capsys.readouterr().err == 2 * "interrupted.\n"
