"""A web server on this machine that misbehaves in every way that a download must survive."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONTENT = bytes(range(256)) * 2
COMPRESSED = gzip.compress(CONTENT, mtime=0)


class Mirror(ThreadingHTTPServer):
    """Serves `/FAULT/ARGUMENT/...` as the method of that name says.

    Attributes:
        content: What a mirror without fault sends.
        requests: The paths asked for so far.
        is_closing: Ends what would never end.
        barrier: Where `/together/` waits until all have come who are waited for.
    """

    daemon_threads = False  # so that closing waits for them

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MirrorHandler)
        self.content = COMPRESSED
        self.requests: list[str] = []
        self.is_closing = threading.Event()
        self.barrier = threading.Barrier(1, timeout=60)

    def url(self, fault: str, argument: Any = "") -> str:
        """Return the address of a mirror with one fault."""
        return f"http://127.0.0.1:{self.server_port}/{fault}/{argument}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: clients hang up here."""


class MirrorHandler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Mirror

    def do_GET(self) -> None:
        """Answer by the first part of the path; the second is its argument."""
        self.server.requests.append(self.path)
        _, fault, argument, *_ = self.path.split("/")
        getattr(self, fault)(argument)

    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""

    def send(self, content: bytes, status: int = 200, **headers: object) -> None:
        """Send an answer with these headers."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def whole(self, _: str) -> None:
        """Do all right."""
        self.send(self.server.content, Content_Length=len(self.server.content))

    def together(self, _: str) -> None:
        """Do all right, but only when as many clients ask as the barrier has parties."""
        self.server.barrier.wait()
        self.whole("")

    def cut(self, position: str) -> None:
        """Announce all and hang up before the end."""
        self.send(COMPRESSED[: int(position)], Content_Length=len(COMPRESSED))

    def unannounced(self, position: str) -> None:
        """Hang up before the end of an answer of unknown length."""
        self.send(COMPRESSED[: int(position)])

    def other(self, _: str) -> None:
        """Send another file."""
        self.send(gzip.compress(CONTENT[1:]))

    def status(self, code: str) -> None:
        """Answer with an error and a page."""
        self.send(b"<html>Sorry!</html>", int(code))

    def page(self, _: str) -> None:
        """Send a page of the kind that a hotel's network shows instead of everything."""
        self.send(b"<html>Please pay first.</html>")

    def noise(self, _: str) -> None:
        """Speak no HTTP."""
        self.wfile.write(b"220 mail.example.org ESMTP\r\n" * 9)

    def silent(self, _: str) -> None:
        """Accept and never answer."""
        self.server.is_closing.wait()

    def stalled(self, _: str) -> None:
        """Begin well and fall silent."""
        self.cut("30")
        self.server.is_closing.wait()

    def flood(self, _: str) -> None:
        """Send bytes for ever."""
        self.send(b"")
        while not self.server.is_closing.is_set():
            self.wfile.write(bytes(2**16))

    def moved(self, _: str) -> None:
        """Lead to the right place."""
        self.send(b"", 302, Location="/whole//file.gz", Content_Length=0)

    def circle(self, _: str) -> None:
        """Lead to the same place again."""
        self.send(b"", 302, Location="/circle//file.gz", Content_Length=0)

    def astray(self, _: str) -> None:
        """Lead to a file of the user's own."""
        self.send(b"", 302, Location="file:///etc/hostname", Content_Length=0)


@contextmanager
def running_mirror() -> Iterator[Mirror]:
    """Run a server; at the end none of its threads is left."""
    with Mirror() as mirror:
        thread = threading.Thread(target=mirror.serve_forever, args=[0.01])
        thread.start()
        try:
            yield mirror
        finally:
            mirror.is_closing.set()
            mirror.shutdown()
            thread.join()
