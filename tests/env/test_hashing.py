"""Draws are the published hash, by whole-number arithmetic alone."""

import numpy as np
from reference import draw, splitmix64

from ram_env.hashing import STEPS, as_shares, draw_integers, mix_bits, spread_evenly

LARGEST_SEED = 2**63 - 1


def test_mix_bits_is_the_finaliser_of_splitmix64() -> None:
    """The hash gives the published outputs of SplitMix64 for the seeds 0 and 1234567."""
    published = {
        0: [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F],
        1234567: [6457827717110365317, 3203168211198807973, 9817491932198370423],
    }
    for seed, outputs in published.items():
        states = [(seed + n * 0x9E3779B97F4A7C15) % 2**64 for n in (1, 2, 3)]
        assert mix_bits(np.array(states, np.uint64)).tolist() == outputs
        assert [splitmix64(state) for state in states] == outputs


def test_draws_equal_the_reference() -> None:
    """A draw depends on scene seed, its number and its bound, by whole-number arithmetic alone."""
    seeds = [0, 1, 2, 9_999, 2**32, 2**53 + 1, LARGEST_SEED - 1, LARGEST_SEED]
    bounds = [1, 2, 3, 21, 33, 53, 55_000, 2**24, 2**31, 2**32 - 1, 2**32]
    draws = draw_integers(np.array(seeds), np.array(bounds))
    assert draws.dtype == np.int64
    expected = [[draw(seed, n, bound) for n, bound in enumerate(bounds, 1)] for seed in seeds]
    assert draws.tolist() == expected


def test_later_draws_and_bounds_of_each_scene() -> None:
    """Draws can begin at a later number, and each scene can have bounds of its own."""
    seeds, bounds = np.array([3, 2**40]), np.array([[5, 100], [7, 2**32]])
    draws = draw_integers(seeds, bounds, first=4)
    assert draws.tolist() == [
        [draw(seed, 4, one), draw(seed, 5, other)]
        for seed, (one, other) in zip(seeds.tolist(), bounds.tolist(), strict=True)
    ]


def test_shares_are_exact_in_float32() -> None:
    """The lowest draw gives -1, the middle one 0, the highest stays below 1 by one step."""
    shares = as_shares(np.array([0, STEPS // 2, STEPS - 1]))
    assert shares.tolist() == [-1.0, 0.0, 1.0 - 2.0**-23]
    assert shares.astype(np.float32).tolist() == shares.tolist()


def test_numbers_are_spread_evenly_over_orders_of_magnitude() -> None:
    """Draw d of D gives lowest * (highest + 1 / lowest) ** (d / D), rounded down, ends included."""
    draws = np.array([0, 1, STEPS // 4, STEPS // 2, STEPS - 1])
    assert spread_evenly(draws, 1, 2**20 - 1).tolist() == [1, 1, 2**5, 2**10, 2**20 - 1]
    assert spread_evenly(draws, 60, 60).tolist() == [60] * 5
    rng = np.random.default_rng(0)
    draws = np.sort(rng.integers(STEPS, size=20_000))
    for lowest, highest in ((28, 4_000), (1, 2), (3, 2**30)):
        numbers = spread_evenly(draws, lowest, highest)
        exact = lowest * ((highest + 1) / lowest) ** (draws / STEPS)
        # A number just under a whole one may be rounded either way.
        assert (np.abs(numbers - np.floor(exact)) <= (np.abs(exact - np.rint(exact)) < 1e-6)).all()
        assert (np.diff(numbers) >= 0).all()
    assert spread_evenly(np.array(7), 5, 9).shape == ()


def test_spreads_never_change() -> None:
    """Every machine rounds products and square roots alike: these were written down once."""
    draws = np.arange(5) * 3_333_333
    assert spread_evenly(draws, 60, 1000).tolist() == [60, 104, 183, 321, 561]
