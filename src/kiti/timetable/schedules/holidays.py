"""Holidays: of a country, or of one operator alone."""

from collections.abc import Mapping
from datetime import date
from typing import Final
from uuid import UUID

from kiti.network.model import NoSuchOperator
from kiti.platform.db import Conn
from kiti.platform.ids import new_id
from kiti.timetable.countries import find_country, is_country
from kiti.timetable.schedules import store, store_holidays
from kiti.timetable.schedules.model import Holiday, HolidayInvalid

LISTED_MAX: Final = 1_000
NAME_MAX: Final = 200


async def put_holidays(
    conn: Conn, days: Mapping[date, str], *, country: str | None, operator_code: str | None
) -> int:
    """Write holidays by their dates; how many. Trips follow with the next run of make-trips.

    Raises:
        HolidayInvalid: neither or both of country and operator, a country that is no ISO 3166
            code, or a name that is empty or long.
        NoSuchOperator: there is none of this code.
    """
    if any(not 0 < len(name) <= NAME_MAX for name in days.values()):
        raise HolidayInvalid(f"a holiday needs a name of 1 to {NAME_MAX} letters")
    operator_id = await _owner(conn, country, operator_code)
    return await store_holidays.upsert_holidays(
        conn,
        holiday_ids=[new_id() for _ in days],
        country=_code(country),
        operator_id=operator_id,
        dates=list(days),
        names=list(days.values()),
    )


async def remove_holiday(
    conn: Conn, day: date, *, country: str | None, operator_code: str | None
) -> bool:
    """Forget a holiday; whether there was one.

    Raises:
        HolidayInvalid: neither or both of country and operator, or no code of a country.
        NoSuchOperator: there is none of this code.
    """
    operator_id = await _owner(conn, country, operator_code)
    gone = await store_holidays.delete_holiday(
        conn, country=_code(country), operator_id=operator_id, holiday_on=day
    )
    return gone > 0


async def list_holidays(
    conn: Conn, *, country: str | None, operator_code: str | None, since: date
) -> list[Holiday]:
    """Holidays from `since` on, the next 1000 at most.

    Raises:
        HolidayInvalid: the country is no ISO 3166 code.
    """
    return await store_holidays.list_holidays(
        conn, country=_code(country), operator_code=operator_code, since=since, limit=LISTED_MAX
    )


def _code(country: str | None) -> str | None:
    """The country in capitals. Names are refused: of some there are two (Congo, Guinea)."""
    if country is None:
        return None
    if is_country(country.upper()):
        return country.upper()
    found = find_country(country)
    if found is None:
        raise HolidayInvalid(f"{country[:40]!r} is no country; write its ISO 3166 code, as KE")
    raise HolidayInvalid(f"{country[:40]!r}: write the country's code, {found}")


async def _owner(conn: Conn, country: str | None, operator_code: str | None) -> UUID | None:
    """The operator's id; None for a country's."""
    if (country is None) == (operator_code is None):
        raise HolidayInvalid("say whose it is: a country, or an operator")
    if operator_code is None:
        return None
    operator_id = await store.find_operator_id(conn, code=operator_code)
    if operator_id is None:
        raise NoSuchOperator(f"there is no operator {operator_code}")
    return operator_id
