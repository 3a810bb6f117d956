"""What a run stands on: a database of its own with trips on sale, and people who buy."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import asyncpg

from bench import store
from bench.machine import Machine, look
from bench.processors import parent_of, used_by_family
from kiti.app.checks import find_breaches
from kiti.app.secrets import completed
from kiti.booking.model import NewStock
from kiti.booking.service import open_sales
from kiti.config import Settings
from kiti.fares.model import NewFareTable
from kiti.fares.service import FareTables, put_fare_table, quote
from kiti.identity.model import AccountId, Role, SessionId
from kiti.identity.passwords import Passwords, random_password
from kiti.identity.service import create_account, prepare_account
from kiti.identity.tokens import Tokens
from kiti.network.model import NewCall, NewStop, NewTrip, TripSheet
from kiti.network.service import (
    Catalogue,
    insert_trips,
    put_layout,
    put_operator,
    put_pattern,
    put_route,
    put_stops,
)
from kiti.platform.audit import Finding
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn
from kiti.platform.ids import new_id
from kiti.platform.migrate import migrate
from kiti.platform.postgres import embedded

TRIPS: Final = 2000
HOLDERS: Final = 500
LEGS: Final = 5
SEATS: Final = 50
LAYOUT: Final = f"name: Bench coach\nseats: {SEATS}\n1-12: A B . C D\n13: A B\n"
NAME: Final = "bench"
ZONE: Final = "Africa/Lagos"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ground:
    """`trips` are in no order. `postmaster` is the process whose children are the database."""

    settings: Settings
    dsn: str
    folder: Path
    sheet: TripSheet
    trips: Sequence[UUID]
    holders: Sequence[AccountId]
    fare_minor: int
    postmaster: int
    machine: Machine

    def tokens(self) -> list[str]:
        """An access token for each holder, as a login would give it; they last 15 minutes."""
        tokens, now = Tokens.of(self.settings), utc_now()
        roles = frozenset({Role.PASSENGER})
        return [
            tokens.issue_access(holder, session_id=SessionId(new_id()), roles=roles, now=now)
            for holder in self.holders
        ]

    def database_s(self) -> float:
        """Processor seconds of the database so far."""
        return used_by_family(self.postmaster)

    def sql(self, work: Callable[[Conn], Awaitable[Result]]) -> Result:
        """Run `work` on a connection of its own, in autocommit."""
        return asyncio.run(with_connection(self.dsn, work))

    def empty(self) -> None:
        """Forget what the last run wrote."""
        self.sql(store.empty)
        asyncio.run(with_connection(_as_superuser(self.dsn), store.tidy))

    def breaches(self) -> list[Finding]:
        """Every row that breaks an invariant."""
        return self.sql(find_breaches)


@contextmanager
def prepared() -> Generator[Ground]:
    """The ground, in a temporary folder (TMPDIR says where) that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="kiti-bench-"))
    folder.chmod(0o711)  # root's own PostgreSQL runs as somebody else, who must get in
    try:
        with embedded(folder) as attached:
            asyncio.run(migrate(attached.dsn))
            yield asyncio.run(with_connection(attached.dsn, _Making(folder, attached.dsn).make))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Making:
    folder: Path
    dsn: str

    async def make(self, conn: Conn) -> Ground:
        settings = completed(
            Settings(
                kiti_data_dir=self.folder, kiti_rate_limits="off", kiti_holds_per_user_max=1000
            ),
            app_url="http://127.0.0.1:8000",
        )
        async with conn.transaction():
            trips = await _put_trips(conn)
            holders = await _put_holders(conn, settings)
        await store.keep_stock(conn)
        sheet = await Catalogue().sheet(conn, trips[0])
        table = await FareTables().table(conn, sheet.fare_table_id)
        [fare] = quote(sheet, sheet.segment(), [0], ["ADULT"], table)
        random.Random(1).shuffle(trips)  # noqa: S311  # the same order in each run, not a secret
        return Ground(
            settings=settings,
            dsn=self.dsn,
            folder=self.folder,
            sheet=sheet,
            trips=trips,
            holders=holders,
            fare_minor=fare.amount_minor,
            postmaster=parent_of(await store.backend(conn)),
            machine=look(self.folder, postgres=await store.version(conn)),
        )


async def _put_trips(conn: Conn) -> list[UUID]:
    """Trips of one route over 5 legs, a week from now, all on sale."""
    stops = [
        NewStop(NAME, f"{i}", f"Stop {i}", ZONE, latitude=6.0 + i / 2, longitude=3.5)
        for i in range(LEGS + 1)
    ]
    ids = await put_stops(conn, stops)
    calls = [NewCall(i, ids[NAME, stop.code], i * 3600, i * 3600) for i, stop in enumerate(stops)]
    operator_id = await put_operator(conn, code=NAME, name="Bench Lines", timezone=ZONE)
    route_id = await put_route(
        conn, operator_id=operator_id, feed=NAME, code=NAME, name="Bench", mode="BUS"
    )
    pattern_id = await put_pattern(conn, route_id, calls)
    layout_id = await put_layout(conn, LAYOUT)
    prices = NewFareTable("By km", "NGN", per_km_minor=3_000, minimum_minor=50_000)
    fare_table_id = await put_fare_table(conn, prices)
    starts_at = utc_now() + timedelta(days=7)
    trips = await insert_trips(
        conn,
        [
            NewTrip(
                operator_id=operator_id,
                pattern_id=pattern_id,
                layout_id=layout_id,
                fare_table_id=fare_table_id,
                feed=NAME,
                code=f"{n}",
                service_date=starts_at.date(),
                starts_at=starts_at,
            )
            for n in range(TRIPS)
        ],
    )
    await open_sales(
        conn, [NewStock(trip.trip_id, SEATS, LEGS, (), starts_at, 1) for trip in trips]
    )
    return [trip.trip_id for trip in trips]


async def _put_holders(conn: Conn, settings: Settings) -> list[AccountId]:
    """Accounts with one password: hashing one for each would take a quarter of a minute."""
    passwords = Passwords.of(settings)
    try:
        model = await prepare_account(
            passwords, email="0@kiti.example", name="Bench", password=random_password()
        )
    finally:
        passwords.close()
    made = [
        await create_account(conn, replace(model, email=f"{n}@kiti.example"))
        for n in range(HOLDERS)
    ]
    return [account.account_id for account in made]


async def with_connection(dsn: str, work: Callable[[Conn], Awaitable[Result]]) -> Result:
    """What `work` makes of a connection of its own, in autocommit."""
    conn = await asyncpg.connect(dsn)
    try:
        return await work(conn)
    finally:
        await conn.close()


def _as_superuser(dsn: str) -> str:
    return dsn.replace("kiti@/kiti?", "postgres@/kiti?")
