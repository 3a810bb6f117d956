"""The fares sheet: `from,to,class,type,amount`, in major units as people write them."""

import re
from typing import Final

from kiti.fares.model import STANDARD, PassengerType
from kiti.timetable.sheets.cells import Mistakes, Table
from kiti.timetable.sheets.model import SheetFare
from kiti.timetable.sheets.words import Unclear, plain, to_minor

_COLUMNS: Final = {
    "from": "from", "de": "from", "to": "to", "a": "to", "class": "class", "classe": "class",
    "type": "type", "passenger": "type", "passager": "type", "amount": "amount",
    "fare": "amount", "price": "amount", "montant": "amount", "tarif": "amount", "prix": "amount",
}  # fmt: skip
_NEEDED: Final = ("from", "to", "amount")
_CLASS: Final = re.compile(r"[A-Z][A-Z0-9_]{0,99}", re.ASCII)
_TYPES: Final = {
    "": PassengerType.ADULT, "adulte": PassengerType.ADULT, "enfant": PassengerType.CHILD,
    "bebe": PassengerType.INFANT, "etudiant": PassengerType.STUDENT,
}  # fmt: skip


def is_fares(table: Table) -> bool:
    """Whether the sheet's first row that says anything is the header of fares."""
    header = _header(table)
    return header is not None and all(name in _columns(table, header) for name in _NEEDED)


def read_fares(table: Table, currency: str, mistakes: Mistakes) -> tuple[SheetFare, ...]:
    """The fares of the sheet; what is wrong goes to `mistakes`."""
    header = _header(table)
    if header is None or not is_fares(table):
        mistakes.add(table.place(header or 0, 0), "fares have columns from, to and amount")
        return ()
    columns = _columns(table, header)
    found: list[SheetFare] = []
    for row in range(header + 1, len(table.rows)):
        if table.is_empty(row) or table.text(row, 0).startswith("#"):
            continue
        fare = _fare(table, row, columns, currency, mistakes)
        if fare is not None:
            found.append(fare)
    return tuple(found)


def _header(table: Table) -> int | None:
    for row in range(len(table.rows)):
        if not table.is_empty(row) and not table.text(row, 0).startswith("#"):
            return row
    return None


def _columns(table: Table, header: int) -> dict[str, int]:
    names = [_COLUMNS.get(plain(table.text(header, n))) for n in range(len(table.rows[header]))]
    return {name: column for column, name in reversed(list(enumerate(names))) if name is not None}


def _fare(
    table: Table, row: int, columns: dict[str, int], currency: str, mistakes: Mistakes
) -> SheetFare | None:
    def text(name: str) -> str:
        return table.text(row, columns[name]) if name in columns else ""

    before = mistakes.count
    for name in ("from", "to"):
        if not text(name):
            mistakes.add(table.place(row, columns[name]), "name a stop or a city here")
    seat_class = text("class").upper() or STANDARD
    if _CLASS.fullmatch(seat_class) is None:
        what = f"{seat_class[:40]!r} is no seat class, as STANDARD or VIP is"
        mistakes.add(table.place(row, columns["class"]), what)
    kind = _TYPES.get(plain(text("type")), text("type").upper())
    if kind not in set(PassengerType):
        what = f"{kind[:40]!r}: one of {', '.join(PassengerType).lower()}"
        mistakes.add(table.place(row, columns["type"]), what)
    amount = 0
    try:
        amount = to_minor(table.at(row, columns["amount"]), currency)
    except Unclear as error:
        mistakes.add(table.place(row, columns["amount"]), str(error))
    if mistakes.count > before:
        return None
    return SheetFare(
        origin=text("from"),
        destination=text("to"),
        seat_class=seat_class,
        passenger_type=kind,
        amount_minor=amount,
        place=table.place(row, 0),
        origin_place=table.place(row, columns["from"]),
        destination_place=table.place(row, columns["to"]),
        class_place=table.place(row, columns.get("class", 0)),
    )
