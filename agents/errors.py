"""What can go wrong with a training that began well?"""


class DivergenceError(RuntimeError):
    """A gradient or an output is no number any more; the message says which, and what to change."""


class TeamError(RuntimeError):
    """Another process that shares the training has ended."""
