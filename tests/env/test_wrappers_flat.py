"""The wrappers to one vector and one number say the same as what they wrap, for one env or many."""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import (
    assert_identical,
    assert_same_rollout,
    assert_same_whatever_resets,
    rollout,
)

from ram_env import TASKS
from ram_env.env import GlimpseEnv
from ram_env.vector_env import GlimpseVectorEnv
from ram_env.wrappers import DiscreteAction, FlattenObservation, GlimpseHistory, SeenCanvas, vector

GAME: dict[str, Any] = {"dataset": "digits", "num_glimpses": 3, "action_format": "multidiscrete"}
GAME |= {"location_grid": 4}
by_mode = pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.value)
by_changes = pytest.mark.parametrize(
    "changes", [{}, {"stop": True, "observe_reach": True}], ids=str
)


def wrap(env: Any, memory: Any = GlimpseHistory) -> Any:
    """Return a single env that shows a vector and takes a number."""
    return DiscreteAction(FlattenObservation(memory(env)))


def make_pair(num_envs: int, mode: AutoresetMode, **changes: Any) -> tuple[Any, Any]:
    """Wrap the native vector env, and each env of Gymnasium's; with `reach`, without memory."""
    game, bare = GAME | changes, "observe_reach" in changes
    native = GlimpseVectorEnv(num_envs, mode, **game)
    seen = native if bare else vector.GlimpseHistory(native)
    one = (lambda env: env) if bare else GlimpseHistory
    single = SyncVectorEnv([lambda: wrap(GlimpseEnv(**game), one)] * num_envs, autoreset_mode=mode)
    return vector.DiscreteAction(vector.FlattenObservation(seen)), single


@by_mode
@by_changes
@pytest.mark.parametrize("num_envs", [1, 3])
def test_vector_wrappers_equal_single_wrappers(
    num_envs: int, changes: dict[str, Any], mode: AutoresetMode
) -> None:
    """Spaces, observations, infos and `final_obs` are bit for bit those of wrapped single envs."""
    pair = make_pair(num_envs, mode, **changes)
    told = ("observation_space", "action_space", "metadata", "autoreset_mode")
    for name in (*told, "single_observation_space", "single_action_space"):
        assert getattr(pair[0], name) == getattr(pair[1], name)
    assert_same_rollout(*pair, seed=7, num_episodes=3)


@by_mode
def test_any_history_of_resets_and_steps_is_equal(mode: AutoresetMode) -> None:
    """Masks, seeds and options at random moments leave the two equal."""
    assert_same_whatever_resets(*make_pair(3, mode), seed=0, num_steps=60)


def test_what_lies_inside_can_be_asked_for_each_sub_env() -> None:
    """Attributes, methods and pictures, as `SyncVectorEnv` has them; skrl renders so."""
    native, single = make_pair(2, AutoresetMode.SAME_STEP, render_mode="rgb_array")
    for envs in (native, single):
        envs.reset(seed=0)
    assert native.get_attr("num_glimpses") == single.get_attr("num_glimpses") == (3, 3)
    for drawn, expected in zip(native.call("render"), single.call("render"), strict=True):
        assert_identical(drawn, expected)
    native.set_attr("mark", "mine")
    assert native.get_attr("mark") == ("mine", "mine")
    with pytest.raises(AttributeError, match="fixed"):
        native.set_attr("num_glimpses", 5)
    with pytest.raises(AttributeError, match="no_such_thing"):
        native.call("no_such_thing")


@pytest.mark.parametrize("memory", [GlimpseHistory, SeenCanvas])
def test_a_flat_observation_holds_all_numbers(memory: Any) -> None:
    """It is what Gymnasium's `flatten` makes of the observation, and lies in its space."""
    inside, env = memory(GlimpseEnv(**GAME)), FlattenObservation(memory(GlimpseEnv(**GAME)))
    expected, shown = inside.reset(seed=0)[0], env.reset(seed=0)[0]
    assert_identical(shown, gym.spaces.flatten(inside.observation_space, expected))
    assert shown.dtype == np.float32
    assert env.observation_space.contains(shown)


@pytest.mark.parametrize("stop", [False, True])
def test_a_number_stands_for_each_action(stop: bool) -> None:
    """Each action of the `MultiDiscrete` has the number that numpy counts it by, and no other."""
    one = DiscreteAction(GlimpseEnv(stop=stop, **GAME))
    sizes = [4, 4, 10] + [2] * stop
    assert one.action_space == gym.spaces.Discrete(np.prod(sizes))
    numbers = np.arange(np.prod(sizes))
    expected = np.stack(np.unravel_index(numbers, sizes), axis=-1)
    assert [one.action(number).tolist() for number in numbers] == expected.tolist()
    assert one.action(7).tolist() == expected[7].tolist()


@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("beyond", [-1, 1])
def test_numbers_of_no_action_are_refused(beyond: int, stop: bool) -> None:
    """One below the first and one above the last is an error, if the env reads it."""
    one = DiscreteAction(GlimpseEnv(stop=stop, **GAME))
    number = -1 if beyond < 0 else int(one.action_space.n)  # type: ignore[attr-defined]
    one.reset(seed=0)
    with pytest.raises(ValueError, match=r"`action` must be in 0\.\."):
        one.step(number)
    with pytest.raises(ValueError, match="`action` must be whole numbers"):
        one.step(0.5)
    many = vector.DiscreteAction(GlimpseVectorEnv(2, stop=stop, **GAME | {"num_glimpses": 1}))
    many.reset(seed=0)
    with pytest.raises(ValueError, match=r"`action` must be in 0\.\."):
        many.step(np.array([0, number]))
    many.step(np.array([0, 0]))
    many.step(np.array([number, number]))  # both restart: no action is read


def test_gymnasium_check_env() -> None:
    """Gymnasium's checker finds nothing but that there is a wrapper."""
    env = wrap(gym.make("GlimpseMNIST-v0", **GAME))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=True)
    assert len(caught) == 1, [str(warning.message) for warning in caught]
    assert "is different from the unwrapped version" in str(caught[0].message)


def test_an_id_can_stand_for_a_wrapped_env() -> None:
    """An id registered with the wrappers makes the same env, and so does its spec as JSON."""
    wrappers = (GlimpseHistory, FlattenObservation, DiscreteAction)
    game = TASKS["GlimpseMNIST-v0"] | GAME
    specs = tuple(wrapper.wrapper_spec() for wrapper in wrappers)
    gym.register("FlatInTests-v0", "ram_env.env:GlimpseEnv", kwargs=game, additional_wrappers=specs)
    try:
        env = gym.make("FlatInTests-v0")
        assert env.spec is not None
        expected = list(rollout(wrap(gym.make("GlimpseMNIST-v0", **GAME)), 9, seed=3))
        for again in (env, gym.make(EnvSpec.from_json(env.spec.to_json()))):
            assert_identical(list(rollout(again, 9, seed=3)), expected)
    finally:
        del gym.registry["FlatInTests-v0"]


def test_other_envs_are_errors() -> None:
    """The message says which space is needed, and how to come by it."""
    box = GAME | {"action_format": "box"}
    with pytest.raises(ValueError, match=r"MultiDiscrete.*Box.*action_format='multidiscrete'"):
        DiscreteAction(GlimpseEnv(**box))
    with pytest.raises(ValueError, match=r"MultiDiscrete.*Box.*action_format='multidiscrete'"):
        vector.DiscreteAction(GlimpseVectorEnv(2, **box))
    flat = vector.FlattenObservation(GlimpseVectorEnv(2, **GAME))
    with pytest.raises(ValueError, match=r"`env` must show a Dict.*got Box"):
        vector.FlattenObservation(flat)
