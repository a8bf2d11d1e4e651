"""What a library lacks, as wrappers of a single env: a memory, one vector in, one number out.

`ram_env.wrappers.vector` has the same for a vector env, under the same names.
"""

from gymnasium.wrappers import FlattenObservation

from ram_env.wrappers.flat import DiscreteAction
from ram_env.wrappers.single import GlimpseHistory, SeenCanvas

__all__ = ["DiscreteAction", "FlattenObservation", "GlimpseHistory", "SeenCanvas"]
