"""What can go wrong with a training that began well."""


class DivergenceError(RuntimeError):
    """A loss or a weight is no number any more; the message says which, and what to change."""


class TeamError(RuntimeError):
    """Another process that shares the training has ended."""
