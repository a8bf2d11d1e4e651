"""The rules: what an episode is, what an action means, what is paid."""
