"""Clients that never finish, at the product itself: none stays, and others are served."""

import asyncio
from contextlib import suppress

import httpx2
import pytest

from shop import Shop

pytestmark = pytest.mark.slow

EACH = 100
ENDED_S = 60.0  # far more than the 15 s of the longest deadline: this is no measurement
HEAD = b"POST /api/bookings/reserve HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"


async def test_slow_clients_are_closed_and_a_good_one_is_answered_meanwhile(server: Shop):
    url = httpx2.URL(server.product.url)
    trip = await server.a_trip()

    async def dawdle(first: bytes) -> bytes:
        """Send this, then a byte now and then, until the server ends it; what it answered."""
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(first)
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            await asyncio.wait((ended,), timeout=0.5)
            with suppress(ConnectionError):
                writer.write(b"x")
                await writer.drain()
        writer.transport.abort()
        with suppress(ConnectionError):
            return await ended
        return b""

    slow = [
        asyncio.create_task(dawdle(first))
        for first in (HEAD + b"x: ", HEAD + b"content-length: 60000\r\n\r\n{")
        for _ in range(EACH)
    ]
    async with asyncio.timeout(ENDED_S):
        answered = 0
        while not all(task.done() for task in slow):
            answer = await server.get("/api/bookings/reserve", tripId=trip["id"])
            assert answer.status_code == 200
            answered += 1
            await asyncio.wait(slow, timeout=0.5)
        ends = [task.result() for task in slow]
    assert answered > 1
    assert {end[:12] for end in ends} <= {b"HTTP/1.1 408", b""}
    assert (await server.get("/readyz")).status_code == 200
