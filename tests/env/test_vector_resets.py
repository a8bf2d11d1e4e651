"""Seeds, masks and scenes of the sub-envs of the native vector env."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import (
    assert_identical,
    random_actions,
)
from vector_games import by_mode, make_native, make_pair

from ram_env import TASKS
from ram_env.env import GlimpseEnv
from ram_env.vector_env import GlimpseVectorEnv

# Seeds.


def test_seed_of_a_vector_env_seeds_one_after_another() -> None:
    """Sub-env i of seed s is the single env of seed s + i, also if s is a number of numpy."""
    arguments = {"dataset": "digits", **TASKS["GlimpseClutteredMNIST-v0"]}
    for seed in (0, 41, np.int64(41)):
        envs = GlimpseVectorEnv(3, **arguments)
        observation, infos = envs.reset(seed=seed)  # type: ignore[arg-type]
        assert envs.np_random_seed == (seed, seed + 1, seed + 2)
        for row in range(3):
            env = GlimpseEnv(**arguments)
            single, info = env.reset(seed=int(seed) + row)
            assert_identical({key: value[row] for key, value in observation.items()}, single)
            assert infos["scene_seed"][row] == info["scene_seed"]
        seeds = [int(seed), int(seed) + 1, int(seed) + 2]
        assert_identical(envs.reset(seed=seeds), (observation, infos))
        assert_identical(envs.reset(seed=tuple(seeds)), (observation, infos))


def test_seed_none_goes_on_with_the_random_numbers() -> None:
    """A sub-env whose seed is None keeps its generator and its recorded seed."""
    envs, twins = make_native(3), make_native(3)
    assert_identical(envs.reset(seed=10), twins.reset(seed=10))
    _, infos = envs.reset(seed=[None, 4, None])
    assert envs.np_random_seed == (10, 4, 12)
    _, expected = twins.reset()
    assert infos["scene_seed"][[0, 2]].tolist() == expected["scene_seed"][[0, 2]].tolist()
    assert infos["scene_seed"][1] == make_native(1).reset(seed=4)[1]["scene_seed"][0]


def test_unseeded_vector_env() -> None:
    """Without a seed each sub-env has one of its own from the system, and it is recorded."""
    envs = make_native(4)
    _, infos = envs.reset()
    assert len(set(infos["scene_seed"].tolist())) == 4
    assert len(set(envs.np_random_seed)) == 4
    _, again = make_native(4).reset(seed=list(envs.np_random_seed))
    assert_identical(again, infos)
    assert make_native(4).reset()[1]["scene_seed"].tolist() != infos["scene_seed"].tolist()


def test_random_numbers_before_the_first_reset() -> None:
    """The generators can be asked for before the first reset, as those of Gymnasium's envs can."""
    envs = make_native(2)
    seeds = envs.np_random_seed
    assert len(seeds) == len(envs.np_random) == 2
    assert all(isinstance(one, np.random.Generator) for one in envs.np_random)
    _, infos = envs.reset()
    assert envs.np_random_seed == seeds
    assert_identical(make_native(2).reset(seed=list(seeds))[1], infos)


# Options.


@pytest.mark.parametrize("keys", [("index",), ("scene_seed",), ("index", "scene_seed")], ids=str)
def test_array_options_equal_single_envs(keys: tuple[str, ...]) -> None:
    """Array options reset sub-env i as a single env is reset with their element i."""
    arrays = {
        "index": np.array([5, 0, 1296], np.int32),
        "scene_seed": np.array([2**63 - 1, 0, 7]),
    }
    options = {key: arrays[key] for key in keys}
    native, single = make_pair(3)
    assert isinstance(single, SyncVectorEnv)
    rng = np.random.default_rng(0)
    for _ in range(2):
        observation, infos = native.reset(seed=3, options=options)
        for row, env in enumerate(single.envs):
            elements = {key: value[row] for key, value in options.items()}
            expected, info = env.reset(seed=3 + row, options=elements)
            assert_identical({key: value[row] for key, value in observation.items()}, expected)
            for key, value in info.items():
                assert np.array_equal(infos[key][row], value)
                assert infos[f"_{key}"][row]
        for _ in range(8):
            actions = random_actions(rng, native)
            observation = native.step(actions)[0]
            for row, env in enumerate(single.envs):
                expected = env.step(actions[row])[0]
                assert_identical({key: value[row] for key, value in observation.items()}, expected)
    lists = {key: value.tolist() for key, value in options.items()}
    assert_identical(native.reset(seed=3, options=lists), native.reset(seed=3, options=options))


@by_mode
def test_array_options_with_a_mask(mode: AutoresetMode) -> None:
    """With a mask, element i still belongs to sub-env i; the others go on undisturbed."""
    envs, twins = make_native(3, mode), make_native(3, mode)
    rng = np.random.default_rng(0)
    for pair in (envs, twins):
        pair.reset(seed=0)
    actions = random_actions(rng, envs)
    envs.step(actions)
    undisturbed, *_ = twins.step(actions)
    mask = np.array([True, False, True])
    scenes = {"index": np.array([1, 2, 3]), "scene_seed": np.array([10, 20, 30])}
    options = {"reset_mask": mask, **scenes}
    observation, infos = envs.reset(options=options)
    assert infos["index"].tolist() == [1, 0, 3]
    assert infos["scene_seed"].tolist() == [10, 0, 30]
    assert infos["_index"].tolist() == mask.tolist()
    whole, _ = twins.reset(options=scenes)
    for key, value in observation.items():
        assert np.array_equal(value[[0, 2]], whole[key][[0, 2]])
        assert np.array_equal(value[1], undisturbed[key][1])
    # What was passed is as it was, so that wrappers can read it afterwards.
    assert set(options) == {"reset_mask", "index", "scene_seed"}
    assert mask.tolist() == [True, False, True]


def test_options_hold_for_one_reset() -> None:
    """The automatic resets after a reset with options draw their scenes as if there were none."""
    envs, twins = make_native(2, num_glimpses=1), make_native(2, num_glimpses=1)
    envs.reset(seed=0, options={"index": 5, "scene_seed": np.array([8, 9])})
    twins.reset(seed=0)
    actions = np.zeros((2, 12), np.float32)
    for _ in range(2):
        results, expected = envs.step(actions), twins.step(actions)
    assert_identical(results, expected)
