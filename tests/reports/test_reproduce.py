"""The paper's table: what each row trains, what is written when, and what is left alone."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from command_lines import refusal

from agents import RAM, evaluate, reproduce
from agents.base import pretrained
from agents.base.files import is_finished, lock_folder
from agents.base.pretrained import INDEX, pretrained_path
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.model.config import make_config
from agents.reports import agents as compare
from agents.reports import paper, table, whole_image
from agents.reports.paper import make_row, row_of_side
from agents.reports.table import Row, Table, check_facts, read_entries
from agents.runs import launch
from agents.runs.options import parse_options, parse_pairs
from agents.runs.plan import usual_preset
from ram_env import SHORT_NAMES, TASKS

ROOT = Path(__file__).parents[2]
NAMES = ("name", "task", "preset", "num_glimpses", "episodes", "paper", "gaze", "dataset")
TINY = ("tiny", "centered", "default", 7, 1024, 1.07, "learned", "digits")
NET = ("net", "centered", "fully_connected", 0, 512, None, "none", "digits")


def tiny_row(values: tuple[Any, ...] = TINY, **changes: Any) -> Row:
    """Return one of the two rows of a moment, or one much like it."""
    arguments: dict[str, Any] = dict(zip(NAMES, values, strict=True)) | changes
    return make_row(**arguments)


def words_of(row: Row) -> list[str]:
    """Return the options in the command of a row."""
    _, words = re.split("train.py |agents.reports.whole_image |agents.evaluate ", row.command)
    return shlex.split(words)


@pytest.mark.parametrize("row", paper.ROWS, ids=lambda row: row.name)
def test_every_row_is_a_command_that_can_be_given(row: Row) -> None:
    """The program that trains a row understands its options, and they say what the row says."""
    facts = row.facts
    if "canvas_size" in facts:  # another row's model, on other scenes
        given = evaluate.make_parser("").parse_args(words_of(row))
        assert given.run.name in paper.TABLE.rows
        changes = parse_pairs("env_kwargs", given.env_kwargs)
        assert changes["canvas_range"] == [facts["canvas_size"]] * 2
        assert changes.items() <= facts.items()
        return
    if facts["gaze"] == "none":
        words = dict(zip(*[iter(words_of(row))] * 2, strict=True))
        assert words["--network"] == facts["preset"] in whole_image.NETWORKS
        assert (words["--env"], words["--seed"]) == (facts["task"], "0")
        assert (words["--episodes"], words["--dataset"]) == (str(facts["episodes"]), "mnist")
        return
    options = parse_options(words_of(row))
    assert options.preset is not None and options.preset == facts["preset"]
    config = make_config(options.preset, **options.settings)
    assert config.gaze == facts["gaze"]
    env, changes = pretrained.VARIANTS.get(facts["task"], (facts["task"], {}))
    assert (options.env, options.episodes, options.seed) == (
        env,
        facts["episodes"],
        facts["seed"],
    )
    images = {"dataset": "mnist", "num_glimpses": facts["num_glimpses"], **changes}
    if facts["task"] == "catch":  # a game without images, whose length is its own
        images = {}
        assert facts["num_glimpses"] == gym.make("GlimpseCatch-v0").get_wrapper_attr("num_glimpses")
    assert images.items() <= options.env_kwargs.items()
    for name in ("distortion", "elastic_distortion"):
        assert options.env_kwargs.get(name, 0.0) == facts[name]


def use_tiny_rows(patch: pytest.MonkeyPatch, folder: Path, *rows: Row) -> None:
    """Let the table be two rows of a moment, or those given, and ship models to the folder."""
    rows = rows or (tiny_row(), tiny_row(NET))
    patch.setattr(reproduce, "TABLE", tiny_table(*rows))
    patch.setattr(pretrained, "FOLDER", folder / "pretrained")


def tiny_table(*rows: Row) -> Table:
    """Return the paper's table with other rows."""
    by_name = {row.name: row for row in rows}
    return Table("paper", by_name, paper.describe_run, paper.write_page, paper.draw)


def arguments_for(folder: Path) -> list[str]:
    """Return the options that keep everything in a folder."""
    return ["--out", str(folder / "results"), "--runs", str(folder / "runs")]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two tiny rows were trained."""
    folder = tmp_path_factory.mktemp("reproduced")
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_rows(patch, folder)
        assert reproduce.main([*arguments_for(folder), "--ship"]) == 0
    return folder


def read_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of table.json by name."""
    content = json.loads((folder / "results" / "paper" / "table.json").read_text())
    assert content["version"] == table.VERSION
    return {row["name"]: row for row in content["rows"]}


def test_rows_are_what_their_runs_left(reproduced: Path) -> None:
    """Errors, cost and command of each row are those of its run folder; all files are there."""
    rows = read_rows(reproduced)
    assert list(rows) == ["tiny", "net"]
    for name, row in rows.items():
        assert {"task", "preset", "gaze", "num_glimpses", "seed", "settings"} <= set(row)
        run = reproduced / "runs" / name
        result = json.loads((run / "evaluation.json").read_text())
        for key in ("error", "low", "high", "num_errors", "validation_error", "parameters"):
            assert row[key] == result[key]
        assert row["low"] < row["error"] < row["high"]
        assert row["num_scenes"] == 300
        assert str(reproduced) not in row["command"]
    assert rows["tiny"]["episodes"] == 1024
    assert len(rows["tiny"]["error_per_glimpse"]) == 7
    assert rows["tiny"]["multiply_adds"] > 7 * 500_000
    text = (reproduced / "results" / "paper" / "README.md").read_text()
    for row in rows.values():
        assert f"| `{row['name']}` | **{row['error']:.2f} %** |" in text
        assert row["command"] in text
    assert (reproduced / "results" / "paper" / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_mean_and_spread_are_of_seeds_alone(reproduced: Path) -> None:
    """Rows that differ in a setting are no two seeds of one, nor is a model measured twice."""
    tiny = read_rows(reproduced)["tiny"]
    seeds = [{**tiny, "seed": seed, "error": 80.0 + 2 * seed} for seed in (0, 1)]
    other = {**tiny, "seed": 1, "error": 10.0, "settings": ["core=lstm"]}
    assert "2 seeds: mean 81.00 %, standard deviation 1.41 points" in paper.write_page(
        [*seeds, other]
    )
    assert "seeds: mean" not in paper.write_page([tiny, other])
    assert "seeds: mean" not in paper.write_page([tiny, {**tiny, "num_distractors": 3}])
    assert "seeds: mean" not in paper.write_page([tiny, {**seeds[1], "num_distractors": 3}])


def test_the_model_of_a_task_is_shipped(reproduced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the row's model, without the optimiser, and loads by the name of its task."""
    monkeypatch.setattr(pretrained, "FOLDER", reproduced / "pretrained")
    assert sorted(path.name for path in (reproduced / "pretrained").iterdir()) == [
        "centered.zip",
        INDEX,
    ]
    assert pretrained.pretrained_rows() == {"centered": read_rows(reproduced)["tiny"]}
    model = RAM.from_pretrained("centered", device="cpu")
    own = RAM.load(reproduced / "runs" / "tiny" / "model.zip", device="cpu")
    for name, value in model.policy.state_dict().items():
        assert value.equal(own.policy.state_dict()[name])
    with pytest.raises(ValueError, match=r"must be one of centered, got 'centred'.*'centered'"):
        pretrained_path("centred")


def test_finished_rows_are_not_trained_again(
    reproduced: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second call changes nothing; without the results it takes them from the run folders."""
    use_tiny_rows(monkeypatch, reproduced)
    path = reproduced / "results" / "paper" / "table.json"
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(launch, "main", None)
        patch.setattr(whole_image, "main", None)
        assert reproduce.main(arguments_for(reproduced)) == 0
    assert capsys.readouterr().out.count("already") == 2
    assert path.read_bytes() == before
    path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(whole_image, "train", None)
        patch.setattr(RAM, "learn", None)
        assert reproduce.main(arguments_for(reproduced)) == 0
    assert path.read_bytes() == before


def test_rows_of_one_model_on_canvases_of_many_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is trained once, for the first of them; each is measured on scenes of its own."""
    trained = tiny_row(name="wide", task="translated", num_glimpses=8, canvas_range=[30, 70])
    sides = [row_of_side(trained, side) for side in (30, 60)]
    use_tiny_rows(monkeypatch, tmp_path, *sides, row_of_side(trained, 28, num_distractors=3))
    trained_in = []
    learn = RAM.learn

    def counted(model: RAM, *args: Any, **kwargs: Any) -> RAM:
        trained_in.append(model)
        return learn(model, *args, **kwargs)

    monkeypatch.setattr(RAM, "learn", counted)
    assert reproduce.main([*arguments_for(tmp_path), "--ship"]) == 0
    assert len(trained_in) == 1
    assert not (tmp_path / "pretrained").exists()  # none is the row of the whole task
    rows = read_rows(tmp_path)
    model = RAM.load(tmp_path / "runs" / "wide" / "model.zip", device="cpu")
    for name, changes in (
        ("wide-30", {"canvas_size": 30}),
        ("wide-60", {"canvas_size": 60}),
        ("wide-28", {"canvas_size": 28, "num_distractors": 3}),
    ):
        for split, key in (("test", "error"), ("validation", "validation_error")):
            scenes = FrozenScenes(
                "GlimpseTranslatedMNIST-v0", {"dataset": "digits", **changes}, split
            )
            assert rows[name][key] == scenes.evaluate(model).error
        assert changes.items() <= rows[name].items()
        assert rows[name]["episodes"] == 1024
    assert "seeds: mean" not in paper.write_page(list(rows.values()))


def test_a_model_that_could_not_be_shipped_is_offered_again(
    reproduced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is not in the table before: one that is there is not looked at again."""
    use_tiny_rows(monkeypatch, tmp_path)
    arguments = ["--out", str(tmp_path / "results"), "--runs", str(reproduced / "runs")]
    with monkeypatch.context() as patch:
        patch.setattr(reproduce, "keep_if_better", lambda entry, model: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reproduce.main([*arguments, "--ship"])
    assert not (tmp_path / "results" / "paper" / "table.json").exists()
    assert reproduce.main([*arguments, "--ship"]) == 0
    assert sorted(read_rows(tmp_path)) == ["net", "tiny"]
    assert (tmp_path / "pretrained" / "centered.zip").exists()


def test_no_model_is_shipped_unasked(
    reproduced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who trains a row again keeps the models that came with the package."""
    use_tiny_rows(monkeypatch, tmp_path)
    arguments = ["--out", str(tmp_path / "results"), "--runs", str(reproduced / "runs")]
    assert reproduce.main(arguments) == 0
    assert sorted(read_rows(tmp_path)) == ["net", "tiny"]
    assert not (tmp_path / "pretrained").exists()


@pytest.mark.parametrize(
    ("tiny", "changes"),
    [
        (True, {"seed": 1}),
        (True, {"settings": ("core=lstm",)}),
        (False, {"seed": 1}),
    ],
)
def test_the_run_of_other_options_is_no_row(
    tiny: bool,
    changes: dict[str, Any],
    reproduced: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A row that was declared otherwise when its folder was filled is refused, and not written."""
    changed = tiny_row(TINY if tiny else NET, **changes)
    use_tiny_rows(monkeypatch, tmp_path, changed)
    arguments = ["--out", str(tmp_path / "results"), "--runs", str(reproduced / "runs")]
    try:
        code = reproduce.main([*arguments, "--ship"])
    except SystemExit as stop:
        assert isinstance(stop.code, int)
        code = stop.code
    assert code == 2
    assert "`--run-dir` must be a new or empty folder" in capsys.readouterr().err
    assert not (tmp_path / "results" / "paper" / "table.json").exists()


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"episodes": 4096}, {"distortion": 0.1}, {"settings": ("core=lstm",)}]
)
def test_a_row_in_the_table_has_the_facts_of_its_row(
    changes: dict[str, Any],
    reproduced: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A row that was declared otherwise when it was trained is not said to be there."""
    use_tiny_rows(monkeypatch, reproduced, tiny_row(**changes))
    path = reproduced / "results" / "paper" / "table.json"
    before = path.read_bytes()
    message = refusal(reproduce.main, arguments_for(reproduced), capsys)
    ((name, _),) = changes.items()
    assert f"row 'tiny' in {path.parent} must have {name} " in message
    assert "choose another `--out`" in message
    assert path.read_bytes() == before


@pytest.mark.parametrize("declared", [paper.TABLE, compare.TABLE], ids=lambda table: table.name)
def test_committed_rows_are_those_that_are_declared(declared: Table, tmp_path: Path) -> None:
    """Each has the facts that its row has today: else this raises; the page can be written."""
    committed = ROOT / "results" / declared.name / "table.json"
    (tmp_path / "table.json").write_bytes(committed.read_bytes())
    entries = read_entries(declared, tmp_path)
    assert entries
    for name, entry in entries.items():
        check_facts(declared.rows[name], entry, tmp_path)
    assert (tmp_path / "table.json").read_bytes() == committed.read_bytes()
    page = (ROOT / "results" / declared.name / "README.md").read_text()
    assert (tmp_path / "README.md").read_text() == page


def test_one_program_at_a_time_fills_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second one would write back the rows that it has read at its start."""
    arguments = ["--rows", "cluttered", "--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    folder = tmp_path / "paper"
    folder.mkdir()
    with lock_folder(folder):
        line = refusal(reproduce.main, arguments, capsys)
    assert f"another process is writing to {folder}" in line
    assert not (folder / "table.json").exists()


def test_an_out_that_cannot_be_is_refused_before_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after hours of it."""
    (tmp_path / "file").write_text("")
    words = ["--out", str(tmp_path / "file"), "--runs", str(tmp_path / "runs")]
    assert "must be a folder that you may write to" in refusal(reproduce.main, words, capsys)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("files", "finished"),
    [
        ({}, False),
        ({"config.json": {}}, False),
        ({"config.json": {}, "evaluation.json": {"stopped_early": True}}, False),
        ({"config.json": {}, "evaluation.json": {"stopped_early": False}}, True),
        ({"config.json": {}, "evaluation.json": {}}, True),
    ],
)
def test_only_a_run_that_spent_its_budget_is_finished(
    files: dict[str, Any], finished: bool, tmp_path: Path
) -> None:
    """What was interrupted or stopped early is no row."""
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert is_finished(tmp_path) == finished


def test_a_run_that_was_resumed_elsewhere_says_so() -> None:
    """What differs between its parts is told in turn, what does not once."""
    config: dict[str, Any] = {"machine": "A", "commit": "1", "precision": "bfloat16"}
    part = {"machine": "B", "commit": "1", "precision": "float32"}
    assert table.in_turn(config, "machine") == "A"
    config["resumed"] = [part, part]
    found = [table.in_turn(config, key) for key in ("machine", "commit", "precision", "gpu")]
    assert found == ["A, then B", "1", "bfloat16, then float32", None]
    config["resumed"][1] = part | {"gpu": "a GPU"}
    assert table.in_turn(config, "gpu") == "none, then a GPU"


def test_a_row_that_ends_early_ends_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its exit code is that of the training, and the rows after it are not begun."""
    trained: list[list[str]] = []

    def train(words: list[str]) -> int:
        trained.append(words)
        return 130

    monkeypatch.setattr(launch, "main", train)
    rows = [tiny_row(name=name) for name in ("first", "second")]
    use_tiny_rows(monkeypatch, tmp_path, *rows)
    assert reproduce.main(arguments_for(tmp_path)) == 130
    assert "first: ended with exit code 130" in capsys.readouterr().out
    (words,) = trained
    assert words[-2:] == ["--run-dir", str(tmp_path / "runs" / "first")]
    assert not (tmp_path / "results" / "paper" / "table.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        '{"version": 1, "rows": [{"na',
        '{"version": 2, "rows": []}',
        '{"version": 1}',
        '{"version": 1, "rows": [{"name": "tiny"}]}',
        '{"version": 1, "rows": {"name": "tiny"}}',
        "[]",
        "",
    ],
)
def test_results_that_cannot_be_read_are_left_alone(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half written or of another version: one clear line, exit code 2, nothing overwritten."""
    path = tmp_path / "paper" / "table.json"
    path.parent.mkdir()
    path.write_text(content)
    words = ["--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert refusal(reproduce.main, words, capsys).count("table.json") == 1
    assert path.read_text() == content
    assert not (tmp_path / "runs").exists()


def test_shipped_models_are_of_whole_tasks() -> None:
    """There is a row for each, trained our best way on as many glimpses as the task has."""
    names = {env_id: name for name, env_id in SHORT_NAMES.items()}
    for env_id in TASKS:
        task = names[env_id]
        facts = {"preset": usual_preset(env_id), "num_glimpses": TASKS[env_id]["num_glimpses"]}
        assert facts.items() <= paper.TABLE.rows[task].facts.items()


def test_unknown_rows_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message tells the nearest name; nothing is written."""
    words = ["--rows", "cluttered", "clutered-4", "--out", str(tmp_path / "out")]
    assert "'clutered-4'. Did you mean 'cluttered-4'?" in refusal(reproduce.main, words, capsys)
    assert not (tmp_path / "out").exists()


def test_a_shipped_model_gives_way_to_a_better_one_alone(tmp_path: Path) -> None:
    """What decides is the validation error: test scenes choose nothing."""
    model = tmp_path / "model.zip"
    shipped = tmp_path / "shipped"

    def offer(validation_error: float, test_error: float, content: str, **facts: Any) -> bool:
        model.write_text(content)
        row = {"task": "centered", "preset": "default", "num_glimpses": 7, **facts}
        row |= {"validation_error": validation_error, "error": test_error}
        return reproduce.keep_if_better(row, model, shipped)

    assert not offer(2.0, 3.0, "fewer glimpses", num_glimpses=6)
    assert not offer(2.0, 3.0, "the paper's", preset="paper")
    assert not shipped.exists()
    assert offer(2.0, 3.0, "first")
    assert not offer(2.0, 1.0, "equal")
    assert not offer(2.1, 1.0, "worse")
    assert (shipped / "centered.zip").read_text() == "first"
    assert offer(1.9, 9.0, "better")
    assert (shipped / "centered.zip").read_text() == "better"
    assert json.loads((shipped / INDEX).read_text())["centered"]["validation_error"] == 1.9
    game = {"task": "catch", "num_glimpses": 23}
    assert not offer(2.0, 3.0, "not its preset", **game)
    assert offer(2.0, 3.0, "its preset", preset="catch", **game)
    assert sorted(json.loads((shipped / INDEX).read_text())) == ["catch", "centered"]
