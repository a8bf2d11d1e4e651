"""How fast everything is, measured: `python -m benchmarks`, `python -m benchmarks.curves`."""
