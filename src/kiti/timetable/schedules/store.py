"""SQL of schedules and their calendars, and what they read of the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all, fetch_optional, fetch_value
from kiti.timetable.schedules.model import Rule


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A source of schedules."""

    feed: str
    days_ahead: int


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule with its calendar's own columns, its operator, its pattern's legs, its country.

    `country` is the first stop's, None where its city is not known.
    """

    schedule_id: UUID
    feed: str
    code: str
    operator_id: UUID
    pattern_id: UUID
    layout_id: UUID
    fare_table_id: UUID
    calendar_id: UUID
    departure_s: int
    timezone: str
    sales_close_minutes: int
    valid_from: date
    valid_until: date | None
    weekdays: str
    season_from: date | None
    season_until: date | None
    on_holiday: str
    operator_code: str
    n_legs: int
    country: str | None


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """A calendar's exception."""

    calendar_id: UUID
    service_date: date
    runs: bool


@dataclass(frozen=True, slots=True)
class CalendarKey:
    """A calendar and what it is found by."""

    calendar_id: UUID
    digest: str


async def upsert_feed(conn: Conn, *, feed: str, days_ahead: int) -> int:
    """Write the feed's row."""
    return await execute(
        conn,
        """
        INSERT INTO schedule_feed (feed, days_ahead)
        VALUES ($1, $2)
        ON CONFLICT (feed) DO UPDATE SET days_ahead = excluded.days_ahead
        WHERE schedule_feed.days_ahead <> excluded.days_ahead
        """,
        feed,
        days_ahead,
    )


async def list_feeds(conn: Conn) -> list[FeedRow]:
    """Every feed of schedules."""
    return await fetch_all(
        conn, FeedRow, "SELECT feed, days_ahead FROM schedule_feed ORDER BY feed"
    )


async def find_feed(conn: Conn, *, feed: str) -> FeedRow | None:
    """The feed's row."""
    return await fetch_optional(
        conn, FeedRow, "SELECT feed, days_ahead FROM schedule_feed WHERE feed = $1", feed
    )


async def list_schedules(
    conn: Conn,
    *,
    feed: str | None,
    operator_code: str | None,
    code: str | None,
    since: date,
    limit: int,
) -> list[ScheduleRow]:
    """Schedules in force on `since` or later, of one feed, operator and code where given."""
    return await fetch_all(
        conn,
        ScheduleRow,
        """
        SELECT s.schedule_id, s.feed, s.code, s.operator_id, s.pattern_id, s.layout_id,
          s.fare_table_id, s.calendar_id, s.departure_s, s.timezone, s.sales_close_minutes,
          s.valid_from, s.valid_until, c.weekdays, c.valid_from AS season_from,
          c.valid_until AS season_until, c.on_holiday,
          operator.code AS operator_code,
          (SELECT count(*)::integer - 1 FROM pattern_call p WHERE p.pattern_id = s.pattern_id)
            AS n_legs,
          (SELECT city.country FROM pattern_call p
            JOIN stop ON stop.stop_id = p.stop_id
            JOIN city ON city.city_id = stop.city_id
            WHERE p.pattern_id = s.pattern_id AND p.position = 0) AS country
        FROM schedule s
        JOIN service_calendar c ON c.calendar_id = s.calendar_id
        JOIN operator ON operator.operator_id = s.operator_id
        WHERE ($1::text IS NULL OR s.feed = $1) AND ($2::text IS NULL OR operator.code = $2)
          AND ($3::text IS NULL OR s.code = $3) AND (s.valid_until IS NULL OR s.valid_until > $4)
        ORDER BY s.feed, s.code, s.valid_from, s.schedule_id
        LIMIT $5
        """,
        feed,
        operator_code,
        code,
        since,
        limit,
    )


async def list_exceptions(conn: Conn, *, calendar_ids: Sequence[UUID]) -> list[ExceptionRow]:
    """The exceptions of these calendars."""
    return await fetch_all(
        conn,
        ExceptionRow,
        """
        SELECT calendar_id, service_date, runs
        FROM calendar_exception
        WHERE calendar_id = ANY($1::uuid[])
        """,
        calendar_ids,
    )


async def insert_calendars(
    conn: Conn, *, operator_ids: Sequence[UUID], calendar_ids: Sequence[UUID], rules: Sequence[Rule]
) -> int:
    """Write the rules' calendars, one for each position; those that are there stay."""
    return await execute(
        conn,
        """
        INSERT INTO service_calendar (calendar_id, operator_id, digest, weekdays, valid_from,
          valid_until, on_holiday)
        SELECT n.calendar_id, n.operator_id, n.digest, n.weekdays, n.valid_from, n.valid_until,
          n.on_holiday
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[], $6::date[],
            $7::text[])
          AS n (calendar_id, operator_id, digest, weekdays, valid_from, valid_until, on_holiday)
        ON CONFLICT (operator_id, digest) DO NOTHING
        """,
        calendar_ids,
        operator_ids,
        [rule.calendar.digest for rule in rules],
        [rule.calendar.mask for rule in rules],
        [rule.calendar.valid_from for rule in rules],
        [rule.calendar.valid_until for rule in rules],
        [rule.calendar.on_holiday for rule in rules],
    )


async def list_calendars(
    conn: Conn, *, operator_id: UUID, digests: Sequence[str]
) -> list[CalendarKey]:
    """The operator's calendars of these digests."""
    return await fetch_all(
        conn,
        CalendarKey,
        """
        SELECT calendar_id, digest
        FROM service_calendar
        WHERE operator_id = $1 AND digest = ANY($2::text[])
        """,
        operator_id,
        digests,
    )


async def insert_exceptions(
    conn: Conn, *, calendar_ids: Sequence[UUID], dates: Sequence[date], runs: Sequence[bool]
) -> int:
    """Write exceptions of calendars, one for each position; those that are there stay."""
    return await execute(
        conn,
        """
        INSERT INTO calendar_exception (calendar_id, service_date, runs)
        SELECT n.calendar_id, n.service_date, n.runs
        FROM unnest($1::uuid[], $2::date[], $3::boolean[]) AS n (calendar_id, service_date, runs)
        ON CONFLICT (calendar_id, service_date) DO NOTHING
        """,
        calendar_ids,
        dates,
        runs,
    )


async def end_schedules(conn: Conn, *, schedule_ids: Sequence[UUID], valid_until: date) -> int:
    """End schedules that began before."""
    return await execute(
        conn,
        """
        UPDATE schedule
        SET valid_until = $2
        WHERE schedule_id = ANY($1::uuid[]) AND valid_from < $2
        """,
        schedule_ids,
        valid_until,
    )


async def delete_schedules(conn: Conn, *, schedule_ids: Sequence[UUID]) -> int:
    """Delete schedules that never came into force."""
    return await execute(
        conn, "DELETE FROM schedule WHERE schedule_id = ANY($1::uuid[])", schedule_ids
    )


async def insert_schedules(
    conn: Conn,
    *,
    feed: str,
    valid_from: date,
    schedule_ids: Sequence[UUID],
    calendar_ids: Sequence[UUID],
    rules: Sequence[Rule],
) -> int:
    """Write schedules without an end, one for each position of the lists."""
    return await execute(
        conn,
        """
        INSERT INTO schedule (schedule_id, feed, code, operator_id, pattern_id, layout_id,
          fare_table_id, calendar_id, departure_s, timezone, sales_close_minutes, valid_from)
        SELECT n.schedule_id, $1, n.code, n.operator_id, n.pattern_id, n.layout_id,
          n.fare_table_id, n.calendar_id, n.departure_s, n.timezone, n.sales_close_minutes, $2
        FROM unnest($3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[],
            $9::uuid[], $10::integer[], $11::text[], $12::integer[])
          AS n (schedule_id, code, operator_id, pattern_id, layout_id, fare_table_id,
            calendar_id, departure_s, timezone, sales_close_minutes)
        """,
        feed,
        valid_from,
        schedule_ids,
        [rule.code for rule in rules],
        [rule.operator_id for rule in rules],
        [rule.pattern_id for rule in rules],
        [rule.layout_id for rule in rules],
        [rule.fare_table_id for rule in rules],
        calendar_ids,
        [rule.departure_s for rule in rules],
        [rule.timezone for rule in rules],
        [rule.sales_close_minutes for rule in rules],
    )


async def find_operator_id(conn: Conn, *, code: str) -> UUID | None:
    """The operator of this code."""
    return await fetch_value(conn, "SELECT operator_id FROM operator WHERE code = $1", code)
