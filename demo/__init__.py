"""A page on which one draws a digit and watches a model look: `make demo`."""
