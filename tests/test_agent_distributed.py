"""Processes that share a batch learn what one process learns from the whole of it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from agents import RAM, make_vec_env
from agents.config import make_config
from agents.distributed import agree, average_gradients, local_team, rank, world_size
from agents.run import Run, RunOptions

BATCH = 8
UPDATES = 3


def learn(folder: str, num_processes: int, settings: dict[str, Any]) -> None:
    """Train a share of a batch; process 0 saves the model, and every process its number."""
    torch.set_num_threads(1)
    env = make_vec_env("GlimpseMNIST-v0", BATCH // num_processes, dataset="digits")
    model = RAM("RAMPolicy", env, seed=3, batch_size=BATCH, precision="float32", **settings)
    model.learn(UPDATES * BATCH * 7)
    (Path(folder) / f"rank{rank()}of{world_size()}").touch()
    assert model.num_timesteps == UPDATES * BATCH * 7
    torch.save(model.policy.state_dict(), Path(folder) / f"{num_processes}-{rank()}.pt")


def disagree(folder: str) -> None:
    """Offer a value of one's own, and a wish to stop in process 1 alone."""
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1.0, 10.0]) * (rank() + 1)
    stopping = average_gradients([parameter], stopping=rank() == 1)
    found = [agree(5.0 + rank()), *parameter.grad.tolist(), float(stopping)]
    (Path(folder) / f"found{rank()}").write_text(str(found))


@pytest.mark.parametrize("preset", ["default", "pure"])
def test_two_processes_learn_what_one_learns(preset: str, tmp_path: Path) -> None:
    """After some updates the weights agree to rounding: sums of gradients come in another order."""
    for num_processes in (1, 2):
        arguments = (str(tmp_path), num_processes, {"preset": preset})
        with local_team(num_processes, learn, *arguments):
            learn(*arguments)
    alone = torch.load(tmp_path / "1-0.pt", weights_only=True)
    for name, value in alone.items():
        shared = [
            torch.load(tmp_path / f"2-{number}.pt", weights_only=True)[name] for number in (0, 1)
        ]
        assert torch.equal(shared[0], shared[1]), name
        # Adam divides by the gradient's size, so rounding weighs most where it is smallest: a tenth
        # of what a weight moves in these updates.
        torch.testing.assert_close(shared[0], value, rtol=0.0, atol=1e-3, msg=name)


def test_gradients_are_averaged_and_process_0_decides(tmp_path: Path) -> None:
    """All processes end up with the mean gradient, process 0's value and anybody's wish to stop."""
    with local_team(2, disagree, str(tmp_path)):
        disagree(str(tmp_path))
    expected = str([5.0, 1.5, 15.0, 1.0])
    assert [(tmp_path / f"found{number}").read_text() for number in (0, 1)] == [expected] * 2


def test_a_process_alone_changes_nothing() -> None:
    """Without a team gradients stay as they are, and one's own word counts."""
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    assert average_gradients([parameter], stopping=False) is False
    assert average_gradients([parameter], stopping=True) is True
    assert parameter.grad.tolist() == [1.0, 2.0]
    assert (agree(7.0), rank(), world_size()) == (7.0, 0, 1)


def test_run_with_two_processes_leaves_one_run_folder(tmp_path: Path) -> None:
    """Process 0 alone writes; the result counts the episodes of both."""
    options = RunOptions(
        env_id="GlimpseMNIST-v0",
        preset="default",
        config=make_config(batch_size=BATCH),
        folder=tmp_path / "run",
        seed=0,
        env_kwargs={"dataset": "digits"},
        episodes=4 * BATCH,
        num_envs=BATCH,
        device="cpu",
        processes=2,
    )
    result = Run(options).train()
    assert result.num_scenes == 300
    model = RAM.load(tmp_path / "run" / "model.zip", device="cpu")
    assert (model._episode_num, model._n_updates) == (4 * BATCH, 4)
    assert len(list((tmp_path / "run").glob("events.out.tfevents.*"))) == 1


def test_uneven_shares_are_refused(tmp_path: Path) -> None:
    """Games that cannot be dealt out evenly are an error before anything is written."""
    options = RunOptions(
        env_id="GlimpseMNIST-v0",
        preset="default",
        config=make_config(batch_size=BATCH),
        folder=tmp_path / "run",
        seed=0,
        env_kwargs={"dataset": "digits"},
        num_envs=BATCH,
        processes=3,
    )
    with pytest.raises(ValueError, match=r"`--num-envs` must be a multiple of `--processes`"):
        Run(options)
    assert not (tmp_path / "run").exists()
