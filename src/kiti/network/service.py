"""Writing the network. Each thing is found again by its natural key, so all of it can run again.

Functions work in their caller's transaction. What is written follows the source: a second call with
another name changes the row, but for stops (see `stops`); a pattern, a layout and a trip that are
there stay as they are.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, TypeVar
from uuid import UUID

from kiti.network import places, store, store_trips
from kiti.network.catalogue import Catalogue, Reads
from kiti.network.layout import parse_layout
from kiti.network.model import Journey, NewCall, NewPattern, NewTrip, check_calls
from kiti.network.model_places import PlaceNames
from kiti.network.stops import find_stops, put_stop, put_stops
from kiti.network.store_trips import CallRow as PatternStop
from kiti.network.store_trips import PatternKey
from kiti.network.times import zone_of
from kiti.platform.db import Conn
from kiti.platform.ids import new_id

__all__ = [
    "Catalogue",
    "PatternStop",
    "Reads",
    "change_trips",
    "delete_trips",
    "find_stops",
    "insert_trips",
    "keep_former",
    "layout_as_kept",
    "list_journeys",
    "list_pattern_stops",
    "pattern_digest",
    "put_city",
    "put_layout",
    "put_operator",
    "put_pattern",
    "put_patterns",
    "put_route",
    "put_stop",
    "put_stops",
    "put_vehicle",
    "rename_trips",
]

Thing = TypeVar("Thing")

# Rows in one statement: each ends well within the statement's 10 seconds.
BATCH: Final = 5_000


async def put_operator(
    conn: Conn,
    *,
    code: str,
    name: str,
    timezone: str,
    phone: str | None = None,
    sales_close_minutes: int = 10,
) -> UUID:
    """Write the operator known by `code`; its id. Sales close so many minutes before departure.

    Raises:
        ZoneUnknown: there is no such time zone.
    """
    zone_of(timezone)
    await store.upsert_operator(
        conn,
        operator_id=new_id(),
        code=code,
        name=name,
        timezone=timezone,
        phone=phone,
        sales_close_minutes=sales_close_minutes,
    )
    return _there(await store.find_operator_id(conn, code=code))


async def put_city(
    conn: Conn,
    *,
    name: str,
    country: str,
    timezone: str,
    latitude: float | None = None,
    longitude: float | None = None,
    aliases: Sequence[str] = (),
) -> UUID:
    """Write the city of this name in `country` (ISO 3166, two letters); its id.

    `aliases` are other names that people type; they take the place of those it had.

    Raises:
        ZoneUnknown: there is no such time zone.
    """
    zone_of(timezone)
    await store.upsert_city(
        conn,
        city_id=new_id(),
        name=name,
        country=country,
        timezone=timezone,
        latitude=latitude,
        longitude=longitude,
    )
    city_id = _there(await store.find_city_id(conn, country=country, name=name))
    await places.put_names(conn, [PlaceNames(city_id, "CITY", (name, *aliases))])
    return city_id


async def put_layout(conn: Conn, text: str) -> UUID:
    """Write a layout; the id of the one with this text. Line ends and trailing spaces don't count.

    Raises:
        LayoutError: with the line of the first mistake.
    """
    layout = parse_layout(text)
    kept, sha256 = layout_as_kept(text)
    await store.insert_layout(
        conn,
        layout_id=new_id(),
        name=layout.name,
        sha256=sha256,
        text=kept,
        seats=len(layout.seats),
    )
    return _there(await store.find_layout_id(conn, sha256=sha256))


def layout_as_kept(text: str) -> tuple[str, str]:
    """A layout's text as it is kept, and the digest that it is found by."""
    lines = [line.rstrip() for line in text.removeprefix("\ufeff").split("\n")]
    kept = "\n".join(lines).strip("\n") + "\n"
    return kept, hashlib.sha256(kept.encode()).hexdigest()


async def put_vehicle(conn: Conn, *, operator_id: UUID, plate: str, layout_id: UUID) -> UUID:
    """Write the operator's vehicle with this plate; its id."""
    await store.upsert_vehicle(
        conn, vehicle_id=new_id(), operator_id=operator_id, plate=plate, layout_id=layout_id
    )
    return _there(await store.find_vehicle_id(conn, operator_id=operator_id, plate=plate))


async def put_route(
    conn: Conn, *, operator_id: UUID, feed: str, code: str, name: str, mode: str
) -> UUID:
    """Write the feed's route of this code; its id. `mode` is BUS, FERRY, RAIL or OTHER."""
    await store.upsert_route(
        conn,
        route_id=new_id(),
        operator_id=operator_id,
        feed=feed,
        code=code,
        name=name,
        mode=mode,
    )
    return _there(await store.find_route_id(conn, feed=feed, code=code))


async def put_pattern(conn: Conn, route_id: UUID, calls: Sequence[NewCall]) -> UUID:
    """Write one pattern; the id of the one with these calls.

    Raises:
        PatternInvalid: no trip can make these calls.
    """
    [pattern_id] = await put_patterns(conn, [NewPattern(route_id, tuple(calls))])
    return pattern_id


async def put_patterns(conn: Conn, patterns: Sequence[NewPattern]) -> list[UUID]:
    """Write patterns; their ids, in the same order. The same calls of a route are one pattern.

    Raises:
        PatternInvalid: no trip can make the calls of one of them.
    """
    for pattern in patterns:
        check_calls(pattern.calls)
    keys = [(pattern.route_id, pattern_digest(pattern.calls)) for pattern in patterns]
    ids: dict[tuple[UUID, str], UUID] = {}
    wanted = dict(zip(keys, patterns, strict=True))
    for batch in _batches(sorted(wanted)):
        fresh = {new_id(): key for key in batch}
        written = await store_trips.insert_patterns(
            conn, patterns=[PatternKey(row_id, *key) for row_id, key in fresh.items()]
        )
        await _insert_calls(conn, [(row.row_id, wanted[fresh[row.row_id]]) for row in written])
        found = await store_trips.list_patterns(
            conn, route_ids=[key[0] for key in batch], digests=[key[1] for key in batch]
        )
        ids |= {(row.route_id, row.digest): row.pattern_id for row in found}
    return [ids[key] for key in keys]


async def _insert_calls(conn: Conn, patterns: Sequence[tuple[UUID, NewPattern]]) -> None:
    calls = [
        (pattern_id, position, call)
        for pattern_id, pattern in patterns
        for position, call in enumerate(pattern.calls)
    ]
    for batch in _batches(calls):
        await store_trips.insert_calls(
            conn,
            pattern_ids=[pattern_id for pattern_id, _, _ in batch],
            positions=[position for _, position, _ in batch],
            calls=[call for _, _, call in batch],
        )


async def insert_trips(conn: Conn, trips: Iterable[NewTrip]) -> list[NewTrip]:
    """Write trips; those that are new. One with the same feed, code and date stays as it is.

    What sells their seats (`booking.open_sales`) must be written in the same transaction.
    """
    # In the order of their key, so that two imports at once wait for each other and never lock up.
    wanted = sorted(trips, key=lambda trip: (trip.feed, trip.code, trip.service_date))
    new: list[NewTrip] = []
    for batch in _batches(wanted):
        written = {row.row_id for row in await store_trips.insert_trips(conn, trips=batch)}
        new += [trip for trip in batch if trip.trip_id in written]
    return new


async def keep_former(conn: Conn, shapes: Mapping[UUID, int]) -> None:
    """Keep trips as they are now, by the shape of their stock: bookings of the past show them.

    The caller holds the trips' locks, and changes them next.
    """
    if shapes:
        await store_trips.insert_former(
            conn, trip_ids=list(shapes), shapes=[shapes[trip_id] for trip_id in shapes]
        )


async def change_trips(conn: Conn, trips: Sequence[NewTrip]) -> dict[UUID, int]:
    """Change trips in place, known by their `trip_id`; their versions since.

    The caller holds the trips' locks, and gives their stock the new version in this transaction.
    """
    if not trips:
        return {}
    rows = await store_trips.update_trips(conn, trips=trips)
    return {row.trip_id: row.version for row in rows}


async def rename_trips(conn: Conn, codes: Mapping[UUID, str]) -> None:
    """Give trips other codes in their feed; no other trip of their date may have them.

    They may take each other's: each has its own id for a code in between.
    """
    ids = list(codes)
    for batch in _batches(ids):
        await store_trips.update_codes(conn, trip_ids=batch, codes=[str(each) for each in batch])
    for batch in _batches(ids):
        await store_trips.update_codes(conn, trip_ids=batch, codes=[codes[each] for each in batch])


async def list_journeys(conn: Conn, pattern_ids: Iterable[UUID]) -> dict[UUID, Journey]:
    """The journeys of those of these patterns that are on file."""
    out: dict[UUID, Journey] = {}
    for batch in _batches(list(set(pattern_ids))):
        rows = await store_trips.list_journeys(conn, pattern_ids=batch)
        out |= {row.pattern_id: Journey(row.path, row.calls) for row in rows}
    return out


async def delete_trips(conn: Conn, trip_ids: Sequence[UUID]) -> None:
    """Take trips off the timetable that no booking refers to; their stock stays behind, closed.

    To delete the stock too, the database would look through every booking for each.
    """
    if trip_ids:
        await store_trips.delete_trips(conn, trip_ids=trip_ids)


async def list_pattern_stops(
    conn: Conn, pattern_ids: Iterable[UUID]
) -> dict[UUID, tuple[PatternStop, ...]]:
    """The calls of these patterns, in order, as the database has them now."""
    rows = await store_trips.list_calls(conn, pattern_ids=list(set(pattern_ids)))
    return {
        pattern_id: tuple(calls)
        for pattern_id, calls in groupby(rows, key=lambda row: row.pattern_id)
    }


def pattern_digest(calls: tuple[NewCall, ...]) -> str:
    """What makes a pattern the same: stops, sequences, times and what passengers may do."""
    lines = (
        f"{call.sequence} {call.stop_id} {call.arrival_s} {call.departure_s}"
        f" {call.pickup:d}{call.drop_off:d}\n"
        for call in calls
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _batches(things: Sequence[Thing]) -> Iterable[Sequence[Thing]]:
    return (things[at : at + BATCH] for at in range(0, len(things), BATCH))


def _there(row_id: UUID | None) -> UUID:
    """The id just written, which nobody may have deleted: nothing deletes these rows."""
    assert row_id is not None, "a row just written is missing"  # noqa: S101
    return row_id
