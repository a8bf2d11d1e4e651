"""What `make test-oldest` installs follows from setup.cfg."""

import pytest
from oldest import ROOT, oldest_constraints

SETUP = """
[options]
install_requires =
    numpy>=2.0,<3
    torch>=2.8,<3
    scikit-learn>=1.5.1
[options.extras_require]
human =
    pygame>=2.6
test =
    pytest>=9.2,<10
"""
PINS = "# tested\nnumpy==2.4.6\npygame==2.6.1\npytest==9.2.3\ntorch==2.13.0\n"


def test_oldest_constraints_are_the_lower_bounds() -> None:
    """Of all that is needed, but for torch and the tools, which stay at the tested version."""
    expected = ["numpy==2.0", "pytest==9.2.3", "scikit-learn==1.5.1", "torch==2.13.0"]
    assert oldest_constraints(SETUP, PINS) == expected


def test_pin_that_is_missing_is_an_error() -> None:
    """Without the pin of torch pip would be free to choose."""
    with pytest.raises(KeyError, match="torch"):
        oldest_constraints(SETUP, PINS.replace("torch", "touch"))


def test_every_requirement_has_a_lower_bound() -> None:
    """No package of setup.cfg is forgotten, and the pinned version of each is allowed."""
    texts = [(ROOT / name).read_text() for name in ("setup.cfg", "constraints.txt")]
    required = texts[0].split("install_requires =")[1].split("[")[0].split()
    names = {line.split(">=")[0] for line in required}
    oldest = dict(line.split("==") for line in oldest_constraints(*texts))
    assert names <= set(oldest)
    assert len(names) == len(required)
    pinned = dict(line.split("==") for line in texts[1].split() if "==" in line)
    for name in names:
        lowest, tested = (
            [int(part) for part in versions[name].split(".")] for versions in (oldest, pinned)
        )
        assert lowest <= tested, name
