"""Which game do the arguments of an env mean, and how does the env show them?"""

import inspect
from typing import Any

from ram_env.arguments import did_you_mean, number_between, number_range, one_of_names
from ram_env.games.catch import CatchTask
from ram_env.games.game import Game
from ram_env.games.tasks import CanvasTask, MegapixelTask, PictureTask

SCENES: dict[str, type[CanvasTask | MegapixelTask | PictureTask]] = {
    "canvas": CanvasTask,
    "megapixel": MegapixelTask,
    "pictures": PictureTask,
}
GAMES = ("classify", "catch")


def make_game(arguments: dict[str, Any]) -> Game:
    """Make the game of the arguments that an env was given.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: If one is out of its range or does not fit the others.
    """
    kind, given = kind_of(arguments)
    known = list(inspect.signature(kind).parameters)
    for name in given:
        if name not in known:
            # In Python's own words: TorchRL looks for them, to try without the argument.
            raise TypeError(
                f"got an unexpected keyword argument {name!r}: the arguments are "
                f"{', '.join(known)}.{did_you_mean(name, known)}"
            )
    return kind(**given)


def kind_of(
    arguments: dict[str, Any],
) -> tuple[type[CatchTask | CanvasTask | MegapixelTask | PictureTask], dict[str, Any]]:
    """Return the class of the game that the arguments of an env mean, and what is left for it.

    Raises:
        ValueError: If they mean none.
    """
    given = dict(arguments)
    if one_of_names("game", given.pop("game", "classify"), GAMES) == "catch":
        return CatchTask, given
    return SCENES[one_of_names("scenes", given.pop("scenes", "canvas"), SCENES)], given


class PlaysGame:
    """An env with a game, whose arguments it shows as attributes: to be read, not changed."""

    task: Game
    spec: Any  # of Gymnasium
    _episodes: Any

    @property
    def env_id(self) -> str | None:
        """The id that the env was made by; None if it was by none."""
        return None if self.spec is None else self.spec.id

    def set_canvas_range(self, lowest: int, highest: int) -> None:
        """Change between which sides canvases are drawn, from each game's next episode on.

        A scene follows from its seed and the range in force when it begins: so a curriculum lets
        canvases grow, in any autoreset mode.

        Args:
            lowest: In pixels, within the env's `canvas_range`.
            highest: In pixels, within it too.

        Raises:
            ValueError: If the env has no `canvas_range`, or the new one is not within it.
        """
        limits = getattr(self.task, "canvas_range", None)
        if limits is None:
            raise ValueError(
                "`set_canvas_range()` needs canvases that differ, got an env without: make it with "
                "`canvas_range=(lowest, highest)`."
            )
        canvas_range = number_range("canvas_range", (lowest, highest), *limits)
        self._episodes.scenes.choices["canvas_range"] = canvas_range

    def set_single_share(self, share: float) -> None:
        """Change how many scenes have one digit alone, from each game's next episode on.

        A scene follows from its seed and the share in force when it begins, as of
        `set_canvas_range`.

        Raises:
            ValueError: If the env is not one of `scenes="megapixel"`, or it is no share.
        """
        if not isinstance(self.task, MegapixelTask):
            raise ValueError(
                "`set_single_share()` needs scenes of several digits, got an env of others: make "
                "it with `scenes='megapixel'`."
            )
        share = number_between("single_share", share, 0.0, 1.0)
        self._episodes.scenes.choices["single_share"] = share

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each answer."""
        return self.task.class_names


def _shown(name: str) -> property:
    """Return the attribute of an env that is an argument of its task."""
    return property(
        lambda env: getattr(env.task, name),
        lambda env, value: setattr(env.task, name, value),  # which refuses, and says what to do
        doc=f"The task's `{name}`.",
    )


for _task in (*SCENES.values(), CatchTask):
    for _name in inspect.signature(_task).parameters:
        setattr(PlaysGame, _name, _shown(_name))
