"""SQL of holidays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all
from kiti.timetable.schedules.model import Holiday


@dataclass(frozen=True, slots=True)
class HolidayRow:
    """A holiday's date and whose it is."""

    holiday_on: date
    country: str | None
    operator_id: UUID | None


async def list_dates(conn: Conn, *, first: date, last: date) -> list[HolidayRow]:
    """Every holiday from `first` to `last`, both included."""
    return await fetch_all(
        conn,
        HolidayRow,
        """
        SELECT holiday_on, country, operator_id
        FROM holiday
        WHERE holiday_on BETWEEN $1 AND $2
        """,
        first,
        last,
    )


async def upsert_holidays(
    conn: Conn,
    *,
    holiday_ids: Sequence[UUID],
    country: str | None,
    operator_id: UUID | None,
    dates: Sequence[date],
    names: Sequence[str],
) -> int:
    """Write holidays, one for each position; a date that is there takes the new name."""
    return await execute(
        conn,
        """
        INSERT INTO holiday (holiday_id, country, operator_id, holiday_on, name)
        SELECT n.holiday_id, $2, $3, n.holiday_on, n.name
        FROM unnest($1::uuid[], $4::date[], $5::text[]) AS n (holiday_id, holiday_on, name)
        ON CONFLICT (country, operator_id, holiday_on) DO UPDATE SET name = excluded.name
        """,
        holiday_ids,
        country,
        operator_id,
        dates,
        names,
    )


async def delete_holiday(
    conn: Conn, *, country: str | None, operator_id: UUID | None, holiday_on: date
) -> int:
    """Forget one holiday."""
    return await execute(
        conn,
        """
        DELETE FROM holiday
        WHERE country IS NOT DISTINCT FROM $1 AND operator_id IS NOT DISTINCT FROM $2
          AND holiday_on = $3
        """,
        country,
        operator_id,
        holiday_on,
    )


async def list_holidays(
    conn: Conn, *, country: str | None, operator_code: str | None, since: date, limit: int
) -> list[Holiday]:
    """Holidays from `since` on, of one country or operator where given."""
    return await fetch_all(
        conn,
        Holiday,
        """
        SELECT holiday.holiday_on, holiday.name, holiday.country, operator.code AS operator
        FROM holiday
        LEFT JOIN operator ON operator.operator_id = holiday.operator_id
        WHERE holiday.holiday_on >= $3 AND ($1::text IS NULL OR holiday.country = $1)
          AND ($2::text IS NULL OR operator.code = $2)
        ORDER BY holiday.holiday_on, holiday.country, operator.code
        LIMIT $4
        """,
        country,
        operator_code,
        since,
        limit,
    )
