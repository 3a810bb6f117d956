"""The text of a seat layout, read into cells: tokens, row numbers, merged cells.

The format is drawn in docs/layouts.md. Every mistake is refused with the number of its line.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from kiti.platform.errors import Invalid

TEXT_BYTES_MAX: Final = 64 * 1024
SEATS_MAX: Final = 2000
DECKS_MAX: Final = 40
ROWS_MAX: Final = 200
COLS_MAX: Final = 60
NAME_LENGTH_MAX: Final = 100
LABEL_LENGTH_MAX: Final = 8
CLASSES_MAX: Final = 20
AMENITIES_MAX: Final = 12

STANDARD: Final = "STANDARD"
SEAT: Final = "SEAT"
FIXTURES: Final = {
    "@": "DRIVER",
    "&": "CREW",
    "=": "DOOR",
    "#": "TOILET",
    "/": "STAIRS",
    "%": "LUGGAGE",
    "~": "TABLE",
}

_HEADER: Final = re.compile(r"(?i)(name|seats|drive|amenities|class(?:\s+[^\s:]*)?)\s*:(.*)")
_OTHER_HEADER: Final = re.compile(r"([^\W\d_][\w -]*?)\s*:(?:\s.*)?")
_DECK: Final = re.compile(r"\[(.*)\]")
_ROW_NUMBERS: Final = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?:(?:\s+|$)")
_ROW_CLASS: Final = re.compile(r":([A-Za-z0-9]+)")
_SUFFIX: Final = re.compile(r"[A-Za-z0-9]{1,8}")
# ASCII alone: typed on any keyboard, sent in any SMS, and without a double in another script.
_SEAT: Final = re.compile(r"([0-9A-Za-z]+(?:-[0-9A-Za-z]+)*)((?::[A-Za-z0-9]+|[!+])*)")
_MARKS: Final = re.compile(r":[A-Za-z0-9]+|[!+]")
_COUNT: Final = re.compile(r"[0-9]{1,4}")
_AMENITY: Final = re.compile(r"[A-Z][A-Z0-9_]{0,19}")


class LayoutError(Invalid):
    """The seat layout has a mistake."""

    def __init__(self, line: int, message: str) -> None:
        """`line` counts from 1; `message` says what is wrong there."""
        super().__init__(f"line {line}: {message}", line=line)
        self.line = line
        self.message = message


@dataclass(slots=True, eq=False)
class Cell:
    """A rectangle of a deck: a seat or a fixture. Row and column count from 0, front left first."""

    line: int
    kind: str
    row: int
    col: int
    label: str = ""
    seat_class: str = STANDARD
    is_sold: bool = True
    is_step_free: bool = False
    w: int = 1
    h: int = 1
    squares: int = 1


@dataclass(slots=True, eq=False)
class DeckPlan:
    """A deck as drawn: which cell covers each square (None: aisle), row by row, front first."""

    line: int
    name: str
    cells: list[Cell] = field(default_factory=list[Cell])
    grid: list[list[Cell | None]] = field(default_factory=list[list[Cell | None]])

    @property
    def cols(self) -> int:
        """The length of the longest row."""
        return max((len(row) for row in self.grid), default=0)

    @property
    def seats(self) -> list[Cell]:
        """The cells that are seats, in reading order."""
        return [cell for cell in self.cells if cell.kind == SEAT]


@dataclass(slots=True)
class Plan:
    """What the text says, before anything is derived from it."""

    name: str = ""
    drive: str = "left"
    seats: int | None = None
    seats_line: int = 1
    classes: dict[str, str] = field(default_factory=dict[str, str])
    amenities: tuple[str, ...] = ()
    decks: list[DeckPlan] = field(default_factory=list[DeckPlan])


def read_plan(text: str) -> Plan:
    """The plan that `text` draws; a byte order mark, CRLF and blank lines do not matter.

    Raises:
        LayoutError: with the line of the first mistake.
    """
    plan = Plan()
    headers: set[str] = set()
    for line, content in _lines(text):
        if deck := _DECK.fullmatch(content):
            _begin_deck(plan, line, deck[1])
        elif header := _HEADER.fullmatch(content):
            if plan.decks:
                raise LayoutError(line, "header lines stand before the first deck")
            _read_header(plan, headers, line, header)
        elif not plan.decks and (other := _OTHER_HEADER.fullmatch(content)):
            raise LayoutError(
                line,
                f"unknown header {other[1][:20]!r}; known: name, seats, drive, amenities, class",
            )
        else:
            if not plan.decks:
                plan.decks.append(DeckPlan(line, "Main"))
            _read_rows(plan, line, content)
    _check(plan)
    return plan


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line that says something, with its number; comments and blank lines left out."""
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        raise LayoutError(1, f"the text is longer than {TEXT_BYTES_MAX} bytes")
    for line, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        content = raw.strip()
        if not content.replace("\t", " ").isprintable():
            raise LayoutError(line, "a character that cannot be printed")
        if content and not content.startswith("--"):
            yield line, content


def _read_header(plan: Plan, seen: set[str], line: int, header: re.Match[str]) -> None:
    words, value = header[1].lower().split(), header[2].strip()
    key = " ".join(words)
    if key in seen:
        raise LayoutError(line, f"{key!r} is given twice")
    seen.add(key)
    match words:
        case ["name"]:
            plan.name = _name(line, value)
        case ["seats"]:
            if not _COUNT.fullmatch(value) or not 1 <= int(value) <= SEATS_MAX:
                raise LayoutError(line, f"seats is a whole number from 1 to {SEATS_MAX}")
            plan.seats, plan.seats_line = int(value), line
        case ["drive"]:
            if value.lower() not in {"left", "right"}:
                raise LayoutError(line, "drive is left or right")
            plan.drive = value.lower()
        case ["amenities"]:
            plan.amenities = _amenities(line, value)
        case ["class", suffix] if _SUFFIX.fullmatch(suffix):
            _add_class(plan, line, suffix, value)
        case _:
            raise LayoutError(line, "a class is written like `class v: VIP`")


def _add_class(plan: Plan, line: int, suffix: str, value: str) -> None:
    word = _name(line, value)
    # Two words that differ in case alone would be two prices for what people call one class.
    known = {name.casefold(): name for name in [STANDARD, *plan.classes.values()]}
    if known.get(word.casefold(), word) != word:
        raise LayoutError(line, f"class {word!r} differs from {known[word.casefold()]!r} in case")
    if len(plan.classes) == CLASSES_MAX:
        raise LayoutError(line, f"more than {CLASSES_MAX} classes")
    plan.classes[suffix] = word


def _amenities(line: int, value: str) -> tuple[str, ...]:
    words = dict.fromkeys(value.upper().replace(",", " ").split())
    if not 1 <= len(words) <= AMENITIES_MAX or not all(map(_AMENITY.fullmatch, words)):
        raise LayoutError(
            line, f"amenities are 1 to {AMENITIES_MAX} words such as `WIFI AC USB`, of 20 letters"
        )
    return tuple(words)


def _name(line: int, value: str) -> str:
    name = " ".join(value.split())
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise LayoutError(line, f"a name has 1 to {NAME_LENGTH_MAX} characters")
    return name


def _begin_deck(plan: Plan, line: int, value: str) -> None:
    name = _name(line, value)
    if any(deck.name.casefold() == name.casefold() for deck in plan.decks):
        raise LayoutError(line, f"deck {name!r} is given twice")
    if len(plan.decks) == DECKS_MAX:
        raise LayoutError(line, f"more than {DECKS_MAX} decks")
    plan.decks.append(DeckPlan(line, name))


def _read_rows(plan: Plan, line: int, content: str) -> None:
    """One line: one row, or as many as its numbers say, each number before its labels."""
    content = unicodedata.normalize("NFKC", content)
    prefixes = [""]
    if numbers := _ROW_NUMBERS.match(content):
        first, last = int(numbers[1]), int(numbers[2] or numbers[1])
        if not first <= last < first + ROWS_MAX:
            raise LayoutError(line, f"row numbers go up, over {ROWS_MAX} rows at most")
        prefixes = [str(number) for number in range(first, last + 1)]
        content = content[numbers.end() :]
    tokens = content.split()
    if "--" in tokens:
        tokens = tokens[: tokens.index("--")]
    row_class = STANDARD
    if tokens and (suffix := _ROW_CLASS.fullmatch(tokens[-1])):
        row_class = _class(plan, line, suffix[1])
        tokens.pop()
    if not 1 <= len(tokens) <= COLS_MAX:
        raise LayoutError(line, f"a row has 1 to {COLS_MAX} cells")
    deck = plan.decks[-1]
    if len(deck.grid) + len(prefixes) > ROWS_MAX:
        raise LayoutError(line, f"a deck has {ROWS_MAX} rows at most")
    for prefix in prefixes:
        row: list[Cell | None] = []
        deck.grid.append(row)
        for token in tokens:
            square = _square(plan, deck, line, token, (prefix, row_class))
            row.append(square)  # one at a time: each square looks at those before it


def _square(
    plan: Plan, deck: DeckPlan, line: int, sign: str, in_row: tuple[str, str]
) -> Cell | None:
    """The cell that covers the next square of the deck's last row; a new one, or one merged."""
    row, col = len(deck.grid) - 1, len(deck.grid[-1])
    if sign == ".":
        return None
    if sign in {"^", "<"}:
        cell = _merged(deck, sign)
        if cell is None:
            where = "ahead of it" if sign == "^" else "to its left"
            raise LayoutError(line, f"{sign!r} continues a cell, but there is none {where}")
        cell.squares += 1
        cell.h, cell.w = max(cell.h, row - cell.row + 1), max(cell.w, col - cell.col + 1)
        return cell
    if sign in FIXTURES:
        cell = Cell(line, FIXTURES[sign], row, col)
    else:
        prefix, row_class = in_row
        cell = Cell(line, SEAT, row, col, seat_class=row_class)
        _read_seat(plan, cell, sign, prefix)
    deck.cells.append(cell)
    return cell


def _merged(deck: DeckPlan, sign: str) -> Cell | None:
    row = deck.grid[-1]
    col = len(row)
    if sign == "<":
        return row[col - 1] if col else None
    ahead = deck.grid[-2] if len(deck.grid) > 1 else []
    return ahead[col] if col < len(ahead) else None


def _read_seat(plan: Plan, cell: Cell, sign: str, prefix: str) -> None:
    seat = _SEAT.fullmatch(sign)
    if seat is None:
        raise LayoutError(cell.line, f"unknown token {sign[:20]!r}")
    cell.label = prefix + seat[1].upper()
    if len(cell.label) > LABEL_LENGTH_MAX:
        raise LayoutError(cell.line, f"seat {cell.label[:20]} is longer than {LABEL_LENGTH_MAX}")
    marks: list[str] = _MARKS.findall(seat[2])
    kinds = [mark[0] for mark in marks]
    if len(set(kinds)) != len(kinds):
        raise LayoutError(cell.line, f"a suffix stands twice in {sign[:20]!r}")
    for mark in marks:
        if mark == "!":
            cell.is_sold = False
        elif mark == "+":
            cell.is_step_free = True
        else:
            cell.seat_class = _class(plan, cell.line, mark[1:])


def _class(plan: Plan, line: int, suffix: str) -> str:
    word = plan.classes.get(suffix.lower())
    if word is None:
        raise LayoutError(line, f"no header line says what class {suffix[:20]!r} is")
    return word


def _check(plan: Plan) -> None:
    """What only the whole text shows: empty decks, odd shapes, doubles, the count of seats."""
    lines: dict[str, int] = {}
    for deck in plan.decks:
        if not deck.grid:
            raise LayoutError(deck.line, f"deck {deck.name!r} has no row")
        for cell in deck.cells:
            what = f"seat {cell.label}" if cell.label else cell.kind.lower()
            if cell.squares != cell.w * cell.h:
                raise LayoutError(cell.line, f"{what} does not cover a rectangle")
            if cell.kind != SEAT:
                continue
            if cell.label in lines:
                first = lines[cell.label]
                raise LayoutError(cell.line, f"{what} stands twice, first on line {first}")
            lines[cell.label] = cell.line
            if len(lines) > SEATS_MAX:
                raise LayoutError(cell.line, f"more than {SEATS_MAX} seats")
    if not lines:
        raise LayoutError(plan.decks[-1].line if plan.decks else 1, "there is no seat")
    if plan.seats is not None and plan.seats != len(lines):
        raise LayoutError(
            plan.seats_line, f"seats says {plan.seats}, but {len(lines)} seats are drawn"
        )
