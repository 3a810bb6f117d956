from datetime import UTC, datetime, timedelta, timezone

import pytest

from kiti.jobs.model import NamedJob
from kiti.jobs.schedule import ScheduleUnreadable, parse_schedule, period_s
from kiti.platform.db import Database

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday


def at(day: int, hour: int, minute: int, *, month: int = 11, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("every 5s", NOON + timedelta(seconds=5)),
        ("every 15m", NOON + timedelta(minutes=15)),
        ("every 2h", NOON + timedelta(hours=2)),
        ("every 1d", NOON + timedelta(days=1)),
        ("* * * * *", at(23, 12, 1)),
        ("0 12 * * *", at(24, 12, 0)),  # due now is not after now
        ("17 3 * * *", at(24, 3, 17)),
        ("*/20 * * * *", at(23, 12, 20)),
        ("5-10/2 13 * * *", at(23, 13, 5)),
        ("30 6,18 * * *", at(23, 18, 30)),
        ("0 0 1 * *", at(1, 0, 0, month=12)),
        ("0 0 1 1 *", at(1, 0, 0, month=1, year=2027)),
        ("0 8 * * 0", at(29, 8, 0)),
        ("0 8 * * 7", at(29, 8, 0)),
        ("0 8 * * 1-5", at(24, 8, 0)),
        ("0 8 26 * 5", at(26, 8, 0)),  # either the 26th, a Thursday, or a Friday
        ("0 0 29 2 *", at(29, 0, 0, month=2, year=2028)),
    ],
)
def test_a_schedule_is_due_at_its_next_time(text: str, due: datetime) -> None:
    assert parse_schedule(text).after(NOON) == due


def test_cron_is_read_in_utc_whatever_the_zone_of_the_instant() -> None:
    in_nairobi = NOON.astimezone(timezone(timedelta(hours=3)))
    assert parse_schedule("30 12 * * *").after(in_nairobi) == at(23, 12, 30)


@pytest.mark.parametrize(
    "text",
    ["", "every", "every 0s", "every 5 s", "every 5x", "5s", "* * * *", "60 * * * *",
     "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *", "5-1 * * * *",
     "*/0 * * * *", "1,, * * * *"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ScheduleUnreadable):
        _ = parse_schedule(text)


def test_a_day_that_never_comes_is_refused() -> None:
    with pytest.raises(ScheduleUnreadable):
        _ = parse_schedule("0 0 30 2 *").after(NOON)


def test_a_named_job_with_an_unreadable_schedule_cannot_be_made() -> None:
    async def nothing(_db: Database) -> int:
        return 0

    with pytest.raises(ScheduleUnreadable):
        _ = NamedJob("tidy", "sometimes", nothing)


@pytest.mark.parametrize(
    ("text", "seconds"), [("every 15s", 15), ("17 3 * * *", 86400), ("0 */6 * * *", 21600)]
)
def test_the_period_is_the_time_between_two_runs(text: str, seconds: int) -> None:
    assert period_s(parse_schedule(text), now=NOON) == seconds
