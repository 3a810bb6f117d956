"""What people mean by the place they typed: one city or stop, several, or none."""

from kiti.network.model_places import LETTERS_MIN, NamedPlace, Place, fold, letters
from kiti.network.places import find_places, list_places
from kiti.platform.db import Conn
from kiti.platform.ids import find_id

CHOICES_MAX = 10


async def meant(conn: Conn, text: str) -> list[NamedPlace]:
    """The one place that `text` (a name or an id) means; several to choose from; none.

    A name typed in full means its city, then its stop, when there is only one.
    """
    place_id = find_id(text)
    if place_id is not None:
        return list((await find_places(conn, [place_id])).values())
    if letters(text) < LETTERS_MIN:
        return []
    found = await list_places(conn, q=text, after=None, limit=CHOICES_MAX)
    typed = fold(text)
    whole = [place for place in found if place.word == 0 and place.folded == typed]
    for kind in ("CITY", "STOP"):
        named_so = [place for place in whole if place.kind == kind]
        if len(named_so) == 1:
            return [_named(named_so[0])]
        if named_so:
            break
    return [_named(place) for place in found]


def _named(place: Place) -> NamedPlace:
    return NamedPlace(
        place.place_id,
        place.kind,
        place.name,
        place.city,
        place.country,
        place.timezone,
        place.code,
    )
