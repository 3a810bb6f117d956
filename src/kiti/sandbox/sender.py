"""A small HTTP/1.1 client that only POSTs: benchmarks drive hundreds of webhooks a second.

The product's HTTP client spends over a millisecond of this process on each of them (it asks every
kept connection whether it is still there), more than all the rest of a simulated sale.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httptools

_READ_BYTES: Final = 64 * 1024
_ANSWER_BYTES_MAX: Final = 1024 * 1024
# Below what servers usually keep a silent connection for.
_IDLE_S_MAX: Final = 4.0


class SendFailed(Exception):
    """No answer came; the message says why, in a word."""


class _Target(NamedTuple):
    host: str
    port: int
    is_tls: bool


class _Answer:
    """An answer while it is read: httptools calls back."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status: int | None = None
        self.is_complete = False
        self.is_kept = False

    def feed(self, data: bytes) -> None:
        """The next bytes of it."""
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.is_kept = self._parser.should_keep_alive()


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    target: _Target
    used_at: float


class Sender:
    """Keeps connections and uses them again; at most `connections_max` at once."""

    def __init__(self, *, connections_max: int, timeout_s: float) -> None:
        self._turns = asyncio.Semaphore(connections_max)
        self._timeout_s = timeout_s
        self._idle: deque[_Connection] = deque()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer. Its body is read and thrown away; redirects are not followed.

        Raises:
            SendFailed: no connection, no answer in time, or none that is HTTP.
        """
        try:
            target, request = _request(url, headers, body)
            async with self._turns, asyncio.timeout(self._timeout_s):
                return await self._exchange(target, request)
        except TimeoutError as error:
            raise SendFailed("timeout") from error
        except (OSError, ValueError, httptools.HttpParserError, EOFError) as error:
            raise SendFailed(type(error).__name__) from error

    def close(self) -> None:
        """Let go of the connections kept."""
        while self._idle:
            connection = self._idle.pop()
            connection.writer.transport.abort()

    async def _exchange(self, target: _Target, request: bytes) -> int:
        connection = self._take(target)
        if connection is not None:
            try:
                return await self._talk(connection, request)
            except (EOFError, ConnectionError):
                # The other side had closed what we kept: that says nothing about this request.
                pass
        return await self._talk(await _open(target), request)

    async def _talk(self, connection: _Connection, request: bytes) -> int:
        is_kept = False
        try:
            status, is_kept = await _post(connection, request)
        finally:
            if is_kept:
                connection.used_at = monotonic()
                self._idle.append(connection)
            else:
                connection.writer.transport.abort()
        return status

    def _take(self, target: _Target) -> _Connection | None:
        """A kept connection that still seems good; None when there is none."""
        while self._idle:
            connection = self._idle.pop()
            is_usable = connection.target == target and not connection.reader.at_eof()
            if is_usable and monotonic() - connection.used_at < _IDLE_S_MAX:
                return connection
            connection.writer.transport.abort()
        return None


async def _open(target: _Target) -> _Connection:
    context = ssl.create_default_context() if target.is_tls else None
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
    return _Connection(reader, writer, target, monotonic())


def _request(url: str, headers: Mapping[str, str], body: bytes) -> tuple[_Target, bytes]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        raise ValueError("not an HTTP URL")
    is_tls = parts.scheme == "https"
    target = _Target(parts.hostname, parts.port or (443 if is_tls else 80), is_tls)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {path} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return target, "\r\n".join(lines).encode("latin-1") + body


async def _post(connection: _Connection, request: bytes) -> tuple[int, bool]:
    """The status, and whether the connection may be used again."""
    answer = _Answer()
    connection.writer.write(request)
    await connection.writer.drain()
    size = 0
    while not answer.is_complete:
        data = await connection.reader.read(_READ_BYTES)
        size += len(data)
        if not data or size > _ANSWER_BYTES_MAX:
            # An answer may end with its connection; its status is all that is wanted.
            break
        answer.feed(data)
    if answer.status is None:
        raise EOFError
    return answer.status, answer.is_kept
