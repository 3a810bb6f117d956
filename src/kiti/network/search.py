"""Trips between two places on a local date: which may serve, not what they cost or have free."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from kiti.network import store_search as store
from kiti.network.model_search import (
    Candidate,
    SearchPlace,
    SearchStop,
    local_date,
    local_day,
)
from kiti.platform.db import Conn

_DAY: Final = timedelta(days=1)


async def find_search_places(conn: Conn, ids: Iterable[UUID]) -> dict[UUID, SearchPlace]:
    """The cities and stops among these ids, each with the stops it stands for."""
    rows = await store.list_place_stops(conn, place_ids=list(set(ids)))
    found: dict[UUID, SearchPlace] = {}
    for row in rows:
        place = found.get(row.place_id) or SearchPlace(row.place_id, row.is_city, ())
        found[row.place_id] = SearchPlace(place.place_id, place.is_city, place.stops + _stop(row))
    return found


def _stop(row: store.StopOfPlace) -> tuple[SearchStop, ...]:
    """The row's stop; none for a city without stops."""
    if row.stop_id is None or row.name is None or row.timezone is None:
        return ()
    return (SearchStop(row.stop_id, row.name, row.timezone, row.latitude, row.longitude),)


async def list_candidates(
    conn: Conn,
    *,
    origin: SearchPlace,
    destination: SearchPlace,
    on: date,
    days: int = 1,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> tuple[list[Candidate], bool]:
    """Trips that leave `origin` for `destination` on that date by the clock of the stop boarded.

    With `days`, on that date and those after it, so many in all. Only what has not left yet, by the
    database's clock, and after a departure and trip id when they are given. Earliest first, then by
    id. Between cities a trip may come several times, once for each pair of stops. With it, whether
    there are more than `limit` rows: then the latest are missing.
    """
    end = on + timedelta(days=days)
    rows = await store.list_candidates(
        conn,
        from_stop_ids=[stop.stop_id for stop in origin.stops],
        begins_at=[local_day(on, stop.timezone).begins_at for stop in origin.stops],
        ends_at=[local_day(end - _DAY, stop.timezone).ends_at for stop in origin.stops],
        to_stop_ids=[stop.stop_id for stop in destination.stops],
        is_round=_is_round(origin, destination),
        after=after,
        limit=limit + 1,
    )
    zones = {stop.stop_id: stop.timezone for stop in origin.stops}
    kept = [
        row
        for row in rows[:limit]
        if on <= local_date(row.departs_at, zones[row.from_stop_id]) < end
    ]
    return kept, len(rows) > limit


async def list_dates_served(
    conn: Conn, *, origin: SearchPlace, destination: SearchPlace, dates: Sequence[date]
) -> set[date]:
    """Of these dates, those on which a trip may still leave `origin` for `destination`."""
    boards = [(stop, on, local_day(on, stop.timezone)) for stop in origin.stops for on in dates]
    rows = await store.list_dates_served(
        conn,
        from_stop_ids=[stop.stop_id for stop, _, _ in boards],
        dates=[on for _, on, _ in boards],
        begins_at=[day.begins_at for _, _, day in boards],
        ends_at=[day.ends_at for _, _, day in boards],
        to_stop_ids=[stop.stop_id for stop in destination.stops],
        is_round=_is_round(origin, destination),
    )
    return {row.served_on for row in rows}


def _is_round(origin: SearchPlace, destination: SearchPlace) -> bool:
    """A stop pairs with itself only when it was itself asked for twice: a harbour tour, say."""
    return origin.place_id == destination.place_id and not origin.is_city


async def operator_names(conn: Conn, ids: Iterable[UUID]) -> dict[UUID, str]:
    """The names of these operators."""
    rows = await store.list_operator_names(conn, operator_ids=list(set(ids)))
    return {row.operator_id: row.name for row in rows}
