"""Any order of a booking's events over random legs, against a model of plain sets."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from booking_make import NO_LIMITS, Trip, let_expire, make_request, make_stock
from conftest import OneConnection
from kiti.booking.audit import audit
from kiti.booking.service import (
    cancel_seats,
    confirm_booking,
    extend_hold,
    find_booking,
    get_stock,
    hold_many,
    release_hold,
)
from kiti.booking.sweeping import expire_seats
from kiti.platform.clock import utc_now
from kiti.platform.db import SERVER_SETTINGS, Conn, Database
from kiti.platform.errors import DomainError

SEATS, LEGS = 6, 4


class Machine(RuleBasedStateMachine):
    """One trip in the database, and the same trip as sets of (seat, leg)."""

    dsn: str
    bookings: Bundle[Any] = Bundle("bookings")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.runner.run(self._open())
        self.status: dict[UUID, str] = {}
        self.cells: dict[UUID, set[tuple[int, int]]] = {}
        self.seats: dict[UUID, list[int]] = {}

    async def _open(self) -> None:
        self.conn = await asyncpg.connect(self.dsn, server_settings=SERVER_SETTINGS)
        self.outer = self.conn.transaction()
        await self.outer.start()
        self.db = Database(OneConnection(self.conn))
        self.trip: Trip = await make_stock(self.db, n_seats=SEATS, n_legs=LEGS)

    def teardown(self) -> None:
        async def close() -> None:
            await self.outer.rollback()
            await self.conn.close()

        self.runner.run(close())
        self.runner.close()

    def taken(self) -> set[tuple[int, int]]:
        live = [b for b, status in self.status.items() if status in {"held", "confirmed"}]
        return {cell for booking in live for cell in self.cells[booking]}

    @rule(
        target=bookings,
        seats=st.lists(st.integers(0, SEATS - 1), min_size=1, max_size=3, unique=True),
        legs=st.tuples(st.integers(0, LEGS - 1), st.integers(1, LEGS)),
    )
    def hold(self, seats: list[int], legs: tuple[int, int]) -> UUID:
        first, last = min(legs), max(legs)
        last = last if last > first else first + 1
        request = make_request(self.trip, seats=tuple(seats), first=first, last=last)
        cells = {(seat, leg) for seat in seats for leg in range(first, last)}

        async def work() -> str:
            async with self.db.transaction() as conn:
                (outcome,) = await hold_many(conn, [request], NO_LIMITS)
            return outcome.outcome

        expected = "unavailable" if cells & self.taken() else "held"
        assert self.runner.run(work()) == expected
        self.status[request.booking_id] = "held" if expected == "held" else "none"
        self.cells[request.booking_id] = cells
        self.seats[request.booking_id] = list(seats)
        return request.booking_id

    @rule(booking=bookings)
    def let_it_end(self, booking: UUID) -> None:
        if self.status[booking] == "held":
            self.runner.run(let_expire(self.conn, booking))
            self.status[booking] = "expired"

    @rule(booking=bookings)
    def extend(self, booking: UUID) -> None:
        code = self._run(
            lambda conn: extend_hold(conn, booking_id=booking, holder_id=None, minutes=1)
        )
        expected = {
            "none": "NOT_FOUND", "held": None, "expired": "HOLD_EXPIRED",
            "confirmed": "BOOKING_NOT_HELD", "released": "BOOKING_NOT_HELD",
            "cancelled": "BOOKING_NOT_HELD",
        }[self.status[booking]]  # fmt: skip
        assert code in ({None, "HOLD_LIMIT"} if expected is None else {expected})

    @rule(booking=bookings)
    def release(self, booking: UUID) -> None:
        code = self._run(lambda conn: release_hold(conn, booking_id=booking, holder_id=None))
        status = self.status[booking]
        if status in {"confirmed", "cancelled"}:
            assert code == "BOOKING_NOT_HELD"
        else:
            assert code == ("NOT_FOUND" if status == "none" else None)
            self.status[booking] = "released" if status == "held" else status

    @rule(booking=bookings, late=st.booleans())
    def pay(self, booking: UUID, *, late: bool) -> None:
        async def work() -> tuple[str, str | None]:
            async with self.db.transaction() as conn:
                ended = await confirm_booking(
                    conn,
                    booking_id=booking,
                    learned_at=utc_now(),
                    late_money_minutes=0 if late else 60,
                )
            return ended.outcome, ended.reason

        status = self.status[booking]
        expected: tuple[str, str | None] = ("confirmed", None)
        if status == "none":
            expected = ("refused", "no_booking")
        elif status == "confirmed":
            expected = ("already", None)
        elif status in {"released", "cancelled"}:
            expected = ("refused", status)
        elif status == "expired" and late:
            expected = ("refused", "too_late")
        elif status == "expired" and self.cells[booking] & self.taken():
            expected = ("refused", "seats_gone")
        assert self.runner.run(work()) == expected
        if expected[0] == "confirmed":
            self.status[booking] = "confirmed"

    @rule(booking=bookings, data=st.data())
    def cancel(self, booking: UUID, data: st.DataObject) -> None:
        left = self.seats[booking]
        seats = data.draw(st.lists(st.sampled_from(left), min_size=1, unique=True)) if left else [0]
        code = self._run(lambda conn: cancel_seats(conn, booking_id=booking, seats=seats))
        if self.status[booking] != "confirmed":
            assert code in {"NOT_FOUND", "BOOKING_NOT_CONFIRMED", "NOT_ITS_SEATS"}
            return
        assert code is None
        self.seats[booking] = [seat for seat in left if seat not in seats]
        self.cells[booking] = {c for c in self.cells[booking] if c[0] not in seats}
        if not self.seats[booking]:
            self.status[booking] = "cancelled"

    @rule(_gone=consumes(bookings))
    def forget(self, _gone: UUID) -> None:
        """Look at it no more: so that other bookings are chosen too."""

    @rule()
    def sweep(self) -> None:
        self.runner.run(expire_seats(self.db))

    @invariant()
    def the_database_agrees(self) -> None:
        async def look() -> None:
            stock = await get_stock(self.conn, trip_id=self.trip.trip_id)
            assert stock is not None
            assert await audit(self.conn) == []
            for leg in range(LEGS):
                free = set(stock.occupancy.free_seats(leg, leg + 1))
                assert free == {s for s in range(SEATS) if (s, leg) not in self.taken()}
            for booking, status in self.status.items():
                found = await find_booking(self.conn, booking_id=booking)
                assert (found.status if found else "none") == status

        self.runner.run(look())

    def _run(self, work: Callable[[Conn], Awaitable[object]]) -> str | None:
        async def once() -> None:
            async with self.db.transaction() as conn:
                await work(conn)

        try:
            self.runner.run(once())
        except DomainError as refused:
            return refused.code()
        return None


def test_any_order_of_events_agrees_with_the_model(dsn: str) -> None:
    machine = type("MachineOnDatabase", (Machine,), {"dsn": dsn})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
