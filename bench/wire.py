"""HTTP as the load makes it: bytes made beforehand, answers read no further than they must be.

A client of a framework costs more than the server it measures.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

_LENGTH: Final = b"\r\ncontent-length: "
_END: Final = b"\r\n\r\n"
# Answers without a body, and without a length of it.
_BARE: Final = (b"204", b"304")


class Broken(Exception):
    """The server did not answer as it must, so there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status as three digits, its head and its body."""

    status: bytes
    head: bytes
    body: bytes

    def header(self, name: bytes) -> bytes:
        """The value of a header, named in lower case; empty when there is none."""
        return self.head.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0]


def head(method: str, path: str, *, token: str = "", media_type: str = "application/json") -> bytes:
    """The start of a request, up to the length of its body."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    if token:
        lines.append(f"authorization: Bearer {token}")
    if method == "POST":
        lines.append(f"content-type: {media_type}")
    return "\r\n".join(lines).encode()


def whole(start: bytes, body: bytes = b"", *, more: bytes = b"") -> bytes:
    """A request: its `head`, further header lines (each with its line end before it), its body."""
    length = _LENGTH + b"%d" % len(body) if body else b""
    return start + more + length + _END + body


class Connection(asyncio.Protocol):
    """One kept connection with one request under way.

    `on_answer` is called with each answer, `on_lost` when the connection has ended; without them
    `call` waits for the answer.
    """

    def __init__(
        self,
        on_answer: Callable[["Connection", Answer], None] | None = None,
        on_lost: Callable[["Connection"], None] | None = None,
    ) -> None:
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._kept = b""
        self._waiting: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what requests are written to."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Broken(f"the connection ended: {exc}"))
        if self._on_lost is not None:
            self._on_lost(self)

    def send(self, request: bytes) -> None:
        """Put a request on its way.

        Raises:
            Broken: the server has closed the connection.
        """
        if self._transport is None:
            raise Broken("the server closed a connection that is kept")
        self._transport.write(request)

    async def call(self, request: bytes) -> Answer:
        """The answer to a request, for a connection without `on_answer`."""
        self._waiting = asyncio.get_running_loop().create_future()
        self.send(request)
        return await self._waiting

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Give the answer on once it is whole."""
        if self._kept:
            data = self._kept + data
        end = data.find(_END)
        if end < 0:
            self._kept = data
            return
        status = data[9:12]
        at = data.find(_LENGTH, 0, end)
        if at < 0 and status not in _BARE:
            raise Broken(f"an answer without a length: {data[:end]!r}")
        length = 0 if at < 0 else int(data[at + len(_LENGTH) : data.find(b"\r", at + 2)])
        if len(data) < end + 4 + length:
            self._kept = data
            return
        self._kept = b""
        answer = Answer(status, data[: end + 2], data[end + 4 :])
        if self._on_answer is not None:
            self._on_answer(self, answer)
        elif self._waiting is not None:
            self._waiting.set_result(answer)


async def open_connection(
    port: int,
    on_answer: Callable[[Connection, Answer], None] | None = None,
    on_lost: Callable[[Connection], None] | None = None,
) -> Connection:
    """A connection to a port of this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(on_answer, on_lost), host="127.0.0.1", port=port
    )
    return connection
