from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.network.times import ZoneUnknown, instant_of, zone_of

LAGOS, BERLIN = "Africa/Lagos", "Europe/Berlin"
SPRING = date(2026, 3, 29)  # 02:00 becomes 03:00 in Berlin
AUTUMN = date(2026, 10, 25)  # 03:00 becomes 02:00


def hms(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


@pytest.mark.parametrize(
    ("on", "time", "timezone", "instant"),
    [
        (date(2026, 11, 23), "07:30:00", LAGOS, "2026-11-23T06:30:00+00:00"),
        (date(2026, 11, 23), "0:00:00", LAGOS, "2026-11-22T23:00:00+00:00"),
        (date(2026, 11, 23), "31:55:00", LAGOS, "2026-11-24T06:55:00+00:00"),
        (SPRING, "07:30:00", LAGOS, "2026-03-29T06:30:00+00:00"),
        (date(2026, 3, 28), "07:30:00", BERLIN, "2026-03-28T06:30:00+00:00"),
        (SPRING, "07:30:00", BERLIN, "2026-03-29T05:30:00+00:00"),
        (SPRING, "03:00:00", BERLIN, "2026-03-29T01:00:00+00:00"),
        (SPRING, "00:00:00", BERLIN, "2026-03-28T22:00:00+00:00"),  # an hour before midnight
        (SPRING, "25:00:00", BERLIN, "2026-03-29T23:00:00+00:00"),
        (AUTUMN, "07:30:00", BERLIN, "2026-10-25T06:30:00+00:00"),
        (AUTUMN, "02:30:00", BERLIN, "2026-10-25T01:30:00+00:00"),  # the second 02:30
        (AUTUMN, "01:30:00", BERLIN, "2026-10-25T00:30:00+00:00"),
        (AUTUMN, "00:00:00", BERLIN, "2026-10-24T23:00:00+00:00"),  # an hour after midnight
        (date(2026, 3, 28), "26:30:00", BERLIN, "2026-03-29T01:30:00+00:00"),  # into the change
        (date(2011, 12, 31), "12:00:00", "Pacific/Apia", "2011-12-30T22:00:00+00:00"),
    ],
)
def test_instants_on_days_when_the_clocks_change(on: date, time: str, timezone: str, instant: str):
    got = instant_of(on, hms(time), timezone)
    assert got.isoformat() == instant
    assert got.tzinfo is UTC


@given(
    st.dates(date(1990, 1, 1), date(2037, 12, 31)),
    st.integers(0, 48 * 3600),
    st.sampled_from([LAGOS, BERLIN, "Africa/Nairobi", "Africa/Casablanca", "Asia/Tokyo"]),
)
def test_noon_is_noon_and_seconds_are_seconds(on: date, seconds: int, timezone: str):
    noon = instant_of(on, 12 * 3600, timezone)
    local = noon.astimezone(ZoneInfo(timezone))
    assert (local.date(), local.hour, local.minute) == (on, 12, 0)
    assert instant_of(on, seconds, timezone) - noon == timedelta(seconds=seconds - 12 * 3600)


@given(st.dates(date(1990, 1, 1), date(2037, 12, 31)), st.integers(0, 86399))
def test_without_a_change_of_clocks_it_is_the_time_of_the_day(on: date, seconds: int):
    midnight = datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(LAGOS))
    assert instant_of(on, seconds, LAGOS) == midnight + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "name", ["", "Africa", "Africa/Atlantis", "../etc/passwd", "/etc", "x" * 300]
)
def test_a_zone_there_is_not(name: str):
    with pytest.raises(ZoneUnknown) as refused:
        zone_of(name)
    assert refused.value.code() == "ZONE_UNKNOWN"
