"""How does a seed become random numbers? By a documented integer hash, so that nothing drifts.

NumPy promises the streams of its bit generators, not those of its distributions; a frozen scene
must survive every upgrade.
"""

import numpy as np

# The increment and the two multipliers of SplitMix64 (Steele, Lea, Flood 2014).
_INCREMENT = np.array(0x9E3779B97F4A7C15, dtype=np.uint64)
_MULTIPLIERS = np.array(0xBF58476D1CE4E5B9, np.uint64), np.array(0x94D049BB133111EB, np.uint64)
_SHIFTS = np.array(30, np.uint64), np.array(27, np.uint64), np.array(31, np.uint64)
_HALF = np.array(32, dtype=np.uint64)


def mix_bits(values: np.ndarray) -> np.ndarray:
    """Scramble whole numbers with the finaliser of SplitMix64: uint64 (...) -> uint64 (...)."""
    values = (values ^ (values >> _SHIFTS[0])) * _MULTIPLIERS[0]
    values = (values ^ (values >> _SHIFTS[1])) * _MULTIPLIERS[1]
    return values ^ (values >> _SHIFTS[2])


def draw_integers(scene_seeds: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Draw one uniform whole number per scene and bound by hashing (scene seed, draw number).

    Args:
        scene_seeds: int64 (...), not negative.
        bounds: Exclusive upper bounds, int64 (D,), each in 1..2**32.

    Returns:
        int64 (..., D); column d lies in 0..bounds[d] - 1. Its bias is under bounds[d] / 2**32.
    """
    draws = np.arange(1, len(bounds) + 1, dtype=np.uint64) * _INCREMENT
    # With an axis even for one seed: NumPy warns when single numbers overflow, as a hash does.
    streams = mix_bits(scene_seeds[..., None].astype(np.uint64) + _INCREMENT)  # (..., 1)
    hashes = mix_bits(streams + draws)  # (..., D)
    return (((hashes >> _HALF) * bounds.astype(np.uint64)) >> _HALF).astype(np.int64)
