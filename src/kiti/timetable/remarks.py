"""What the doctor can remark on: one stable code each, and the words an operator understands."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final


class Level(StrEnum):
    """How much a remark matters to somebody who wants to sell the timetable."""

    LEFT_OUT = "left_out"
    CHANGED = "changed"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Words:
    """The sentence of a remark: a count, `noun` (an "s" makes the plural), then `text`.

    `advice` is what to do about it; "" when nothing needs doing.
    """

    level: Level
    noun: str
    text: str
    advice: str = ""


_TRIP: Final = "timetable trip"


class Code(Enum):
    """Every remark there is; the name is the stable code."""

    # Trips that cannot be sold.
    TRIP_WITHOUT_ROUTE = Words(
        Level.LEFT_OUT, _TRIP, "of a route that routes.txt lacks", "add the route to routes.txt"
    )
    TRIP_WITHOUT_SERVICE = Words(
        Level.LEFT_OUT,
        _TRIP,
        "whose days stand in neither calendar.txt nor calendar_dates.txt",
        "add its service_id to calendar.txt",
    )
    TRIP_WITHOUT_TIMES = Words(
        Level.LEFT_OUT, _TRIP, "without any stop time", "add its stops to stop_times.txt"
    )
    TRIP_TOO_SHORT = Words(
        Level.LEFT_OUT,
        _TRIP,
        "with fewer than two usable stops",
        "see the remarks on calls: at least two of its stops must be in stops.txt",
    )
    TRIP_TOO_LONG = Words(
        Level.LEFT_OUT, _TRIP, "with more stops than Kiti takes", "divide it into several trips"
    )
    ON_DEMAND_TRIP = Words(
        Level.LEFT_OUT,
        _TRIP,
        "that serves areas on demand only: no seat of it can be sold from stop to stop",
    )
    BAD_STOP_TIME = Words(
        Level.LEFT_OUT,
        _TRIP,
        "with a stop time that cannot be read",
        "times are as 8:05:00 or 25:10:00, stop_sequence a whole number",
    )
    SEQUENCE_TWICE = Words(
        Level.LEFT_OUT,
        _TRIP,
        "with one stop_sequence used twice",
        "number its stops anew, each higher than the one before",
    )
    TIMES_BACKWARDS = Words(
        Level.LEFT_OUT,
        _TRIP,
        "with an arrival before the departure ahead of it",
        "after midnight the hours count on: 24:30:00, not 0:30:00",
    )
    TIMES_MISSING = Words(
        Level.LEFT_OUT,
        _TRIP,
        "without a time at its first or last stop",
        "fill in both; between them times may be blank",
    )
    NOBODY_CAN_RIDE = Words(
        Level.LEFT_OUT,
        _TRIP,
        "where nobody may board and alight again (pickup_type, drop_off_type)",
        "if people do board there, import with --ignore-pickup-types",
    )
    FREQUENCY_NOT_EXACT = Words(
        Level.LEFT_OUT,
        _TRIP,
        "with a headway only, not with fixed departures (exact_times is not 1)",
        "if the departures are fixed, say exact_times=1 in frequencies.txt",
    )
    FREQUENCY_UNREADABLE = Words(
        Level.LEFT_OUT,
        _TRIP,
        "whose rows of frequencies.txt cannot be read, so its departures are not known",
        "see the remark BAD_FREQUENCY",
    )
    FREQUENCY_TOO_OFTEN = Words(
        Level.LEFT_OUT,
        _TRIP,
        "with more than 10,000 departures a day out of frequencies.txt",
        "headway_secs is in seconds: five minutes are 300",
    )
    AGENCY_ZONE_UNKNOWN = Words(
        Level.LEFT_OUT,
        _TRIP,
        "of an agency without a known time zone",
        "agency_timezone is a name such as Africa/Lagos",
    )
    NO_FARE = Words(
        Level.LEFT_OUT,
        _TRIP,
        "without a fare for any of its segments",
        "give its fares by --fares, or --per-km where every stop has its place",
    )
    # Rows that say nothing usable; what depends on them has its own remark.
    UNKNOWN_STOP = Words(
        Level.LEFT_OUT,
        "call",
        "at a stop that stops.txt lacks: the call is left out, the trip runs on",
        "add the stop to stops.txt",
    )
    NOT_A_BOARDING_POINT = Words(
        Level.LEFT_OUT,
        "call",
        "at a station or entrance instead of a stop: the call is left out, the trip runs on",
        "name the platform, or make the location_type of the stop 0",
    )
    ON_DEMAND_CALL = Words(
        Level.LEFT_OUT, "call", "on demand, in an area or a stretch of time: the call is left out"
    )
    STOP_TIME_WITHOUT_TRIP = Words(
        Level.LEFT_OUT, "stop time", "of a trip that trips.txt lacks", "add the trip to trips.txt"
    )
    STOP_TIME_TWICE = Words(
        Level.LEFT_OUT, "stop time", "that stands there twice, the same in all: one is kept"
    )
    DUPLICATE_ID = Words(
        Level.LEFT_OUT,
        "row",
        "with an id that came before: the first one counts",
        "give each its own id",
    )
    BAD_ROW = Words(Level.LEFT_OUT, "row", "without a usable id", "an id has 1 to 200 characters")
    BAD_SERVICE = Words(
        Level.LEFT_OUT,
        "calendar",
        "whose days or dates cannot be read",
        "days are 0 or 1, dates as 20261123",
    )
    BAD_EXCEPTION = Words(
        Level.LEFT_OUT,
        "calendar exception",
        "that cannot be read",
        "dates are as 20261123, exception_type 1 (added) or 2 (removed)",
    )
    EXCEPTION_TWICE = Words(
        Level.LEFT_OUT, "calendar exception", "for a day that has one: the first one counts"
    )
    BAD_FREQUENCY = Words(
        Level.LEFT_OUT,
        "row",
        "of frequencies.txt that cannot be read",
        "times are as 6:00:00, the end after the start, headway_secs 1 to 86400",
    )
    FREQUENCY_WITHOUT_TRIP = Words(
        Level.LEFT_OUT, "row", "of frequencies.txt for a trip that trips.txt lacks"
    )
    FREQUENCY_PART = Words(
        Level.LEFT_OUT,
        "row",
        "of frequencies.txt with a headway only, of a trip with fixed departures too",
        "if the departures are fixed, say exact_times=1 there as well",
    )
    FREQUENCY_CODE_TAKEN = Words(
        Level.LEFT_OUT,
        _TRIP,
        "with departures of frequencies.txt that would be known as another trip is",
        "a departure is known as TRIP@06:05:00: give the trip that is called so another trip_id",
    )
    FREQUENCY_TWICE = Words(
        Level.LEFT_OUT, "departure time", "that frequencies.txt gives twice: one is kept"
    )
    BAD_FARE = Words(
        Level.LEFT_OUT,
        "fare",
        "of the feed that cannot be read",
        "a price is as 12.50, with no more decimals than its currency has, and not below zero",
    )
    FARE_UNREADABLE_RIVAL = Words(
        Level.LEFT_OUT,
        "segment",
        "where a fare that cannot be read has rivals: none of them is used, for nobody knows which "
        "is the highest, nor a price by the kilometre on that route",
        "see BAD_FARE; or say what each fare is for: --fare FARE_ID=CLASS/TYPE",
    )
    ROUTE_WITH_TOO_MANY_FARES = Words(
        Level.LEFT_OUT,
        "route",
        "with more than 50,000 fares from stop to stop: it is not sold",
        "divide it into several routes in routes.txt",
    )
    FARE_RULE_WITHOUT_FARE = Words(
        Level.LEFT_OUT, "fare rule", "for a fare that the feed does not have"
    )
    FARE_OTHER_CURRENCY = Words(
        Level.LEFT_OUT,
        "fare",
        "in another currency than the rest of its route",
        "a route is sold in one currency: the one that most of its segments have",
    )
    RIDER_CATEGORY_UNKNOWN = Words(
        Level.LEFT_OUT,
        "fare",
        "for a rider category that is no type of passenger here, beside one for others",
        "map it, if it is needed: --fare PRODUCT=CLASS/TYPE",
    )
    # Read, but not as it stands.
    ROW_OVER_LINES = Words(
        Level.CHANGED,
        "row",
        "that goes on over several lines, which GTFS does not allow",
        "look for a quote that is not closed: what is behind it may be lost",
    )
    ROW_TOO_WIDE = Words(
        Level.CHANGED,
        "row",
        "with more values than its file has columns: those at the end are not read",
        'put values with a comma in quotes: "Lagos, Jibowu"',
    )
    TIMES_INTERPOLATED = Words(
        Level.CHANGED, "call", "without times: spread evenly between the times before and after"
    )
    PICKUP_TYPES_IGNORED = Words(
        Level.CHANGED,
        "call",
        "where the feed does not let everybody board and alight: both are sold, as you asked",
    )
    ROUTE_AGENCY_UNKNOWN = Words(
        Level.CHANGED,
        "route",
        "of an agency that agency.txt lacks: the first agency is taken",
        "correct agency_id in routes.txt: the trips are sold in that agency's name",
    )
    BAD_COORDINATES = Words(
        Level.CHANGED,
        "stop",
        "whose coordinates cannot be: taken as unknown",
        "without them there is no fare by the kilometre",
    )
    STOP_ZONE_UNKNOWN = Words(
        Level.CHANGED,
        "stop",
        "with an unknown time zone: the agency's is taken",
        "stop_timezone is a name such as Africa/Lagos",
    )
    NAME_MISSING = Words(Level.CHANGED, "row", "without a name: the id stands for it")
    NAME_CUT = Words(Level.CHANGED, "name", "longer than Kiti keeps: cut")
    PHONE_TOO_LONG = Words(
        Level.CHANGED,
        "agency",
        "with a telephone number of more than 40 characters: it is left out",
        "give one number",
    )
    PICKUP_BY_ARRANGEMENT = Words(
        Level.CHANGED,
        "call",
        "where one must phone ahead: not sold from or to there",
        "to sell them like all others, import with --ignore-pickup-types",
    )
    PICKUP_TYPE_UNKNOWN = Words(
        Level.CHANGED,
        "call",
        "with a pickup_type or drop_off_type that GTFS lacks: not sold from or to there",
        "it is 0 (or blank), 1, 2 or 3",
    )
    SEVERAL_ZONES = Words(
        Level.CHANGED,
        "agency",
        "in another time zone than the first one: trips run by their own agency's",
    )
    OLD_FARES_IGNORED = Words(
        Level.CHANGED,
        "fare",
        "of fare_attributes.txt: not used, for the feed has fare products too",
    )
    FARE_RIVALS = Words(
        Level.CHANGED,
        "segment",
        "with several fares of the feed that --fare does not tell apart: the highest is taken",
        "say what each is for: --fare FARE_ID=CLASS/TYPE",
    )
    FARE_BY_HOUR = Words(
        Level.CHANGED,
        "fare rule",
        "for some hours or days only: of what may be paid at any time the highest is taken",
    )
    FARE_BY_MEDIUM = Words(
        Level.CHANGED,
        "fare product",
        "with several prices by the medium it is kept on: the highest is taken",
    )
    FARE_UNUSED = Words(
        Level.CHANGED,
        "fare",
        "of the feed that no segment uses",
        "see FARE_RIVALS; else its zones or areas are those of no segment",
    )
    OWN_FARES_WIN = Words(
        Level.CHANGED,
        "route",
        "sold in the feed's own currency: fares in the currency asked for are not used there",
    )
    FARE_IS_MINIMUM = Words(
        Level.CHANGED,
        "segment",
        "at the lowest fare, as nearly all are that the kilometres price: length hardly matters",
        "--per-km and --minimum are minor units: 50 NGN a kilometre are --per-km 5000",
    )
    CURRENCY_NOT_PAYABLE = Words(
        Level.CHANGED,
        "route",
        "sold in a currency that no gateway here takes: seats can be held, not paid",
        "turn on a gateway that takes it, or take the fares out of the feed",
    )
    # Good to know.
    SEGMENT_WITHOUT_FARE = Words(
        Level.NOTED, "segment", "without a fare: not for sale", "add it to the CSV of --fares"
    )
    CLASS_WITHOUT_FARE = Words(
        Level.NOTED,
        "segment",
        "where some seat class has no fare: those seats are not for sale",
        "add the class to the CSV of --fares, or map a fare to it by --fare",
    )
    CLASS_NOT_IN_LAYOUT = Words(
        Level.NOTED,
        "fare class",
        "that the layout has no seat of",
        "add a header as `class v: VIP` to the layout, and :v to its seats",
    )
    FARE_ROW_UNUSED = Words(
        Level.NOTED, "row", "of the fares CSV for stops that no trip joins in this direction"
    )
    FARES_BETWEEN_TRIPS = Words(
        Level.NOTED,
        "row",
        "of fares for changing between trips: not used, each trip is paid by itself",
    )
    NOT_IN_WINDOW = Words(
        Level.NOTED,
        _TRIP,
        "without service on the days asked for",
        "ask for other days (--from, --to), or move an old timetable to today: --shift",
    )
    SERVICE_NEVER_RUNS = Words(
        Level.NOTED, "calendar", "that has no day at all: it ends before it begins, or has no days"
    )
    FEED_DATES_DIFFER = Words(
        Level.NOTED,
        "calendar",
        "with days outside the dates of feed_info.txt: the calendar counts",
    )
    TIMES_APPROXIMATE = Words(
        Level.NOTED, "call", "with approximate times (timepoint is 0): sold as they stand"
    )
    CONTINUOUS_STOPPING = Words(
        Level.NOTED,
        "row",
        "that lets people board or alight between stops: only stops are sold",
    )
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
