"""The command line: `python -m benchmarks`. Each row is measured in a process of its own."""

import argparse
import dataclasses
import difflib
import sys
from pathlib import Path
from typing import Any

from agents.base.files import make_folder, path_of
from benchmarks.measuring import (
    CURVES,
    MeasurementError,
    curves_apart,
    measure_apart,
    measure_here,
)
from benchmarks.rows import ROWS, make_row
from benchmarks.timing import Settings, available_cores

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended


class OptionError(Exception):
    """An option that cannot be followed; its message is all that the user needs."""


def make_parser() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the speed of everything; write table.json, README.md "
        "and picture.png, and, where neither --rows nor --against chooses, how cost grows: "
        "curves.json and .png.",
    )
    add, defaults = parser.add_argument, Settings()
    names = "; ".join(ROWS)
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "metavar": "NAME"}
    add("--rows", **several, help=f"what to measure (default: all), of {names}")
    whole: dict[str, Any] = {"type": positive_int, "metavar": "N"}
    add("--repeats", **whole, default=defaults.repeats, help="repetitions (default: 5)")
    add("--quick", action="store_true", help="short repetitions and no whole training, to try")
    add("--cores", **whole, help="cores of the rows that do not fix it themselves (default: 1)")
    add(
        "--against",
        metavar="MODULE:FACTORY",
        help="also time the gymnasium VectorEnv that this function makes, with the same loop; "
        "without --rows beside `vector_env` alone",
    )
    add(
        "--episodes",
        **whole,
        default=defaults.episodes,
        help="budget of seconds_to_12, seconds_to_6, final_error (default: 2,000,000)",
    )
    add("--dataset", choices=("mnist", "digits"), help="images (default: MNIST if it can be had)")
    out: dict[str, Any] = {"type": path_of, "default": Path("results/speed"), "metavar": "DIR"}
    add("--out", **out, help="folder of the report (default: results/speed)")
    add(
        "--measure",
        **several,
        help="measure rows in this process and print one line of JSON each, nothing else",
    )
    return parser


def positive_int(text: str) -> int:
    """Read a number of at least 1, as a type of argparse."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        return measure(options) if options.measure else run(options)
    except OptionError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(INTERRUPTED, f"{parser.prog}: interrupted.\n")


def measure(options: argparse.Namespace) -> int:
    """Measure rows in this process; return the exit code.

    Raises:
        OptionError: If an option is impossible.
    """
    names = check_names(options.measure, also_others=True)
    try:
        return 0 if measure_here(names, make_settings(options)) else 1
    except ValueError as error:
        raise OptionError(str(error)) from error


def run(options: argparse.Namespace) -> int:
    """Measure all rows that the options name; return the exit code.

    Raises:
        OptionError: If an option is impossible.
    """
    groups = choose_rows(options)
    from benchmarks.machine import describe, find_dataset  # these load torch
    from benchmarks.report import Report, headline

    try:
        make_folder(options.out)
        dataset = find_dataset(options.dataset)
    except ValueError as error:
        raise OptionError(str(error)) from error
    settings = dataclasses.replace(make_settings(options), dataset=dataset)
    report = Report(options.out, describe(dataset, options.out), options.quick)
    if report.notes and (options.rows or options.against or options.quick):
        raise OptionError(f"{report.notes}, and all rows of it would go: choose another `--out`.")
    notes = f"{report.notes}: starting anew." if report.notes else ""
    print(f"{headline(report.machine)}; images of {dataset}\n{notes}".rstrip(), flush=True)
    failed = []
    for names in groups:
        missing = list(names)
        try:
            for result in measure_apart(names, settings_for(names, settings, options.cores)):
                print(result.describe(), flush=True)
                report.add(result)
                missing.remove(result.name)
        except MeasurementError as error:
            if options.against in names and error.is_usage:
                return 2
            failed += missing
    if not options.rows and not options.against:
        try:
            curves_apart(options.out, settings)
        except MeasurementError:
            failed.append(CURVES)
    print(f"Report: {options.out / 'README.md'}")
    if failed:
        print(f"Not measured, see above: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def choose_rows(options: argparse.Namespace) -> list[list[str]]:
    """Return the names of the rows to measure, those that share a process together.

    Raises:
        OptionError: If a name is unknown, or too few cores are there.
    """
    cores = available_cores()
    if (options.cores or 1) > cores:
        raise OptionError(f"`--cores` must be in 1..{cores}, the cores there are: {options.cores}.")
    if options.against is not None and not all(options.against.partition(":")):
        raise OptionError(f"`--against` must be MODULE:FACTORY, got {options.against!r}.")
    if options.rows:
        names = check_names(options.rows)
    else:
        names = ["vector_env"] if options.against else all_rows(cores, options.quick)
    for row in map(make_row, names):
        needed = row.cores_of(options.cores or 1)
        if needed > cores:
            raise OptionError(f"`--rows {row.name}` needs {needed} cores, and there are {cores}.")
        if row.needs_gpu and not has_gpu():
            raise OptionError(f"`--rows {row.name}` needs a GPU that PyTorch can use, got none.")
    # The other env first: if there is something wrong with it, it shows before the rest is done.
    names = [*([options.against] if options.against else []), *names]
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(make_row(name).process or name, []).append(name)
    return list(groups.values())


def all_rows(cores: int, quick: bool) -> list[str]:
    """Return the names of all rows that the machine suffices for; quick ones take seconds."""
    rows = [row for row in ROWS.values() if row.is_short or not quick]
    fitting = [row for row in rows if row.cores_of(1) <= cores]
    return [row.name for row in fitting if not row.needs_gpu or has_gpu()]


def has_gpu() -> bool:
    """Return whether there is a GPU that PyTorch can use."""
    from benchmarks.machine import find_gpu  # loads torch

    return find_gpu() is not None


def check_names(names: list[str], also_others: bool = False) -> list[str]:
    """Return the names if all are known, or with `also_others` a MODULE:FACTORY.

    Raises:
        OptionError: If one is not; the message names the nearest.
    """
    for name in names:
        if name not in ROWS and not (also_others and ":" in name):
            near = difflib.get_close_matches(name, ROWS, n=1, cutoff=0.3)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise OptionError(f"`--rows` must be names of the list in --help, got {name!r}.{hint}")
    return names


def make_settings(options: argparse.Namespace) -> Settings:
    """Return how the options want rows to be measured."""
    return Settings(
        cores=options.cores or 1,
        repeats=options.repeats,
        quick=options.quick,
        dataset=options.dataset or Settings.dataset,
        episodes=options.episodes,
    )


def settings_for(names: list[str], settings: Settings, cores: int | None) -> Settings:
    """Return the settings of the rows of one process."""
    return dataclasses.replace(settings, cores=make_row(names[0]).cores_of(cores or 1))


if __name__ == "__main__":
    sys.exit(main())
