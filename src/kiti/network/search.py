"""Trips between two places on a local date: which may serve, not what they cost or have free."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Final
from uuid import UUID

from kiti.network import store_search as store
from kiti.network.model_search import (
    Day,
    Departure,
    Departures,
    Pair,
    SearchPlace,
    SearchStop,
    local_day,
)
from kiti.platform.clock import monotonic_s
from kiti.platform.db import Conn
from kiti.platform.lru import Lru

TTL_S: Final = 60.0
# About 250 bytes a stop: 5 MB when full.
STOPS_MAX: Final = 20_000
OPERATORS_MAX: Final = 2_000
_DAY: Final = timedelta(days=1)


class SearchWords:
    """Places with their stops, and names of operators, by id. One for a process; bounded.

    Kept for a minute: they are written by imports alone, and late is not wrong.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic_s) -> None:
        self._places = Lru[UUID, SearchPlace](weight_max=STOPS_MAX, ttl_s=TTL_S, clock=clock)
        self._operators = Lru[UUID, str](weight_max=OPERATORS_MAX, ttl_s=TTL_S, clock=clock)

    async def places(self, conn: Conn, ids: Iterable[UUID]) -> dict[UUID, SearchPlace]:
        """The cities and stops among these ids, each with the stops it stands for."""
        wanted = set(ids)
        known = {key: place for key in wanted if (place := self._places.get(key))}
        missing = wanted - known.keys()
        if missing:
            new = await find_search_places(conn, missing)
            for key, place in new.items():
                self._places.put(key, place, weight=len(place.stops) + 1)
            known |= new
        return known

    async def operators(self, conn: Conn, ids: Iterable[UUID]) -> dict[UUID, str]:
        """The names of these operators."""
        wanted = set(ids)
        known = {key: name for key in wanted if (name := self._operators.get(key))}
        missing = wanted - known.keys()
        if missing:
            for row in await store.list_operator_names(conn, operator_ids=list(missing)):
                self._operators.put(row.operator_id, row.name)
                known[row.operator_id] = row.name
        return known


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


async def list_departures(
    conn: Conn,
    *,
    origin: SearchPlace,
    destination: SearchPlace,
    on: date,
    days: int = 1,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Departures:
    """Trips that leave `origin` for `destination` on that date by the clock of the stop boarded.

    With `days`, on that date and those after it, so many in all. Only what has not left yet, by the
    database's clock, and after a departure and trip id when they are given. `limit` trips at most,
    by their first departure from `origin`, then by id.
    """
    rows = await store.list_patterns(
        conn,
        from_stop_ids=[stop.stop_id for stop in origin.stops],
        to_stop_ids=[stop.stop_id for stop in destination.stops],
    )
    is_round = _is_round(origin, destination)
    pairs = {row.pattern_id: each for row in rows if (each := _pairs(row, is_round=is_round))}
    zones = {stop.stop_id: stop.timezone for stop in origin.stops}
    end = on + timedelta(days=days)
    found: list[Departure] = []
    if pairs:
        bounds = _bounds(pairs, zones, on, end)
        found = await store.list_departures(
            conn,
            pattern_ids=list(pairs),
            begins_at=[each.begins_at for each in bounds],
            ends_at=[each.ends_at for each in bounds],
            firsts=[each.first for each in bounds],
            lasts=[each.last for each in bounds],
            after=after,
            limit=limit + 1,
        )
    return Departures(found[:limit], pairs, zones, on, end, len(found) > limit)


def _pairs(row: store.PatternCalls, *, is_round: bool) -> list[Pair]:
    """The pairs of calls of a pattern, of two stops their nearest, in the order of their legs."""
    boards = list(zip(row.board_positions, row.board_stop_ids, row.departures_s, strict=True))
    leaves = list(zip(row.leave_positions, row.leave_stop_ids, row.arrivals_s, strict=True))
    both = [
        (last - first, first, board, leave, departs_s, arrives_s)
        for first, board, departs_s in boards
        for last, leave, arrives_s in leaves
        if first < last and (is_round or board != leave)
    ]
    both.sort(key=itemgetter(0, 1))
    seen: set[tuple[UUID, UUID]] = set()
    found: list[Pair] = []
    for length, first, board, leave, departs_s, arrives_s in both:
        if (board, leave) not in seen:
            seen.add((board, leave))
            departs, arrives = timedelta(seconds=departs_s), timedelta(seconds=arrives_s)
            found.append(Pair(first, first + length, board, leave, departs, arrives))
    return found


@dataclass(frozen=True, slots=True)
class _Bounds:
    """When trips of a pattern may start, [begins_at, ends_at), and how long after that passengers
    may board first and last.
    """  # noqa: D205  # one sentence of two lines

    begins_at: datetime
    ends_at: datetime
    first: timedelta
    last: timedelta


def _bounds(
    pairs: Mapping[UUID, Sequence[Pair]], zones: Mapping[UUID, str], on: date, end: date
) -> list[_Bounds]:
    days = {
        zone: Day(local_day(on, zone).begins_at, local_day(end - _DAY, zone).ends_at)
        for zone in set(zones.values())
    }
    out: list[_Bounds] = []
    for each in pairs.values():
        boards = {(zones[pair.from_stop_id], pair.departs_after) for pair in each}
        waits = [wait for _, wait in boards]
        begins_at = min(days[zone].begins_at - wait for zone, wait in boards)
        ends_at = max(days[zone].ends_at - wait for zone, wait in boards)
        out.append(_Bounds(begins_at, ends_at, min(waits), max(waits)))
    return out


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
