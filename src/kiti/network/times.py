"""A timetable's clock: seconds of a service date, and the instants they are."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from kiti.platform.errors import Invalid

_NOON: Final = time(12)


class ZoneUnknown(Invalid):
    """There is no such time zone."""


@lru_cache(maxsize=1024)
def zone_of(timezone: str) -> ZoneInfo:
    """The zone of this IANA name, such as Africa/Lagos.

    Raises:
        ZoneUnknown: the name is not in the zone database.
    """
    try:
        return ZoneInfo(timezone)
    except (OSError, ValueError, LookupError):  # a folder, a path, no such name
        raise ZoneUnknown(f"{timezone!r} is no time zone", timezone=timezone) from None


def instant_of(service_date: date, seconds: int, timezone: str) -> datetime:
    """The instant of `seconds` on a service date: counted from noon minus 12 hours of that date.

    That is midnight, but on the two days a year when the clocks change: there the count starts an
    hour off midnight, so that times of the day are right from the change on. `seconds` may pass
    86400 (a night coach arrives at 31:55:00) or be below 0. The answer is in UTC.

    Source: GTFS reference, field type Time.

    Raises:
        ZoneUnknown: as `zone_of`.
    """
    noon = datetime.combine(service_date, _NOON, tzinfo=zone_of(timezone)).astimezone(UTC)
    return noon - timedelta(hours=12) + timedelta(seconds=seconds)
