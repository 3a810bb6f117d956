"""What a source says of a trip against what is on file: pure decisions, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from kiti.network.layout import Layout
from kiti.network.service import PatternStop
from kiti.timetable.on_sale import TripToSell
from kiti.timetable.renewal.changes import Kind
from kiti.timetable.renewal.store import There

_NAMES_MAX: Final = 3


class Verdict(Enum):
    """How a trip on file stands to its source, whoever has booked it."""

    SAME = auto()
    LEFT = auto()
    REPRICE = auto()
    CHANGE = auto()
    RETURN = auto()
    KEPT = auto()
    GONE = auto()


# What needs the trip's lock to be settled.
TO_SETTLE: Final = {Verdict.REPRICE, Verdict.CHANGE, Verdict.RETURN, Verdict.GONE}
_KINDS: Final = {
    Verdict.SAME: Kind.SAME,
    Verdict.LEFT: Kind.LEFT,
    Verdict.REPRICE: Kind.REPRICED,
    Verdict.RETURN: Kind.RETURNED,
    Verdict.KEPT: Kind.KEPT,
}


def judge(there: There, wanted: TripToSell | None) -> Verdict:
    """How the trip stands to what is wanted of it; None: its source lists it no more."""
    if there.has_left or there.status == "cancelled":
        return Verdict.LEFT
    if wanted is None:
        is_kept = there.review_kind == "gone" and there.review_decision == "keep"
        return Verdict.KEPT if is_kept else Verdict.GONE
    if is_other(there, wanted):
        is_kept = there.review_decision == "keep" and is_as_reviewed(there, wanted)
        return Verdict.KEPT if is_kept else Verdict.CHANGE
    if there.review_id is not None or there.closed_by in {"review", "hand_and_review"}:
        return Verdict.RETURN
    return Verdict.REPRICE if has_other_terms(there, wanted) else Verdict.SAME


def is_other(there: There, wanted: TripToSell) -> bool:
    """Whether operator, stops, times or layout differ: what a ticket promises."""
    trip = wanted.trip
    return (there.operator_id, there.calls, there.layout_id, there.starts_at) != (
        trip.operator_id, wanted.journey.calls, trip.layout_id, trip.starts_at,
    )  # fmt: skip


def has_other_terms(there: There, wanted: TripToSell) -> bool:
    """Whether the fares, the close of sales or mere numbers differ: nothing that was promised."""
    return (
        there.pattern_id != wanted.trip.pattern_id
        or there.fare_table_id != wanted.trip.fare_table_id
        or there.sales_close_at != wanted.stock.sales_close_at
    )


def is_as_reviewed(there: There, wanted: TripToSell) -> bool:
    """Whether this is what the review in force already says."""
    trip = wanted.trip
    return (
        there.review_operator_id, there.review_calls, there.review_layout_id,
        there.review_starts_at,
    ) == (trip.operator_id, wanted.journey.calls, trip.layout_id, trip.starts_at)  # fmt: skip


def kind_of(there: There, verdict: Verdict, *, is_live: bool) -> Kind:
    """What becomes of the trip; `is_live`: somebody has a seat of it, sold or held."""
    if verdict is Verdict.CHANGE:
        return Kind.FLAGGED if is_live else Kind.CHANGED
    if verdict is Verdict.GONE:
        if is_live:
            return Kind.FLAGGED_GONE
        return Kind.CLOSED if there.was_booked else Kind.REMOVED
    return _KINDS[verdict]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a passenger knows of a trip: when it starts, where it calls, its seats.

    `calls` and `layout` are None where only the departure is compared.
    """

    starts_at: datetime
    calls: Sequence[PatternStop] | None
    layout: Layout | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes for a passenger of the old trip.

    `later` is of the first departure. `stops_lost`: names of calls that are no longer made, or
    where one may no longer board or leave; `stops_changed`: what became of stops that their source
    means another place by; `is_retimed`: another call is made at another time; `seats_lost`: labels
    that are gone or of another class.
    """

    later: timedelta
    stops_lost: tuple[str, ...]
    stops_changed: tuple[str, ...]
    is_retimed: bool
    seats_lost: tuple[str, ...]
    has_other_operator: bool

    @property
    def is_visible(self) -> bool:
        """Whether a ticket would show it, or a seat be missing."""
        return bool(
            self.later or self.stops_lost or self.stops_changed or self.is_retimed
            or self.seats_lost
            or self.has_other_operator
        )  # fmt: skip

    def text(self) -> str:
        """For a person: what is different, in a few words."""
        parts: list[str] = []
        if self.later:
            minutes = abs(self.later) // timedelta(minutes=1)
            parts.append(
                f"leaves {minutes:,} min {'later' if self.later > timedelta() else 'earlier'}"
            )
        if self.stops_lost:
            parts.append(f"no longer serves {_names(self.stops_lost)}")
        if self.stops_changed:
            parts.append(_names(self.stops_changed))
        if self.is_retimed and not self.later:
            parts.append("other times on the way")
        if self.seats_lost:
            parts.append(f"no longer has seats {_names(self.seats_lost)}")
        if self.has_other_operator:
            parts.append("other operator")
        return ", ".join(parts) or "more stops or seats, nothing less"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_MAX} more" if len(names) > _NAMES_MAX else ""
    return ", ".join(names[:_NAMES_MAX]) + more


def difference(old: Shape, new: Shape, *, has_other_operator: bool = False) -> Difference:
    """What the new trip is for a passenger of the old one."""
    later = new.starts_at - old.starts_at
    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    is_retimed = False
    if old.calls is not None and new.calls is not None:
        lost, changed, is_retimed = _calls_lost(old, new)
    seats: tuple[str, ...] = ()
    if old.layout is not None and new.layout is not None and old.layout is not new.layout:
        classes = {seat.label: seat.seat_class for seat in new.layout.seats if seat.is_sold}
        seats = tuple(
            seat.label
            for seat in old.layout.seats
            if seat.is_sold and classes.get(seat.label) != seat.seat_class
        )
    return Difference(later, lost, changed, is_retimed, seats, has_other_operator)


def _calls_lost(old: Shape, new: Shape) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Names of the old calls that the new trip does not make in order, what became of those that
    are somewhere else now, and whether times moved.
    """  # noqa: D205  # one sentence of two lines
    lost: list[str] = []
    changed: list[str] = []
    is_retimed = False
    at = 0
    new_calls = new.calls or ()
    for call in old.calls or ():
        places = range(at, len(new_calls))
        found = next((n for n in places if _is_same_stop(new_calls[n], call)), None)
        if found is None:
            lost.append(call.name)
            continue
        other = new_calls[found]
        at = found + 1
        if (call.pickup and not other.pickup) or (call.drop_off and not other.drop_off):
            lost.append(call.name)
        if call.stop_id != other.stop_id:
            changed.append(_stop_changed(call, other))
        moved = new.starts_at - old.starts_at
        is_retimed = is_retimed or (
            timedelta(seconds=other.arrival_s - call.arrival_s) + moved != timedelta()
            or timedelta(seconds=other.departure_s - call.departure_s) + moved != timedelta()
        )
    return tuple(lost), tuple(changed), is_retimed


def _is_same_stop(one: PatternStop, other: PatternStop) -> bool:
    """Whether the source knows both by one code, whatever it means by it."""
    return one.stop_id == other.stop_id or one.stop_code == other.stop_code


def _stop_changed(old: PatternStop, new: PatternStop) -> str:
    """What a passenger of the old stop has to know of the new one."""
    if old.timezone != new.timezone:
        return f"{old.name} is on the clock of {new.timezone} instead of {old.timezone}"
    if old.name != new.name:
        return f"{old.name} is {new.name} now"
    return f"{old.name} is somewhere else now"


def has_same_calls(old: Sequence[PatternStop], new: Sequence[PatternStop]) -> bool:
    """Whether a booking's legs mean the same stops on both, and all may still be used there.

    Also where a stop has another name, clock or place by now: a person decides that knowing it.
    """
    return len(old) == len(new) and all(
        _is_same_stop(one, other) and one.pickup <= other.pickup and one.drop_off <= other.drop_off
        for one, other in zip(old, new, strict=True)
    )
