"""Pictures of an episode for people."""
