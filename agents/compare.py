"""What each agent learns in the same time: `python -m agents.compare [--rows NAME ...]`."""

import sys

from agents.reports.agents import main

if __name__ == "__main__":
    sys.exit(main())
