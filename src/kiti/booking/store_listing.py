"""The SQL that lists trips with how their seats stand, and what a trip is called at its source."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kiti.platform.db import Conn, fetch_all, fetch_optional


@dataclass(frozen=True, slots=True)
class ListedTrip:
    """A trip, where it goes, and its seats.

    `timezone` is that of its first stop. `sold` and `held` are seats of live bookings, so one seat
    on two stretches counts twice; `free` are those that nobody has on any leg. `status`: on_sale,
    closed or cancelled, closed also when its time has come and nobody has noted it yet.
    """

    trip_id: UUID
    starts_at: datetime
    timezone: str
    operator_code: str
    operator_name: str
    feed: str
    code: str
    origin: str
    destination: str
    sold: int
    held: int
    free: int
    status: str


@dataclass(frozen=True, slots=True)
class TripSource:
    """What a trip is known by to the timetable that it came from."""

    feed: str
    code: str


async def list_trips(
    conn: Conn, *, operator_code: str | None, feed: str | None, on: date | None, limit: int
) -> list[ListedTrip]:
    """Trips of a service date; None: those ahead. By departure; of all operators or feeds if None.

    Held seats count until their instant, by the database's clock.
    """
    return await fetch_all(
        conn,
        ListedTrip,
        """
        WITH picked AS (
          SELECT trip.trip_id, trip.starts_at, trip.pattern_id, trip.feed, trip.code,
            operator.code AS operator_code, operator.name AS operator_name
          FROM trip
          JOIN operator ON operator.operator_id = trip.operator_id
          WHERE ($1::text IS NULL OR operator.code = $1)
            AND ($2::text IS NULL OR trip.feed = $2)
            AND CASE WHEN $3::date IS NULL THEN trip.starts_at > (SELECT clock_timestamp())
                     ELSE trip.service_date = $3 END
          ORDER BY trip.starts_at, trip.trip_id
          LIMIT $4
        )
        SELECT picked.trip_id, picked.starts_at, origin.timezone, picked.operator_code,
          picked.operator_name, picked.feed, picked.code, origin.name AS origin,
          destination.name AS destination, coalesce(live.sold, 0) AS sold,
          coalesce(live.held, 0) AS held,
          inv.n_seats - bit_count(inv.blocked)::integer / inv.n_legs - coalesce(live.taken, 0)
            AS free,
          CASE WHEN inv.status = 'on_sale' AND inv.sales_close_at <= clock_timestamp()
               THEN 'closed' ELSE inv.status END AS status
        FROM picked
        JOIN trip_inventory inv ON inv.trip_id = picked.trip_id
        JOIN LATERAL (
          SELECT stop.name, stop.timezone
          FROM pattern_call call JOIN stop ON stop.stop_id = call.stop_id
          WHERE call.pattern_id = picked.pattern_id ORDER BY call.position LIMIT 1) AS origin
          ON true
        JOIN LATERAL (
          SELECT stop.name
          FROM pattern_call call JOIN stop ON stop.stop_id = call.stop_id
          WHERE call.pattern_id = picked.pattern_id ORDER BY call.position DESC LIMIT 1)
          AS destination ON true
        JOIN LATERAL (
          SELECT count(*) FILTER (WHERE b.status = 'confirmed')::integer AS sold,
            count(*) FILTER (WHERE b.status = 'held')::integer AS held,
            count(DISTINCT seat.n)::integer AS taken
          FROM booking b
          CROSS JOIN unnest(b.seats) AS seat (n)
          WHERE b.trip_id = picked.trip_id AND seat.n <> ALL (b.cancelled_seats)
            AND (b.status = 'confirmed'
              OR (b.status = 'held' AND b.expires_at > clock_timestamp()))) AS live ON true
        ORDER BY picked.starts_at, picked.trip_id
        """,
        operator_code,
        feed,
        on,
        limit,
    )


async def find_source(conn: Conn, *, trip_id: UUID) -> TripSource | None:
    """What the trip's source calls it; None when there is no such trip."""
    return await fetch_optional(
        conn, TripSource, "SELECT feed, code FROM trip WHERE trip_id = $1", trip_id
    )
