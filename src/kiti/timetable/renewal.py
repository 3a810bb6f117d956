"""Bringing the trips on file in line with their source, again and again.

A trip is known by its feed, its code and its service date. Nothing sold is ever moved or lost: what
changed after it was booked stays as it was booked, and waits for a person (`review`).
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from kiti.platform.db import Database
from kiti.timetable.model import Progress, Window
from kiti.timetable.on_sale import TripToSell
from kiti.timetable.renewal_changes import Changes

# The trips that a source lists for one service date. Asked for each date of the window, in order,
# and maybe twice: it must give the same each time. Trips of other feeds or dates are a mistake.
Wanted = Callable[[date], Iterable[TripToSell]]

LEASE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class FeedTurn:
    """The right to write one feed's trips, until its lease ends; every transaction renews it."""

    db: Database
    feed: str
    lease_id: UUID
    lease_s: float


@asynccontextmanager
async def feed_turn(
    db: Database, feed: str, *, lease_s: float = LEASE_S
) -> AsyncGenerator[FeedTurn]:
    """Have a feed to oneself for the length of the block, also what its trips refer to.

    A run that was killed leaves its lease to end: then this waits, `lease_s` seconds at most.

    Raises:
        FeedBusy: another run has it, and is alive.
    """
    raise NotImplementedError
    yield


async def bring_in_line(
    turn: FeedTurn,
    *,
    window: Window,
    wanted: Wanted,
    ends_unlisted: bool = True,
    may_remove: bool = False,
    progress: Progress,
) -> Changes:
    """Make the feed's trips of the window those that are wanted; what became of each.

    Only trips that have not left yet change, by the database's clock, and only dates of the window
    are looked at. `ends_unlisted`: trips on file that are not wanted go; else they stay. In many
    short transactions, each of whole trips: one that is cut off is simply run again.

    Raises:
        TooManyRemovals: more than half of the trips ahead would go, without `may_remove`; nothing
            is written.
        FeedBusy: the lease was lost: a step took too long, and another run began.
    Locks: the trips that differ, some at a time.
    """
    raise NotImplementedError


async def compare(
    db: Database,
    feed: str,
    *,
    window: Window,
    wanted: Wanted,
    ends_unlisted: bool = True,
    progress: Progress,
) -> Changes:
    """What `bring_in_line` would do now; writes nothing.

    The trips wanted may name ids (of patterns, layouts, fare tables) that are not on file yet.
    """
    raise NotImplementedError
