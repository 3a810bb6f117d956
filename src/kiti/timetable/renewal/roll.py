"""Who is who on one day: the trips that a source lists against those on file.

A trip is what its passengers bought: its stops and their times. Sources number their trips anew
from one edition to the next, and give a code of yesterday to another vehicle. So a listed trip is
first sought among those that run just as it does, under whatever code, and only then by its code;
else one vehicle would be sold twice, or a sold one become another.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from kiti.platform.db import Database
from kiti.timetable.on_sale import TripToSell
from kiti.timetable.renewal import store
from kiti.timetable.renewal.store import OnFile

_PAGE: Final = 10_000
_CODE_MAX: Final = 300

# Stops and times (`Journey.path`), departure, operator, layout.
Runs = tuple[str, datetime, UUID, UUID]
_RANKS: Final = 4
# How much of `Runs` must be alike, and whose turn it is (`_rank`). Another operator comes last: it
# may well be another vehicle, where a trip that is surely the one is still to be met.
_PASSES: Final = ((4, (0,)), (3, (0,)), (4, (1, 2, 3)), (3, (1, 2, 3)), (2, (0, 1, 2, 3)))


@dataclass(frozen=True, slots=True)
class Roll:
    """One day of a feed.

    `ahead`: how many trips on file are for sale or were sold, and have not left; `going`: how many
    of them are listed no more. `there`: who is meant by each code listed, if on file. `gone`: the
    trips listed no more that a renewal has to see to. `codes`: what trips are called from now on,
    where that is not what they are called on file.
    """

    ahead: int
    going: int
    there: Mapping[str, OnFile]
    gone: list[UUID]
    codes: Mapping[UUID, str]


async def call_roll(
    db: Database, feed: str, day: date, wanted: Iterable[TripToSell], *, ends_unlisted: bool
) -> Roll:
    """Compare a day's trips on file with those that are wanted; `wanted` is read if there are any.

    Without `ends_unlisted` none is gone.
    """
    rows = await _on_file(db, feed, day)
    if not rows:
        return Roll(0, 0, {}, [], {})
    listed: dict[str, Runs] = {}
    for one in wanted:
        trip = one.trip
        listed.setdefault(
            trip.code, (one.journey.path, trip.starts_at, trip.operator_id, trip.layout_id)
        )
    there = match(rows, listed)
    met = {row.trip_id for row in there.values()}
    left_over = [row for row in rows if row.trip_id not in met]
    gone = [row for row in left_over if row.may_go] if ends_unlisted else []
    return Roll(
        ahead=sum(row.may_go and not row.is_told for row in rows),
        going=sum(not row.is_told for row in gone),
        there=there,
        gone=[row.trip_id for row in gone],
        codes=_codes(rows, there, left_over),
    )


def match(rows: Sequence[OnFile], listed: Mapping[str, Runs]) -> dict[str, OnFile]:
    """Who on file each code listed means: one that runs so, else the one of that code; each once.

    Of several that run alike, those with passengers come first, then those for sale; each goes
    where operator and layout are its own, and keeps its code, if it can. What was cancelled under a
    code that is still listed stays that.
    """
    out = {
        row.code: row
        for row in rows
        if row.is_cancelled and row.code in listed and _of(row)[:2] == listed[row.code][:2]
    }
    met = {row.trip_id for row in out.values()}
    # Codes that nobody has are given first, so that as few trips as can be change theirs.
    known = {row.code for row in rows}
    ranks: dict[int, list[OnFile]] = {rank: [] for rank in range(_RANKS)}
    for row in sorted(rows, key=lambda row: row.code):
        ranks[_rank(row)].append(row)
    codes = sorted(listed, key=lambda code: (code in known, code))
    for exactness, of_ranks in _PASSES:
        for rank in of_ranks:
            left = [row for row in ranks[rank] if row.trip_id not in met]
            fresh = _pair(left, [code for code in codes if code not in out], listed, exactness)
            out |= fresh
            met |= {row.trip_id for row in fresh.values()}
    for row in rows:
        if row.code in listed and row.code not in out and row.trip_id not in met:
            out[row.code] = row
    return out


def _pair(
    rows: Iterable[OnFile], codes: Iterable[str], listed: Mapping[str, Runs], exactness: int
) -> dict[str, OnFile]:
    """Trips by the codes listed of those that run alike, as far as the first of `Runs` tell."""
    by_runs: defaultdict[tuple[object, ...], list[OnFile]] = defaultdict(list)
    for row in rows:
        by_runs[_of(row)[:exactness]].append(row)
    alike: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
    for code in codes:
        if listed[code][:exactness] in by_runs:
            alike[listed[code][:exactness]].append(code)
    out: dict[str, OnFile] = {}
    for runs, those in alike.items():
        names = set(those)
        kept = {row.code: row for row in by_runs[runs] if row.code in names}
        others = (row for row in by_runs[runs] if row.code not in kept)
        free = (code for code in those if code not in kept)
        out |= kept | dict(zip(free, others, strict=False))
    return out


def _of(row: OnFile) -> Runs:
    return row.path, row.starts_at, row.operator_id, row.layout_id


def _rank(row: OnFile) -> int:
    """The smaller, the sooner it is met: with passengers, for sale, cancelled, ended or left."""
    if row.may_go:
        return 0 if row.is_live else 1
    return 2 if row.is_cancelled else 3


def _codes(
    rows: Iterable[OnFile], there: Mapping[str, OnFile], left_over: Iterable[OnFile]
) -> dict[UUID, str]:
    """The codes that change: of those met, and of those whose code is another's now."""
    codes = {row.trip_id: code for code, row in there.items() if row.code != code}
    known = {row.code for row in rows} | there.keys()
    for row in left_over:
        if row.code in there:
            codes[row.trip_id] = _other_code(row.code, known)
            known.add(codes[row.trip_id])
    return codes


def _other_code(code: str, known: set[str]) -> str:
    """A code that nobody has, for a trip whose own was given to another."""
    number = 1
    while True:
        ending = f"~{number}"
        other = code[: _CODE_MAX - len(ending)] + ending
        if other not in known:
            return other
        number += 1


async def _on_file(db: Database, feed: str, day: date) -> list[OnFile]:
    """The feed's trips of one date, by code."""
    rows: list[OnFile] = []
    while True:
        async with db.connection() as conn:
            page = await store.list_on_file(
                conn,
                feed=feed,
                service_date=day,
                after_code=rows[-1].code if rows else "",
                limit=_PAGE,
            )
        rows += page
        if len(page) < _PAGE:
            return rows
