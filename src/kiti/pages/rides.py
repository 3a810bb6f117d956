"""A segment of a trip as pages show it: names, and times on each stop's own clock."""

from dataclasses import dataclass
from datetime import datetime

from kiti.network.model import Call, TripSheet
from kiti.network.model_places import fold


@dataclass(frozen=True, slots=True)
class Ride:
    """Who takes the passenger from where to where, and when; both times are local.

    `minutes`: how long it takes, whatever the two clocks say.
    """

    operator: str
    board: str
    leave: str
    departs: datetime
    arrives: datetime
    minutes: int

    @property
    def days_later(self) -> int:
        """How many dates after the departure's the arrival is, each on its own calendar."""
        return (self.arrives.date() - self.departs.date()).days


def ride_of(sheet: TripSheet, first: int, last: int) -> Ride:
    """The ride from call `first` to call `last` of a trip."""
    board, leave = sheet.calls[first], sheet.calls[last]
    return Ride(
        sheet.operator_name,
        place_of(board),
        place_of(leave),
        board.local_departure,
        leave.local_arrival,
        round((leave.arrives_at - board.departs_at).total_seconds() / 60),
    )


def place_of(call: Call) -> str:
    """The stop's name, with its city's when that is not said in it."""
    if call.city is None or fold(call.city) in fold(call.name):
        return call.name
    return f"{call.name}, {call.city}"
