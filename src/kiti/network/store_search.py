"""SQL that finds trips by segment and day, through the patterns that call at both stops."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from kiti.network.model_search import Departure
from kiti.platform.db import Conn, fetch_all


@dataclass(frozen=True, slots=True)
class StopOfPlace:
    """A place that was asked for, and one stop of it; all None for a city without stops."""

    place_id: UUID
    is_city: bool
    stop_id: UUID | None
    name: str | None
    timezone: str | None
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class PatternCalls:
    """A pattern's calls where one may board, and those where one may leave, each in their order."""

    pattern_id: UUID
    board_positions: list[int]
    board_stop_ids: list[UUID]
    departures_s: list[int]
    leave_positions: list[int]
    leave_stop_ids: list[UUID]
    arrivals_s: list[int]


@dataclass(frozen=True, slots=True)
class Served:
    """A date on which some trip serves a segment."""

    served_on: date


@dataclass(frozen=True, slots=True)
class OperatorName:
    """An operator as passengers know it."""

    operator_id: UUID
    name: str


async def list_place_stops(conn: Conn, *, place_ids: Sequence[UUID]) -> list[StopOfPlace]:
    """The stops that these ids stand for: the stop itself, or every stop of the city.

    A stop that its source means something else by now stands for the other too, either way: trips
    of both are sold until the timetable has been followed everywhere.
    """
    return await fetch_all(
        conn,
        StopOfPlace,
        """
        SELECT asked.stop_id AS place_id, false AS is_city, s.stop_id, s.name, s.timezone,
          s.latitude, s.longitude
        FROM stop asked
        CROSS JOIN LATERAL (
          SELECT now.stop_id, now.name, now.timezone, now.latitude, now.longitude
          FROM stop now
          WHERE now.feed = asked.feed AND now.code = coalesce(asked.former_code, asked.code)
          UNION ALL
          SELECT old.stop_id, old.name, old.timezone, old.latitude, old.longitude
          FROM stop old
          WHERE old.feed = asked.feed
            AND old.former_code = coalesce(asked.former_code, asked.code)
        ) AS s
        WHERE asked.stop_id = ANY($1::uuid[])
        UNION ALL
        SELECT c.city_id, true, s.stop_id, s.name, s.timezone, s.latitude, s.longitude
        FROM city c
        LEFT JOIN stop s ON s.city_id = c.city_id
        WHERE c.city_id = ANY($1::uuid[])
        ORDER BY place_id, stop_id
        """,
        place_ids,
    )


async def list_patterns(
    conn: Conn, *, from_stop_ids: Sequence[UUID], to_stop_ids: Sequence[UUID]
) -> list[PatternCalls]:
    """The patterns that take passengers at one of the first stops and later let them off at one of
    the second, with all such calls. Calls, not pairs of them: those would be their product.
    """  # noqa: D205  # one sentence of two lines
    return await fetch_all(
        conn,
        PatternCalls,
        """
        SELECT board.pattern_id, board.positions AS board_positions,
          board.stop_ids AS board_stop_ids, board.departures_s, leave.positions AS leave_positions,
          leave.stop_ids AS leave_stop_ids, leave.arrivals_s
        FROM (
          SELECT pattern_id, min(position) AS first,
            array_agg(position ORDER BY position) AS positions,
            array_agg(stop_id ORDER BY position) AS stop_ids,
            array_agg(departure_s ORDER BY position) AS departures_s
          FROM pattern_call
          WHERE stop_id = ANY($1::uuid[]) AND pickup
          GROUP BY pattern_id
        ) AS board
        JOIN (
          SELECT pattern_id, max(position) AS last,
            array_agg(position ORDER BY position) AS positions,
            array_agg(stop_id ORDER BY position) AS stop_ids,
            array_agg(arrival_s ORDER BY position) AS arrivals_s
          FROM pattern_call
          WHERE stop_id = ANY($2::uuid[]) AND drop_off
          GROUP BY pattern_id
        ) AS leave ON leave.pattern_id = board.pattern_id AND leave.last > board.first
        """,
        from_stop_ids,
        to_stop_ids,
    )


async def list_departures(
    conn: Conn,
    *,
    pattern_ids: Sequence[UUID],
    begins_at: Sequence[datetime],
    ends_at: Sequence[datetime],
    firsts: Sequence[timedelta],
    lasts: Sequence[timedelta],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Departure]:
    """Trips of these patterns that start within each pattern's own bounds [begins_at, ends_at).

    `firsts` and `lasts`: how long after the start passengers board first and last: what nobody can
    board any more is left out. By that first departure, then trip id, `limit` rows at most, and
    only what comes after a departure and trip when they are given.

    Each pattern's trips are a range of its index: the cost is by the trips of the day, not by those
    on file.
    """
    return await fetch_all(
        conn,
        Departure,
        """
        SELECT trip.trip_id, trip.operator_id, trip.layout_id, trip.fare_table_id,
          line.pattern_id, trip.starts_at, now() AS as_of
        FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::interval[],
            $5::interval[])
          AS line (pattern_id, begins_at, ends_at, first, last)
        CROSS JOIN LATERAL (
          SELECT t.trip_id, t.operator_id, t.layout_id, t.fare_table_id, t.starts_at
          FROM trip t
          WHERE t.pattern_id = line.pattern_id
            AND t.starts_at >= greatest(line.begins_at, now() - line.last,
              $6::timestamptz - line.first)
            AND t.starts_at < line.ends_at
            AND ($6::timestamptz IS NULL
              OR (t.starts_at + line.first, t.trip_id) > ($6::timestamptz, $7::uuid))
          ORDER BY t.starts_at, t.trip_id
          LIMIT $8
        ) trip
        ORDER BY trip.starts_at + line.first, trip.trip_id
        LIMIT $8
        """,
        pattern_ids,
        begins_at,
        ends_at,
        firsts,
        lasts,
        None if after is None else after[0],
        None if after is None else after[1],
        limit,
    )


async def list_dates_served(
    conn: Conn,
    *,
    from_stop_ids: Sequence[UUID],
    dates: Sequence[date],
    begins_at: Sequence[datetime],
    ends_at: Sequence[datetime],
    to_stop_ids: Sequence[UUID],
    is_round: bool,
) -> list[Served]:
    """Of these dates, each given with its bounds at each stop, those with a trip still to leave.

    A date may be named on which only a pair of calls leaves that the stops do not mean on that
    trip: who needs it exact searches that date.
    """
    return await fetch_all(
        conn,
        Served,
        """
        WITH board AS (
          SELECT b.stop_id, b.served_on, b.begins_at, b.ends_at
          FROM unnest($1::uuid[], $2::date[], $3::timestamptz[], $4::timestamptz[])
            AS b (stop_id, served_on, begins_at, ends_at)
          WHERE b.ends_at > now()
        ), pair AS (
          SELECT DISTINCT on_call.pattern_id, on_call.stop_id,
            make_interval(secs => on_call.departure_s) AS departs_after
          FROM pattern_call on_call
          JOIN pattern_call off_call ON off_call.pattern_id = on_call.pattern_id
            AND off_call.position > on_call.position
          WHERE on_call.stop_id = ANY($1::uuid[]) AND on_call.pickup
            AND off_call.stop_id = ANY($5::uuid[]) AND off_call.drop_off
            AND ($6::boolean OR off_call.stop_id <> on_call.stop_id)
        )
        SELECT DISTINCT board.served_on
        FROM pair
        JOIN board ON board.stop_id = pair.stop_id
        CROSS JOIN LATERAL (
          SELECT 1 AS one
          FROM trip t
          WHERE t.pattern_id = pair.pattern_id
            AND t.starts_at >= greatest(board.begins_at, now()) - pair.departs_after
            AND t.starts_at < board.ends_at - pair.departs_after
          LIMIT 1
        ) trip
        ORDER BY board.served_on
        """,
        from_stop_ids,
        dates,
        begins_at,
        ends_at,
        to_stop_ids,
        is_round,
    )


async def list_operator_names(conn: Conn, *, operator_ids: Sequence[UUID]) -> list[OperatorName]:
    """The names of these operators."""
    return await fetch_all(
        conn,
        OperatorName,
        "SELECT operator_id, name FROM operator WHERE operator_id = ANY($1::uuid[])",
        operator_ids,
    )
