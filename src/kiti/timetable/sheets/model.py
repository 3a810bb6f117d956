"""What a clerk's spreadsheet says: lines with their stops and departures, and fares."""

from dataclasses import dataclass

from kiti.timetable.schedules.calendar import Calendar
from kiti.timetable.sheets.words import CellCall


@dataclass(frozen=True, slots=True)
class SheetStop:
    """A row's stop. `place` is where it stands; None where the file does not say."""

    name: str
    city: str
    country: str
    place: str
    code: str | None = None
    timezone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    landmark: str | None = None


@dataclass(frozen=True, slots=True)
class SheetCall:
    """A departure's call at the line's stop of this number, by that stop's own clock."""

    stop: int
    times: CellCall
    place: str


@dataclass(frozen=True, slots=True)
class SheetDeparture:
    """A column: a departure as a rule. `code` is unique in the file but for other seasons.

    `layout` is the name of one of the layouts given; None: the first of them.
    """

    code: str
    calendar: Calendar
    layout: str | None
    calls: tuple[SheetCall, ...]
    place: str


@dataclass(frozen=True, slots=True)
class SheetLine:
    """A block: a line in one direction. `mode` is BUS, FERRY or RAIL."""

    code: str
    name: str
    mode: str
    stops: tuple[SheetStop, ...]
    departures: tuple[SheetDeparture, ...]


@dataclass(frozen=True, slots=True)
class SheetFare:
    """A fare between two places (stops or cities, by name or code), in minor units.

    `place` is where the row stands, the others where its cells are.
    """

    origin: str
    destination: str
    seat_class: str
    passenger_type: str
    amount_minor: int
    place: str
    origin_place: str
    destination_place: str
    class_place: str
