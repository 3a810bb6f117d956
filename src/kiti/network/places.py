"""Cities and stops found by the beginning of any word of any of their names."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from kiti.network import store_places as store
from kiti.network.model_places import (
    FOLDED_MAX,
    LETTERS_MIN,
    Kind,
    NamedPlace,
    Place,
    PlaceKey,
    PlaceNames,
    fold,
    letters,
    word_starts,
)
from kiti.platform.db import Conn


async def put_names(conn: Conn, places: Sequence[PlaceNames]) -> None:
    """Make these the names of these places, in place of what they had.

    Each place stands in `places` once.
    """
    rows: dict[tuple[UUID, str], tuple[Kind, int]] = {}
    for place in places:
        for name in place.names:
            for word, folded in enumerate(word_starts(name)):
                kind, least = rows.get((place.place_id, folded), (place.kind, word))
                rows[place.place_id, folded] = (kind, min(least, word))
    await store.delete_names(conn, place_ids=[place.place_id for place in places])
    await store.insert_names(
        conn,
        place_ids=[place_id for place_id, _ in rows],
        folded=[folded for _, folded in rows],
        kinds=[kind for kind, _ in rows.values()],
        words=[word for _, word in rows.values()],
    )


async def list_places(conn: Conn, *, q: str, after: PlaceKey | None, limit: int) -> list[Place]:
    """Places with a name, or a word in a name, that begins with `q`: cities first, then stops.

    Within each, those that begin so come before those with a later word, by that name. `limit`
    places at most; none when `q` has fewer than 2 letters.
    """
    prefix = fold(q)[:FOLDED_MAX]
    if letters(q) < LETTERS_MIN:
        return []
    return await store.list_places(
        conn,
        prefix=prefix,
        kind=None if after is None else after.kind,
        word=None if after is None else after.word,
        folded=None if after is None else after.folded,
        place_id=None if after is None else after.place_id,
        limit=limit,
    )


async def find_places(conn: Conn, ids: Iterable[UUID]) -> dict[UUID, NamedPlace]:
    """The cities and stops among these ids."""
    rows = await store.list_named(conn, place_ids=list(set(ids)))
    return {row.place_id: row for row in rows}
