"""Draws are the published hash, by whole-number arithmetic alone."""

import numpy as np
from reference import draw, splitmix64

from ram_env.hashing import draw_integers, mix_bits

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
