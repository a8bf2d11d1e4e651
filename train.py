"""Train an agent, the Recurrent Attention Model or another, on one of the tasks.

    python train.py --env cluttered --minutes 10

leaves a run folder: the model, its error on the test set, and pictures of where it looked.
`ram-env train` is the same program where the package is installed. Its steps, in order of reading:

    parse     agents/runs/options.py    every option, declared once
    make      agents/runs/plan.py       what follows from the options, or from an earlier run
              agents/runs/learners.py   the envs and the model
    learn     agents/runs/run.py        from here on one procedure, top to bottom: learn, evaluate,
    evaluate                            save; agents/model/ram.py is what learns
    save
    report    agents/runs/launch.py     errors become exit codes
"""

import sys

from agents.runs.launch import main

if __name__ == "__main__":
    sys.exit(main())
