"""Memory for agents that have none, as wrappers of a single env.

`ram_env.wrappers.vector` has the same for a vector env, under the same names.
"""

from ram_env.wrappers.single import GlimpseHistory, SeenCanvas

__all__ = ["GlimpseHistory", "SeenCanvas"]
