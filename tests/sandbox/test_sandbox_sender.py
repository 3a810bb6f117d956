"""The sandbox's small HTTP client, against servers that behave and servers that don't."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from kiti.sandbox.sender import Sender, SendFailed
from sandbox_driver import Receiver

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def _answering(answers: Sequence[bytes]) -> AsyncGenerator[tuple[str, list[int]]]:
    """A server that gives each connection one answer, then closes it; and who connected."""
    left, connections = list(answers), list[int]()
    over: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(len(connections))
        over.append(asyncio.Event())
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0))
            await writer.drain()
        finally:
            writer.close()
            over[-1].set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=1", connections
    finally:
        server.close()
        for event in over:
            await event.wait()


@asynccontextmanager
async def _sender(timeout_s: float = 10) -> AsyncGenerator[Sender]:
    sender = Sender(connections_max=4, timeout_s=timeout_s)
    try:
        yield sender
    finally:
        sender.close()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OK, 200),
        (b"HTTP/1.1 503 Away\r\ncontent-length: 2\r\n\r\nno", 503),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 302),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    ],
)
async def test_every_kind_of_answer_has_its_status(answer: bytes, status: int) -> None:
    async with _answering([answer]) as (url, _), _sender() as sender:
        assert await sender.post(url, {"a": "b"}, b"{}") == status


@pytest.mark.parametrize("answer", [b"", b"220 smtp.example\r\n", b"HTTP/1.1 2"])
async def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    async with _answering([answer]) as (url, _), _sender() as sender:
        with pytest.raises(SendFailed):
            await sender.post(url, {}, b"")


async def test_a_connection_is_used_again(receiver: Receiver) -> None:
    async with _sender() as sender:
        for _ in range(3):
            assert await sender.post(receiver.url, {"x-a": "1"}, b"{}") == 200
    assert len(receiver.connections()) == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure() -> None:
    async with _answering([OK, OK, OK]) as (url, connections), _sender() as sender:
        for _ in range(3):
            assert await sender.post(url, {}, b"") == 200
    assert len(connections) == 3


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "nowhere", "http://127.0.0.1:1/"])
async def test_a_wrong_or_dead_address_is_a_failure(url: str) -> None:
    async with _sender() as sender:
        with pytest.raises(SendFailed):
            await sender.post(url, {}, b"")


async def test_silence_is_a_failure_in_time() -> None:
    async with Receiver.listening() as silent, _sender(timeout_s=0.05) as sender:
        silent.holds = True
        with pytest.raises(SendFailed, match="timeout"):
            await sender.post(silent.url, {}, b"")


async def test_more_than_the_connections_wait_their_turn(receiver: Receiver) -> None:
    async with _sender() as sender:
        posts = (sender.post(receiver.url, {}, b"{}") for _ in range(50))
        assert await asyncio.gather(*posts) == [200] * 50
    assert len(receiver.connections()) <= 4
