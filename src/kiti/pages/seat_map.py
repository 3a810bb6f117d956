"""A vehicle as a table of squares: what stands in each, and what a seat says of itself."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from kiti.booking.sales import Availability, SeatOnOffer
from kiti.fares.model import STANDARD
from kiti.network.layout import Deck, Fixture, Seat
from kiti.pages.words import Words

_WORDS: Final = {
    "window": "window",
    "aisle": "aisle",
    "berth": "berth",
    "upper": "upper",
    "lower": "lower",
    "step-free": "step-free",
}
_FIXTURES: Final = {
    "DRIVER": "Driver",
    "CREW": "Crew",
    "DOOR": "Door",
    "TOILET": "Toilet",
    "STAIRS": "Stairs",
    "LUGGAGE": "Luggage",
    "TABLE": "Table",
}


@dataclass(frozen=True, slots=True)
class Square:
    """One cell of the table. `says` is what a screen reader hears of a seat."""

    kind: Literal["seat", "fixture", "gap"]
    w: int = 1
    h: int = 1
    label: str = ""
    says: str = ""
    seat_class: str = ""
    is_free: bool = False
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class DeckView:
    """One deck: its rows of squares, the front first."""

    name: str
    rows: tuple[tuple[Square, ...], ...]


@dataclass(frozen=True, slots=True)
class ClassView:
    """A class of seat and its price for an adult; `is_special`: drawn otherwise than the usual."""

    name: str
    price: str
    is_special: bool


def decks_of(found: Availability, words: Words, chosen: Collection[str]) -> list[DeckView]:
    """The decks with the seats as they are; those `chosen` and free are ticked."""
    offers = {seat.label: seat for seat in found.seats}
    return [_deck(deck, offers, words, chosen) for deck in found.sheet.layout.decks]


def classes_of(found: Availability, words: Words) -> list[ClassView]:
    """The classes that are for sale, the cheapest first."""
    prices = {seat.seat_class: seat.price for seat in found.seats if seat.price is not None}
    return [
        ClassView(
            words.seat_class(name),
            words.money(price),
            name != STANDARD,
        )
        for name, price in sorted(prices.items(), key=lambda item: item[1].amount_minor)
    ]


def _deck(
    deck: Deck, offers: dict[str, SeatOnOffer], words: Words, chosen: Collection[str]
) -> DeckView:
    by_place = {(cell.row, cell.col): cell for cell in deck.cells}
    covered = {place for cell in deck.cells for place in _covered(cell)}
    rows = tuple(
        tuple(
            _square(by_place.get((row, col)), offers, words, chosen)
            for col in range(deck.cols)
            if (row, col) not in covered
        )
        for row in range(deck.rows)
    )
    return DeckView(deck.name, rows)


def _covered(cell: Seat | Fixture) -> Iterable[tuple[int, int]]:
    """The squares under a cell but for its first."""
    for row in range(cell.row, cell.row + cell.h):
        for col in range(cell.col, cell.col + cell.w):
            if (row, col) != (cell.row, cell.col):
                yield row, col


def _square(
    cell: Seat | Fixture | None,
    offers: dict[str, SeatOnOffer],
    words: Words,
    chosen: Collection[str],
) -> Square:
    if cell is None:
        return Square("gap")
    if isinstance(cell, Fixture):
        return Square("fixture", cell.w, cell.h, words.gettext(_FIXTURES.get(cell.kind, cell.kind)))
    offer = offers[cell.label]
    is_free = offer.status == "AVAILABLE"
    return Square(
        "seat",
        cell.w,
        cell.h,
        cell.label,
        _says(cell, offer, words),
        offer.seat_class,
        is_free,
        is_free and cell.label in chosen,
    )


def _says(seat: Seat, offer: SeatOnOffer, words: Words) -> str:
    """`Seat 3A, window, Standard, NGN 1,850.00`, or why it cannot be had."""
    parts = [words.gettext("Seat %(label)s") % {"label": seat.label}]
    parts += [words.gettext(_WORDS.get(word, word)) for word in seat.words]
    parts.append(words.seat_class(offer.seat_class))
    if offer.status == "AVAILABLE" and offer.price is not None:
        parts.append(words.money(offer.price))
    elif offer.status == "BLOCKED":
        parts.append(words.gettext("not for sale"))
    else:
        parts.append(words.gettext("taken"))
    return ", ".join(parts)
