"""Best seats: which free seats a group gets when it asks for a number and not for names.

Together before apart, a tight fit over the legs before a loose one (it keeps whole runs free for
those who ride further), no single seat left alone beside them, then the front first. The same
question always gets the same seats.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise

from kiti.booking.stock import Occupancy
from kiti.network.layout import Layout, Seat


def best_seats(
    layout: Layout,
    occupancy: Occupancy,
    *,
    segment: tuple[int, int],
    count: int,
    classes: Collection[str],
) -> tuple[int, ...] | None:
    """The best `count` seats free on all legs of `segment`; None when there are not as many.

    Of these classes alone, and never mixed while one class has room.
    """
    first, last = segment
    free = [layout.seats[index] for index in occupancy.free_seats(first, last)]
    free = [seat for seat in free if seat.seat_class in classes]
    if len(free) < count:
        return None
    choices = [*_together(free, count), *_near(free, count)]
    taken = {seat.index for seat in free}

    def cost(seats: tuple[Seat, ...]) -> tuple[int, int, int, int, int]:
        return (
            len({seat.seat_class for seat in seats}),
            _breaks(seats),
            _orphans(layout, seats, taken),
            sum(occupancy.free_around(seat.index, first, last) for seat in seats),
            seats[0].index,
        )

    return tuple(seat.index for seat in min(choices, key=cost))


def _together(free: Sequence[Seat], count: int) -> list[tuple[Seat, ...]]:
    """Every run of `count` free seats of one row that have nothing but an aisle between them."""
    rows: dict[tuple[int, int], list[Seat]] = {}
    for seat in free:
        rows.setdefault((seat.deck, seat.row), []).append(seat)
    runs: list[tuple[Seat, ...]] = []
    for row in rows.values():
        row.sort(key=lambda seat: seat.col)
        runs += [tuple(row[start : start + count]) for start in range(len(row) - count + 1)]
    return runs


def _near(free: Sequence[Seat], count: int) -> list[tuple[Seat, ...]]:
    """Every window of `count` free seats in reading order: over the row's end into the next."""
    return [tuple(free[start : start + count]) for start in range(len(free) - count + 1)]


def _breaks(seats: tuple[Seat, ...]) -> int:
    """How far a group is torn: 0 all side by side, 1 for an aisle, 3 for a row, 9 for a deck."""
    out = 0
    for one, other in pairwise(seats):
        if other.index in one.neighbours:
            continue
        out += 9 if one.deck != other.deck else 3 * abs(one.row - other.row) or 1
    return out


def _orphans(layout: Layout, seats: tuple[Seat, ...], free: set[int]) -> int:
    """How many free seats would be left with no free neighbour, having had one before."""
    chosen = {seat.index for seat in seats}
    left = {near for seat in seats for near in seat.neighbours if near in free} - chosen
    return sum(1 for index in left if not (set(layout.seats[index].neighbours) & free - chosen))
