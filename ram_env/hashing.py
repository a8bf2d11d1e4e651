"""How does a seed become random numbers? By a documented integer hash, so that nothing drifts.

NumPy promises the streams of its bit generators, not those of its distributions; a frozen scene
must survive every upgrade.
"""

import functools

import numpy as np

# The increment and the two multipliers of SplitMix64 (Steele, Lea, Flood 2014).
_INCREMENT = np.array(0x9E3779B97F4A7C15, dtype=np.uint64)
_MULTIPLIERS = np.array(0xBF58476D1CE4E5B9, np.uint64), np.array(0x94D049BB133111EB, np.uint64)
_SHIFTS = np.array(30, np.uint64), np.array(27, np.uint64), np.array(31, np.uint64)
_HALF = np.array(32, dtype=np.uint64)
_STEP_BITS = 24
# Of a draw that stands for a real number: the finest that float32 holds exactly in [-1, 1).
STEPS = 2**_STEP_BITS


def mix_bits(values: np.ndarray) -> np.ndarray:
    """Scramble whole numbers with the finaliser of SplitMix64: uint64 (...) -> uint64 (...)."""
    values = (values ^ (values >> _SHIFTS[0])) * _MULTIPLIERS[0]
    values = (values ^ (values >> _SHIFTS[1])) * _MULTIPLIERS[1]
    return values ^ (values >> _SHIFTS[2])


def draw_integers(scene_seeds: np.ndarray, bounds: np.ndarray, first: int = 1) -> np.ndarray:
    """Draw one uniform whole number per scene and bound by hashing (scene seed, draw number).

    Args:
        scene_seeds: int64 (...), not negative.
        bounds: Exclusive upper bounds, int64 (D,), or (..., D) of each scene, each in 1..2**32.
        first: The number of the first draw.

    Returns:
        int64 (..., D); column d lies in 0..bounds[d] - 1. Its bias is under bounds[d] / 2**32.
    """
    draws = _numbers_of_draws(first, bounds.shape[-1])
    # With an axis even for one seed: NumPy warns when single numbers overflow, as a hash does.
    streams = mix_bits(scene_seeds[..., None].astype(np.uint64) + _INCREMENT)  # (..., 1)
    hashes = mix_bits(streams + draws)  # (..., D)
    return (((hashes >> _HALF) * bounds.astype(np.uint64)) >> _HALF).astype(np.int64)


@functools.lru_cache
def _numbers_of_draws(first: int, number: int) -> np.ndarray:
    """Return what tells so many draws apart, uint64 (`number`,), to be read alone."""
    return np.arange(first, first + number, dtype=np.uint64) * _INCREMENT


def as_shares(draws: np.ndarray) -> np.ndarray:
    """Turn draws, int64 (...) in 0..`STEPS` - 1, into numbers in [-1, 1), float64 (...)."""
    return draws.astype(np.float64) / (STEPS / 2) - 1.0


def spread_evenly(draws: np.ndarray, lowest: int, highest: int) -> np.ndarray:
    """Turn draws into whole numbers of every order of magnitude alike: log-uniform ones.

    Only products and square roots are taken, which every machine rounds in the same way.

    Args:
        draws: int64 (...), in 0..`STEPS` - 1.
        lowest: At least 1.
        highest: At least `lowest`.

    Returns:
        floor(lowest * ((highest + 1) / lowest) ** (draw / `STEPS`)), int64 (...).
    """
    numbers = np.full(draws.shape, float(lowest))
    ratio = np.float64(highest + 1) / lowest
    for bit in reversed(range(_STEP_BITS)):
        ratio = np.sqrt(ratio)
        numbers *= np.where(draws >> bit & 1, ratio, 1.0)
    return np.minimum(numbers.astype(np.int64), highest)
