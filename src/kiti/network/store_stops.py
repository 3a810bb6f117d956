"""SQL of stops as their sources have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from kiti.network.model import NewStop
from kiti.platform.db import Conn, execute, fetch_all


@dataclass(frozen=True, slots=True)
class StopRow:
    """A stop. `former_code` is the code it had before its source meant another place by it.

    None: it is the one that its source means.
    """

    stop_id: UUID
    code: str
    former_code: str | None
    name: str
    city_id: UUID | None
    timezone: str
    latitude: float | None
    longitude: float | None


async def list_stops(conn: Conn, *, feed: str, codes: Sequence[str]) -> list[StopRow]:
    """The stops of a feed that have these codes, or had them; the newest first."""
    return await fetch_all(
        conn,
        StopRow,
        """
        SELECT stop_id, code, former_code, name, city_id, timezone, latitude, longitude
        FROM stop
        WHERE feed = $1 AND former_code IS NULL AND code = ANY($2::text[])
        UNION ALL
        SELECT stop_id, code, former_code, name, city_id, timezone, latitude, longitude
        FROM stop
        WHERE feed = $1 AND former_code = ANY($2::text[])
        ORDER BY stop_id DESC
        """,
        feed,
        codes,
    )


async def upsert_stops(conn: Conn, *, stop_ids: Sequence[UUID], stops: Sequence[NewStop]) -> int:
    """Write stops, each once in `stops`; `stop_ids` are the ids of those that are new."""
    return await execute(
        conn,
        """
        INSERT INTO stop (stop_id, feed, code, name, city_id, timezone, latitude, longitude,
          landmark)
        SELECT n.stop_id, n.feed, n.code, n.name, n.city_id, n.timezone, n.latitude, n.longitude,
          n.landmark
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[],
            $7::float8[], $8::float8[], $9::text[])
          AS n (stop_id, feed, code, name, city_id, timezone, latitude, longitude, landmark)
        ON CONFLICT (feed, code) DO UPDATE
        SET name = excluded.name, city_id = excluded.city_id, timezone = excluded.timezone,
          latitude = excluded.latitude, longitude = excluded.longitude,
          landmark = excluded.landmark
        WHERE (stop.name, stop.city_id, stop.timezone, stop.latitude, stop.longitude,
            stop.landmark)
          IS DISTINCT FROM (excluded.name, excluded.city_id, excluded.timezone,
            excluded.latitude, excluded.longitude, excluded.landmark)
        """,
        stop_ids,
        [stop.feed for stop in stops],
        [stop.code for stop in stops],
        [stop.name for stop in stops],
        [stop.city_id for stop in stops],
        [stop.timezone for stop in stops],
        [stop.latitude for stop in stops],
        [stop.longitude for stop in stops],
        [stop.landmark for stop in stops],
    )


async def update_codes(
    conn: Conn,
    *,
    stop_ids: Sequence[UUID],
    codes: Sequence[str],
    former_codes: Sequence[str | None],
) -> int:
    """Give stops other codes in their feed, with those they had before; how many."""
    return await execute(
        conn,
        """
        UPDATE stop SET code = n.code, former_code = n.former_code
        FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n (stop_id, code, former_code)
        WHERE stop.stop_id = n.stop_id
        """,
        stop_ids,
        codes,
        former_codes,
    )
