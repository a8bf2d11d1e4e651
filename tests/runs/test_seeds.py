"""Two seeds share no scene, whoever learns: else a repetition would hardly be one."""

from pathlib import Path

import numpy as np
import pytest
from small_runs import DIGITS, ENV_ID

from agents import make_vec_env
from agents.runs.learners import make_learner
from agents.runs.options import Options
from agents.runs.plan import new_plan
from agents.sb3.algorithms import ALGORITHMS
from agents.sb3.envs import seed_games
from agents.sb3.vec_env import GymnasiumVecEnv

NUM_ENVS = 16


def scenes_of(env: GymnasiumVecEnv) -> set[int]:
    """Return the scene seeds of the first three episodes of all games."""
    env.reset()
    found = set([info["scene_seed"] for info in env.reset_infos])
    actions = np.stack([env.action_space.sample() for _ in range(NUM_ENVS)])
    for _ in range(2 * DIGITS["num_glimpses"]):
        env.step(actions)
        found |= set([info["scene_seed"] for info in env.reset_infos])
    assert len(found) == 3 * NUM_ENVS
    return found


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_runs_of_different_seeds_share_no_scenes(algo: str, tmp_path: Path) -> None:
    """Of every algorithm, as `train.py` makes it."""
    settings = {"batch_size": NUM_ENVS} if algo in ("ram", "ppo") else {}
    seen: set[int] = set()
    for seed in range(3):
        options = Options(
            env=ENV_ID,
            env_kwargs=DIGITS,
            algo=algo,
            settings=settings,
            num_envs=NUM_ENVS,
            processes=1,
            seed=seed,
            run_dir=tmp_path / "run",
            device="cpu",
        )
        found = scenes_of(make_learner(new_plan(options)).env)
        assert not seen & found
        seen |= found


def test_envs_of_different_seeds_share_no_scenes() -> None:
    """Of `make_vec_env`, of `seed`, and of the processes that share a batch."""
    seen: set[int] = set()
    for seed in range(3):
        env = make_vec_env(ENV_ID, NUM_ENVS, seed, env_kwargs=DIGITS)
        found = scenes_of(env)
        env.seed(seed)
        assert scenes_of(env) == found
        seed_games(env, seed, first_game=NUM_ENVS)
        found |= scenes_of(env)
        assert len(found) == 6 * NUM_ENVS and not seen & found
        seen |= found
