"""How does the documentation become a site? `make docs`."""
