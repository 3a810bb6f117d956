"""The fares of a spreadsheet, by the stops that a timetable's departures join. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kiti.fares.model import FARES_MAX, STANDARD, PassengerType
from kiti.network.model_places import fold
from kiti.platform.money import Money
from kiti.timetable.intake.places import Stop
from kiti.timetable.remarks import counted
from kiti.timetable.sheets.cells import Mistakes
from kiti.timetable.sheets.model import SheetFare

# Codes of the boarding and the alighting stop.
Pair = tuple[str, str]
# From stop, to stop, class, passenger type: minor units.
Fares = Mapping[tuple[str, str, str, str], int]
_STOP, _CITY = 1, 0
_MISSING_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class _Offer:
    """A fare for one pair: a row for this direction beats the way back, a stop beats a city."""

    rank: tuple[bool, int]
    minor: int
    place: str


def price_pairs(
    rows: Iterable[SheetFare], stops: Sequence[Stop], pairs: Iterable[Pair], mistakes: Mistakes
) -> Fares:
    """The fare of each pair of stops, class and type; what is unclear goes to `mistakes`.

    A row holds between each two stops its places stand for, and for the way back where no row
    names that; the row that says it most exactly counts.
    """
    joined = set(pairs)
    names = _names(stops)
    offers: dict[tuple[str, str, str, str], _Offer] = {}
    for row in rows:
        origin = _find(names, row.origin, row.place, mistakes)
        destination = _find(names, row.destination, row.place, mistakes)
        if origin is None or destination is None:
            continue
        for is_direct, ends in ((True, (origin, destination)), (False, (destination, origin))):
            rank = is_direct, ends[0].kind + ends[1].kind
            for pair in ((a, b) for a in ends[0].codes for b in ends[1].codes):
                if pair in joined:
                    key = *pair, row.seat_class, row.passenger_type
                    _put(offers, key, _Offer(rank, row.amount_minor, row.place), mistakes)
    if len(offers) > FARES_MAX:
        mistakes.add(mistakes.file, f"{len(offers):,} fares; {FARES_MAX:,} at most")
    return {key: offer.minor for key, offer in offers.items()}


def _put(
    offers: dict[tuple[str, str, str, str], _Offer],
    key: tuple[str, str, str, str],
    offer: _Offer,
    mistakes: Mistakes,
) -> None:
    before = offers.get(key)
    if before is None or offer.rank > before.rank:
        offers[key] = offer
    elif offer.rank == before.rank and offer.minor != before.minor and offer.rank[0]:
        mistakes.add(offer.place, f"another amount for the same as {before.place}")


@dataclass(frozen=True, slots=True)
class _Named:
    """What a name stands for: one stop, or every stop of a city."""

    kind: int
    codes: tuple[str, ...]


def _names(stops: Sequence[Stop]) -> dict[str, list[_Named]]:
    """What each name may stand for: codes, `City / Stop`, cities, and stops' own names."""
    names: dict[str, list[_Named]] = {}
    cities: dict[str, list[str]] = {}
    for stop in stops:
        cities.setdefault(fold(stop.city.name), []).append(stop.code)
        exact = _Named(_STOP, (stop.code,))
        names.setdefault(fold(stop.words), []).append(exact)
    for name, codes in cities.items():
        names.setdefault(name, []).append(_Named(_CITY, tuple(codes)))
    for stop in stops:
        if fold(stop.name) not in cities:
            names.setdefault(fold(stop.name), []).append(_Named(_STOP, (stop.code,)))
    for stop in stops:
        names[fold(stop.code)] = [_Named(_STOP, (stop.code,))]
    return names


def _find(
    names: Mapping[str, Sequence[_Named]], text: str, place: str, mistakes: Mistakes
) -> _Named | None:
    found = names.get(fold(text), ())
    if not found:
        mistakes.add(place, f"the timetable has no stop or city {text[:60]!r}")
    elif len({one.codes for one in found}) > 1:
        mistakes.add(place, f"{text[:60]!r} is more than one stop: write City / Stop, or its code")
    else:
        return found[0]
    return None


def remark_fares(
    fares: Fares,
    pairs: Sequence[Pair],
    classes: Sequence[str],
    words: Mapping[str, str],
    currency: str,
) -> list[str]:
    """What is odd about the fares of these pairs for a layout with these classes."""
    adult = PassengerType.ADULT
    priced = {(key[0], key[1], key[2]) for key in fares if key[3] == adult}
    missing: list[str] = []
    for origin, destination in pairs:
        have = {name for name in (STANDARD, *classes) if (origin, destination, name) in priced}
        if not have or (STANDARD not in have and not have.issuperset(classes)):
            missing.append(f"{words[origin]} to {words[destination]}")
    remarks: list[str] = []
    if missing:
        more = "; …" if len(missing) > _MISSING_MAX else ""
        listed = "; ".join(missing[:_MISSING_MAX])
        what = counted(len(missing), "segment")
        remarks.append(f"{what} without a fare, not sold: {listed}{more}")
    own = {key[2] for key in fares}
    remarks += [
        f"no fare names the class {name}: its seats cost the standard fare"
        for name in classes
        if name != STANDARD and name not in own
    ]
    if fares:
        lowest, highest = (Money(pick(fares.values()), currency).to_major() for pick in (min, max))
        remarks.append(f"{counted(len(fares), 'fare')}, from {lowest:,} to {highest:,} {currency}")
    return remarks
