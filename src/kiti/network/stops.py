"""Stops as their source has them. One that comes to mean another place is another stop.

A ticket names a stop: its name, its clock, where it is. So when a source gives the same code to
another place, the stop that was sold stays as it was, under a code of its own, and whatever is
sold from now on is of a new one. Slips of the pen are corrected in place.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kiti.network import places, store_stops
from kiti.network.distance import distance_km
from kiti.network.model import NewStop
from kiti.network.model_places import PlaceNames, fold
from kiti.network.store_stops import StopRow
from kiti.network.times import zone_of
from kiti.platform.db import Conn
from kiti.platform.ids import new_id

# Rows in one statement: each ends well within the statement's 10 seconds.
_BATCH: Final = 5_000
# A stop that is put farther away than this is another place to whoever stands at the old one.
MOVED_KM_MAX: Final = 0.5
_CODE_MAX: Final = 300

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Meant:
    """The row that a stop to write means, if there is one; `former`: who has its code instead."""

    row: StopRow | None
    former: StopRow | None


async def put_stop(conn: Conn, stop: NewStop) -> UUID:
    """Write one stop; its id.

    Raises:
        ZoneUnknown: there is no such time zone.
    """
    written = await put_stops(conn, [stop])
    return written[stop.feed, stop.code]


async def put_stops(conn: Conn, stops: Iterable[NewStop]) -> dict[Key, UUID]:
    """Write stops, with the names people may type for them; their ids by feed and code.

    Of two with one feed and code the last counts. A code that means another place than before gets
    another id, or the one it had when it meant that place.

    Raises:
        ZoneUnknown: there is no such time zone.
    """
    last = {(stop.feed, stop.code): stop for stop in stops}
    # In the order of their key, so that two imports at once wait for each other and never lock up.
    wanted = [last[key] for key in sorted(last)]
    for timezone in {stop.timezone for stop in wanted}:
        zone_of(timezone)
    ids: dict[Key, UUID] = {}
    for at in range(0, len(wanted), _BATCH):
        ids |= await _put(conn, wanted[at : at + _BATCH])
    return ids


async def find_stops(conn: Conn, stops: Iterable[NewStop]) -> dict[Key, UUID]:
    """What `put_stops` would answer: the ids on file, and made-up ones for the rest."""
    last = {(stop.feed, stop.code): stop for stop in stops}
    wanted = [last[key] for key in sorted(last)]
    ids: dict[Key, UUID] = {}
    for at in range(0, len(wanted), _BATCH):
        for key, meant in (await _meant(conn, wanted[at : at + _BATCH])).items():
            ids[key] = new_id() if meant.row is None else meant.row.stop_id
    return ids


async def _put(conn: Conn, stops: Sequence[NewStop]) -> dict[Key, UUID]:
    meant = await _meant(conn, stops)
    await _give_codes(conn, meant)
    ids = {key: new_id() if one.row is None else one.row.stop_id for key, one in meant.items()}
    await store_stops.upsert_stops(conn, stop_ids=list(ids.values()), stops=stops)
    # Another import of the feed may have been first: the rows themselves tell.
    for feed in {stop.feed for stop in stops}:
        codes = [stop.code for stop in stops if stop.feed == feed]
        ids |= {
            (feed, row.code): row.stop_id
            for row in await store_stops.list_stops(conn, feed=feed, codes=codes)
            if row.former_code is None
        }
    former = [one.former.stop_id for one in meant.values() if one.former is not None]
    await places.put_names(
        conn,
        [
            *(
                PlaceNames(ids[stop.feed, stop.code], "STOP", (stop.name, *stop.aliases))
                for stop in stops
            ),
            *(PlaceNames(stop_id, "STOP", ()) for stop_id in former),
        ],
    )
    return ids


async def _give_codes(conn: Conn, meant: Mapping[Key, _Meant]) -> None:
    """Take the code from each stop that has it no more, then give it back to one that had it."""
    former = [one.former for one in meant.values() if one.former is not None]
    if not former:
        return
    await store_stops.update_codes(
        conn,
        stop_ids=[row.stop_id for row in former],
        codes=[_own_code(row) for row in former],
        former_codes=[row.code for row in former],
    )
    again = {key: one.row for key, one in meant.items() if one.former and one.row is not None}
    await store_stops.update_codes(
        conn,
        stop_ids=[row.stop_id for row in again.values()],
        codes=[code for _, code in again],
        former_codes=[None for _ in again],
    )


def _own_code(row: StopRow) -> str:
    """A code that no other stop can have."""
    ending = f"~{row.stop_id}"
    return row.code[: _CODE_MAX - len(ending)] + ending


async def _meant(conn: Conn, stops: Sequence[NewStop]) -> dict[Key, _Meant]:
    """Which row each of these stops means, in their order."""
    rows: defaultdict[Key, list[StopRow]] = defaultdict(list)
    for feed in {stop.feed for stop in stops}:
        codes = [stop.code for stop in stops if stop.feed == feed]
        for row in await store_stops.list_stops(conn, feed=feed, codes=codes):
            rows[feed, row.former_code or row.code].append(row)
    return {(stop.feed, stop.code): _match(rows[stop.feed, stop.code], stop) for stop in stops}


def _match(rows: Sequence[StopRow], stop: NewStop) -> _Meant:
    current = next((row for row in rows if row.former_code is None), None)
    if current is None or not is_other(current, stop):
        return _Meant(current, None)
    again = (row for row in rows if row.former_code is not None and not is_other(row, stop))
    return _Meant(next(again, None), current)


def is_other(row: StopRow, stop: NewStop) -> bool:
    """Whether the source means another place by the same code: what a passenger would notice.

    What one of the two does not know is no difference.
    """
    if row.timezone != stop.timezone or fold(row.name) != fold(stop.name):
        return True
    if row.city_id is not None and stop.city_id is not None and row.city_id != stop.city_id:
        return True
    km = distance_km(row, stop)
    return km is not None and km > MOVED_KM_MAX
