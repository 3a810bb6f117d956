"""Seat x leg bitmaps: how seats over a segment become the bits the database keeps, and back.

Bit `leg * n_seats + seat`, counted from the left, is one seat on one leg.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asyncpg import BitString


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a trip's bitmap: seats of the layout, legs between its calls."""

    n_seats: int
    n_legs: int

    @property
    def bits(self) -> int:
        """How many bits that is."""
        return self.n_seats * self.n_legs

    def mask(self, seats: Iterable[int], first: int, last: int) -> BitString:
        """The bits of these seats on legs [first, last)."""
        row = 0
        for seat in seats:
            row |= 1 << (self.n_seats - 1 - seat)
        value = 0
        for leg in range(first, last):
            value |= row << ((self.n_legs - 1 - leg) * self.n_seats)
        return self.to_bits(value)

    def to_bits(self, value: int) -> BitString:
        """An integer whose highest bit is bit 0 of the bitmap, as the database takes it."""
        size = (self.bits + 7) // 8
        return BitString.frombytes(
            (value << (size * 8 - self.bits)).to_bytes(size, "big"), self.bits
        )

    def seats_in(self, bits: int, first: int, last: int) -> int:
        """Which seats have a bit set on any leg of [first, last): bit n_seats-1-seat each."""
        row = (1 << self.n_seats) - 1
        out = 0
        for leg in range(first, last):
            out |= (bits >> ((self.n_legs - 1 - leg) * self.n_seats)) & row
        return out

    def has_seat(self, seats: int, seat: int) -> bool:
        """Whether `seats_in` found this seat."""
        return bool(seats >> (self.n_seats - 1 - seat) & 1)


def to_int(bits: BitString | None) -> int:
    """A bitmap from the database as an integer whose highest bit is bit 0; 0 for None."""
    if bits is None:
        return 0
    raw = bits.bytes
    return int.from_bytes(raw, "big") >> (len(raw) * 8 - len(bits))


@dataclass(frozen=True, slots=True)
class Occupancy:
    """One trip's bits at one instant, due holds given back."""

    shape: Shape
    taken: int
    sold: int
    blocked: int

    def free_seats(self, first: int, last: int) -> list[int]:
        """The seats that are free on every leg of [first, last), in the layout's order."""
        taken = self.shape.seats_in(self.taken, first, last)
        return [s for s in range(self.shape.n_seats) if not self.shape.has_seat(taken, s)]

    def statuses(self, first: int, last: int) -> list[str]:
        """AVAILABLE, HELD, SOLD or BLOCKED for each seat; held and sold on two legs: SOLD."""
        shape = self.shape
        taken = shape.seats_in(self.taken, first, last)
        sold = shape.seats_in(self.sold, first, last)
        blocked = shape.seats_in(self.blocked, first, last)
        return [
            "AVAILABLE"
            if not shape.has_seat(taken, seat)
            else "BLOCKED"
            if shape.has_seat(blocked, seat)
            else "SOLD"
            if shape.has_seat(sold, seat)
            else "HELD"
            for seat in range(shape.n_seats)
        ]

    def free_around(self, seat: int, first: int, last: int) -> int:
        """How many legs around [first, last) the seat is free too: small means a tight fit."""
        shape = self.shape
        legs = 0
        for step in (range(first - 1, -1, -1), range(last, shape.n_legs)):
            for leg in step:
                if shape.has_seat(shape.seats_in(self.taken, leg, leg + 1), seat):
                    break
                legs += 1
        return legs


def seat_array(seats: Sequence[int]) -> str:
    """Seats as the text of a PostgreSQL array: `{0,1}`."""
    return "{" + ",".join(map(str, seats)) + "}"
