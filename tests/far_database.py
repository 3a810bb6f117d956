"""A database behind a network that can fail: a proxy on 127.0.0.1 that drops, delays and counts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

CANCEL_REQUEST = (80877102).to_bytes(4, "big")  # the first word of a connection that cancels


@dataclass
class FarDatabase:
    """What the network does to connections, old ones and new ones.

    While `is_open` is not set, nothing is passed on, and nothing is told: packets are dropped. Once
    the client has sent `hold_after`, the server's answers are kept back until it is set again.
    """

    dsn: str = ""
    delay_s: float = 0.0
    hold_after: bytes | None = None
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    cancels: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)

    def drop(self) -> None:
        """Drop every packet from now on."""
        self.is_open.clear()

    def heal(self) -> None:
        """Pass on what was kept back, and all that follows."""
        self.hold_after = None
        self.is_open.set()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str
    ) -> None:
        """One connection, both ways."""
        self.connections += 1
        onward, back = await asyncio.open_unix_connection(path)
        try:
            await asyncio.gather(
                self._to_server(reader, back),
                self._to_client(onward, writer),
                return_exceptions=True,
            )
        finally:
            back.transport.abort()
            writer.transport.abort()

    async def _to_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            await self.is_open.wait()
            self.cancels += piece[4:8] == CANCEL_REQUEST
            if self.hold_after is not None and self.hold_after in piece:
                self.is_open.clear()
                self.held.set()
            await self._pass(piece, writer)
        writer.close()

    async def _to_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            await self.is_open.wait()
            await self._pass(piece, writer)
        writer.close()

    async def _pass(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay_s:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.delay_s):
                    await asyncio.Event().wait()
        writer.write(piece)
        await writer.drain()


@asynccontextmanager
async def far(dsn: str) -> AsyncGenerator[FarDatabase]:
    """The database of this DSN (a unix socket's) behind such a network."""
    parts = urlsplit(dsn)
    folder = parse_qs(parts.query)["host"][0]
    port = parse_qs(parts.query).get("port", ["5432"])[0]
    network = FarDatabase()
    network.is_open.set()
    path = f"{folder}/.s.PGSQL.{port}"
    at_work: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(network.serve(reader, writer, path))
        at_work.add(task)
        task.add_done_callback(at_work.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    network.dsn = f"postgresql://kiti@127.0.0.1:{server.sockets[0].getsockname()[1]}{parts.path}"
    try:
        yield network
    finally:
        server.close()
        ending = list(at_work)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await server.wait_closed()
