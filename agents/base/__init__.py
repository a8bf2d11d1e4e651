"""What does every room need? How files are written, errors told and diagrams drawn."""
