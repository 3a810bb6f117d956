"""SQL of cities, stops and their names."""

from collections.abc import Sequence
from uuid import UUID

from kiti.network.model_places import NamedPlace, Place
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
    folded: str | None,
    place_id: UUID | None,
    limit: int,
) -> list[Place]:
    """Places with a name from `prefix` on, after a key when its four parts are given.

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
        ), page AS (
          SELECT place_id, kind, word, folded
          FROM hit
          WHERE $3::text IS NULL
            OR (kind, word, folded, place_id) > ($3::text, $4::smallint, $5::text, $6::uuid)
          ORDER BY kind, word, folded, place_id
          LIMIT $7
        )
        SELECT page.place_id, page.kind, coalesce(stop.name, city.name) AS name,
          city.name AS city, city.country, coalesce(stop.timezone, city.timezone) AS timezone,
          page.word, page.folded
        FROM page
        LEFT JOIN stop ON page.kind = 'STOP' AND stop.stop_id = page.place_id
        LEFT JOIN city ON city.city_id =
          CASE page.kind WHEN 'CITY' THEN page.place_id ELSE stop.city_id END
        ORDER BY page.kind, page.word, page.folded, page.place_id
        """,
        prefix,
        prefix + _LAST,
        kind,
        word,
        folded,
        place_id,
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
          coalesce(stop.timezone, city.timezone) AS timezone
        FROM unnest($1::uuid[]) AS asked (place_id)
        LEFT JOIN stop ON stop.stop_id = asked.place_id
        LEFT JOIN city ON city.city_id = coalesce(stop.city_id, asked.place_id)
        WHERE stop.stop_id IS NOT NULL OR city.city_id IS NOT NULL
        """,
        place_ids,
    )
