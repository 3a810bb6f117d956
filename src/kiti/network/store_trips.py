"""SQL of patterns, their calls, and trips."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kiti.network.model import NewCall, NewTrip
from kiti.platform.db import Conn, execute, fetch_all, fetch_optional


@dataclass(frozen=True, slots=True)
class TripRow:
    """A trip's row with its operator's name."""

    trip_id: UUID
    version: int
    operator_id: UUID
    operator_name: str
    pattern_id: UUID
    layout_id: UUID
    fare_table_id: UUID
    service_date: date
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call of a pattern with what is known of its stop.

    `stop_code` is its source's, also where that means another place by now.
    """

    pattern_id: UUID
    position: int
    sequence: int
    stop_id: UUID
    arrival_s: int
    departure_s: int
    pickup: bool
    drop_off: bool
    name: str
    timezone: str
    latitude: float | None
    longitude: float | None
    city: str | None
    stop_code: str


@dataclass(frozen=True, slots=True)
class PatternKey:
    """A pattern and what it is found by."""

    pattern_id: UUID
    route_id: UUID
    digest: str


@dataclass(frozen=True, slots=True)
class JourneyRow:
    """A pattern with the digests of its journey (`model.Journey`)."""

    pattern_id: UUID
    path: str
    calls: str


@dataclass(frozen=True, slots=True)
class TripVersion:
    """A trip that was changed, and its version since."""

    trip_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class NewId:
    """The id of a row that was written."""

    row_id: UUID


async def list_trips(conn: Conn, *, trip_ids: Sequence[UUID]) -> list[TripRow]:
    """Those of these trips that there are."""
    return await fetch_all(
        conn,
        TripRow,
        """
        SELECT trip.trip_id, trip.version, trip.operator_id, operator.name AS operator_name,
          trip.pattern_id, trip.layout_id, trip.fare_table_id, trip.service_date, trip.starts_at
        FROM trip
        JOIN operator ON operator.operator_id = trip.operator_id
        WHERE trip.trip_id = ANY($1::uuid[])
        """,
        trip_ids,
    )


async def find_former(conn: Conn, *, trip_id: UUID, shape: int) -> TripRow | None:
    """The trip as it was while its stock had this shape; None when it still has."""
    return await fetch_optional(
        conn,
        TripRow,
        """
        SELECT former.trip_id, former.version, former.operator_id, operator.name AS operator_name,
          former.pattern_id, former.layout_id, former.fare_table_id, former.service_date,
          former.starts_at
        FROM trip_former former
        JOIN operator ON operator.operator_id = former.operator_id
        WHERE former.trip_id = $1 AND former.shape = $2
        """,
        trip_id,
        shape,
    )


async def list_calls(conn: Conn, *, pattern_ids: Sequence[UUID]) -> list[CallRow]:
    """The calls of these patterns, each pattern's in order."""
    return await fetch_all(
        conn,
        CallRow,
        """
        SELECT call.pattern_id, call.position, call.sequence, call.stop_id, call.arrival_s,
          call.departure_s, call.pickup, call.drop_off, stop.name, stop.timezone, stop.latitude,
          stop.longitude, city.name AS city, coalesce(stop.former_code, stop.code) AS stop_code
        FROM pattern_call call
        JOIN stop ON stop.stop_id = call.stop_id
        LEFT JOIN city ON city.city_id = stop.city_id
        WHERE call.pattern_id = ANY($1::uuid[])
        ORDER BY call.pattern_id, call.position
        """,
        pattern_ids,
    )


async def list_journeys(conn: Conn, *, pattern_ids: Sequence[UUID]) -> list[JourneyRow]:
    """The journeys of these patterns."""
    return await fetch_all(
        conn,
        JourneyRow,
        """
        SELECT n.pattern_id, journey.path, journey.calls
        FROM unnest($1::uuid[]) AS n (pattern_id)
        CROSS JOIN LATERAL pattern_journey_1(n.pattern_id) AS journey
        WHERE journey.path IS NOT NULL
        """,
        pattern_ids,
    )


async def insert_patterns(conn: Conn, *, patterns: Sequence[PatternKey]) -> list[NewId]:
    """Write patterns that are not there; the ids of those that were written."""
    return await fetch_all(
        conn,
        NewId,
        """
        INSERT INTO pattern (pattern_id, route_id, digest)
        SELECT n.pattern_id, n.route_id, n.digest
        FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS n (pattern_id, route_id, digest)
        ON CONFLICT (route_id, digest) DO NOTHING
        RETURNING pattern_id AS row_id
        """,
        [pattern.pattern_id for pattern in patterns],
        [pattern.route_id for pattern in patterns],
        [pattern.digest for pattern in patterns],
    )


async def list_patterns(
    conn: Conn, *, route_ids: Sequence[UUID], digests: Sequence[str]
) -> list[PatternKey]:
    """The patterns of these routes with these digests, pair by pair."""
    return await fetch_all(
        conn,
        PatternKey,
        """
        SELECT pattern.pattern_id, pattern.route_id, pattern.digest
        FROM unnest($1::uuid[], $2::text[]) AS n (route_id, digest)
        JOIN pattern ON pattern.route_id = n.route_id AND pattern.digest = n.digest
        """,
        route_ids,
        digests,
    )


async def insert_calls(
    conn: Conn, *, pattern_ids: Sequence[UUID], positions: Sequence[int], calls: Sequence[NewCall]
) -> int:
    """Write calls of new patterns, one for each position of the three lists."""
    return await execute(
        conn,
        """
        INSERT INTO pattern_call (pattern_id, position, sequence, stop_id, arrival_s, departure_s,
          pickup, drop_off)
        SELECT n.pattern_id, n.position, n.sequence, n.stop_id, n.arrival_s, n.departure_s,
          n.pickup, n.drop_off
        FROM unnest($1::uuid[], $2::smallint[], $3::integer[], $4::uuid[], $5::integer[],
            $6::integer[], $7::boolean[], $8::boolean[])
          AS n (pattern_id, position, sequence, stop_id, arrival_s, departure_s, pickup, drop_off)
        """,
        pattern_ids,
        positions,
        [call.sequence for call in calls],
        [call.stop_id for call in calls],
        [call.arrival_s for call in calls],
        [call.departure_s for call in calls],
        [call.pickup for call in calls],
        [call.drop_off for call in calls],
    )


async def insert_trips(conn: Conn, *, trips: Sequence[NewTrip]) -> list[NewId]:
    """Write trips that are not there; the ids of those that were written."""
    return await fetch_all(
        conn,
        NewId,
        """
        INSERT INTO trip (trip_id, operator_id, pattern_id, layout_id, fare_table_id, feed, code,
          service_date, starts_at)
        SELECT n.trip_id, n.operator_id, n.pattern_id, n.layout_id, n.fare_table_id, n.feed, n.code,
          n.service_date, n.starts_at
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[],
            $7::text[], $8::date[], $9::timestamptz[])
          AS n (trip_id, operator_id, pattern_id, layout_id, fare_table_id, feed, code,
            service_date, starts_at)
        ON CONFLICT (feed, code, service_date) DO NOTHING
        RETURNING trip_id AS row_id
        """,
        [trip.trip_id for trip in trips],
        [trip.operator_id for trip in trips],
        [trip.pattern_id for trip in trips],
        [trip.layout_id for trip in trips],
        [trip.fare_table_id for trip in trips],
        [trip.feed for trip in trips],
        [trip.code for trip in trips],
        [trip.service_date for trip in trips],
        [trip.starts_at for trip in trips],
    )


async def insert_former(conn: Conn, *, trip_ids: Sequence[UUID], shapes: Sequence[int]) -> int:
    """Keep these trips as they are now, each under its stock's shape; how many were not kept yet.

    The caller holds the trips' locks.
    """
    return await execute(
        conn,
        """
        INSERT INTO trip_former (trip_id, shape, version, operator_id, pattern_id, layout_id,
          fare_table_id, service_date, starts_at)
        SELECT trip.trip_id, n.shape, trip.version, trip.operator_id, trip.pattern_id,
          trip.layout_id, trip.fare_table_id, trip.service_date, trip.starts_at
        FROM unnest($1::uuid[], $2::integer[]) AS n (trip_id, shape)
        JOIN trip ON trip.trip_id = n.trip_id
        ON CONFLICT (trip_id, shape) DO NOTHING
        """,
        trip_ids,
        shapes,
    )


async def update_trips(conn: Conn, *, trips: Sequence[NewTrip]) -> list[TripVersion]:
    """Make these trips what they are given as, but for their identity; their versions since."""
    return await fetch_all(
        conn,
        TripVersion,
        """
        UPDATE trip
        SET operator_id = n.operator_id, pattern_id = n.pattern_id, layout_id = n.layout_id,
            fare_table_id = n.fare_table_id, starts_at = n.starts_at, version = trip.version + 1
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[])
          AS n (trip_id, operator_id, pattern_id, layout_id, fare_table_id, starts_at)
        WHERE trip.trip_id = n.trip_id
        RETURNING trip.trip_id, trip.version
        """,
        [trip.trip_id for trip in trips],
        [trip.operator_id for trip in trips],
        [trip.pattern_id for trip in trips],
        [trip.layout_id for trip in trips],
        [trip.fare_table_id for trip in trips],
        [trip.starts_at for trip in trips],
    )


async def update_codes(conn: Conn, *, trip_ids: Sequence[UUID], codes: Sequence[str]) -> int:
    """Give trips other codes within their feed; how many."""
    return await execute(
        conn,
        """
        UPDATE trip SET code = n.code
        FROM unnest($1::uuid[], $2::text[]) AS n (trip_id, code)
        WHERE trip.trip_id = n.trip_id
        """,
        trip_ids,
        codes,
    )


async def delete_trips(conn: Conn, *, trip_ids: Sequence[UUID]) -> int:
    """Take trips off the timetable; how many. No booking may refer to them."""
    return await execute(conn, "DELETE FROM trip WHERE trip_id = ANY ($1::uuid[])", trip_ids)
