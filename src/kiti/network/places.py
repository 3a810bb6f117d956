"""Cities and stops found by the beginning of any word of any of their names, or by their place."""

from collections.abc import Iterable, Sequence
from math import asin, cos, degrees, radians, sin
from typing import Final
from uuid import UUID

from kiti.network import store_places as store
from kiti.network.distance import EARTH_RADIUS_M
from kiti.network.model_places import (
    FOLDED_MAX,
    LETTERS_MIN,
    Kind,
    NamedPlace,
    NearStop,
    Place,
    PlaceKey,
    PlaceNames,
    edits_max,
    fold,
    letters,
    misspelt,
    word_starts,
)
from kiti.platform.db import Conn

RADII_M: Final = (2_000, 20_000, 100_000)


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

    Within each, those that begin so come before those with a later word, and the busier before the
    quieter. After them all, where no city begins so, come cities that do but for a letter or two
    (from 4 letters on); where nothing does, such stops too. `limit` places at most; none when `q`
    has fewer than 2 letters.
    """
    typed = fold(q)[:FOLDED_MAX].rstrip()
    if letters(typed) < LETTERS_MIN:
        return []
    begun: list[Place] = []
    if after is None or not after.is_guess:
        begun = await _begun(conn, typed, after=after, limit=limit)
    if len(begun) == limit or not edits_max(typed):
        return begun
    first = begun[:1] if after is None else await _begun(conn, typed, after=None, limit=1)
    if first and first[0].kind == "CITY":
        return begun
    guesses = await _misspelt(conn, typed, with_stops=not first)
    if after is not None:
        guesses = [place for place in guesses if place.key.order() > after.order()]
    return (begun + guesses)[:limit]


async def _begun(conn: Conn, typed: str, *, after: PlaceKey | None, limit: int) -> list[Place]:
    return await store.list_places(
        conn,
        prefix=typed,
        kind=None if after is None else after.kind,
        word=None if after is None else after.word,
        quiet=None if after is None else after.quiet,
        folded=None if after is None else after.folded,
        place_id=None if after is None else after.place_id,
        limit=limit,
    )


async def _misspelt(conn: Conn, typed: str, *, with_stops: bool) -> list[Place]:
    """Cities, and stops if asked for, that people may have meant, each once, in their order."""
    best: dict[UUID, Place] = {}
    for row in await store.list_alike(conn, typed=typed, with_stops=with_stops):
        place = misspelt(row, typed)
        known = best.get(row.place_id)
        if place and (known is None or place.key.order() < known.key.order()):
            best[row.place_id] = place
    return sorted(best.values(), key=lambda place: place.key.order())


async def list_near(
    conn: Conn,
    *,
    latitude: float,
    longitude: float,
    q: str | None,
    after: tuple[int, UUID] | None,
    limit: int,
) -> list[NearStop]:
    """Stops within 100 km of a point in degrees, the nearest first, `limit` at most.

    With `q`, only those with a word in a name that begins so. `after`: the metres and the id of
    the last stop shown. The circle is small at first and grows until it has enough.
    """
    found: list[NearStop] = []
    for within_m in RADII_M:
        strips, south, north = _box(latitude, longitude, within_m)
        found = await store.list_near(
            conn,
            latitude=latitude,
            longitude=longitude,
            wests=[west for west, _ in strips],
            easts=[east for _, east in strips],
            south=south,
            north=north,
            within_m=within_m,
            prefix=None if q is None else fold(q)[:FOLDED_MAX].rstrip(),
            after_m=None if after is None else after[0],
            after_id=None if after is None else after[1],
            limit=limit,
        )
        if len(found) == limit:
            break
    return found


def _box(
    latitude: float, longitude: float, within_m: int
) -> tuple[list[tuple[float, float]], float, float]:
    """What encloses a circle: ranges of longitudes within -180 to 180, the parallels beside it."""
    angle = within_m / EARTH_RADIUS_M * 1.001
    south, north = latitude - degrees(angle), latitude + degrees(angle)
    if south <= -90 or north >= 90:  # a pole: every meridian
        return [(-180.0, 180.0)], south, north
    half = degrees(asin(sin(angle) / cos(radians(latitude))))
    west, east = longitude - half, longitude + half
    strips = [(max(west, -180.0), min(east, 180.0))]
    if west < -180:
        strips.append((west + 360, 180.0))
    if east > 180:
        strips.append((-180.0, east - 360))
    return strips, south, north


async def find_places(conn: Conn, ids: Iterable[UUID]) -> dict[UUID, NamedPlace]:
    """The cities and stops among these ids."""
    rows = await store.list_named(conn, place_ids=list(set(ids)))
    return {row.place_id: row for row in rows}
