"""`ram-env classify`: the classes of files, by any trained model, for people and programs."""

import csv
import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_lines import refusal
from helpers import made_up_image
from photos import make_photos
from PIL import Image
from small_runs import make_options, run

from agents import RAM
from agents.__main__ import main as ram_env
from agents.base.files import read_json, write_json
from agents.classify import MAX_PICTURES, classify, main, printable
from agents.evaluation.players import expert_of_run

CLASSES = ["green_circle", "red_circle", "square", "triangle"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures in colour."""
    return make_photos(tmp_path_factory.mktemp("photos") / "of", 12, shortest=20, longest=60)


@pytest.fixture(scope="module")
def runs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of RAM and of PPO on the folder, whose pictures are gone since."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(photos, folder / "gone")
    kwargs = {"dataset": str(folder / "gone"), "data_cache": str(folder / "cache")}
    small = {"image_size": 32, "num_glimpses": 2}
    task: dict[str, Any] = {"env": "folder", "env_kwargs": kwargs | small}
    run(make_options(folder / "ram", episodes=64, **task))
    ppo = make_options(folder / "ppo", algo="ppo", num_envs=4, episodes=16, **task)
    run(dataclasses.replace(ppo, settings={"n_steps": 8, "batch_size": 16}))
    shutil.rmtree(folder / "gone")
    return {"ram": folder / "ram", "ppo": folder / "ppo"}


def asked(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, Any]]:
    """Return what the command answers in JSON."""
    assert main([*map(str, words), "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


@pytest.mark.parametrize("algo", ["ram", "ppo"])
def test_files_folders_and_globs_are_classified(
    algo: str, runs: dict[str, Path], photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order that they are named in; of a folder in the order of its paths."""
    one = photos / "square" / "0003.jpg"
    files = [one, photos / "triangle", f"{photos}/*/000[12].jpg"]
    rows = asked(capsys, "--run", runs[algo], *files)
    in_folder = sorted(map(str, (photos / "triangle").iterdir()))
    in_glob = [str(photos / name / f"000{n}.jpg") for name in CLASSES for n in (1, 2)]
    assert [row["path"] for row in rows] == [str(one), *in_folder, *in_glob]
    for row in rows:
        assert set(row) == {"path", "label", "belief", "num_glimpses"}
        assert row["label"] in CLASSES and row["num_glimpses"] == 2
        if algo == "ppo":
            assert row["belief"] is None
            continue
        assert list(row["belief"]) == CLASSES
        assert row["label"] == max(row["belief"], key=row["belief"].get)
        assert sum(row["belief"].values()) == pytest.approx(1.0)


def test_batches_answer_as_the_model_does(runs: dict[str, Path], photos: Path) -> None:
    """Beyond a batch, with what cannot be read between."""
    expert, model = expert_of_run(runs["ram"]), RAM.load(runs["ram"] / "model.zip", device="cpu")
    path = str(photos / "square" / "0003.jpg")
    paths = ["nowhere", path] + [path] * MAX_PICTURES
    found = dict(enumerate(classify(expert, paths)))
    assert [it for it, _ in found.values()] == paths
    assert isinstance(found.pop(0)[1], ValueError)
    expected = model.look_at(path)
    for _, look in found.values():
        assert not isinstance(look, ValueError) and look.label == expected.label
        np.testing.assert_allclose(look.belief, expected.belief, atol=1e-5)  # type: ignore[arg-type]


def test_an_earlier_run_is_asked_by_its_images(
    runs: dict[str, Path], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its config.json does not tell the task; and one that is damaged says so."""
    folder = tmp_path / "run"
    shutil.copytree(runs["ram"], folder)
    config = read_json(folder / "config.json")
    config["env_kwargs"]["dataset"] = str(photos)
    task = config.pop("task")
    write_json(folder / "config.json", config)
    rows = asked(capsys, "--run", folder, photos / "square")
    assert rows == asked(capsys, "--run", runs["ram"], photos / "square")
    write_json(folder / "config.json", config | {"task": task | {"class_names": 5}})
    line = refusal(main, ["--run", str(folder), str(photos)], capsys)
    assert "config.json` is damaged: its `task` is none" in line


def test_a_table_and_csv_show_the_belief_in_the_label(
    runs: dict[str, Path], photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each picture below a head."""
    words = ["--run", str(runs["ram"]), str(photos / "square")]
    expected = asked(capsys, *words)
    assert ram_env(["classify", *words, "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    for row, full in zip(rows, expected, strict=True):
        assert float(row["belief"]) == pytest.approx(full["belief"][full["label"]], abs=1e-4)
    assert main(words) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["path", "label", "belief", "num_glimpses"]
    assert [line.split()[0] for line in lines] == [row["path"] for row in rows]


def test_confidence_ends_looking_and_gazes_are_drawn(
    runs: dict[str, Path], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture for each file, none over another of the same name."""
    files = [photos / name / "0001.jpg" for name in CLASSES]
    words = ["--confidence", "0", "--pictures", tmp_path / "gazes"]
    rows = asked(capsys, "--run", runs["ram"], *files, *words)
    assert [row["num_glimpses"] for row in rows] == [1] * 4
    drawn = sorted(path.name for path in (tmp_path / "gazes").iterdir())
    assert drawn == [f"{number:04}-0001.png" for number in range(4)]
    with Image.open(tmp_path / "gazes" / drawn[0]) as image:
        assert min(image.size) > 200


def test_long_names_are_cut(
    runs: dict[str, Path], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has room in one name may have none in another, in whatever letters."""
    files = [tmp_path / f"{'字' * 80}.jpg", tmp_path / f"{'a' * 240}.jpg"]
    for file in files:
        shutil.copy(photos / "square" / "0001.jpg", file)
    asked(capsys, "--run", runs["ram"], *files, "--pictures", tmp_path / "gazes")
    drawn = sorted(path.stem for path in (tmp_path / "gazes").iterdir())
    assert drawn == [f"0000-{'字' * 50}", f"0001-{'a' * 150}"]


def test_a_picture_that_fails_costs_no_answer(
    runs: dict[str, Path], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told at the end, as what cannot be read."""
    (tmp_path / "0000-0001.png").mkdir()
    file = str(photos / "square" / "0001.jpg")
    words = ["--run", str(runs["ram"]), file, "--pictures", str(tmp_path), "--json"]
    assert main(words) == 2
    captured = capsys.readouterr()
    assert [row["path"] for row in json.loads(captured.out)] == [file]
    assert f"{file} cannot be drawn (" in captured.err


def test_what_cannot_be_read_is_told_at_the_end(
    runs: dict[str, Path], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each, exit code 2; the others are answered, and JSON stays JSON."""
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.png").touch()
    good = photos / "square" / "0003.jpg"
    bad = [tmp_path / "text.jpg", tmp_path / "empty.png", tmp_path / "nowhere.jpg"]
    words = [str(path) for path in (bad[0], good, *bad[1:])]
    assert main(["--run", str(runs["ram"]), *words, "--json"]) == 2
    captured = capsys.readouterr()
    assert [row["path"] for row in json.loads(captured.out)] == [str(good)]
    lines = captured.err.splitlines()
    assert len(lines) == 3
    for path, line in zip(bad, lines, strict=True):
        assert line.startswith(f"{path} cannot be read (")


def test_digits_have_the_sizes_of_the_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image, or a whole canvas, by a model of the package."""
    sides = {28: 0, 60: 0, 30: 2}
    for side, code in sides.items():
        path = tmp_path / f"{side}.png"
        Image.fromarray(np.zeros((side, side), np.uint8)).save(path)
        assert main(["--pretrained", "cluttered", str(path)]) == code
    assert f"{path} must have 28 x 28 or 60 x 60 pixels" in capsys.readouterr().err


def test_canvases_of_many_sizes_are_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one call, by the model that knows them all, as each by itself."""
    paths = []
    for number, shape in enumerate(((28, 28), (60, 60), (60, 60), (60, 90), (1500, 333))):
        canvas = np.zeros(shape, np.uint8)
        canvas[:28, -28:] = made_up_image(number, (28, 28))
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(canvas).save(paths[-1])
    assert main(["--pretrained", "any", "--json", *paths]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["path"] for row in rows] == paths
    model = RAM.from_pretrained("any", device="cpu")
    for row in rows:
        look = model.look_at(row["path"])
        assert (row["label"], row["num_glimpses"]) == (look.label, 12)
        assert look.belief is not None
        np.testing.assert_allclose([*row["belief"].values()], look.belief, atol=1e-4)


REFUSED = {
    "--run {tmp} x.jpg": "`--run` must be the folder of a finished run",
    "--pretrained sharks x.jpg": "must be one of any, catch",
    "--run {ram} {tmp}": "FILES must be pictures or folders of some, got none",
    "--run {ram} {photos} --confidence 2": "`--confidence` must be a number in 0.0..1.0, got 2.0",
    "--run {ppo} {photos} --confidence 0.5": "`--confidence` needs a model that tells its belief",
    "--run {ram}": "FILES",
    "x.jpg": "--run --pretrained is required",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_impossible_is_one_line(
    words: str,
    runs: dict[str, Path],
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With exit code 2, before anything is looked at."""
    given = words.format(tmp=tmp_path, photos=photos, **runs).split()
    assert REFUSED[words] in refusal(main, given, capsys)


def test_a_name_moves_no_cursor() -> None:
    """Of a class or a file, which somebody else has chosen."""
    assert printable("é 猫 \x1b[2J\n") == "é 猫 \\x1b[2J\\n"
