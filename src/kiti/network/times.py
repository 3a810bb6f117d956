"""A timetable's clock: seconds of a service date, and the instants they are."""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from kiti.platform.errors import Invalid

_NOON: Final = time(12)
_DAY_S: Final = 24 * 3600


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


def wall_instant_of(service_date: date, seconds: int, timezone: str) -> datetime:
    """The instant at which a clock on the wall shows this time, as a person means it.

    `seconds` count from 0:00 of the service date on the clock: 86400 and more are the next day's
    times, whatever the clocks do in between. Where a clock shows a time twice it is the first,
    where it skips it the instant of the change. The answer is in UTC.

    Raises:
        ZoneUnknown: as `zone_of`.
    """
    zone = zone_of(timezone)
    days, rest = divmod(seconds, _DAY_S)
    shown = datetime.combine(service_date + timedelta(days=days), time()) + timedelta(seconds=rest)
    at = shown.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == shown:
        return at
    # Skipped: by the clock before the change that is after it, by the one after it before.
    before = shown.replace(tzinfo=zone, fold=1).astimezone(UTC)
    span = range(int((at - before).total_seconds()) + 1)
    steps = bisect_left(
        span,
        shown,
        key=lambda step: (before + timedelta(seconds=step)).astimezone(zone).replace(tzinfo=None),
    )
    return before + timedelta(seconds=steps)
