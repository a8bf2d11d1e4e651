"""Gymnasium environments in which an image is classified through a moving retina.

`import ram_env` registers the tasks; `gym.make("ram_env:GlimpseMNIST-v0")` does it by itself.
"""

from ram_env.registration import SHORT_NAMES, TASKS, register_tasks

__version__ = "0.1.0"
__all__ = ["SHORT_NAMES", "TASKS", "__version__", "register_tasks"]

register_tasks()
