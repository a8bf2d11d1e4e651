"""How does a single env show an agent what it has seen so far?"""

from typing import Any, ClassVar, SupportsFloat

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from ram_env.env import ONLY
from ram_env.games.game import Observation
from ram_env.wrappers.memory import CanvasMemory, HistoryMemory, Memory, task_of


class MemoryWrapper(gym.Wrapper[Observation, Any, Observation, Any], RecordConstructorArgs):
    """Show what a memory holds instead of the latest observation alone.

    Args:
        env: A `GlimpseEnv`, also one in wrappers that leave the observation as it is.

    Raises:
        TypeError: If it is no env.
        ValueError: If it is another env, or shows another observation.
    """

    memory_type: ClassVar[type[Memory]]

    def __init__(self, env: gym.Env[Observation, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._memory = self.memory_type(1, task_of(env, env.observation_space))
        self.observation_space = self._memory.space  # type: ignore[assignment]
        self._has_ended = False  # so that the next step begins an episode, around `Autoreset`

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode, of which nothing but the first glimpse is known."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._memory.begin(ONLY, observation)
        self._has_ended = False
        return self._memory.show(ONLY), info

    def step(self, action: Any) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take an action, and remember what it showed."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._has_ended:
            self._memory.begin(ONLY, observation)
        elif not terminated:  # the step that ends an episode shows the last glimpse again
            self._memory.add(ONLY, observation)
        self._has_ended = terminated or truncated
        return self._memory.show(ONLY), reward, terminated, truncated, info


class GlimpseHistory(MemoryWrapper):
    """Show all glimpses of the episode so far, for agents without memory.

    The observation becomes a `Dict` of

    | key | space | meaning |
    |---|---|---|
    | `glimpse` | `Box(0, 1, (T, K, g, g), float32)` | the glimpses in the order of time, then 0 |
    | `location` | `Box(-1, 1, (T, 2), float32)` | (x, y) that each was taken at, then 0 |
    | `mask` | `Box(0, 1, (T,), float32)` | 1 for each glimpse taken, then 0 |

    with T = `num_glimpses`, beside `reach` if the env observes it. The last step, which does not
    move the sensor, adds nothing. The mask is a `Box` of numbers because Stable-Baselines3's
    `VecNormalize` takes nothing else; nothing of it is an image to Stable-Baselines3, so
    `MultiInputPolicy` sees all numbers in one vector.

    `ram_env.wrappers.vector.GlimpseHistory` does the same for a vector env, bit for bit.
    """

    memory_type = HistoryMemory


class SeenCanvas(MemoryWrapper):
    """Show a canvas of all that was seen in the episode so far, for agents without memory.

    The observation becomes a `Dict` of

    | key | space | meaning |
    |---|---|---|
    | `glimpse` | `Box(0, 1, (K, g, g), float32)` | the latest glimpse |
    | `location` | `Box(-1, 1, (2,), float32)` | (x, y) that it was taken at |
    | `canvas` | `Box(0, 1, (H, W), float32)` | what was seen of the canvas, elsewhere 0 |
    | `seen` | `Box(0, 1, (H, W), float32)` | 1 for each pixel that was seen, elsewhere 0 |

    beside `reach` if the env observes it. Each pixel has the value of the finest scale that has
    seen it, the latest among equal ones. A sample of scale k fills the 2**k x 2**k pixels that it
    is the mean of; at the border of the canvas the black beyond it is part of that mean. Only
    glimpses and their locations are used.
    All are of numbers between 0 and 1 and none is an image to Stable-Baselines3, so
    `MultiInputPolicy` and `VecNormalize` take them as they are.

    `ram_env.wrappers.vector.SeenCanvas` does the same for a vector env, bit for bit.
    """

    memory_type = CanvasMemory
