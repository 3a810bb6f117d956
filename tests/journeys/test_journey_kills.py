"""SIGKILL under load: what was acknowledged is there, what was lost is there once or not at all."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from embedded_commands import children_of, kill, postmaster_of, wait_for_end
from shop import Shop
from waiting import until

pytestmark = pytest.mark.slow

BUYERS = 6
BEFORE, AFTER = 40, 20
BACK_S = 60.0  # far more than it takes: this is no measurement


class Load:
    """Guests who hold one seat after the other, each under a key, until they are told to stop."""

    def __init__(self, shop: Shop) -> None:
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.lost: dict[str, tuple[dict[str, Any], str]] = {}
        self.strange: list[str] = []
        self._shop = shop
        self._stopping = asyncio.Event()
        self._turn = asyncio.Lock()
        self._seats: list[tuple[dict[str, Any], str]] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(BUYERS):
                group.create_task(self._buy())

    def stop(self) -> None:
        self._stopping.set()

    async def has_more(self, count: int) -> None:
        """Wait until so many more holds are acknowledged."""
        wanted = len(self.acknowledged) + count

        async def are_there() -> bool:
            return len(self.acknowledged) >= wanted

        await until(are_there, seconds=BACK_S)

    async def _buy(self) -> None:
        while not self._stopping.is_set():
            key = str(uuid4())
            trip, seat = await self._next_seat()
            try:
                answer = await self._shop.reserve(trip, [seat], key=key)
            except httpx2.TransportError:
                self.lost[key] = trip, seat
                await self._breathe()
                continue
            if answer.status_code == 201:
                self.acknowledged[key] = answer.json()
            elif answer.status_code == 503:
                self.lost[key] = trip, seat
                await self._breathe()
            else:
                self.strange.append(answer.text)

    async def _next_seat(self) -> tuple[dict[str, Any], str]:
        """A seat that nobody else wants. The trips are found while the server is well."""
        async with self._turn:
            while not self._seats:
                try:
                    trip = await self._shop.fresh_trip()
                except (httpx2.TransportError, AssertionError):
                    await self._breathe()
                    continue
                self._seats = [(trip, f"{row}{seat}") for row in range(1, 13) for seat in "ABCD"]
            return self._seats.pop()

    async def _breathe(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await self._stopping.wait()

    async def assert_nothing_is_lost(self) -> None:
        """Every hold that was acknowledged is there; each that was lost is there once at most."""
        assert self.strange == []
        ids = [held["bookingId"] for held in self.acknowledged.values()]
        sql = """
            SELECT count(*) FROM booking
            WHERE booking_id = ANY ($1::text[]::uuid[]) AND status = 'held'
        """
        assert await self._shop.product.value(sql, ids) == len(set(ids)) == len(ids)
        for key, (trip, seat) in self.lost.items():
            held = await self._shop.hold(trip, [seat], key=key)
            assert (await self._shop.booking(held))["status"] == "HELD"
            ids.append(held["bookingId"])
        assert len(set(ids)) == len(ids)
        keys = "SELECT count(*) FROM idempotency_key WHERE key = ANY ($1::text[])"
        known = [*self.acknowledged, *self.lost]
        assert await self._shop.product.value(keys, known) == len(known)
        assert await self._shop.audit() == []


@asynccontextmanager
async def load_on(shop: Shop) -> AsyncGenerator[Load]:
    """A load that has begun; it ends with the block."""
    if not shop.product.is_running:
        await shop.product.start()
    load = Load(shop)
    running = asyncio.create_task(load.run())
    try:
        await load.has_more(BEFORE)
        yield load
    finally:
        load.stop()
        await running
        await shop.product.connect()


async def others(gone: list[int], find: Callable[[str], list[int]]) -> list[int]:
    """The web processes that have come in the place of as many that are gone."""

    async def have_come() -> bool:
        found = find("child_web")
        return len(found) == len(gone) and not set(found) & set(gone)

    await until(have_come, seconds=BACK_S)
    return find("child_web")


async def test_a_killed_web_process_is_started_again_and_loses_no_acknowledged_hold(server: Shop):
    async with load_on(server) as load:
        webs = server.product.children("child_web")
        assert len(webs) == 2
        kill(*webs)  # both, then one: the socket stays open, and callers wait for the next
        again = await others(webs, server.product.children)
        await load.has_more(AFTER)
        kill(again[0])
        await load.has_more(AFTER)
    await until(server.product.is_ready, seconds=BACK_S)
    await load.assert_nothing_is_lost()


async def test_a_killed_postgres_comes_back_by_itself_with_every_acknowledged_hold(server: Shop):
    home = server.product.data_dir / "postgres"
    async with load_on(server) as load:
        before = postmaster_of(home)
        kill(before)

        async def is_another() -> bool:
            with suppress(OSError, ValueError, IndexError):
                return postmaster_of(home) != before
            return False

        await until(is_another, seconds=BACK_S)
        await load.has_more(AFTER)
    await until(server.product.is_ready, seconds=BACK_S)
    assert load.lost
    assert server.product.children("child_web")  # nothing but the database was started again
    await load.assert_nothing_is_lost()


async def test_a_killed_command_is_ready_again_after_its_next_start(server: Shop):
    """Its children end with it, and the database when it has no user left."""
    async with load_on(server) as load:
        processes = children_of(server.product.pid)
        assert len(processes) == 3  # database, two servers
        await server.product.kill()
        for pid in processes:
            await asyncio.to_thread(wait_for_end, pid)
        await server.product.start()
        await load.has_more(AFTER)
    assert load.lost
    await load.assert_nothing_is_lost()
