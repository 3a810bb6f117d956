"""Bitmaps against the database's own bit functions, and against plain sets."""

from hypothesis import given
from hypothesis import strategies as st

from kiti.booking.stock import Occupancy, Shape, to_int
from kiti.platform.db import Database


async def test_a_mask_has_the_bits_that_the_database_counts_by(db: Database) -> None:
    shape = Shape(5, 3)
    mask = shape.mask((1, 4), 1, 3)
    async with db.connection() as conn:
        text = await conn.fetchval("SELECT $1::varbit::text", mask)
        back = await conn.fetchval("SELECT $1::varbit", mask)
    assert text == "00000" + "01001" + "01001"
    assert to_int(back) == int(text, 2)


sizes = st.tuples(st.integers(1, 12), st.integers(1, 8))


@given(sizes, st.data())
def test_statuses_agree_with_sets_of_seats_and_legs(
    size: tuple[int, int], data: st.DataObject
) -> None:
    n_seats, n_legs = size
    shape = Shape(n_seats, n_legs)
    cells = st.sets(st.tuples(st.integers(0, n_seats - 1), st.integers(0, n_legs - 1)))
    taken, sold = data.draw(cells), data.draw(cells)
    taken |= sold
    first = data.draw(st.integers(0, n_legs - 1))
    last = data.draw(st.integers(first + 1, n_legs))

    def bits(of: set[tuple[int, int]]) -> int:
        out = 0
        for seat, leg in of:
            out |= to_int(shape.mask((seat,), leg, leg + 1))
        return out

    found = Occupancy(shape, bits(taken), bits(sold), 0).statuses(first, last)
    for seat in range(n_seats):
        legs = {(seat, leg) for leg in range(first, last)}
        expected = "SOLD" if legs & sold else "HELD" if legs & taken else "AVAILABLE"
        assert found[seat] == expected
