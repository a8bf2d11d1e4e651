"""Processes that share a batch learn what one process learns from the whole of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from small_ram import be_launched
from small_runs import make_options, run

from agents import RAM, make_vec_env
from agents.base.errors import TeamError
from agents.base.processes import Launch, agree, average_gradients, rank, world_size
from agents.runs import team
from agents.runs.launch import main
from agents.runs.options import Options
from agents.runs.plan import new_plan
from agents.runs.run import make_run
from agents.runs.team import Team, join_launched_team, local_team, plan_team, take_share_of_cores
from ram_env.games.classify import GlimpseTask

BATCH = 8
UPDATES = 3


def small_options(folder: Path, processes: int, **changes: Any) -> Options:
    """Return the options of a run of a few updates."""
    settings = {"batch_size": BATCH}
    env_kwargs = {"dataset": "digits"}
    options = {"episodes": 4 * BATCH, "processes": processes, "env_kwargs": env_kwargs}
    return make_options(folder, settings, **options | changes)


def learn(folder: str, num_processes: int, settings: dict[str, Any]) -> None:
    """Train a share of a batch; process 0 saves the model, and every process its number."""
    torch.set_num_threads(1)
    reward = "every_step" if settings["preset"] == "pure" else "final"
    env = make_vec_env("GlimpseMNIST-v0", BATCH // num_processes, dataset="digits", reward=reward)
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
    assert run(small_options(tmp_path / "run", processes=2)).result.num_scenes == 300
    model = RAM.load(tmp_path / "run" / "model.zip", device="cpu")
    assert (model._episode_num, model._n_updates) == (4 * BATCH, 4)
    assert len(list((tmp_path / "run").glob("events.out.tfevents.*"))) == 1


@pytest.mark.parametrize(
    ("cores", "has_gpu", "asked", "team"),
    [
        (1, False, (None, None, "auto", 512), Team(1, 1, "auto")),
        (2, False, (None, None, "auto", 512), Team(2, 1, "auto")),
        (16, False, (None, None, "auto", 512), Team(4, 4, "auto")),
        (16, False, (None, None, "auto", 6), Team(2, 8, "auto")),
        (16, False, (None, 3, "cpu", 7), Team(1, 3, "cpu")),
        (16, False, (3, None, "cpu", 6), Team(3, 5, "cpu")),
        (16, True, (None, None, "auto", 512), Team(2, 8, "auto")),
        (16, True, (None, None, "cuda:1", 512), Team(2, 8, "cuda:1")),
        (16, True, (None, None, "auto", 7), Team(1, 16, "auto")),
        (1, True, (None, None, "cuda", 512), Team(1, 1, "cuda")),
        (16, True, (4, None, "cuda", 512), Team(4, 4, "cuda")),
        (16, True, (None, None, "cpu", 512), Team(4, 4, "cpu")),
    ],
)
def test_processes_as_the_cores_allow_and_two_to_a_gpu(
    cores: int,
    has_gpu: bool,
    asked: tuple[int | None, int | None, str, int],
    team: Team,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as divide the envs; the cores are shared out among them; what is asked for holds."""
    monkeypatch.setattr("agents.runs.team.count_cores", lambda: cores)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert plan_team(*asked) == team


def test_memory_is_counted_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of its own processes the envs of all, of those of other machines none."""
    checked: list[int] = []

    def note(task: GlimpseTask, num_episodes: int) -> None:
        checked.append(num_episodes)

    monkeypatch.setattr(GlimpseTask, "check_bytes", note)
    monkeypatch.setattr("agents.runs.run.join_launched_team", lambda launch, device: None)
    monkeypatch.setattr("agents.runs.run.all_same", lambda description: True)
    plan = new_plan(small_options(tmp_path / "run", processes=4))
    make_run(plan)
    assert BATCH in checked
    checked.clear()
    be_launched(monkeypatch, Launch(rank=3, size=4, local_rank=1, local_size=2))
    make_run(plan)
    assert BATCH // 2 in checked and BATCH not in checked


def test_torchrun_says_how_many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four on two machines: each of the two here has half of its cores, and a GPU of its own."""
    be_launched(monkeypatch, Launch(rank=3, size=4, local_rank=1, local_size=2))
    monkeypatch.setattr("agents.runs.team.count_cores", lambda: 16)
    assert plan_team(None, None, "cuda", 512) == Team(4, 8, "cuda:1")
    assert plan_team(4, None, "cuda:0", 512) == Team(4, 8, "cuda:0")
    assert plan_team(None, None, "cpu", 512) == Team(4, 8, "cpu")
    assert rank() == 3
    with pytest.raises(ValueError, match=r"`processes` is for torchrun.*started 4, got 2"):
        plan_team(2, None, "cpu", 512)


@pytest.mark.parametrize(
    ("size", "shares"),
    [
        (1, [[1, 3, 4, 6, 7]]),
        (2, [[1, 3], [4, 6]]),
        (5, [[1], [3], [4], [6], [7]]),
        (6, []),  # more processes than cores: none is bound
    ],
)
def test_each_process_takes_cores_of_its_own(
    size: int, shares: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cores that a process may use are dealt out evenly; none is given to two."""
    taken: list[list[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 3, 4, 6, 7}, raising=False)
    monkeypatch.setattr(
        os, "sched_setaffinity", lambda pid, cores: taken.append(cores), raising=False
    )
    for number in range(size):
        take_share_of_cores(number, size)
    assert taken == shares


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system pins nothing")
def test_each_process_talks_from_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """On GPUs a process joins through NCCL, and its messages lie on its GPU, not on the first."""
    calls: list[Any] = []
    monkeypatch.setattr(torch.cuda, "set_device", calls.append)
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda backend, timeout: calls.append(backend)
    )
    join_launched_team(Launch(1, 2, 1, 2), torch.device("cuda", 1))
    assert calls == [torch.device("cuda", 1), "nccl"]


def end() -> None:
    """Follow nobody."""


def test_a_process_that_ends_before_it_has_joined_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The team is not waited for in vain."""
    monkeypatch.setattr(team, "_follow", die)
    with pytest.raises(TeamError, match="has ended"), local_team(2, end):
        pytest.fail("there is no team")
    assert world_size() == 1


def die(*arguments: Any) -> None:
    """End before joining."""


def test_ctrl_c_before_the_team_is_complete_ends_it(tmp_path: Path) -> None:
    """Whoever waits for the others can be interrupted, and takes them along."""
    script = tmp_path / "wait.py"
    script.write_text(
        "import signal, sys, time\n"
        "from agents.runs import team\n"
        "def sleep(*arguments):\n"
        "    open(sys.argv[1], 'w').close()\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    team._follow = sleep\n"
        # A job in the background ignores it.
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    with team.local_team(2, print):\n"
        "        pass\n"
    )
    path = tmp_path / "begun"
    command = [sys.executable, str(script), str(path)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as process:
        while not path.exists():
            time.sleep(0.05)
        begun = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate()
    assert b"KeyboardInterrupt" in errors
    assert time.monotonic() - begun < 30.0


def test_neighbouring_seeds_play_other_scenes() -> None:
    """Two models whose seeds differ by one have no scene in common."""
    seeds = []
    for seed in (0, 1):
        env = make_vec_env("GlimpseMNIST-v0", 16, dataset="digits")
        RAM("RAMPolicy", env, seed=seed, batch_size=16)
        env.reset()
        seeds.append({info["scene_seed"] for info in env.reset_infos})
    assert len(seeds[0] | seeds[1]) == 32


def test_a_team_gives_the_cores_back(tmp_path: Path) -> None:
    """After it, the process that led may use all the cores that it could before."""
    before = os.sched_getaffinity(0)
    with local_team(2, disagree, str(tmp_path)):
        disagree(str(tmp_path))
        assert len(os.sched_getaffinity(0)) == max(1, len(before) // 2)
    assert os.sched_getaffinity(0) == before


def torchrun(*options: str) -> subprocess.CompletedProcess[str]:
    """Start train.py in two processes, process 1 with the options after a "+" as well."""
    script = "import runpy, sys, os\n"
    script += "own = sys.argv[1:]\n"
    script += "cut = own.index('+')\n"
    script += "own = own[:cut] + (own[cut + 1 :] if os.environ['RANK'] == '1' else [])\n"
    script += "sys.argv = ['train.py', *own]\n"
    script += "runpy.run_path('train.py', run_name='__main__')\n"
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python"]
    command = [sys.executable, *launcher, sys.executable, "-c", script, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


SMALL = ("--env", "centered", "--dataset", "digits", "--episodes", "64", "--batch-size", "32")


@pytest.mark.slow
def test_torchrun_trains_as_our_own_processes_do(tmp_path: Path) -> None:
    """However two processes are started, they leave the same model in one run folder."""
    done = torchrun(*SMALL, "--run-dir", str(tmp_path / "torchrun"), "+")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Run folder:") == 1
    assert main([*SMALL, "--run-dir", str(tmp_path / "own"), "--processes", "2"]) == 0
    models = [RAM.load(tmp_path / name / "model.zip", device="cpu") for name in ("torchrun", "own")]
    own = models[1].policy.state_dict()
    for name, value in models[0].policy.state_dict().items():
        assert torch.equal(value, own[name]), name


@pytest.mark.slow
def test_torchrun_with_different_options_is_refused(tmp_path: Path) -> None:
    """Processes that disagree end before anything is written, each with one clear line."""
    done = torchrun(*SMALL, "--run-dir", str(tmp_path / "run"), "+", "--seed", "1")
    assert done.returncode != 0
    assert "train.py: error: all processes must be started with the same options" in done.stderr
    assert not (tmp_path / "run").exists()


def test_uneven_shares_are_refused(tmp_path: Path) -> None:
    """Games that cannot be dealt out evenly are an error, of the option that says how many."""
    with pytest.raises(ValueError, match="`batch_size` must be a multiple of `processes`"):
        new_plan(small_options(tmp_path / "run", processes=3))
    with pytest.raises(ValueError, match="`num_envs` must be a multiple of `processes`"):
        new_plan(small_options(tmp_path / "run", processes=3, num_envs=BATCH // 2))
