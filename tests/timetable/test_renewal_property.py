"""Any sequence of imports among holds, sales, expiries and decisions, against a model."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from booking_make import NO_LIMITS, Trip, let_expire, make_request
from conftest import OneConnection
from kiti.booking.audit import audit
from kiti.booking.service import confirm_booking, get_booking, get_stock, hold_many, sheet_of
from kiti.network.model import TripSheet
from kiti.network.service import Catalogue
from kiti.platform.clock import utc_now
from kiti.platform.db import SERVER_SETTINGS, Database
from kiti.timetable.model import Window
from kiti.timetable.renewal.engine import compare
from kiti.timetable.renewal.review import keep
from renewal_make import DAY, FEED, LAYOUTS, ROADS, Source, Spec, make_source, no_progress, renew

CODES = ["a", "b", "c", "d"]
SPECS = st.builds(
    Spec,
    road=st.sampled_from(sorted(ROADS)),
    layout=st.sampled_from(sorted(LAYOUTS)),
    fare=st.sampled_from([100, 200]),
    minute=st.sampled_from([480, 485, 700]),
)
FEEDS = st.dictionaries(st.sampled_from(CODES), SPECS, max_size=len(CODES))


@dataclass
class Kept:
    """A trip as the model has it: what was sold of it stands, whatever its source says."""

    spec: Spec
    is_open: bool = True
    is_over: bool = False  # gone, with bookings of the past alone
    bookings: dict[UUID, str] = field(default_factory=dict[UUID, str])
    decided: Spec | str | None = None

    @property
    def is_live(self) -> bool:
        return any(status in {"held", "confirmed"} for status in self.bookings.values())

    @property
    def is_idle(self) -> bool:
        return not self.is_live and not self.is_over

    @property
    def was_booked(self) -> bool:
        return bool(self.bookings)


def promise(spec: Spec) -> tuple[Any, ...]:
    """What a ticket says, but for the fare."""
    return spec.road, spec.layout, spec.minute


def loses(old: Spec, new: Spec) -> bool:
    """Whether a passenger of the old trip would miss something on the new."""
    more = {("ABC", "ABCD"), ("AC", "ABC"), ("AC", "ABCD")}
    has_stops = old.road == new.road or (old.road, new.road) in more
    has_seats = old.layout == new.layout or (old.layout, new.layout) == ("small", "large")
    return old.minute != new.minute or not has_stops or not has_seats


GROUPS = [
    ("is_live", "layout"), ("is_live", "road"), ("is_idle", "layout"), ("is_over", "layout"),
    ("is_idle", "road"), ("is_over", "road"),
]  # fmt: skip


def runs(spec: Spec, exact: str) -> tuple[object, ...]:
    """What makes two trips alike: stops, times and, if `exact` says so, the layout."""
    return spec.road, spec.minute, spec.layout if exact == "layout" else None


class Machine(RuleBasedStateMachine):
    """A feed in the database, and the same as plain specs."""

    dsn: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.runner.run(self._open())
        self.trips: dict[str, Kept] = {}
        self.promised: dict[UUID, tuple[Any, ...]] = {}
        self.ended: dict[UUID, tuple[Any, ...]] = {}

    async def _open(self) -> None:
        self.conn = await asyncpg.connect(self.dsn, server_settings=SERVER_SETTINGS)
        self.outer = self.conn.transaction()
        await self.outer.start()
        self.db = Database(OneConnection(self.conn))
        self.source: Source = await make_source(self.db)

    def teardown(self) -> None:
        async def close() -> None:
            await self.outer.rollback()
            await self.conn.close()

        self.runner.run(close())
        self.runner.close()

    @rule(feed=FEEDS)
    def import_feed(self, feed: dict[str, Spec]) -> None:
        self.source.trips = feed

        async def work() -> None:
            foreseen = await compare(
                self.db,
                FEED,
                window=Window(DAY, DAY),
                wanted=self.source.wanted,
                progress=no_progress,
            )
            done = await renew(self.db, self.source)
            assert foreseen.counts == done.counts
            await self._look_for_phantoms()

        self.runner.run(work())
        self._meet(feed)
        for code in sorted({*CODES, *self.trips}):
            self._expect(code, feed.get(code))

    @precondition(lambda self: bool(self.source.trips))
    @rule(codes=st.permutations(CODES), more=SPECS, fewer=st.booleans(), adds=st.booleans())
    def number_anew(self, codes: list[str], more: Spec, *, fewer: bool, adds: bool) -> None:
        """The same departures, maybe one less or one more, under codes that others had."""
        specs = [spec for _, spec in sorted(self.source.trips.items())][fewer:]
        specs += [more] * adds
        self.import_feed(dict(zip(codes, specs, strict=False)))

    async def _look_for_phantoms(self) -> None:
        """No vehicle is on sale that the source does not list, but by a person's word."""
        rows = await self.conn.fetch(
            "SELECT t.pattern_id, t.starts_at, r.review_id FROM trip t "
            "JOIN trip_inventory i USING (trip_id) LEFT JOIN trip_review r "
            "ON r.trip_id = t.trip_id AND (r.decision IS NULL OR r.decision = 'keep') "
            "WHERE t.feed = $1 AND i.status = 'on_sale' AND r.kind IS DISTINCT FROM 'gone'",
            FEED,
        )
        wanted = [one.trip for one in self.source.wanted(DAY)]
        assert len(rows) <= len(wanted)
        on_sale = Counter(tuple(row)[:2] for row in rows if row["review_id"] is None)
        listed = Counter((trip.pattern_id, trip.starts_at) for trip in wanted)
        assert all(count <= listed[alike] for alike, count in on_sale.items())

    def _meet(self, feed: dict[str, Spec]) -> None:
        """Who goes on as whom: what runs alike, sold trips first; then whoever has the code."""
        met: dict[str, Kept] = {}
        left = dict(sorted(self.trips.items()))
        for group, exact in GROUPS:
            for takes_own in (True, False):
                free = sorted(feed.keys() - met.keys(), key=lambda c: (c in self.trips, c))
                for old, kept in list(left.items()):
                    if getattr(kept, group) and old in left:
                        alike = [c for c in free if runs(feed[c], exact) == runs(kept.spec, exact)]
                        own = [c for c in alike if c == old]
                        code = next(iter(own if takes_own else alike), None)
                        if code is not None:
                            met[code] = left.pop(old)
                            free.remove(code)
        for code in sorted(feed.keys() - met.keys()):
            if code in left:
                met[code] = left.pop(code)
        known = {*self.trips, *met}
        for old, kept in left.items():
            code, number = old, 0
            while code in met or (number and code in known):
                number += 1
                code = f"{old}~{number}"
            known.add(code)
            met[code] = kept
        self.trips = met

    def _expect(self, code: str, wanted: Spec | None) -> None:
        """What the import must have made of one trip."""
        kept = self.trips.get(code)
        if kept is not None and wanted is not None:
            kept.is_over = False
        if kept is None:
            if wanted is not None:
                self.trips[code] = Kept(wanted)
        elif wanted is None:
            if kept.decided == "gone":
                return
            kept.decided = None
            kept.is_open = False
            kept.is_over = not kept.is_live
            if not kept.was_booked:
                del self.trips[code]
        elif promise(wanted) == promise(kept.spec):
            kept.spec, kept.is_open, kept.decided = wanted, True, None
        elif isinstance(kept.decided, Spec) and promise(kept.decided) == promise(wanted):
            kept.spec = replace(kept.spec, fare=wanted.fare)
        elif kept.is_live:
            kept.is_open = not loses(kept.spec, wanted)
            kept.spec, kept.decided = replace(kept.spec, fare=wanted.fare), None
        else:
            kept.spec, kept.is_open, kept.decided = wanted, True, None
            self.ended |= {
                booking: self.promised[booking]
                for booking in kept.bookings
                if booking not in self.ended
            }

    @precondition(lambda self: bool(self.trips))
    @rule(data=st.data(), seat=st.integers(0, 3), pays=st.booleans())
    def hold(self, data: st.DataObject, seat: int, *, pays: bool) -> None:
        code = data.draw(st.sampled_from(sorted(self.trips)))
        kept = self.trips[code]

        async def work() -> tuple[UUID, str]:
            row = await self.conn.fetchrow(
                "SELECT trip_id, n_seats, n_legs, sheet_version FROM trip "
                "JOIN trip_inventory USING (trip_id) WHERE feed = $1 AND code = $2",
                FEED,
                code,
            )
            assert row is not None
            request = make_request(
                Trip(row["trip_id"], row["n_seats"], row["n_legs"]),
                seats=(seat,),
                last=1,
                sheet_version=row["sheet_version"],
            )
            (outcome,) = await hold_many(self.conn, [request], NO_LIMITS)
            return request.booking_id, outcome.outcome

        booking_id, outcome = self.runner.run(work())
        if not kept.is_open:
            assert outcome == "sales_closed"
        if outcome == "held":
            assert kept.is_open
            kept.bookings[booking_id] = "held"
            self.promised[booking_id] = promise(kept.spec)
            if pays:
                self._pay(kept, booking_id, "confirmed")

    def _pay(self, kept: Kept, booking_id: UUID, expected: str) -> None:
        async def work() -> str:
            async with self.db.transaction() as conn:
                done = await confirm_booking(
                    conn, booking_id=booking_id, learned_at=utc_now(), late_money_minutes=60
                )
            return done.outcome

        assert self.runner.run(work()) == expected
        if expected == "confirmed":
            kept.bookings[booking_id] = "confirmed"

    def _of(self, *statuses: str) -> list[tuple[Kept, UUID]]:
        return [
            (kept, booking)
            for _, kept in sorted(self.trips.items())
            for booking, status in kept.bookings.items()
            if status in statuses
        ]

    @precondition(lambda self: bool(self._of("held")))
    @rule(data=st.data())
    def let_it_end(self, data: st.DataObject) -> None:
        kept, booking = data.draw(st.sampled_from(self._of("held")))
        self.runner.run(let_expire(self.conn, booking))
        kept.bookings[booking] = "expired"

    @precondition(lambda self: bool(self._of("held")))
    @rule(data=st.data())
    def pay(self, data: st.DataObject) -> None:
        kept, booking = data.draw(st.sampled_from(self._of("held")))
        self._pay(kept, booking, "confirmed")

    @precondition(lambda self: bool(self.ended))
    @rule(data=st.data())
    def late_money(self, data: st.DataObject) -> None:
        """For a booking of a trip that has become another one: never a seat."""
        booking = data.draw(st.sampled_from(sorted(self.ended)))
        self._pay(Kept(Spec()), booking, "refused")

    @rule(data=st.data())
    def decide_to_keep(self, data: st.DataObject) -> None:
        async def waiting() -> list[tuple[UUID, str]]:
            rows = await self.conn.fetch(
                "SELECT t.trip_id, t.code FROM trip_review r JOIN trip t USING (trip_id) "
                "WHERE r.decision IS NULL ORDER BY t.code"
            )
            return [(row["trip_id"], row["code"]) for row in rows]

        rows = self.runner.run(waiting())
        if not rows:
            return
        trip_id, code = data.draw(st.sampled_from(rows))
        self.runner.run(keep(self.db, trip_id=trip_id, by="Ada"))
        kept = self.trips[code]
        kept.is_open, kept.decided = True, self.source.trips.get(code, "gone")

    @invariant()
    def the_database_agrees(self) -> None:
        self.runner.run(self._look())

    async def _look(self) -> None:
        assert await audit(self.conn) == []
        catalogue = Catalogue()
        rows = await self.conn.fetch("SELECT trip_id, code FROM trip WHERE feed = $1", FEED)
        assert {row["code"] for row in rows} == set(self.trips)
        for row in rows:
            kept = self.trips[row["code"]]
            sheet = await catalogue.sheet(self.conn, row["trip_id"])
            stock = await get_stock(self.conn, trip_id=row["trip_id"])
            assert stock is not None
            assert _told(sheet) == promise(kept.spec)
            assert sheet.fare_table_id == self.source.fares[kept.spec.fare]
            assert stock.is_on_sale == kept.is_open
            assert stock.sheet_version == sheet.version
            assert stock.occupancy.shape.n_seats == len(sheet.layout.seats)
            assert stock.occupancy.shape.n_legs == sheet.n_legs
        for kept, booking_id in self._of("held", "confirmed", "expired"):
            booking = await get_booking(self.conn, booking_id=booking_id, holder_id=None)
            assert booking.status == kept.bookings[booking_id]
            sheet = await sheet_of(self.conn, catalogue, booking)
            if booking.status != "expired" or booking_id in self.ended:
                assert _told(sheet) == self.promised[booking_id]


def _told(sheet: TripSheet) -> tuple[Any, ...]:
    """What a ticket of this trip says."""
    minute = sheet.starts_at.hour * 60 + sheet.starts_at.minute
    return "".join(call.name[-1] for call in sheet.calls), sheet.layout.name.lower(), minute


def test_any_sequence_of_imports_and_sales_agrees_with_the_model(dsn: str):
    machine = type("MachineOnDatabase", (Machine,), {"dsn": dsn})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
