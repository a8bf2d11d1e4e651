"""What fuzz tests share: damaged bytes, arguments of every kind, limits and the form of errors.

`RAM_ENV_FUZZ_EXAMPLES=100000 pytest tests/faults/test_fuzz_*.py`, or `make fuzz`, draws so many new
examples for each of them.
"""

import enum
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.error import Error
from hypothesis import strategies as st

NUM_EXAMPLES = int(os.environ.get("RAM_ENV_FUZZ_EXAMPLES", "0"))
MAX_SECONDS = 20.0  # of one example, on a machine that does other things too
MAX_BYTES = 2**29  # that an example may take

# Damaged bytes.

LIES = tuple(
    number.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for number in (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
    for order in ("little", "big")
)


def places(content: bytes | bytearray) -> st.SearchStrategy[int]:
    """Positions in some bytes, most of them near both ends, where formats keep their headers."""
    last = len(content)
    return st.one_of(
        st.integers(0, last), st.integers(0, min(64, last)), st.integers(max(0, last - 200), last)
    )


class Bulk(bytes):
    """Bytes that hypothesis can show in short, as it does again and again."""

    def __repr__(self) -> str:
        return f"{len(self)} bytes"


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Bytes that one to four faults make of others."""
    return _damaged(Bulk(content))


@st.composite
def _damaged(draw: st.DrawFn, content: Bulk) -> Bulk:
    result = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place, other = sorted((draw(places(result)), draw(places(result))))
        match draw(st.sampled_from(["flip", "write", "cut", "end", "insert", "swap", "double"])):
            case "flip" if place < len(result):
                result[place] ^= 1 << draw(st.integers(0, 7))
            case "write":
                lie = draw(st.sampled_from(LIES) | st.binary(min_size=1, max_size=8))
                result[place : place + len(lie)] = lie
            case "cut":
                del result[place:other]
            case "end":
                del result[place:]
            case "insert":
                result[place:place] = draw(st.binary(max_size=20))
            case "swap":
                result[:] = result[:place] + result[other:] + result[place:other]
            case "double":
                result[place:place] = result[place:other]
    return Bulk(result)


# Arguments of every kind.


class Color(enum.Enum):
    """An enum that nobody here knows."""

    RED = "box"


NUMBERS = [
    *(0, 1, -1, 2, 3, 7, 28, 10**13, -(10**13), 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63)),
    *(10**30, 10**400, -(10**400), True, False),
    *(0.0, -0.0, 0.5, 1.0, -1.0, 1e-320, 1e308, float("nan"), float("inf"), -float("inf"), 1j),
    *(np.int8(3), np.uint64(2**64 - 1), np.float16(1), np.float32("nan"), np.longdouble(2)),
    *(np.complex64(1), np.bool_(True), np.timedelta64(3, "s"), np.datetime64("2014-06-24")),
    *(Decimal("1.5"), Decimal("nan"), Fraction(1, 3)),
]
WORDS = [
    *("", "box", "dict", "multidiscrete", "final", "every_step", "random", "center", "train"),
    *("test", "digits", "idx", "rgb_array", "NextStep", "nan", "1", "\0", "a\0.npz", "\ud800.npz"),
    *("none.npz", "/", "/dev/null", ".npz", "a" * 5000 + ".npz", "../" * 50, b"box", b"\xff"),
]
THINGS = [None, ..., NotImplemented, int, print, Color.RED, Color, Path("box"), Path("\0")]
ARRAYS = [
    *(np.zeros(0), np.array(3), np.array([3]), np.array([28, 28]), np.array(["box"])),
    *(np.array(["train", "test"]), np.zeros((2, 2)), np.array([None]), np.array([1.5, np.nan])),
    *(np.array([[1, 2], [3, 4]]), np.array([True]), np.zeros(2, "M8[s]"), np.zeros(1, "i4,f4")),
]
SIMPLE: list[Any] = [*NUMBERS, *WORDS, *THINGS, *ARRAYS]
# By number: hypothesis compares, hashes and shows the elements of `sampled_from` again and again.
simple = st.integers(0, len(SIMPLE) - 1).map(lambda number: SIMPLE[number])
few = st.lists(st.one_of(simple, st.integers(-9, 60)), max_size=4)
anything: st.SearchStrategy[Any] = st.one_of(
    simple,
    simple,
    st.integers(-9, 60),
    st.floats(),
    st.text(max_size=5),
    few,
    few.map(tuple),
    st.lists(few, max_size=3),
    st.dictionaries(st.sampled_from(["index", "location", "label", "x", 0]), simple, max_size=3),
    st.sets(st.integers(-9, 9), max_size=3),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-9, 60),
        st.sampled_from([10**9, 2**31, 2**63, 10**30, -1, 0, 0.5, 1e308, 1e400, -1e400]),
        st.floats(),
        st.text(max_size=9),
    ),
    lambda parts: st.one_of(
        st.lists(parts, max_size=4), st.dictionaries(st.text(max_size=5), parts, max_size=4)
    ),
    max_leaves=8,
)
DTYPES = ["?", "i1", "i4", "i8", "u1", "u8", "f2", "f4", "f8", "c8", "U1", "S2", "M8[s]", "O"]
FILLINGS = [0, 1, 2, 3, 7, 100, 0.5, -0.5]
plain_array = st.builds(
    lambda dtype, shape, filling: np.full(shape, np.array(filling).astype(dtype)),
    st.sampled_from(DTYPES + ["i8", "f4"] * 5),
    st.lists(st.integers(0, 5), max_size=3),
    st.sampled_from(FILLINGS),
)
wild_array = st.builds(
    lambda shape, filling: np.full(shape, filling),
    st.lists(st.integers(0, 5), max_size=3),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1, 2**62, 2**64 - 1, 10**30, None]),
)
any_array = st.one_of(plain_array, wild_array)
# Limits and errors.


@contextmanager
def bounded() -> Iterator[None]:
    """Let what is done inside take a limited time and, on Linux, a limited amount of memory."""
    with _limited_time(), _limited_memory():
        yield


@contextmanager
def _limited_time() -> Iterator[None]:
    if not hasattr(signal, "setitimer"):
        yield
        return

    def give_up(*_: Any) -> None:
        raise TimeoutError(f"an example took over {MAX_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _limited_memory() -> Iterator[None]:
    status = Path("/proc/self/statm")
    if not status.exists():
        yield
        return
    import resource

    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(status.read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MAX_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@contextmanager
def refusals() -> Iterator[None]:
    """Allow the errors that bad input may bring: documented ones, which name what is wrong."""
    with bounded():
        try:
            yield
        except (ValueError, Error) as error:
            # Gymnasium's own errors about seeds use no backticks.
            assert re.search(r"`.+`|^Seed must be", str(error), re.DOTALL), repr(error)
            assert len(str(error)) < 3000
