"""SQL that finds the cities and stops a spreadsheet names; it only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from kiti.platform.db import Conn, fetch_all, fetch_optional


@dataclass(frozen=True, slots=True)
class CityRow:
    """A city with all the names people may type for it, folded."""

    city_id: UUID
    name: str
    country: str
    timezone: str
    folded: list[str]


@dataclass(frozen=True, slots=True)
class StopRow:
    """A stop of a feed; `city_id` None where it has no city.

    `is_former`: its source means another place by its code now.
    """

    stop_id: UUID
    code: str
    name: str
    city_id: UUID | None
    is_former: bool


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """An operator."""

    operator_id: UUID
    code: str
    name: str
    timezone: str
    phone: str | None
    sales_close_minutes: int


async def list_cities(conn: Conn, *, countries: Sequence[str]) -> list[CityRow]:
    """Every city of these countries."""
    return await fetch_all(
        conn,
        CityRow,
        """
        SELECT city.city_id, city.name, city.country, city.timezone,
          ARRAY(SELECT place_name.folded FROM place_name
            WHERE place_name.place_id = city.city_id AND place_name.word = 0) AS folded
        FROM city
        WHERE city.country = ANY($1::text[])
        ORDER BY city.country, city.name
        """,
        countries,
    )


async def list_stops(conn: Conn, *, feed: str) -> list[StopRow]:
    """Every stop of the feed."""
    return await fetch_all(
        conn,
        StopRow,
        """
        SELECT stop_id, coalesce(former_code, code) AS code, name, city_id,
          former_code IS NOT NULL AS is_former
        FROM stop
        WHERE feed = $1
        ORDER BY code
        """,
        feed,
    )


async def find_operator(conn: Conn, *, code: str) -> OperatorRow | None:
    """The operator of this code."""
    return await fetch_optional(
        conn,
        OperatorRow,
        """
        SELECT operator_id, code, name, timezone, phone, sales_close_minutes
        FROM operator
        WHERE code = $1
        """,
        code,
    )
