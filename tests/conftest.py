"""What all tests share: hypothesis draws the same examples on every run, unless it fuzzes."""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzzing import NUM_EXAMPLES
from helpers import save_images
from hypothesis import HealthCheck, settings

# The time of one example says nothing about its correctness.
settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "fuzz",
    max_examples=NUM_EXAMPLES or 1,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("fuzz" if NUM_EXAMPLES else "reproducible")


@pytest.fixture(scope="session")
def small_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An .npz file of 60 images of 9x7 pixels in 3 classes: neither square nor ten."""
    return save_images(tmp_path_factory.mktemp("small") / "images.npz", 60, (9, 7), 3)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread for torch: small matrices gain nothing from more."""
    import torch  # not for the tests of the environment

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# What `python -m benchmarks.faults` counts: every test with the marker `fault` is one fault.


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker and begin to count."""
    config.addinivalue_line("markers", "fault(name): a fault of that kind is really tried")
    config.addinivalue_line("markers", "slow: takes more than some seconds")
    config.stash[FAULTS] = []


FAULTS = pytest.StashKey[list[dict[str, Any]]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how a fault ended; a test that could not begin is no success."""
    report = yield
    marker = item.get_closest_marker("fault")
    if marker is not None and (report.when == "call" or not report.passed):
        fault = {"name": marker.args[0], "test": item.nodeid, "survived": report.passed}
        fault |= {"seconds": report.duration, "skipped": report.skipped}
        item.config.stash[FAULTS].append(fault | dict(item.user_properties))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the counts where they were asked for."""
    path = os.environ.get("RAM_ENV_FAULTS")
    if path:
        Path(path).write_text(json.dumps(session.config.stash[FAULTS]))
