"""What can go wrong with a training that began well, and how is a user told?"""

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any

INTERRUPTED = 130  # the exit code of a program that was ended by Ctrl-C


class DivergenceError(RuntimeError):
    """A gradient or an output is no number any more; the message says which, and what to change."""


class TeamError(RuntimeError):
    """Another process that shares the training has ended."""


class Unfailing:
    """A console that no error of its own comes from, such as of a closed pipe or another alphabet.

    Args:
        stream: What to write to; None where there is none.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """Return whether somebody reads along."""
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        """Write as much as can be written."""
        try:
            self._stream.write(text)
        except UnicodeError:
            code = self._stream.encoding
            self._stream.write(text.encode(code, "backslashreplace").decode(code))
        except (OSError, ValueError, AttributeError):
            self._close()
        return len(text)

    def flush(self) -> None:
        """Write what is held back."""
        try:
            self._stream.flush()
        except (OSError, ValueError, AttributeError):
            self._close()

    def _close(self) -> None:
        """Send all else nowhere, so that Python's own flush at its end does not fail either."""
        with suppress(OSError, ValueError, AttributeError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())
        self._stream = None


@contextmanager
def plain_output() -> Iterator[None]:
    """Show a warning as one line and Ctrl-C as one, let no output fail, hide threads that cannot.

    TensorBoard writes in a thread of its own: when the disk is full, the run itself says so.
    """

    def report(failure: threading.ExceptHookArgs) -> None:
        if not issubclass(failure.exc_type, OSError):
            threading.__excepthook__(failure)

    before = warnings.formatwarning, threading.excepthook
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    threading.excepthook = report
    output, errors = Unfailing(sys.stdout), Unfailing(sys.stderr)
    try:
        with redirect_stdout(output), redirect_stderr(errors):
            yield
    except KeyboardInterrupt:
        print("interrupted.", file=errors)
        sys.exit(INTERRUPTED)
    finally:
        warnings.formatwarning, threading.excepthook = before
