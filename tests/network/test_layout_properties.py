from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from kiti.network.layout import (
    Fixture,
    LayoutError,
    Seat,
    normalise_label,
    parse_layout,
)

KINDS = {
    "@": "DRIVER", "&": "CREW", "=": "DOOR", "#": "TOILET", "/": "STAIRS", "%": "LUGGAGE",
    "~": "TABLE",
}  # fmt: skip
CLASSES = {"": "STANDARD", ":v": "VIP", ":b": "Business"}


@dataclass(frozen=True)
class Drawn:
    """A cell as the model places it; `sign` is `seat` or a fixture's token."""

    sign: str
    row: int
    col: int
    w: int
    h: int
    label: str
    suffix: str
    is_sold: bool
    is_step_free: bool


Grid = list[list[Drawn | None]]


@st.composite
def grids(draw: st.DrawFn, first_label: int = 0) -> tuple[Grid, list[Drawn]]:
    """A deck filled with rectangles that do not overlap."""
    rows, cols = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    grid: Grid = [[None] * cols for _ in range(rows)]
    taken = [[False] * cols for _ in range(rows)]
    cells: list[Drawn] = []
    for row in range(rows):
        for col in range(cols):
            if taken[row][col]:
                continue
            sign = draw(st.sampled_from(["seat", "seat", "seat", ".", *KINDS]))
            w, h = draw(st.integers(1, 2)), draw(st.integers(1, 3))
            if sign == ".":
                w = h = 1
            w = min(w, next((n for n in range(1, cols - col) if taken[row][col + n]), cols - col))
            h = min(h, rows - row)
            cell = Drawn(
                sign, row, col, w, h, f"S{first_label + len(cells)}",
                draw(st.sampled_from(list(CLASSES))), draw(st.booleans()), draw(st.booleans()),
            )  # fmt: skip
            for r in range(row, row + h):
                for c in range(col, col + w):
                    taken[r][c] = True
                    grid[r][c] = None if sign == "." else cell
            if sign != ".":
                cells.append(cell)
    return grid, cells


def write(grid: Grid, pick_left: list[bool]) -> list[str]:
    """The rows as text; where both `^` and `<` say the same, `pick_left` chooses in turn."""
    choice = iter(pick_left * 40)
    lines: list[str] = []
    for r, row in enumerate(grid):
        signs: list[str] = []
        for c, cell in enumerate(row):
            if cell is None:
                signs.append(".")
            elif (r, c) == (cell.row, cell.col):
                signs.append(token(cell))
            elif r == cell.row or (c > cell.col and next(choice)):
                signs.append("<")
            else:
                signs.append("^")
        lines.append(" ".join(signs))
    return lines


def token(cell: Drawn) -> str:
    if cell.sign != "seat":
        return cell.sign
    return f"{cell.label}{cell.suffix}{'' if cell.is_sold else '!'}{'+' * cell.is_step_free}"


def expected_words(grid: Grid, cell: Drawn) -> tuple[set[str], set[str]]:
    """The words and the neighbours' labels, by looking at every square of the deck."""
    columns = [
        c for row in grid for c, at in enumerate(row) if at is not None and at.sign == "seat"
    ]
    words, beside = set[str](), set[str]()
    for r in range(cell.row, cell.row + cell.h):
        for c in (cell.col - 1, cell.col + cell.w):
            if c < min(columns) or c > max(columns):
                words.add("window")
            elif (at := grid[r][c]) is None:
                words.add("aisle")
            elif at.sign == "seat":
                beside.add(at.label)
    if cell.h > 1:
        words.add("berth")
    if cell.is_step_free:
        words.add("step-free")
    return words, beside


@given(st.data(), st.lists(st.booleans(), min_size=1, max_size=7))
def test_what_is_drawn_is_what_is_read(data: st.DataObject, pick_left: list[bool]):
    decks = [data.draw(grids(first_label=100 * n)) for n in range(data.draw(st.integers(1, 3)))]
    drawn = [cell for _, cells in decks for cell in cells if cell.sign == "seat"]
    text = "\n".join(
        ["name: Any", "class v: VIP", "class b: Business", f"seats: {len(drawn)}"]
        + [
            line
            for n, (grid, _) in enumerate(decks)
            for line in (f"[Deck {n}]", *write(grid, pick_left))
        ]
    )
    if not drawn:
        assert refused(text) is not None
        return
    layout = parse_layout(text)
    assert [seat.label for seat in layout.seats] == [cell.label for cell in drawn]
    for deck, (grid, cells) in zip(layout.decks, decks, strict=True):
        assert (deck.rows, deck.cols) == (len(grid), len(grid[0]))
        assert len(deck.cells) == len(cells)
        for got, cell in zip(deck.cells, cells, strict=True):
            assert (got.row, got.col, got.w, got.h) == (cell.row, cell.col, cell.w, cell.h)
            if isinstance(got, Fixture):
                assert got.kind == KINDS[cell.sign]
                continue
            assert (got.label, got.seat_class) == (cell.label, CLASSES[cell.suffix])
            assert (got.is_sold, got.is_step_free) == (cell.is_sold, cell.is_step_free)
            words, beside = expected_words(grid, cell)
            assert set(got.words) == words
            assert {layout.seats[n].label for n in got.neighbours} == beside


@given(st.data())
def test_a_wrong_count_of_seats_is_refused(data: st.DataObject):
    grid, cells = data.draw(grids())
    count = sum(cell.sign == "seat" for cell in cells)
    wrong = data.draw(st.integers(1, 2000).filter(lambda n: n != count))
    lines = ["class v: VIP", "class b: Business", f"seats: {wrong}", "[Main]", *write(grid, [True])]
    error = refused("\n".join(lines))
    assert error is not None
    assert count == 0 or error.line == 3


@given(st.integers(0, 300), st.integers(0, 20), st.lists(st.sampled_from("ABCD.#"), min_size=1))
def test_numbered_rows_are_the_rows_written_out(first: int, more: int, row: list[str]):
    row = list(dict.fromkeys(row))
    numbered = f"{first}-{first + more}: {' '.join(row)}"
    plain = [
        " ".join(f"{number}{square}" if square.isalpha() else square for square in row)
        for number in range(first, first + more + 1)
    ]
    if not any(square.isalpha() for square in row):
        assert refused(numbered) is not None
        return
    assert parse_layout(numbered) == parse_layout("\n".join(plain))


@given(
    st.text(alphabet="AB12:-+!^<.#@=[]vVsx \n\t—１é\x00\ufeff", max_size=60) | st.text(max_size=40)
)
def test_any_text_is_a_layout_or_is_refused_with_a_line_of_it(text: str):
    error = refused(text)
    if error is not None:
        assert 1 <= error.line <= text.count("\n") + 1
        assert error.message


def refused(text: str) -> LayoutError | None:
    try:
        layout = parse_layout(text)
    except LayoutError as error:
        return error
    assert all(layout.seat_index(seat.label) == seat.index for seat in layout.seats)
    assert all(is_symmetric(seat, layout.seats) for seat in layout.seats)
    return None


def is_symmetric(seat: Seat, seats: tuple[Seat, ...]) -> bool:
    return all(seat.index in seats[other].neighbours for other in seat.neighbours)


@given(st.text(max_size=20))
def test_normalising_a_label_twice_changes_nothing(text: str):
    once = normalise_label(text)
    assert normalise_label(once) == once


@given(st.sampled_from(["1A", "12B", "L-3", "U1"]), st.data())
def test_however_a_label_is_typed_the_seat_is_found(label: str, data: st.DataObject):
    layout = parse_layout("[Main]\n1A 12B . L-3 U1\n")
    typed = "".join(
        data.draw(st.sampled_from(["", " ", "\u00a0", "\u200b"]))
        + data.draw(st.sampled_from([c, c.lower(), chr(ord(c) + 0xFEE0)]))
        for c in label
    )
    found = layout.seat_index(typed)
    assert found is not None
    assert layout.seats[found].label == label
