"""SQL of where most trips go."""

from dataclasses import dataclass
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all


@dataclass(frozen=True, slots=True)
class PopularRow:
    """Two places with many trips between them; a stop where the source names no city."""

    from_id: UUID
    from_name: str
    from_timezone: str
    to_id: UUID
    to_name: str
    trips: int


async def list_popular(conn: Conn, *, days: int, trips_max: int, limit: int) -> list[PopularRow]:
    """Ends of patterns with trips in the next `days`: those in cities first, then most trips.

    Of a pattern `trips_max` trips count at most, so that the cost follows the patterns.
    """
    return await fetch_all(
        conn,
        PopularRow,
        """
        WITH busy AS (
          SELECT pattern.pattern_id, coming.trips
          FROM pattern
          CROSS JOIN LATERAL (
            SELECT count(*) AS trips
            FROM (
              SELECT 1
              FROM trip
              WHERE trip.pattern_id = pattern.pattern_id
                AND trip.starts_at > now() AND trip.starts_at < now() + make_interval(days => $1)
              LIMIT $2
            ) AS counted
          ) AS coming
          WHERE coming.trips > 0
        ), ends AS (
          SELECT busy.trips,
            (SELECT stop_id FROM pattern_call AS c
             WHERE c.pattern_id = busy.pattern_id AND c.pickup
             ORDER BY c.position LIMIT 1) AS board,
            (SELECT stop_id FROM pattern_call AS c
             WHERE c.pattern_id = busy.pattern_id AND c.drop_off
             ORDER BY c.position DESC LIMIT 1) AS leave
          FROM busy
        ), places AS (
          SELECT coalesce(a_city.city_id, a.stop_id) AS from_id,
            coalesce(a_city.name, a.name) AS from_name,
            coalesce(a_city.timezone, a.timezone) AS from_timezone,
            coalesce(b_city.city_id, b.stop_id) AS to_id,
            coalesce(b_city.name, b.name) AS to_name,
            num_nonnulls(a_city.city_id, b_city.city_id) AS cities,
            ends.trips
          FROM ends
          JOIN stop AS a ON a.stop_id = ends.board
          JOIN stop AS b ON b.stop_id = ends.leave
          LEFT JOIN city AS a_city ON a_city.city_id = a.city_id
          LEFT JOIN city AS b_city ON b_city.city_id = b.city_id
        )
        SELECT from_id, from_name, from_timezone, to_id, to_name, sum(trips)::integer AS trips
        FROM places
        WHERE from_id <> to_id
        GROUP BY from_id, from_name, from_timezone, to_id, to_name, cities
        ORDER BY cities DESC, sum(trips) DESC, from_name, to_name, from_id, to_id
        LIMIT $3
        """,
        days,
        trips_max,
        limit,
    )


async def put_traffic(conn: Conn, *, days: int, trips_max: int) -> int:
    """Write how busy each place is in the next `days`; how many places changed.

    A trip counts at each of its stops, and at each city for each of its stops there. Of a pattern
    `trips_max` trips count at most. The level is the count of binary digits, so that few change
    from day to day.
    """
    return await execute(
        conn,
        """
        WITH busy AS (
          SELECT pattern.pattern_id, coming.trips
          FROM pattern
          CROSS JOIN LATERAL (
            SELECT count(*) AS trips
            FROM (
              SELECT 1
              FROM trip
              WHERE trip.pattern_id = pattern.pattern_id
                AND trip.starts_at > now() AND trip.starts_at < now() + make_interval(days => $1)
              LIMIT $2
            ) AS counted
          ) AS coming
          WHERE coming.trips > 0
        ), at_stop AS (
          SELECT call.stop_id, sum(busy.trips) AS trips
          FROM busy
          JOIN pattern_call call ON call.pattern_id = busy.pattern_id
          GROUP BY call.stop_id
        ), at_place AS (
          SELECT stop_id AS place_id, trips FROM at_stop
          UNION ALL
          SELECT stop.city_id, sum(at_stop.trips)
          FROM at_stop
          JOIN stop ON stop.stop_id = at_stop.stop_id
          WHERE stop.city_id IS NOT NULL
          GROUP BY stop.city_id
        ), level AS (
          SELECT place_id, 1 + floor(log(2.0, trips))::smallint AS level FROM at_place
        ), gone AS (
          DELETE FROM place_traffic
          WHERE NOT EXISTS (SELECT 1 FROM level WHERE level.place_id = place_traffic.place_id)
        )
        INSERT INTO place_traffic (place_id, level)
        SELECT place_id, level FROM level
        ORDER BY place_id
        ON CONFLICT (place_id) DO UPDATE
        SET level = excluded.level
        WHERE place_traffic.level <> excluded.level
        """,
        days,
        trips_max,
    )


async def analyze(conn: Conn) -> int:
    """Have the planner look at the network's tables anew; 0, for no row changes."""
    return await execute(
        conn, "ANALYZE operator, city, stop, place_name, place_traffic, pattern, pattern_call, trip"
    )
