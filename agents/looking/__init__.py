"""What does a model look at, and what does it answer? Glimpse by glimpse, and drawn."""
