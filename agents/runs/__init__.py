"""From a command line to a finished run folder."""
