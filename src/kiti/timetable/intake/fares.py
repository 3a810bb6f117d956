"""The fares of a spreadsheet, by the stops that a timetable's departures join. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from statistics import median
from typing import Final

from kiti.fares.model import FARES_MAX, STANDARD, PassengerType
from kiti.network.distance import distance_km
from kiti.network.model_places import fold
from kiti.platform.money import Money
from kiti.timetable.intake.places import ALIKE, Stop
from kiti.timetable.remarks import counted
from kiti.timetable.sheets.cells import Mistakes
from kiti.timetable.sheets.model import SheetFare

# Codes of the boarding and the alighting stop.
Pair = tuple[str, str]
# From stop, to stop, class, passenger type: minor units.
Fares = Mapping[tuple[str, str, str, str], int]
_STOP, _CITY = 1, 0
_EXAMPLES_MAX: Final = 5
_ADULT: Final = PassengerType.ADULT
_FAR_OFF: Final = 20
_PEERS_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class _Offer:
    """A fare for one pair: a row for this direction beats the way back, a stop beats a city."""

    rank: tuple[bool, int]
    minor: int
    place: str


@dataclass(frozen=True, slots=True)
class UsedFare:
    """A row that prices something; `km` as the crow flies, None where a place is not known."""

    row: SheetFare
    km: float | None


@dataclass(frozen=True, slots=True)
class Priced:
    """The fares of a sheet; `used` are its rows that price something.

    `strange` are the names, with their cells, that the timetable lacks.
    """

    fares: Fares
    used: tuple[UsedFare, ...]
    strange: tuple[tuple[str, str], ...]


def price_pairs(
    rows: Iterable[SheetFare],
    stops: Sequence[Stop],
    pairs: Iterable[Pair],
    classes: Sequence[str],
    mistakes: Mistakes,
) -> Priced:
    """The fare of each pair of stops, class and type; what is unclear goes to `mistakes`.

    A row holds between each two stops its places stand for, and for the way back where no row
    names that; the row that says it most exactly counts. A row with a place that is not the
    timetable's is passed over: one sheet may hold the fares of many timetables.
    """
    joined = set(pairs)
    names = _names(stops)
    offers: dict[tuple[str, str, str, str], _Offer] = {}
    used: list[UsedFare] = []
    by_code = {stop.code: stop for stop in stops}
    strange: list[tuple[str, str]] = []
    for row in rows:
        ends = (row.origin, row.origin_place), (row.destination, row.destination_place)
        if unknown := [end for end in ends if fold(end[0]) not in names]:
            strange += unknown
            continue
        origin, destination = (_find(names, *end, mistakes) for end in ends)
        _check_class(row, classes, mistakes)
        if origin is None or destination is None:
            continue
        is_used = False
        for is_direct, (board, leave) in (
            (True, (origin, destination)),
            (False, (destination, origin)),
        ):
            rank = is_direct, board.kind + leave.kind
            for pair in ((a, b) for a in board.codes for b in leave.codes):
                if pair in joined:
                    is_used = True
                    key = *pair, row.seat_class, row.passenger_type
                    _put(offers, key, _Offer(rank, row.amount_minor, row.place), mistakes)
        if is_used:
            ends_km = (
                distance_km(by_code[a], by_code[b]) for a in origin.codes for b in destination.codes
            )
            used.append(UsedFare(row, next((km for km in ends_km if km is not None), None)))
    if len(offers) > FARES_MAX:
        mistakes.add(mistakes.file, f"{len(offers):,} fares; {FARES_MAX:,} at most")
    fares = {key: offer.minor for key, offer in offers.items()}
    return Priced(fares, tuple(used), tuple(strange))


def _check_class(row: SheetFare, classes: Sequence[str], mistakes: Mistakes) -> None:
    """A class that no layout has is a slip of the pen: its seats would cost the standard fare."""
    if row.seat_class not in classes:
        have = ", ".join(classes)
        what = f"no layout has the class {row.seat_class}; they have {have}"
        mistakes.add(row.class_place, what)


def remark_strange(priced: Priced, stops: Sequence[Stop], mistakes: Mistakes) -> list[str]:
    """The names that the timetable lacks as a remark; mistakes when no row is used.

    Those that are near a name of the timetable come first: they are sooner a slip.
    """
    known = {fold(name): name for stop in stops for name in (stop.city.name, stop.name)}
    told: list[tuple[bool, str, str]] = []
    for text, place in priced.strange:
        near = get_close_matches(fold(text), known, n=1, cutoff=ALIKE)
        hint = f"; did you mean {known[near[0]]}?" if near else ""
        told.append((not near, place, f"{text[:60]!r}{hint}"))
    if not priced.used:
        for _, place, words in told:
            mistakes.add(place, f"the timetable has no stop or city {words}")
        return []
    by_words: dict[str, tuple[bool, str]] = {}
    for is_far, place, words in told:
        by_words.setdefault(words, (is_far, place))
    first = sorted(by_words, key=lambda words: by_words[words][0])
    listed = "; ".join(f"{words} ({by_words[words][1]})" for words in first[:_EXAMPLES_MAX])
    more = "; …" if len(first) > _EXAMPLES_MAX else ""
    count = counted(len(first), "place")
    what = f"{count} of the fares not in the timetable, their rows passed over: {listed}{more}"
    return [what] if first else []


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
    """What a name that the timetable has stands for; None, and a mistake, when for several."""
    found = names[fold(text)]
    if len({one.codes for one in found}) > 1:
        mistakes.add(place, f"{text[:60]!r} is more than one stop: write City / Stop, or its code")
        return None
    return found[0]


def remark_far_off(used: Iterable[UsedFare], currency: str) -> list[str]:
    """Fares of less than a 20th or more than 20 times what is usual: sooner a slip than a fare.

    Usual is the median of the rows of that class and type, of the type where the class has few
    rows; of their fares for a kilometre where every place is known. Free rides of others than
    adults are no slip.
    """
    rows = [one for one in used if one.row.amount_minor or one.row.passenger_type == _ADULT]
    peers: dict[tuple[str, str], list[UsedFare]] = {}
    for one in rows:
        for key in ((one.row.passenger_type, ""), (one.row.passenger_type, one.row.seat_class)):
            peers.setdefault(key, []).append(one)
    usual = {key: _usual(of_key) for key, of_key in peers.items()}
    remarks: list[str] = []
    for one in rows:
        key = one.row.passenger_type, one.row.seat_class
        is_many = len(peers[key]) >= _PEERS_MIN
        middle, by_km = usual[key if is_many else (one.row.passenger_type, "")]
        rate = _rate(one, by_km=by_km)
        if middle > _FAR_OFF * rate or rate > _FAR_OFF * middle:
            remarks.append(_far_off(one, currency, is_low=rate < middle))
    more = len(remarks) - _EXAMPLES_MAX
    return remarks if more <= 0 else [*remarks[:_EXAMPLES_MAX], counted(more, "more such fare")]


def _far_off(one: UsedFare, currency: str, *, is_low: bool) -> str:
    row = one.row
    amount = Money(row.amount_minor, currency).to_major()
    times = "less than a 20th of" if is_low else "more than 20 times"
    return (
        f"{row.place}: {row.origin} to {row.destination} at {amount:,} {currency} is {times} what "
        "is usual in this sheet: is it a slip?"
    )


def _usual(peers: Sequence[UsedFare]) -> tuple[float, bool]:
    """The median of these rows, and whether it is of a kilometre."""
    by_km = all(one.km is not None and one.km >= 1 for one in peers)
    return median(_rate(one, by_km=by_km) for one in peers), by_km


def _rate(one: UsedFare, *, by_km: bool) -> float:
    """What rows are compared by, never sold at: minor units, or those for a kilometre."""
    return one.row.amount_minor / one.km if by_km and one.km else float(one.row.amount_minor)


def remark_fares(
    fares: Fares,
    pairs: Sequence[Pair],
    classes: Sequence[str],
    words: Mapping[str, str],
    currency: str,
) -> list[str]:
    """What is odd about the fares of these pairs for a layout with these classes."""
    priced = {(key[0], key[1], key[2]) for key in fares if key[3] == _ADULT}
    missing: list[str] = []
    for origin, destination in pairs:
        have = {name for name in (STANDARD, *classes) if (origin, destination, name) in priced}
        if not have or (STANDARD not in have and not have.issuperset(classes)):
            missing.append(f"{words[origin]} to {words[destination]}")
    remarks: list[str] = []
    if missing:
        more = "; …" if len(missing) > _EXAMPLES_MAX else ""
        listed = "; ".join(missing[:_EXAMPLES_MAX])
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
