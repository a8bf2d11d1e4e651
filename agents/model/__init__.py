"""What RAM is and how it learns."""
