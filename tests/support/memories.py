"""The wrappers that remember what was seen, around one env and around many."""

from typing import Any

import pytest

from ram_env.wrappers import GlimpseHistory, SeenCanvas, vector

NAMES = ("GlimpseHistory", "SeenCanvas")
SINGLE: dict[str, Any] = {"GlimpseHistory": GlimpseHistory, "SeenCanvas": SeenCanvas}
VECTOR: dict[str, Any] = {name: getattr(vector, name) for name in NAMES}
by_name = pytest.mark.parametrize("name", NAMES)
