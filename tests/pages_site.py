"""The whole product in the test's own loop, with a small network and the simulated gateway.

It has a database of its own for all tests of a run: each takes a coach, and browsers, of its own.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import uvicorn

from booking_make import let_expire
from cluster import Cluster
from kiti.app.child_web import KEEP_ALIVE_S
from kiti.app.parts import Parts
from kiti.app.web import create_app
from kiti.booking.model import NewStock
from kiti.booking.service import open_sales
from kiti.fares.model import NewFareTable
from kiti.fares.service import put_fare_table
from kiti.jobs.worker import Worker, WorkerLimits
from kiti.network.model import NewCall, NewStop, NewTrip, TripSheet
from kiti.network.service import (
    Catalogue,
    insert_trips,
    put_city,
    put_layout,
    put_operator,
    put_pattern,
    put_route,
    put_stop,
)
from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database, connect
from kiti.platform.ids import new_id
from kiti.platform.migrate import migrate
from kiti.sandbox import SandboxSettings, serving
from plain_browser import Left, Page, PlainBrowser
from sandbox_driver import SECRET_HASH, SECRET_KEY, Driver
from site_parts import make_parts, make_settings
from waiting import until

LAYOUT = """\
name: Coach, 18 seats
class v: VIP
seats: 18
[Main]
@ . . . =
1: A B . C D :v
2-3: A B . C D
4: A B+ . C! =
5: A B # C
"""
LINE = (("jibowu", 0), ("challenge", 150), ("utako", 660))


def tomorrow_at(hour: int, minute: int = 30) -> datetime:
    """A moment of tomorrow by UTC, an hour behind Lagos."""
    on = (utc_now() + timedelta(days=1)).date()
    return datetime(on.year, on.month, on.day, hour, minute, tzinfo=UTC)


@dataclass
class Site:
    """The server, what it is made of, and the sandbox that it pays through."""

    url: str
    dsn: str
    parts: Parts
    gateway: Flutterwave
    sandbox: Driver
    stack: AsyncExitStack
    cities: dict[str, UUID]
    stops: dict[str, UUID]

    @property
    def db(self) -> Database:
        return self.parts.db

    async def browser(self) -> PlainBrowser:
        """A browser with no cookies yet."""
        client = httpx2.AsyncClient(trust_env=False, timeout=30)
        return PlainBrowser(await self.stack.enter_async_context(client), self.url)

    async def coach(self, **kinds: Any) -> TripSheet:  # noqa: ANN401  # as make_coach takes them
        """A coach of its own from Lagos over Ibadan to Abuja, on sale."""
        async with self.db.transaction() as conn:
            return await make_coach(conn, self.stops, **kinds)

    async def hold(self, browser: PlainBrowser, sheet: TripSheet, *seats: str) -> Page:
        """Keep these seats to the end of the line; the booking's page."""
        page = await browser.get(f"/trips/{sheet.trip_id}")
        return await browser.submit(page, "/hold", {"seat": list(seats)})

    async def to_pay(self, browser: PlainBrowser, sheet: TripSheet, *seats: str) -> Page:
        """Keep seats and name the passengers; the page to pay on."""
        held = await self.hold(browser, sheet, *seats)
        return await browser.submit(held, "/passengers", people(held))

    async def to_gateway(
        self, browser: PlainBrowser, sheet: TripSheet, *seats: str, method: str = "CARD"
    ) -> str:
        """Go as far as the gateway's hosted page; its address."""
        page = await self.to_pay(browser, sheet, *seats)
        return await leaves(browser, page, method)

    async def at_gateway(self, link: str, action: str, **more: str) -> str:
        """What the payer does there; the address they are sent back to."""
        answer = await self.sandbox.submit(link, action, **more)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def look_again(self) -> None:
        """Let the next reader of a status ask the gateway at once: 5 s are over."""
        async with self.db.connection() as conn:
            await conn.execute("UPDATE payment SET asked_at = NULL WHERE asked_at IS NOT NULL")

    async def expire(self, booking_id: UUID, *, ago_s: float = 0.001) -> None:
        async with self.db.connection() as conn:
            await let_expire(conn, booking_id, ago_s=ago_s)

    async def value(self, sql: str, *args: object) -> Any:  # noqa: ANN401  # whatever is asked
        async with self.db.connection() as conn:
            return await conn.fetchval(sql, *args)

    async def work(self) -> None:
        """Run a worker until nothing is due."""
        stopping = asyncio.Event()
        limits = WorkerLimits(poll_s=0.05)
        worker = Worker(self.db, dsn=self.dsn, handlers=self.parts.handlers, limits=limits)
        running = asyncio.create_task(worker.run(stopping))

        async def is_idle() -> bool:
            return not await self.value(
                "SELECT count(*) FROM job WHERE run_at <= clock_timestamp()"
            )

        try:
            await until(is_idle)
        finally:
            stopping.set()
            await running


def people(held: Page, *names: str) -> dict[str, str | list[str]]:
    """What the passengers' form asks for, filled in."""
    fields = sorted(name for name in held.form("/passengers").names() if name.startswith("name-"))
    changes: dict[str, str | list[str]] = {"phone": "0803 123 4567"}
    for n, field in enumerate(fields):
        changes[field] = names[n] if n < len(names) else f"Passenger {n + 1}"
    return changes


async def leaves(browser: PlainBrowser, page: Page, method: str) -> str:
    """Choose how to pay; the address of the gateway's page."""
    try:
        stayed = await browser.submit(page, "/pay", {"method": method})
    except Left as left:
        return str(left.args[0])
    raise AssertionError(f"stayed at {stayed.url}: {stayed.text}")


def booking_id_of(page: Page) -> UUID:
    """The booking that the page is about."""
    return UUID(page.url.partition("/bookings/")[2][:36])


class _Server(uvicorn.Server):
    """A server inside the test's own loop, which leaves the signals alone."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def _serving(parts: Parts, listener: socket.socket) -> AsyncGenerator[None]:
    config = uvicorn.Config(
        create_app(parts),
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="critical",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))

    async def is_up() -> bool:
        if running.done():
            running.result()
        return server.started

    await until(is_up)
    yield
    server.should_exit = True
    await running


@asynccontextmanager
async def open_site(cluster: Cluster, name: str) -> AsyncGenerator[Site]:
    """The product on a database of this name, and its sandbox, each at a free port."""
    dsn = await cluster.create_database(name)
    await migrate(dsn)
    async with AsyncExitStack() as stack:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sandbox_url = await stack.enter_async_context(
            serving(
                SandboxSettings(
                    app_url=url,
                    flutterwave_secret_key=SECRET_KEY,
                    flutterwave_webhook_secret_hash=SECRET_HASH,
                )
            )
        )
        http = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
        sandbox = Driver(http, sandbox_url)
        gateway = Flutterwave(
            await stack.enter_async_context(gateway_client()),
            base_url=sandbox.api,
            keys=FlutterwaveKeys(SECRET_KEY, SECRET_HASH),
        )
        db = await connect(dsn, size=16)
        stack.push_async_callback(db.close)
        parts = make_parts(db, gateway, settings=make_settings(app_url=url))
        stack.callback(parts.identity.passwords.close)
        await stack.enter_async_context(_serving(parts, listener))
        async with db.transaction() as conn:
            cities, stops = await make_places(conn)
        yield Site(url, dsn, parts, gateway, sandbox, stack, cities, stops)
    await cluster.drop_database(name)


async def make_places(conn: Conn) -> tuple[dict[str, UUID], dict[str, UUID]]:
    """Cities and stops by plain names: a line in Nigeria, and two places called Port."""
    cities = {
        name.lower(): await put_city(
            conn, name=name, country=country, timezone=zone, aliases=aliases
        )
        for name, country, zone, aliases in (
            ("Lagos", "NG", "Africa/Lagos", ("Eko",)),
            ("Ibadan", "NG", "Africa/Lagos", ()),
            ("Abuja", "NG", "Africa/Lagos", ()),
            ("Port Harcourt", "NG", "Africa/Lagos", ()),
            ("Port Sudan", "SD", "Africa/Khartoum", ()),
        )
    }
    places = (
        ("jibowu", "Jibowu Terminal", "lagos", (6.52, 3.36)),
        ("challenge", "Challenge Park", "ibadan", (7.35, 3.88)),
        ("utako", "Utako Motor Park", "abuja", (9.07, 7.44)),
    )
    stops = {
        code: await put_stop(
            conn,
            NewStop(
                "p",
                code,
                name,
                "Africa/Lagos",
                city_id=cities[city],
                latitude=where[0],
                longitude=where[1],
            ),
        )
        for code, name, city, where in places
    }
    return cities, stops


async def make_coach(
    conn: Conn,
    stops: dict[str, UUID],
    *,
    starts_at: datetime | None = None,
    operator: str = "Harmattan Coaches",
    currency: str = "NGN",
    per_km_minor: int = 5_150,
    layout: str = LAYOUT,
    line: tuple[tuple[str, int], ...] = LINE,
) -> TripSheet:
    """A coach that halts ten minutes on the way, on sale until ten minutes before it leaves."""
    starts_at = starts_at or tomorrow_at(6)
    code = str(new_id())
    operator_id = await put_operator(conn, code=code, name=operator, timezone="Africa/Lagos")
    calls = [
        NewCall(n * 10, stops[stop], minutes * 60 - (600 if n else 0), minutes * 60)
        for n, (stop, minutes) in enumerate(line)
    ]
    route_id = await put_route(
        conn, operator_id=operator_id, feed=code, code="R", name="R", mode="BUS"
    )
    fares = NewFareTable(
        code,
        currency,
        per_km_minor=per_km_minor,
        minimum_minor=10 * per_km_minor,
        class_shares={"VIP": 1500},
        type_shares={"CHILD": 500},
    )
    trip = NewTrip(
        operator_id=operator_id,
        pattern_id=await put_pattern(conn, route_id, calls),
        layout_id=await put_layout(conn, layout),
        fare_table_id=await put_fare_table(conn, fares),
        feed=code,
        code="T",
        service_date=local_date_of(starts_at),
        starts_at=starts_at,
    )
    await insert_trips(conn, [trip])
    sheet = await Catalogue().sheet(conn, trip.trip_id)
    stock = NewStock(
        trip.trip_id,
        len(sheet.layout.seats),
        sheet.n_legs,
        sheet.layout.blocked,
        starts_at - timedelta(minutes=10),
        sheet.version,
    )
    await open_sales(conn, [stock])
    return sheet


def local_date_of(at: datetime) -> date:
    """The date in Lagos."""
    return (at + timedelta(hours=1)).date()
