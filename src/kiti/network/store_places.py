"""SQL of cities, stops and their names."""

from collections.abc import Sequence
from uuid import UUID

from kiti.network.model_places import NamedPlace, NearStop, Place
from kiti.platform.db import Conn, execute, fetch_all

# Above every text that begins with a prefix, in the order of text_pattern_ops (by bytes).
_LAST = "\U0010ffff"


async def delete_names(conn: Conn, *, place_ids: Sequence[UUID]) -> int:
    """Forget all names of these places."""
    return await execute(conn, "DELETE FROM place_name WHERE place_id = ANY($1)", place_ids)


async def insert_names(
    conn: Conn,
    *,
    place_ids: Sequence[UUID],
    kinds: Sequence[str],
    folded: Sequence[str],
    words: Sequence[int],
) -> int:
    """Add names, one for each position of the four lists; those that are there stay."""
    return await execute(
        conn,
        """
        INSERT INTO place_name (place_id, kind, folded, word)
        SELECT n.place_id, n.kind, n.folded, n.word
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[])
          AS n (place_id, kind, folded, word)
        ON CONFLICT DO NOTHING
        """,
        place_ids,
        kinds,
        folded,
        words,
    )


async def list_places(
    conn: Conn,
    *,
    prefix: str,
    kind: str | None,
    word: int | None,
    quiet: int | None,
    folded: str | None,
    place_id: UUID | None,
    limit: int,
) -> list[Place]:
    """Places with a name from `prefix` on, after a key when its parts are given.

    A place counts once, by its match with the fewest words before it. The bounds are comparisons
    by bytes, not LIKE, so that the index serves a plan made without knowing the prefix too.
    """
    return await fetch_all(
        conn,
        Place,
        """
        WITH hit AS (
          SELECT DISTINCT ON (place_id) place_id, kind, word, folded COLLATE "C" AS folded
          FROM place_name
          WHERE folded ~>=~ $1 AND folded ~<~ $2
          ORDER BY place_id, word, folded COLLATE "C"
        ), ranked AS (
          SELECT hit.place_id, hit.kind, hit.word, -coalesce(traffic.level, 0) AS quiet, hit.folded
          FROM hit
          LEFT JOIN place_traffic traffic ON traffic.place_id = hit.place_id
        ), page AS (
          SELECT place_id, kind, word, quiet, folded
          FROM ranked
          WHERE $3::text IS NULL OR (kind, word, quiet, folded, place_id)
            > ($3::text, $4::smallint, $5::integer, $6::text, $7::uuid)
          ORDER BY kind, word, quiet, folded, place_id
          LIMIT $8
        )
        SELECT page.place_id, page.kind, coalesce(stop.name, city.name) AS name,
          city.name AS city, city.country, coalesce(stop.timezone, city.timezone) AS timezone,
          stop.code, 0 AS edits, page.word, page.quiet, page.folded
        FROM page
        LEFT JOIN stop ON page.kind = 'STOP' AND stop.stop_id = page.place_id
        LEFT JOIN city ON city.city_id =
          CASE page.kind WHEN 'CITY' THEN page.place_id ELSE stop.city_id END
        ORDER BY page.kind, page.word, page.quiet, page.folded, page.place_id
        """,
        prefix,
        prefix + _LAST,
        kind,
        word,
        quiet,
        folded,
        place_id,
        limit,
    )


async def list_alike(conn: Conn, *, typed: str, with_stops: bool) -> list[Place]:
    """The names most like what was typed, by their trigrams: of 20 cities and of 20 stops.

    `folded` is the whole name. Each kind has an index that gives its names in this order, so the
    cost is by the names that are near. The limits stand in the text for the planner to know them.
    """
    return await fetch_all(
        conn,
        Place,
        """
        WITH alike AS (
          (SELECT place_id, kind, folded
           FROM place_name
           WHERE word = 0 AND kind = 'CITY'
           ORDER BY folded <->> $1
           LIMIT 20)
          UNION ALL
          (SELECT place_id, kind, folded
           FROM place_name
           WHERE word = 0 AND kind = 'STOP' AND $2::boolean
           ORDER BY folded <->> $1
           LIMIT 20)
        )
        SELECT alike.place_id, alike.kind, coalesce(stop.name, city.name) AS name,
          city.name AS city, city.country, coalesce(stop.timezone, city.timezone) AS timezone,
          stop.code, 0 AS edits, 0 AS word, -coalesce(traffic.level, 0) AS quiet, alike.folded
        FROM alike
        LEFT JOIN place_traffic traffic ON traffic.place_id = alike.place_id
        LEFT JOIN stop ON alike.kind = 'STOP' AND stop.stop_id = alike.place_id
        LEFT JOIN city ON city.city_id =
          CASE alike.kind WHEN 'CITY' THEN alike.place_id ELSE stop.city_id END
        """,
        typed,
        with_stops,
    )


async def list_near(
    conn: Conn,
    *,
    latitude: float,
    longitude: float,
    wests: Sequence[float],
    easts: Sequence[float],
    south: float,
    north: float,
    within_m: int,
    prefix: str | None,
    after_m: int | None,
    after_id: UUID | None,
    limit: int,
) -> list[NearStop]:
    """Stops within so many metres of a point, the nearest first, after a distance and id.

    They lie between the parallels `south` and `north` and between a west and its east (two pairs
    where the box crosses the antimeridian). With `prefix`, only those with a name from it on.
    """
    return await fetch_all(
        conn,
        NearStop,
        """
        WITH inside AS (
          SELECT stop.stop_id, stop.name, stop.city_id, stop.timezone, stop.code,
            round(2 * 6371008.8 * asin(least(1, sqrt(
              sin(radians(stop.latitude - $1) / 2) ^ 2
              + cos(radians($1)) * cos(radians(stop.latitude))
                * sin(radians(stop.longitude - $2) / 2) ^ 2))))::integer AS distance_m
          FROM unnest($3::float8[], $4::float8[]) AS strip (west, east)
          JOIN stop ON stop.latitude IS NOT NULL AND stop.former_code IS NULL
            AND point(stop.longitude, stop.latitude)
              <@ box(point(strip.west, $5::float8), point(strip.east, $6::float8))
        )
        SELECT inside.stop_id, inside.name, city.name AS city, city.country, inside.timezone,
          inside.code, inside.distance_m
        FROM inside
        LEFT JOIN city ON city.city_id = inside.city_id
        WHERE inside.distance_m <= $7
          AND ($8::text IS NULL OR EXISTS (
            SELECT 1 FROM place_name
            WHERE place_name.place_id = inside.stop_id
              AND place_name.folded ~>=~ $8 AND place_name.folded ~<~ $9))
          AND ($10::integer IS NULL
            OR (inside.distance_m, inside.stop_id) > ($10::integer, $11::uuid))
        ORDER BY inside.distance_m, inside.stop_id
        LIMIT $12
        """,
        latitude,
        longitude,
        wests,
        easts,
        south,
        north,
        within_m,
        prefix,
        None if prefix is None else prefix + _LAST,
        after_m,
        after_id,
        limit,
    )


async def list_named(conn: Conn, *, place_ids: Sequence[UUID]) -> list[NamedPlace]:
    """The cities and stops of these ids; an id of neither is left out."""
    return await fetch_all(
        conn,
        NamedPlace,
        """
        SELECT asked.place_id, CASE WHEN stop.stop_id IS NULL THEN 'CITY' ELSE 'STOP' END AS kind,
          coalesce(stop.name, city.name) AS name, city.name AS city, city.country,
          coalesce(stop.timezone, city.timezone) AS timezone, stop.code
        FROM unnest($1::uuid[]) AS asked (place_id)
        LEFT JOIN stop ON stop.stop_id = asked.place_id
        LEFT JOIN city ON city.city_id = coalesce(stop.city_id, asked.place_id)
        WHERE stop.stop_id IS NOT NULL OR city.city_id IS NOT NULL
        """,
        place_ids,
    )
