"""What lies before the retina: from a seed to pixels."""
