"""Which policies are there beside RAM's, and parts of policies, for other algorithms to take?"""

from agents.policies.glimpse_encoder import GlimpseEncoder
from agents.policies.random_policy import RandomPolicy

__all__ = ["GlimpseEncoder", "RandomPolicy"]
