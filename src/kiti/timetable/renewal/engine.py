"""Bringing the trips on file in line with their source, again and again.

Who is who is told by `roll`: by what a trip is to its passengers, and then by its code. Nothing
sold is ever moved or lost: what changed after it was booked stays as it was booked, and waits for a
person (`review`).
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import islice
from typing import Final, TypeVar
from uuid import UUID

from kiti.network.service import Catalogue, rename_trips
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id
from kiti.timetable.model import Progress, Window
from kiti.timetable.on_sale import TripToSell, put_on_sale
from kiti.timetable.renewal import store
from kiti.timetable.renewal.changes import (
    Changes,
    FeedBusy,
    Kind,
    TooManyRemovals,
    too_many,
)
from kiti.timetable.renewal.judge import TO_SETTLE, Verdict, judge
from kiti.timetable.renewal.roll import Roll, call_roll
from kiti.timetable.renewal.step import CallsOf, Pair, Settled, all_on_file, foresee, settle
from kiti.timetable.renewal.store import There

Thing = TypeVar("Thing")
Result = TypeVar("Result")

# The trips that a source lists for one service date. Asked for each date of the window, in order,
# and maybe twice: it must give the same each time. Trips of other feeds or dates are a mistake.
Wanted = Callable[[date], Iterable[TripToSell]]

LEASE_S: Final = 30.0
_POLL_S: Final = 0.2
READ_BATCH: Final = 2_000
# Trips whose locks are held together: their buyers wait for some hundredths of a second.
SETTLE_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class FeedTurn:
    """The right to write one feed's trips, until its lease ends; every transaction renews it."""

    db: Database
    feed: str
    lease_id: UUID
    lease_s: float

    async def run(self, work: Callable[[Conn], Awaitable[Result]]) -> Result:
        """Run `work` in one transaction of this turn; `work` must be safe to run again.

        Raises:
            FeedBusy: the lease was lost: another run has the feed now.
        """

        async def in_turn(conn: Conn) -> Result:
            if not await store.renew_feed(
                conn, feed=self.feed, lease_id=self.lease_id, lease_s=self.lease_s
            ):
                raise FeedBusy(f"another import of {self.feed} began before this one ended")
            return await work(conn)

        return await self.db.run(in_turn)

    async def renew(self) -> None:
        """Say that this run is alive.

        Raises:
            FeedBusy: as `run`.
        """
        await self.run(_nothing)


async def _nothing(_conn: Conn) -> None:
    """Renewing is all there is to do."""


@asynccontextmanager
async def feed_turn(
    db: Database, feed: str, *, lease_s: float = LEASE_S
) -> AsyncGenerator[FeedTurn]:
    """Have a feed to oneself for the length of the block, also what its trips refer to.

    A run that was killed leaves its lease to end: then this waits, `lease_s` seconds at most.

    Raises:
        FeedBusy: another run has it, and is alive.
    """
    turn = FeedTurn(db, feed, new_id(), lease_s)
    await _take(turn)
    try:
        yield turn
    finally:
        async with db.connection() as conn:
            await store.leave_feed(conn, feed=feed, lease_id=turn.lease_id)


async def _take(turn: FeedTurn) -> None:
    """Take the turn, or wait for as long as the one who has it gives no sign of life."""
    first: store.Lease | None = None
    while True:
        async with turn.db.connection() as conn:
            if await store.take_feed(
                conn, feed=turn.feed, lease_id=turn.lease_id, lease_s=turn.lease_s
            ):
                return
            lease = await store.find_lease(conn, feed=turn.feed)
        first = first or lease
        if first is not None and lease is not None and lease.leased_until != first.leased_until:
            raise FeedBusy(f"another import of {turn.feed} is under way: try again when it is done")
        await asyncio.sleep(_POLL_S)


async def check_removals(turn: FeedTurn, *, window: Window, wanted: Wanted) -> None:
    """Refuse what `bring_in_line` would, before anything is written that trips refer to.

    Raises:
        TooManyRemovals, FeedBusy: as there.
    """
    changes = Changes()
    await _survey(turn, window, wanted, changes)
    if changes.is_too_many:
        raise TooManyRemovals(too_many(changes))


async def bring_in_line(
    turn: FeedTurn,
    *,
    window: Window,
    wanted: Wanted,
    ends_unlisted: bool = True,
    may_remove: bool = False,
    begin: Callable[[Conn], Awaitable[None]] | None = None,
    progress: Progress,
    total: int = 0,
) -> Changes:
    """Make the feed's trips of the window those that are wanted; what became of each.

    Only trips that have not left yet change, by the database's clock, and only dates of the window
    are looked at. `ends_unlisted`: trips on file that are not wanted go; else they stay. `begin`
    is run in a transaction of its own when nothing refuses it and nothing is written yet. `total`:
    how many trips are wanted, for the progress; 0: not known. In many short transactions, each of
    whole trips: one that is cut off is simply run again.

    Raises:
        TooManyRemovals: more than half of the trips ahead would go, without `may_remove`; nothing
            is written.
        FeedBusy: the lease was lost: a step took too long, and another run began.
    Locks: the trips that differ, some at a time.
    """
    changes = Changes()
    if ends_unlisted:
        await _survey(turn, window, wanted, changes)
        if changes.is_too_many and not may_remove:
            raise TooManyRemovals(too_many(changes))
    if begin is not None:
        await turn.run(begin)
    layouts = Catalogue()
    done = 0
    for day in window.dates():
        roll = await call_roll(turn.db, turn.feed, day, wanted(day), ends_unlisted=ends_unlisted)
        if roll.codes:
            await turn.run(partial(rename_trips, codes=roll.codes))
        _note_renamed(day, roll, changes)
        seen: set[str] = set()
        for batch in _batches(wanted(day), READ_BATCH):
            fresh = _unseen(batch, seen)
            await turn.renew()
            async with turn.db.connection() as conn:
                new, differing = await _sort(conn, roll, fresh, changes)
            if new:
                changes.note(Kind.NEW, count=await turn.run(partial(put_on_sale, trips=new)))
            pairs = [(there.trip_id, one) for there, one in differing]
            await _settle(turn, pairs, layouts, changes)
            done += len(batch)
            progress("writing trips", done, total)
        await _settle(turn, [(trip_id, None) for trip_id in roll.gone], layouts, changes)
    return changes


async def compare(
    db: Database,
    feed: str,
    *,
    window: Window,
    wanted: Wanted,
    ends_unlisted: bool = True,
    calls_of: CallsOf = all_on_file,
    progress: Progress,
    total: int = 0,
) -> Changes:
    """What `bring_in_line` would do now; writes nothing.

    The trips wanted may name ids (of patterns, layouts, fare tables) that are not on file yet;
    `calls_of` tells such a pattern's calls.
    """
    changes = Changes()
    layouts = Catalogue()
    done = 0
    for day in window.dates():
        roll = await call_roll(db, feed, day, wanted(day), ends_unlisted=ends_unlisted)
        if ends_unlisted:
            changes.ahead += roll.ahead
            changes.going += roll.going
        _note_renamed(day, roll, changes)
        seen: set[str] = set()
        for batch in _batches(wanted(day), READ_BATCH):
            fresh = _unseen(batch, seen)
            async with db.connection() as conn:
                new, differing = await _sort(conn, roll, fresh, changes)
                changes.note(Kind.NEW, count=len(new))
                for note in await foresee(conn, differing, layouts=layouts, calls_of=calls_of):
                    changes.note(note.kind, note.example)
            done += len(batch)
            progress("comparing trips", done, total)
        for batch in _batches(roll.gone, READ_BATCH):
            async with db.connection() as conn:
                rows = await store.list_there(conn, trip_ids=batch)
                by_id = {
                    row.trip_id: replace(row, code=roll.codes.get(row.trip_id, row.code))
                    for row in rows
                }
                going = [(by_id[trip_id], None) for trip_id in batch if trip_id in by_id]
                for note in await foresee(conn, going, layouts=layouts, calls_of=calls_of):
                    changes.note(note.kind, note.example)
    return changes


async def _survey(turn: FeedTurn, window: Window, wanted: Wanted, changes: Changes) -> None:
    """Count the trips ahead, and those of them that would go, before anything is written."""
    async with turn.db.connection() as conn:
        if not await store.has_trips(conn, feed=turn.feed, first=window.first, last=window.last):
            return
    for day in window.dates():
        await turn.renew()
        roll = await call_roll(turn.db, turn.feed, day, wanted(day), ends_unlisted=True)
        changes.ahead += roll.ahead
        changes.going += roll.going


def _note_renamed(day: date, roll: Roll, changes: Changes) -> None:
    for code, row in roll.there.items():
        if row.code != code:
            changes.note(Kind.RENAMED, f"{row.code} on {day} is {code}")


def _unseen(batch: Sequence[TripToSell], seen: set[str]) -> list[TripToSell]:
    """The trips of a batch whose codes did not come before; of two with one code the first."""
    fresh: list[TripToSell] = []
    for one in batch:
        if one.trip.code not in seen:
            seen.add(one.trip.code)
            fresh.append(one)
    return fresh


async def _sort(
    conn: Conn, roll: Roll, batch: Sequence[TripToSell], changes: Changes
) -> tuple[list[TripToSell], list[tuple[There, TripToSell | None]]]:
    """The trips that are not on file, and those that differ there; the others are counted."""
    met = [row.trip_id for one in batch if (row := roll.there.get(one.trip.code)) is not None]
    on_file = {row.trip_id: row for row in await store.list_there(conn, trip_ids=met)}
    new: list[TripToSell] = []
    differing: list[tuple[There, TripToSell | None]] = []
    for one in batch:
        row = roll.there.get(one.trip.code)
        there = None if row is None else on_file.get(row.trip_id)
        if there is None:
            new.append(one)
            continue
        verdict = judge(there, one)
        is_repriced = there.fare_table_id != one.trip.fare_table_id
        if verdict in TO_SETTLE or (verdict is Verdict.KEPT and is_repriced):
            differing.append((there, one))
        else:
            changes.note(
                {Verdict.SAME: Kind.SAME, Verdict.KEPT: Kind.KEPT}.get(verdict, Kind.LEFT),
                f"{one.trip.code} on {one.trip.service_date}",
            )
    return new, differing


async def _settle(
    turn: FeedTurn, pairs: Sequence[Pair], layouts: Catalogue, changes: Changes
) -> None:
    """Settle trips some at a time; one that is being sold just then is waited for by itself."""
    skipped: list[Pair] = []
    for batch in _batches(pairs, SETTLE_BATCH):
        done = await turn.run(_step(batch, layouts, skips_locked=True))
        skipped += done.skipped
        _note(changes, done)
    for pair in skipped:
        _note(changes, await turn.run(_step([pair], layouts, skips_locked=False)))


def _step(
    pairs: Sequence[Pair], layouts: Catalogue, *, skips_locked: bool
) -> Callable[[Conn], Awaitable[Settled]]:
    return lambda conn: settle(conn, pairs, layouts=layouts, skips_locked=skips_locked)


def _note(changes: Changes, done: Settled) -> None:
    for note in done.notes:
        changes.note(note.kind, note.example)


def _batches(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    left = iter(things)
    while batch := list(islice(left, size)):
        yield batch
