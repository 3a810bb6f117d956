"""Layouts: the seats of a vehicle, numbered from 0, and what follows from where they stand."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from kiti.network.layout_text import SEAT, Cell, DeckPlan, LayoutError, read_plan

__all__ = ["Deck", "Fixture", "Layout", "LayoutError", "Seat", "normalise_label", "parse_layout"]

_TYPED_LENGTH_MAX: Final = 64
_LEVEL: Final = re.compile(r"\b(upper|lower)\b")
_UNSEEN: Final = {"Zs", "Zl", "Zp", "Cc", "Cf"}


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat or berth that people can sit or lie on.

    `index` counts from 0 in reading order over all decks, and is the seat's place in the stock.
    `deck`, `row`, `col` count from 0, front left first; `w` and `h` are squares. `is_sold` is False
    for a seat that is drawn and counted but never for sale. `words` are the derived ones: window,
    aisle, berth, upper, lower, step-free. `neighbours` are the seats that touch its left or right
    side, by index, ascending.
    """

    index: int
    label: str
    seat_class: str
    deck: int
    row: int
    col: int
    w: int
    h: int
    is_sold: bool
    is_step_free: bool
    words: tuple[str, ...]
    neighbours: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fixture:
    """What is no seat: DRIVER, CREW, DOOR, TOILET, STAIRS, LUGGAGE or TABLE."""

    kind: str
    row: int
    col: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Deck:
    """One floor, or one coach of a train: `rows` x `cols` squares; cells in reading order."""

    name: str
    rows: int
    cols: int
    cells: tuple[Seat | Fixture, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The seats of a vehicle. `drive` is the side the driver sits on, `left` or `right`.

    `amenities` are words in upper case: those its text names, TOILET where one is drawn, STEP_FREE
    where such a seat is sold.
    """

    name: str
    decks: tuple[Deck, ...]
    seats: tuple[Seat, ...]
    drive: str
    amenities: tuple[str, ...] = ()
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {seat.label: seat.index for seat in self.seats})

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that its seats have, each once, in reading order."""
        return tuple(dict.fromkeys(seat.seat_class for seat in self.seats))

    @property
    def blocked(self) -> tuple[int, ...]:
        """The seats that are never sold, by index."""
        return tuple(seat.index for seat in self.seats if not seat.is_sold)

    def seat_index(self, label: str) -> int | None:
        """Which seat people mean by `label`, however they typed it; None when there is none."""
        if len(label) > _TYPED_LENGTH_MAX:
            return None
        return self._index.get(normalise_label(label))

    def to_wire(self) -> dict[str, object]:
        """The layout as the API shows it: decks with their cells; aisles are left out."""
        return {
            "decks": [
                {
                    "name": deck.name,
                    "rows": deck.rows,
                    "cols": deck.cols,
                    "cells": [_cell_to_wire(cell) for cell in deck.cells],
                }
                for deck in self.decks
            ]
        }


def _cell_to_wire(cell: Seat | Fixture) -> dict[str, object]:
    is_seat = isinstance(cell, Seat)
    return {
        "kind": SEAT if is_seat else cell.kind,
        "label": cell.label if is_seat else None,
        "row": cell.row,
        "col": cell.col,
        "w": cell.w,
        "h": cell.h,
        "class": cell.seat_class if is_seat else None,
        "where": list(cell.words) if is_seat else [],
    }


@lru_cache(maxsize=4096)
def normalise_label(label: str) -> str:
    """A seat label as the layout writes it: upper case, full-width letters made plain, no spaces.

    What is left may still be no seat of any layout. Doing it again changes nothing.
    """
    text = unicodedata.normalize("NFKC", label)
    text = "".join(char for char in text if unicodedata.category(char) not in _UNSEEN)
    # Upper case may take a letter apart (a Greek one with two marks): compose it again.
    return unicodedata.normalize("NFKC", text.upper())


def parse_layout(text: str) -> Layout:
    """The layout that `text` draws, in the format of docs/layouts.md.

    Raises:
        LayoutError: with the line of the first mistake.
    """
    plan = read_plan(text)
    index = {cell: n for n, cell in enumerate(c for deck in plan.decks for c in deck.seats)}
    decks = tuple(_deck(deck, number, index) for number, deck in enumerate(plan.decks))
    seats = tuple(cell for deck in decks for cell in deck.cells if isinstance(cell, Seat))
    amenities = tuple(dict.fromkeys([*plan.amenities, *_drawn(decks)]))
    return Layout(plan.name or f"{len(seats)} seats", decks, seats, plan.drive, amenities)


def _drawn(decks: tuple[Deck, ...]) -> Iterator[str]:
    """The amenities that the drawing shows."""
    cells = [cell for deck in decks for cell in deck.cells]
    if any(isinstance(cell, Fixture) and cell.kind == "TOILET" for cell in cells):
        yield "TOILET"
    if any(isinstance(cell, Seat) and cell.is_step_free and cell.is_sold for cell in cells):
        yield "STEP_FREE"


def _deck(plan: DeckPlan, number: int, index: dict[Cell, int]) -> Deck:
    """`number` counts decks from 0; `index` numbers the seats of the whole layout."""
    # What is drawn beyond the outermost seats (a door in a column of its own) is no wall's side.
    left = min((cell.col for cell in plan.seats), default=0)
    right = max((cell.col + cell.w - 1 for cell in plan.seats), default=0)
    cells: list[Seat | Fixture] = []
    for cell in plan.cells:
        if cell.kind != SEAT:
            cells.append(Fixture(cell.kind, cell.row, cell.col, cell.w, cell.h))
            continue
        beside = list(_beside(cell, plan, left, right))
        words = list(_words(cell, beside, is_at_wall=cell.col == left or _last(cell) == right))
        if level := _LEVEL.search(plan.name.casefold()):
            words.append(level[1])
        if cell.is_step_free:
            words.append("step-free")
        cells.append(
            Seat(
                index=index[cell],
                label=cell.label,
                seat_class=cell.seat_class,
                deck=number,
                row=cell.row,
                col=cell.col,
                w=cell.w,
                h=cell.h,
                is_sold=cell.is_sold,
                is_step_free=cell.is_step_free,
                words=tuple(words),
                neighbours=tuple(sorted({index[other] for other in beside if other in index})),
            )
        )
    return Deck(plan.name, len(plan.grid), plan.cols, tuple(cells))


def _last(cell: Cell) -> int:
    """The rightmost column that the cell covers."""
    return cell.col + cell.w - 1


def _beside(cell: Cell, plan: DeckPlan, left: int, right: int) -> Iterator[Cell | None]:
    """What the squares left and right of `cell` hold, None for an aisle; nothing past the walls."""
    for squares in plan.grid[cell.row : cell.row + cell.h]:
        for col in (cell.col - 1, _last(cell) + 1):
            if left <= col <= right:
                yield squares[col] if col < len(squares) else None


def _words(cell: Cell, beside: list[Cell | None], *, is_at_wall: bool) -> Iterator[str]:
    if is_at_wall:
        yield "window"
    if None in beside:
        yield "aisle"
    if cell.h > 1:
        yield "berth"
