"""SQL that finds trips by segment and day, through the patterns that call at both stops."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kiti.network.model_search import Candidate
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
class Served:
    """A date on which some trip serves a segment."""

    served_on: date


@dataclass(frozen=True, slots=True)
class OperatorName:
    """An operator as passengers know it."""

    operator_id: UUID
    name: str


async def list_place_stops(conn: Conn, *, place_ids: Sequence[UUID]) -> list[StopOfPlace]:
    """The stops that these ids stand for: the stop itself, or every stop of the city."""
    return await fetch_all(
        conn,
        StopOfPlace,
        """
        SELECT s.stop_id AS place_id, false AS is_city, s.stop_id, s.name, s.timezone,
          s.latitude, s.longitude
        FROM stop s
        WHERE s.stop_id = ANY($1::uuid[])
        UNION ALL
        SELECT c.city_id, true, s.stop_id, s.name, s.timezone, s.latitude, s.longitude
        FROM city c
        LEFT JOIN stop s ON s.city_id = c.city_id
        WHERE c.city_id = ANY($1::uuid[])
        ORDER BY place_id, stop_id
        """,
        place_ids,
    )


async def list_candidates(
    conn: Conn,
    *,
    from_stop_ids: Sequence[UUID],
    begins_at: Sequence[datetime],
    ends_at: Sequence[datetime],
    to_stop_ids: Sequence[UUID],
    is_round: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Candidate]:
    """Trips that leave one of the first stops, each within its own bounds, for one of the second.

    Only what has not left yet, and comes after a departure and trip when given; by departure, then
    trip id, `limit` rows at most. Of one trip there is a row for each pair of stops, by their
    nearest pair of calls, the earlier on a tie; a stop with itself only if `is_round`.

    The pairs come from the patterns, and each pattern's trips from a range of its index: the cost
    is by the trips of the day, not by those on file.
    """
    return await fetch_all(
        conn,
        Candidate,
        """
        WITH pair AS (
          SELECT DISTINCT ON (on_call.pattern_id, on_call.stop_id, off_call.stop_id)
            on_call.pattern_id, on_call.stop_id AS from_stop_id, off_call.stop_id AS to_stop_id,
            on_call.position AS first, off_call.position AS last,
            make_interval(secs => on_call.departure_s) AS departs_after,
            make_interval(secs => off_call.arrival_s) AS arrives_after
          FROM pattern_call on_call
          JOIN pattern_call off_call ON off_call.pattern_id = on_call.pattern_id
            AND off_call.position > on_call.position
          WHERE on_call.stop_id = ANY($1::uuid[]) AND on_call.pickup
            AND off_call.stop_id = ANY($4::uuid[]) AND off_call.drop_off
            AND ($5::boolean OR off_call.stop_id <> on_call.stop_id)
          ORDER BY on_call.pattern_id, on_call.stop_id, off_call.stop_id,
            off_call.position - on_call.position, on_call.position
        )
        SELECT trip.trip_id, trip.operator_id, trip.layout_id, trip.fare_table_id,
          pair.from_stop_id, pair.to_stop_id, pair.first, pair.last,
          trip.starts_at + pair.departs_after AS departs_at,
          trip.starts_at + pair.arrives_after AS arrives_at
        FROM pair
        JOIN unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[])
          AS board (stop_id, begins_at, ends_at) ON board.stop_id = pair.from_stop_id
        CROSS JOIN LATERAL (
          SELECT t.trip_id, t.operator_id, t.layout_id, t.fare_table_id, t.starts_at
          FROM trip t
          WHERE t.pattern_id = pair.pattern_id
            AND t.starts_at >= greatest(board.begins_at, now(), $6::timestamptz)
              - pair.departs_after
            AND t.starts_at < board.ends_at - pair.departs_after
            AND ($6::timestamptz IS NULL
              OR (t.starts_at + pair.departs_after, t.trip_id) > ($6::timestamptz, $7::uuid))
          ORDER BY t.starts_at, t.trip_id
          LIMIT $8
        ) trip
        ORDER BY departs_at, trip.trip_id, pair.first, pair.last
        LIMIT $8
        """,
        from_stop_ids,
        begins_at,
        ends_at,
        to_stop_ids,
        is_round,
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
