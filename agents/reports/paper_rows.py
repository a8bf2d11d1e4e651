"""The rows of the paper's table: what each is trained on, how, and how long. No torch in here."""

from dataclasses import dataclass
from pathlib import Path

from ram_env import SHORT_NAMES, TASKS

MILLION = 1_000_000
# The paper's reward, but each location is paid what its glimpse does for it. (The weight of the
# gaze's gradient and its way into the core are those of preset `paper`, written out.)
CREDIT = (
    "gaze_reward=belief",
    "discount=0.0",
    "policy_coef=0.3",
    "policy_gradient_to_core=true",
    "batch_size=256",
)


@dataclass(frozen=True)
class PaperRow:
    """One row of the table.

    Attributes:
        name: Of the row.
        task: Short name of the task.
        preset: Of the agent, or the name of a network of `agents.reports.whole_image`.
        num_glimpses: T; 0 for what sees the whole scene.
        episodes: The budget.
        paper: Test error in percent that the paper prints for it, NIPS 2014, tables 1 and 2.
        gaze: `"learned"`, `"random"`, or `"none"` for what sees the whole scene.
        seed: Of networks, scenes and exploration.
        dataset: Of the env.
        distortion: Of the training images: pays where a budget shows each of them often.
        elastic_distortion: Likewise.
        settings: Of the agent, beyond its preset.
    """

    name: str
    task: str
    preset: str
    num_glimpses: int
    episodes: int
    paper: float | None
    gaze: str = "learned"
    seed: int = 0
    dataset: str = "mnist"
    distortion: float = 0.0
    elastic_distortion: float = 0.0
    settings: tuple[str, ...] = ()

    @property
    def ships(self) -> bool:
        """Whether the model may come with the package: the full task, learned our best way."""
        task_glimpses = TASKS[SHORT_NAMES[self.task]]["num_glimpses"]
        return self.preset == "default" and self.num_glimpses == task_glimpses

    @property
    def resumes(self) -> bool:
        """Whether its run can go on after an interruption."""
        return self.gaze != "none"

    def command(self, folder: Path) -> list[str]:
        """Return the arguments of Python that train the row into a folder."""
        arguments = ["--env", self.task, "--episodes", str(self.episodes), "--seed", str(self.seed)]
        arguments += ["--dataset", self.dataset, "--run-dir", str(folder)]
        if self.gaze == "none":
            return ["-m", "agents.reports.whole_image", "--network", self.preset, *arguments]
        arguments += ["--preset", self.preset, "--num-glimpses", str(self.num_glimpses)]
        for name in ("distortion", "elastic_distortion"):
            if getattr(self, name):
                arguments += ["--env-kwargs", f"{name}={getattr(self, name)}"]
        settings = [*self.settings, *(["gaze=random"] if self.gaze == "random" else [])]
        if settings:
            arguments += ["--settings", *settings]
        return ["train.py", *arguments]


ROWS: dict[str, PaperRow] = {
    row.name: row
    for row in (
        # Headline rows, the first with three seeds: 17 to 60 minutes each.
        *(
            PaperRow(name, "cluttered", "default", 8, 6 * MILLION, 4.04, distortion=0.1, seed=seed)
            for seed, name in enumerate(("cluttered", "cluttered-seed1", "cluttered-seed2"))
        ),
        PaperRow(
            "centered",
            "centered",
            "default",
            7,
            14 * MILLION,
            1.07,
            distortion=0.2,
            elastic_distortion=0.1,
        ),
        PaperRow(
            "translated",
            "translated",
            "default",
            8,
            10 * MILLION,
            1.20,
            distortion=0.2,
            elastic_distortion=0.1,
        ),
        PaperRow("cluttered100", "cluttered100", "default", 8, 6 * MILLION, 8.11, distortion=0.1),
        # With fewer glimpses, and with the paper's own model: 10 to 19 minutes each.
        PaperRow("cluttered-6", "cluttered", "default", 6, 5 * MILLION, 4.08, distortion=0.1),
        PaperRow("cluttered-4", "cluttered", "default", 4, 7 * MILLION, 4.96, distortion=0.1),
        PaperRow("centered-paper", "centered", "paper", 7, 18 * MILLION, 1.07),
        PaperRow("translated-paper", "translated", "paper", 8, 18 * MILLION, 1.20),
        PaperRow("cluttered-paper", "cluttered", "paper", 8, 18 * MILLION, 4.04),
        PaperRow("cluttered-paper-6", "cluttered", "paper", 6, 23 * MILLION, 4.08),
        PaperRow("cluttered-paper-4", "cluttered", "paper", 4, 30 * MILLION, 4.96),
        PaperRow("cluttered100-paper", "cluttered100", "paper", 8, 14 * MILLION, 8.11),
        # The same networks and reward, with credit for each glimpse.
        PaperRow(
            "cluttered-paper-credit", "cluttered", "paper", 8, 8 * MILLION, 4.04, settings=CREDIT
        ),
        PaperRow(
            "cluttered-paper-credit-6", "cluttered", "paper", 6, 8 * MILLION, 4.08, settings=CREDIT
        ),
        PaperRow(
            "cluttered-paper-credit-4", "cluttered", "paper", 4, 8 * MILLION, 4.96, settings=CREDIT
        ),
        PaperRow(
            "cluttered100-paper-credit",
            "cluttered100",
            "paper",
            8,
            7 * MILLION,
            8.11,
            settings=CREDIT,
        ),
        PaperRow(
            "translated-paper-credit", "translated", "paper", 8, 5 * MILLION, 1.20, settings=CREDIT
        ),
        PaperRow(
            "centered-paper-credit", "centered", "paper", 7, 6 * MILLION, 1.07, settings=CREDIT
        ),
        # Calibration: are the scenes as hard as the paper's?
        PaperRow("cluttered-random", "cluttered", "paper", 8, 10 * MILLION, 14.4, "random"),
        PaperRow(
            "cluttered-connected", "cluttered", "fully_connected", 0, 16 * MILLION, 11.96, "none"
        ),
        PaperRow(
            "translated-connected", "translated", "fully_connected", 0, 16 * MILLION, 2.63, "none"
        ),
        PaperRow("cluttered-conv", "cluttered", "convolutional", 0, 24 * MILLION, 8.09, "none"),
        PaperRow("translated-conv", "translated", "convolutional", 0, 24 * MILLION, 1.62, "none"),
    )
}
