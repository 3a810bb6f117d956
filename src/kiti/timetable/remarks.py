"""What the doctor can remark on: one stable code each, and the words an operator understands."""

from dataclasses import dataclass
from enum import Enum, StrEnum


class Level(StrEnum):
    """How much a remark matters to somebody who wants to sell the timetable."""

    LEFT_OUT = "left_out"
    CHANGED = "changed"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Words:
    """The sentence of a remark: a count, `noun` (an "s" makes the plural), then `text`."""

    level: Level
    noun: str
    text: str


class Code(Enum):
    """Every remark there is; the name is the stable code."""

    # Trips that cannot be sold.
    TRIP_WITHOUT_ROUTE = Words(Level.LEFT_OUT, "timetable trip", "of a route that routes.txt lacks")
    TRIP_WITHOUT_SERVICE = Words(
        Level.LEFT_OUT,
        "timetable trip",
        "whose days stand in neither calendar.txt nor calendar_dates.txt",
    )
    TRIP_WITHOUT_TIMES = Words(Level.LEFT_OUT, "timetable trip", "without any stop time")
    TRIP_TOO_SHORT = Words(Level.LEFT_OUT, "timetable trip", "with fewer than two usable stops")
    TRIP_TOO_LONG = Words(Level.LEFT_OUT, "timetable trip", "with more stops than Kiti takes")
    BAD_STOP_TIME = Words(Level.LEFT_OUT, "timetable trip", "with a stop time that cannot be read")
    SEQUENCE_TWICE = Words(Level.LEFT_OUT, "timetable trip", "with one stop_sequence used twice")
    TIMES_BACKWARDS = Words(
        Level.LEFT_OUT, "timetable trip", "with an arrival before the departure ahead of it"
    )
    TIMES_MISSING = Words(
        Level.LEFT_OUT, "timetable trip", "without a time at its first or last stop"
    )
    NOBODY_CAN_RIDE = Words(
        Level.LEFT_OUT,
        "timetable trip",
        "where nobody may board and alight again (pickup_type, drop_off_type)",
    )
    FREQUENCY_NOT_EXACT = Words(
        Level.LEFT_OUT,
        "timetable trip",
        "with a headway only, not with fixed departures (exact_times is not 1)",
    )
    AGENCY_ZONE_UNKNOWN = Words(
        Level.LEFT_OUT, "timetable trip", "of an agency without a known time zone"
    )
    NO_FARE = Words(Level.LEFT_OUT, "timetable trip", "without a fare for any of its segments")
    # Rows that say nothing usable; what depends on them has its own remark.
    UNKNOWN_STOP = Words(
        Level.LEFT_OUT,
        "call",
        "at a stop that stops.txt lacks: the call is left out, the trip runs on",
    )
    NOT_A_BOARDING_POINT = Words(
        Level.LEFT_OUT,
        "call",
        "at a station or entrance instead of a stop: the call is left out, the trip runs on",
    )
    STOP_TIME_WITHOUT_TRIP = Words(Level.LEFT_OUT, "stop time", "of a trip that trips.txt lacks")
    DUPLICATE_ID = Words(Level.LEFT_OUT, "row", "with an id that came before: the first one counts")
    BAD_ROW = Words(Level.LEFT_OUT, "row", "without a usable id")
    BAD_SERVICE = Words(Level.LEFT_OUT, "calendar", "whose days or dates cannot be read")
    BAD_EXCEPTION = Words(Level.LEFT_OUT, "calendar exception", "that cannot be read")
    EXCEPTION_TWICE = Words(
        Level.LEFT_OUT, "calendar exception", "for a day that has one: the first one counts"
    )
    BAD_FREQUENCY = Words(Level.LEFT_OUT, "row", "of frequencies.txt that cannot be read")
    FREQUENCY_TWICE = Words(
        Level.LEFT_OUT, "departure time", "that frequencies.txt gives twice: one is kept"
    )
    BAD_FARE = Words(Level.LEFT_OUT, "fare", "of the feed that cannot be read")
    FARE_RULE_WITHOUT_FARE = Words(
        Level.LEFT_OUT, "fare rule", "for a fare that fare_attributes.txt lacks"
    )
    FARE_OTHER_CURRENCY = Words(
        Level.LEFT_OUT, "fare", "in another currency than the rest of its route"
    )
    # Read, but not as it stands.
    TIMES_INTERPOLATED = Words(
        Level.CHANGED, "call", "without times: spread evenly between the times before and after"
    )
    ROUTE_AGENCY_UNKNOWN = Words(
        Level.CHANGED, "route", "of an agency that agency.txt lacks: the first agency is taken"
    )
    BAD_COORDINATES = Words(Level.CHANGED, "stop", "whose coordinates cannot be: taken as unknown")
    STOP_ZONE_UNKNOWN = Words(
        Level.CHANGED, "stop", "with an unknown time zone: the agency's is taken"
    )
    NAME_MISSING = Words(Level.CHANGED, "row", "without a name: the id stands for it")
    NAME_CUT = Words(Level.CHANGED, "name", "longer than Kiti keeps: cut")
    PICKUP_BY_ARRANGEMENT = Words(
        Level.CHANGED, "call", "where one must phone ahead: not sold from or to there"
    )
    SEVERAL_ZONES = Words(
        Level.CHANGED,
        "agency",
        "in another time zone than the first one: trips run by their own agency's",
    )
    FARE_RIVALS = Words(
        Level.CHANGED,
        "segment",
        "with several fares of the feed that --fare does not tell apart: the highest is taken",
    )
    FARE_UNUSED = Words(
        Level.CHANGED,
        "fare",
        "of the feed that no segment uses",
    )
    OWN_FARES_WIN = Words(
        Level.CHANGED,
        "route",
        "sold in the feed's own currency: fares in the currency asked for are not used there",
    )
    # Good to know.
    SEGMENT_WITHOUT_FARE = Words(Level.NOTED, "segment", "without a fare: not for sale")
    CLASS_WITHOUT_FARE = Words(
        Level.NOTED, "segment", "where some seat class has no fare: those seats are not for sale"
    )
    CLASS_NOT_IN_LAYOUT = Words(Level.NOTED, "fare class", "that the layout has no seat of")
    FARE_ROW_UNUSED = Words(
        Level.NOTED, "row", "of the fares CSV for stops that no trip joins in this direction"
    )
    NOT_IN_WINDOW = Words(Level.NOTED, "timetable trip", "without service on the days asked for")
    STOP_UNUSED = Words(Level.NOTED, "stop", "that no trip calls at")
    FILE_UNUSED = Words(Level.NOTED, "file", "of the feed that Kiti does not read")

    @property
    def level(self) -> Level:
        """Which part of the report it stands in."""
        return self.value.level

    def sentence(self, count: int) -> str:
        """`count` of it, in words."""
        return f"{counted(count, self.value.noun)} {self.value.text}"


def counted(count: int, noun: str) -> str:
    """`1 trip`, `1,075 trips`, `2 agencies`, `2 classes`."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"
