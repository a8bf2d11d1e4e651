"""How a trained model generalises: `python -m agents.study --pretrained cluttered`."""

from agents.evaluation.generalisation import main

if __name__ == "__main__":
    main()
