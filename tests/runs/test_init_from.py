"""A run that starts from a trained model, whatever of it fits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import make_options, resume, run

from agents import RAM

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on ten digits."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    run(make_options(folder, episodes=64))
    return folder


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a run's model."""
    return RAM.load(folder / "model.zip", device="cpu").policy.networks.state_dict()


def barely(source: Path | str, folder: Path, **changes: Any) -> dict[str, torch.Tensor]:
    """Return the weights after one update that is too small to be seen."""
    settings = {"learning_rate": 1e-30, **changes.pop("settings", {})}
    run(make_options(folder, settings, episodes=32, init_from=str(source), **changes))
    return weights_of(folder)


def test_run_starts_with_the_weights_of_another(trained: Path, tmp_path: Path) -> None:
    """All of them, if all fit; config.json names the file by its hash."""
    found = barely(trained, tmp_path / "new")
    for name, value in weights_of(trained).items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-7)
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["init_from"]["anew"] == []
    assert len(config["init_from"]["sha256"]) == 64
    assert config["options"]["init_from"] == str(trained)


def test_what_does_not_fit_begins_anew(trained: Path, tmp_path: Path) -> None:
    """For other classes the action network; the rest is taken over."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(40) % 4)
    own = {"dataset": str(tmp_path / "own.npz"), "canvas_size": 28, "num_glimpses": 3}
    found, before = barely(trained, tmp_path / "new", env_kwargs=own), weights_of(trained)
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["init_from"]["anew"] == [
        "action_network.logits.weight",
        "action_network.logits.bias",
    ]
    for name, value in before.items():
        if name.startswith("action_network"):
            assert found[name].shape[0] == 4
        else:
            torch.testing.assert_close(found[name], value, rtol=0, atol=1e-7)


def test_interrupted_run_goes_on_from_its_checkpoint(trained: Path, tmp_path: Path) -> None:
    """The model that it started from may be gone by then."""
    options = make_options(tmp_path / "new", episodes=96, init_from=str(trained))
    run(options)
    whole = weights_of(tmp_path / "new")
    (tmp_path / "new" / "evaluation.json").unlink()
    trained = trained.rename(trained.with_name("gone"))
    try:
        resume(tmp_path / "new")
    finally:
        trained.rename(trained.with_name("trained"))
    for name, value in weights_of(tmp_path / "new").items():
        assert torch.equal(value, whole[name])


def test_impossible_sources_are_refused(trained: Path, tmp_path: Path) -> None:
    """What is no model, what fits nowhere, and what is for another algorithm."""
    with pytest.raises(
        ValueError, match=r"`init_from` must be one of .*cluttered, .*got 'nothing'"
    ):
        barely("nothing", tmp_path / "new")
    with pytest.raises(ValueError, match="`init_from` is for ram, got it with `algo` ppo"):
        run(make_options(tmp_path / "new", algo="ppo", init_from=str(trained)))
    assert not (tmp_path / "new").exists()


def test_a_model_of_the_package_by_its_name(tmp_path: Path) -> None:
    """Its glimpse and core networks fit another canvas."""
    env = {"env": "GlimpseClutteredMNIST100-v0", "env_kwargs": {"dataset": "digits"}}
    settings = {"hidden_size": 256}
    found = barely("cluttered100", tmp_path / "new", settings=settings, **env)
    shipped = RAM.from_pretrained("cluttered100", device="cpu").policy.networks.state_dict()
    for name, value in shipped.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-7)
