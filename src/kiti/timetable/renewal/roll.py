"""Who is who on one day: what a source lists against the trips on file, by their codes.

Sources number their trips anew from one edition to the next. A trip on file that is listed no more,
and a trip listed that is not on file, with the same stops and times, are one and the same: else the
same vehicle would be sold a second time under its new code.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from kiti.platform.db import Database
from kiti.timetable.on_sale import TripToSell
from kiti.timetable.renewal import store
from kiti.timetable.renewal.store import Ahead

_PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Roll:
    """One day of a feed.

    `ahead`: how many trips on file have not left; `renamed`: those of them that are listed under
    another code, by that code; `gone`: those that are listed no more.
    """

    ahead: int
    renamed: dict[str, Ahead]
    gone: list[UUID]


async def call_roll(db: Database, feed: str, day: date, wanted: Iterable[TripToSell]) -> Roll:
    """Compare a day's trips on file with those that are wanted; `wanted` is read if there are any.

    Of several trips with the same stops and times each takes the place of one, in the order of
    their codes.
    """
    listed: dict[str, tuple[UUID, datetime]] | None = None
    on_file: set[str] = set()
    unlisted: list[Ahead] = []
    ahead = 0
    async for page in _pages(db, feed, day):
        if listed is None:
            listed = {one.trip.code: (one.trip.pattern_id, one.trip.starts_at) for one in wanted}
        ahead += len(page)
        for row in page:
            if row.code in listed:
                on_file.add(row.code)
            else:
                unlisted.append(row)
    if listed is None or not unlisted:
        return Roll(ahead, {}, [])
    renamed = await _matched(
        db,
        feed,
        day,
        unlisted,
        {code: runs for code, runs in listed.items() if code not in on_file},
    )
    matched = {row.trip_id for row in renamed.values()}
    return Roll(ahead, renamed, [row.trip_id for row in unlisted if row.trip_id not in matched])


async def _matched(
    db: Database,
    feed: str,
    day: date,
    unlisted: Iterable[Ahead],
    new: dict[str, tuple[UUID, datetime]],
) -> dict[str, Ahead]:
    """The trips listed no more, by the codes of new ones that run just as they do."""
    places: defaultdict[tuple[UUID, datetime], list[Ahead]] = defaultdict(list)
    for row in unlisted:
        places[row.pattern_id, row.starts_at].append(row)
    likely = sorted(code for code, runs in new.items() if runs in places)
    taken: set[str] = set()
    for at in range(0, len(likely), _PAGE):
        async with db.connection() as conn:
            rows = await store.list_codes(
                conn, feed=feed, service_date=day, codes=likely[at : at + _PAGE]
            )
        taken |= {row.code for row in rows}
    out: dict[str, Ahead] = {}
    for code in likely:
        rows = places[new[code]]
        if rows and code not in taken:
            out[code] = rows.pop(0)
    return out


async def _pages(db: Database, feed: str, day: date) -> AsyncGenerator[list[Ahead]]:
    """The feed's trips of one date that may still go, by code, in pages."""
    after = ""
    while True:
        async with db.connection() as conn:
            page = await store.list_ahead(
                conn, feed=feed, service_date=day, after_code=after, limit=_PAGE
            )
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = page[-1].code
