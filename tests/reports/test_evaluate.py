"""Evaluation on frozen scenes, with predictors whose error is known beforehand."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from command_lines import refusal
from helpers import IDS

from agents import RAM, make_vec_env
from agents.evaluate import main
from agents.evaluation import frozen_scenes as module
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.players import player_of_run
from agents.evaluation.result import (
    Evaluation,
    Majority,
    count_confusion,
    describe_dataset,
    wilson_interval,
)

ENV_ID = "GlimpseMNIST-v0"
DIGITS: dict[str, Any] = {"dataset": "digits", "num_glimpses": 3}
SPLITS = {"validation": (200, 10_000), "test": (300, 0)}  # scenes of digits, first scene seed


@pytest.mark.parametrize(
    ("num_errors", "num_scenes", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I: 81/263, 15/148, 0/20, 1/29
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 10, 0.0000, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0000),
    ],
)
def test_wilson_interval_has_published_values(
    num_errors: int, num_scenes: int, low: float, high: float
) -> None:
    """Published tables agree to all four digits that they print."""
    found = wilson_interval(num_errors, num_scenes)
    np.testing.assert_allclose(found, (low, high), atol=0.5e-4)


@pytest.mark.parametrize("num_errors", [0, 1, 500, 9_999, 10_000])
def test_wilson_interval_holds_the_rate_and_is_symmetric(num_errors: int) -> None:
    """It lies in [0, 1] around the rate, and exchanging right and wrong mirrors it."""
    low, high = wilson_interval(num_errors, 10_000)
    assert 0.0 <= low <= num_errors / 10_000 <= high <= 1.0
    mirrored = wilson_interval(10_000 - num_errors, 10_000)
    assert mirrored == pytest.approx((1.0 - high, 1.0 - low), abs=1e-12)


class Oracle:
    """Plays the scenes of a split in their order and answers `label + offset` from glimpse on.

    It knows the labels from envs of its own and keeps what it was asked and shown.
    """

    def __init__(self, env_id: str, split: str, offset: int = 0, right_from: int = 1) -> None:
        count, first_seed = SPLITS[split]
        env = gym.make_vec(env_id, num_envs=count, split=split, **DIGITS)
        scenes = {"index": np.arange(count), "scene_seed": first_seed + np.arange(count)}
        self.first_observation, infos = env.reset(options=scenes)
        self.labels = infos["label"]
        self.offset, self.right_from = offset, right_from
        self.glimpse, self.done = 0, 0
        self.seen: list[np.ndarray] = []
        self.calls: list[tuple[Any, ...]] = []

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        assert episode_start is not None
        self.calls.append((state, episode_start.copy(), deterministic))
        count = len(observation["location"])
        if episode_start.all():
            self.done += count if self.glimpse else 0
            self.glimpse = 0
            self.seen.append(observation["glimpse"])
        self.glimpse += 1
        rows = (self.done + np.arange(count)) % len(self.labels)
        labels = self.labels[rows] + self.offset + (self.glimpse < self.right_from)
        actions = np.full((count, 12), -1.0, dtype=np.float32)
        actions[np.arange(count), 2 + labels % 10] = 1.0
        return actions, self.glimpse


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("split", list(SPLITS))
def test_an_oracle_makes_no_error(env_id: str, split: str) -> None:
    """Who knows the labels of the documented scenes is always right: they are these scenes."""
    scenes = FrozenScenes(env_id, DIGITS, split)
    oracle = Oracle(env_id, split)
    result = scenes.evaluate(oracle)
    count = SPLITS[split][0]
    assert (result.num_scenes, result.num_errors, result.error) == (count, 0, 0.0)
    assert result.low == pytest.approx(0.0, abs=1e-12)  # its formula rounds
    assert result.error_per_glimpse == [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(
        np.concatenate(oracle.seen)[:count], oracle.first_observation["glimpse"]
    )


def test_frozen_scenes_of_several_images_are_seeds() -> None:
    """There are 10,000 however many images, and labels are answers, not classes of an image."""
    small: dict[str, Any] = {"dataset": "digits", "canvas_size": 200, "num_scales": 2}
    scenes = FrozenScenes("GlimpseMegapixelMNIST-v0", small | {"question": "top"}, "test", 30)
    env = gym.make_vec("GlimpseMegapixelMNIST-v0", 30, split="test", question="top", **small)
    infos = env.reset(options={"scene_seed": np.arange(30)})[1]
    assert scenes.labels.tolist() == infos["label"].tolist()
    rng = np.random.default_rng(0)

    class Guesser:
        def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[np.ndarray, Any]:
            return rng.uniform(-1, 1, (len(observation["location"]), 12)), None

    (playback,) = scenes.playbacks(Guesser())
    assert (playback.is_wrong == (playback.answers != infos["label"])).all()
    with pytest.raises(ValueError, match=r"`num_scenes`.*1\.\.10000"):
        FrozenScenes("GlimpseMegapixelMNIST-v0", small, "test", 10_001)


def test_who_is_always_wrong_has_an_error_of_100_percent() -> None:
    """The next class is never the right one."""
    result = FrozenScenes(ENV_ID, DIGITS, "test").evaluate(Oracle(ENV_ID, "test", offset=1))
    assert (result.num_errors, result.error) == (300, 100.0)
    assert result.high == pytest.approx(100.0, abs=1e-12)  # its formula rounds


def test_errors_are_told_by_class() -> None:
    """By true class and class answered, each as often as it occurs; the sum is the whole."""
    scenes = FrozenScenes(ENV_ID, DIGITS, "test")
    result = scenes.evaluate(Oracle(ENV_ID, "test", offset=1))
    for label, count in enumerate(np.bincount(scenes.labels).tolist()):
        assert result.confusion[str(label)] == {str((label + 1) % 10): count}
    assert result.error_per_class == {str(label): 100.0 for label in range(10)}
    right = scenes.evaluate(Oracle(ENV_ID, "test"))
    assert right.error_per_class == {str(label): 0.0 for label in range(10)}


def test_confusion_leaves_out_what_does_not_occur() -> None:
    """Classes in their own order, not in that of the scenes."""
    labels, answers = np.array([2, 0, 2, 2]), np.array([0, 0, 2, 0])
    found = count_confusion(labels, answers, ("z", "y", "x"))
    assert found == {"z": {"z": 1}, "x": {"z": 2, "x": 1}}
    assert list(found) == ["z", "x"]


def test_the_largest_class_is_that_of_training() -> None:
    """Whatever is the largest one where the error is measured."""
    assert Majority.of(1, np.array([0, 0, 0, 1])) == (1, 75.0)


def test_interval_is_wilsons_in_percent() -> None:
    """The result carries the interval of its own counts."""
    result = FrozenScenes(ENV_ID, DIGITS, "test").evaluate(Oracle(ENV_ID, "test", offset=1))
    low, high = wilson_interval(300, 300)
    assert (result.low, result.high) == (100.0 * low, 100.0 * high)


def test_error_after_each_glimpse() -> None:
    """Who is right from the second glimpse on errs after the first alone."""
    result = FrozenScenes(ENV_ID, DIGITS, "test").evaluate(Oracle(ENV_ID, "test", right_from=2))
    assert result.error_per_glimpse == [100.0, 0.0, 0.0]
    assert result.error == 0.0


class Hesitant:
    """Answers 0, 1, 2, ... with a belief that grows from 0.6 to 0.7 and 0.8."""

    def predict(
        self, observation: Any, state: Any = None, *_: Any, **__: Any
    ) -> tuple[np.ndarray, Any]:
        glimpse = state or 0
        actions = np.full((len(observation["location"]), 12), -1.0, dtype=np.float32)
        rest = (0.4 - 0.1 * glimpse) / 9
        actions[:, 2:] = 1.0 - np.log((0.6 + 0.1 * glimpse) / rest) / 10
        actions[:, 2 + glimpse] = 1.0
        return actions, glimpse + 1


@pytest.mark.parametrize(
    ("confidence", "seen"), [(None, 3), (0.99, 3), (0.75, 3), (0.65, 2), (0.55, 1), (0.0, 1)]
)
def test_the_answer_counts_once_it_is_sure(confidence: float | None, seen: int) -> None:
    """And holds from then on; at the latest it is the one after all glimpses."""
    scenes = FrozenScenes(ENV_ID, DIGITS, "test")
    result = scenes.evaluate(Hesitant(), confidence)
    wrong = [int((scenes.labels != answer).sum()) for answer in range(3)]
    assert result.num_errors == wrong[seen - 1]
    assert result.mean_glimpses == seen
    errors = [100 * wrong[min(number, seen) - 1] / 300 for number in (1, 2, 3)]
    assert result.error_per_glimpse == pytest.approx(errors, rel=1e-12)
    assert sum(result.confusion["3"].values()) == (scenes.labels == 3).sum()
    assert list(result.confusion["3"]) == [str(seen - 1)]
    assert (f" after {seen}.00 glimpses on average" in result.describe()) == (seen < 3)


def test_each_scene_ends_by_itself() -> None:
    """The mean is over scenes that end after different numbers of glimpses."""
    scenes, model = FrozenScenes(ENV_ID, DIGITS, "test"), make_model()
    (played,) = scenes.playbacks(model)
    confidence = float(np.median(played.beliefs.max(axis=2)))
    taken = [
        next((t for t in (1, 2) if played.beliefs[t - 1, row].max() >= confidence), 3)
        for row in range(300)
    ]
    assert len(set(taken)) > 1
    result = scenes.evaluate(model, confidence)
    assert result.mean_glimpses == np.mean(taken)
    answers = played.answers[np.array(taken) - 1, np.arange(300)]
    assert result.num_errors == (answers != scenes.labels).sum()
    shown = scenes.replay(model, np.array([299, 0, 7]), confidence)
    assert [len(episode) for episode in shown] == [taken[299], taken[0], taken[7]]
    for number, episode in zip((299, 0, 7), shown, strict=True):
        assert (episode[-1].label, episode[-1].prediction) == (
            scenes.labels[number],
            answers[number],
        )
    (first, second) = scenes.record(model, 2, 0, confidence)
    right = np.flatnonzero(answers == scenes.labels)[:2]
    assert [len(first), len(second)] == [taken[number] for number in right]


class Stopper:
    """Answers a class that depends on what it sees, and stops where it sees enough white."""

    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[np.ndarray, Any]:
        glimpse = observation["glimpse"].reshape(-1, 64)
        actions = np.full((len(glimpse), 13), -1.0, dtype=np.float32)
        angle = 50 * (glimpse.sum(axis=1) + observation["location"][:, 0])
        actions[:, :2] = 0.6 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        actions[np.arange(len(glimpse)), 2 + glimpse.argmax(axis=1) % 10] = 1.0
        actions[:, -1] = np.where(glimpse.mean(axis=1) > 0.25, 1.0, -1.0)
        return actions, None


@pytest.mark.parametrize("format_of_env", ["box", "dict"])
def test_a_model_that_stops_is_measured_as_it_plays(format_of_env: str) -> None:
    """Errors and glimpses are those of the episodes that it ends itself."""
    env_kwargs = DIGITS | {"stop": True, "num_glimpses": 5}
    scenes = FrozenScenes(ENV_ID, env_kwargs | {"action_format": format_of_env}, "test", 100)
    result = scenes.evaluate(Stopper())
    env = gym.make(ENV_ID, split="test", **env_kwargs)
    lengths, wrong = [], 0
    for number in range(100):
        observation, info = env.reset(options={"index": number, "scene_seed": number})
        steps, ended = 0, False
        while not ended:
            actions, _ = Stopper().predict({key: value[None] for key, value in observation.items()})
            observation, _, ended, _, info = env.step(actions[0])
            steps += 1
        lengths.append(steps)
        wrong += not info["is_success"]
    assert len(set(lengths)) > 2
    assert (result.num_errors, result.mean_glimpses) == (wrong, sum(lengths) / 100)
    episodes = scenes.record(Stopper(), 0, 20)
    assert {len(episode) for episode in episodes} > {1}
    for *_, last in episodes:
        assert last.belief is not None and last.prediction == last.belief.argmax() != last.label


@pytest.mark.parametrize(
    ("confidence", "action_format", "message"),
    [
        (1.5, "box", r"`confidence` must be a number in 0\.0\.\.1\.0, got 1\.5"),
        (float("nan"), "box", "`confidence` must be"),
        (0.9, "multidiscrete", "`confidence` needs a model that tells its belief"),
    ],
)
def test_impossible_confidence_is_refused(
    confidence: float, action_format: str, message: str
) -> None:
    """Before anything is played."""
    scenes = FrozenScenes(ENV_ID, DIGITS | {"action_format": action_format}, "test", 10)
    with pytest.raises(ValueError, match=message):
        scenes.evaluate(Hesitant(), confidence)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize(("num_scenes", "num_envs"), [(300, 7), (13, 5), (7, 7), (1, 500)])
def test_last_batch_is_counted_right(
    offset: int, num_scenes: int, num_envs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Envs that are left over in the last batch count for nothing."""
    monkeypatch.setattr(module, "MAX_ENVS", num_envs)
    scenes = FrozenScenes(ENV_ID, DIGITS, "test", num_scenes)
    result = scenes.evaluate(Oracle(ENV_ID, "test", offset))
    assert (result.num_scenes, result.num_errors) == (num_scenes, offset * num_scenes)


def test_predictor_is_called_as_models_are() -> None:
    """Deterministically, with the state it returned, and `episode_start` at first glimpses."""
    oracle = Oracle(ENV_ID, "test")
    FrozenScenes(ENV_ID, DIGITS, "test", 20).evaluate(oracle)
    assert [state for state, _, _ in oracle.calls] == [None, 1, 2]
    assert [starts.all() for _, starts, _ in oracle.calls] == [True, False, False]
    assert not oracle.calls[1][1].any()
    assert all(deterministic for _, _, deterministic in oracle.calls)


def make_model(**arguments: Any) -> RAM:
    """Return a small model that has learned next to nothing."""
    env = make_vec_env(ENV_ID, 8, **(DIGITS | arguments))
    settings: dict[str, Any] = {"hidden_size": 16, "batch_size": 8, "precision": "float32"}
    return RAM("RAMPolicy", env, seed=0, device="cpu", **settings).learn(48)


def test_evaluating_twice_gives_the_same() -> None:
    """Frozen scenes and mean locations leave nothing to chance."""
    scenes, model = FrozenScenes(ENV_ID, DIGITS, "test"), make_model()
    first = scenes.evaluate(model)
    assert scenes.evaluate(model) == first
    assert FrozenScenes(ENV_ID, DIGITS, "test").evaluate(model) == first
    assert 0 < first.num_errors < 300


def test_batching_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes played 100 or 300 at a time are the same scenes."""
    model = make_model()
    whole = FrozenScenes(ENV_ID, DIGITS, "test").evaluate(model)
    monkeypatch.setattr(module, "MAX_ENVS", 100)
    assert FrozenScenes(ENV_ID, DIGITS, "test").evaluate(model) == whole
    monkeypatch.setattr(module, "MAX_BYTES", 30_000)  # of canvases so large that few fit
    assert FrozenScenes(ENV_ID, DIGITS, "test").evaluate(model) == whole


def test_multidiscrete_models_are_evaluated() -> None:
    """A format without scores has an answer all the same."""
    env_kwargs = DIGITS | {"action_format": "multidiscrete"}
    result = FrozenScenes(ENV_ID, env_kwargs, "test").evaluate(make_model(**env_kwargs))
    assert 0 < result.num_errors < 300


def test_models_trained_with_dict_actions_are_evaluated() -> None:
    """A model of a Dict-action env speaks the Box of our adapter, and is measured in it."""
    env_kwargs = DIGITS | {"action_format": "dict"}
    model = make_model(**env_kwargs)
    result = FrozenScenes(ENV_ID, env_kwargs, "test").evaluate(model)
    assert result.num_errors == FrozenScenes(ENV_ID, DIGITS, "test").evaluate(model).num_errors


@pytest.mark.parametrize("num_scenes", [0, -1, 301])
def test_impossible_number_of_scenes_is_refused(num_scenes: int) -> None:
    """The error names the range."""
    with pytest.raises(ValueError, match=rf"`num_scenes` must be in 1\.\.300.*{num_scenes}"):
        FrozenScenes(ENV_ID, DIGITS, "test", num_scenes)


def test_training_scenes_are_not_frozen() -> None:
    """There is no frozen training set, and the error says so before anything is played."""
    with pytest.raises(ValueError, match=r"`split`.*'train'"):
        FrozenScenes(ENV_ID, DIGITS, "train").evaluate(make_model())


@pytest.mark.parametrize(("num_right", "num_wrong"), [(3, 2), (0, 4), (2, 0)])
def test_record_returns_right_and_wrong_episodes(num_right: int, num_wrong: int) -> None:
    """As many of each as asked for, in the order of the scenes, with what was seen."""
    scenes, model = FrozenScenes(ENV_ID, DIGITS, "test"), make_model()
    episodes = scenes.record(model, num_right, num_wrong)
    hits = [episode[-1].prediction == episode[-1].label for episode in episodes]
    assert (sum(hits), len(hits)) == (num_right, num_right + num_wrong)
    for *_, last in episodes:
        assert last.canvas.shape == (28, 28) and last.canvas.dtype == np.uint8
        assert last.locations.shape == (3, 2)
        assert last.glimpses.shape == (3, 1, 8, 8)
    for view in (view for episode in episodes for view in episode):
        assert view.belief is not None and view.belief.sum() == pytest.approx(1.0, rel=1e-5)


def test_views_show_the_episode_up_to_a_glimpse() -> None:
    """A view holds what was seen so far and the belief after it; only the last has the answer."""
    model = make_model()
    (episode,) = FrozenScenes(ENV_ID, DIGITS, "test").record(model, 1, 0)
    last = episode[-1]
    for num_seen, view in enumerate(episode, start=1):
        np.testing.assert_array_equal(view.locations, last.locations[:num_seen])
        np.testing.assert_array_equal(view.glimpses, last.glimpses[:num_seen])
        np.testing.assert_array_equal(view.canvas, last.canvas)
        assert view.num_glimpses == len(episode) == 3
        assert view.belief is not None
        assert view.prediction == (view.belief.argmax() if num_seen == 3 else None)


def test_record_takes_the_first_scenes() -> None:
    """An oracle's first right scenes are scenes 0, 1, 2; it has no wrong ones to show."""
    oracle = Oracle(ENV_ID, "test")
    episodes = FrozenScenes(ENV_ID, DIGITS, "test").record(oracle, 3, 2)
    assert [last.label for *_, last in episodes] == oracle.labels[:3].tolist()
    for number, (first, *_) in enumerate(episodes):
        np.testing.assert_array_equal(
            first.glimpses[0], oracle.first_observation["glimpse"][number]
        )


def test_describe_says_what_is_not_mnist() -> None:
    """In front of people, digits are never mistaken for MNIST."""
    assert describe_dataset("mnist") == "MNIST"
    assert "NOT MNIST" in describe_dataset("digits")
    assert describe_dataset("/a/b.npz") == "/a/b.npz"
    result = FrozenScenes(ENV_ID, DIGITS, "test", 10).evaluate(Oracle(ENV_ID, "test"))
    assert result.describe() == (
        "0.00 % error on 10 test scenes of digits (scikit-learn's, NOT MNIST) "
        "(95 % interval 0.00 to 27.75 %)"
    )


# The command line


@pytest.fixture
def finished_run(tmp_path: Path) -> Path:
    """A folder with what a finished run must hold."""
    run = tmp_path / "run"
    run.mkdir()
    make_model().save(run / "model.zip", exclude=["optimizer"])
    config = {"env_id": ENV_ID, "env_kwargs": DIGITS, "env_module": None}
    (run / "config.json").write_text(json.dumps(config | {"algo": "ram", "memory": "none"}))
    return run


@pytest.mark.parametrize("split", list(SPLITS))
def test_command_line_prints_the_result(
    split: str, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for people and one per glimpse, or the whole result as JSON."""
    expected = player_of_run(finished_run, split).measure()
    main(["--run", str(finished_run), "--split", split])
    first, *others = capsys.readouterr().out.splitlines()
    assert first == expected.describe()
    assert others == [
        f"  after glimpse {number}: {value:.2f} %"
        for number, value in enumerate(expected.error_per_glimpse, 1)
    ]
    main(["--run", str(finished_run), "--split", split, "--json"])
    assert Evaluation(**json.loads(capsys.readouterr().out)) == expected
    assert expected == FrozenScenes(ENV_ID, DIGITS, split).evaluate(make_model())


def test_confidence_on_the_command_line(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is measured with that, and one out of range is told of as an option."""
    expected = player_of_run(finished_run).measure(confidence=0.2)
    main(["--run", str(finished_run), "--confidence", "0.2"])
    assert capsys.readouterr().out.splitlines()[0] == expected.describe()
    line = refusal(main, ["--run", str(finished_run), "--confidence", "7"], capsys)
    assert "`--confidence` must be a number" in line


def test_scenes_of_a_run_are_changed(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By arguments of its env; of a model of the package nothing is said of its own scenes then."""
    main(
        [
            "--run",
            str(finished_run),
            "--env-kwargs",
            "canvas_size=40",
            "num_distractors=2",
            "--json",
        ]
    )
    changed: dict[str, Any] = DIGITS | {"canvas_size": 40, "num_distractors": 2}
    expected = FrozenScenes(ENV_ID, changed, "test").evaluate(make_model())
    assert Evaluation(**json.loads(capsys.readouterr().out)) == expected
    main(["--pretrained", "centered", "--dataset", "digits", "--env-kwargs", "num_glimpses=2"])
    told = capsys.readouterr().out
    assert "after glimpse 2" in told and "after glimpse 3" not in told
    assert "committed" not in told


def test_module_runs_as_a_program(finished_run: Path) -> None:
    """`python -m agents.evaluate` prints the same."""
    command = [sys.executable, "-m", "agents.evaluate", "--run", str(finished_run), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == dataclasses.asdict(
        player_of_run(finished_run, "test").measure()
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "model.zip").unlink(), r"`--run` must be .*model\.zip is missing"),
        (lambda run: (run / "config.json").unlink(), r"`--run` must be .*config\.json is missing"),
        (lambda run: (run / "model.zip").write_bytes(b"?"), r"model\.zip.* is damaged"),
        (lambda run: (run / "config.json").write_text("{"), r"config\.json"),
        (lambda run: (run / "config.json").write_text("{}"), r"config\.json"),
    ],
    ids=["no model", "no config", "bad model", "bad config", "empty config"],
)
def test_command_line_refuses_what_is_no_run(
    spoil: Any, message: str, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A clear line and exit code 2."""
    spoil(finished_run)
    line = refusal(main, ["--run", str(finished_run)], capsys)
    assert line.startswith("python -m agents.evaluate: error: ")
    assert re.search(message, line)
