"""SQL of the timetable, which owns no table and only reads: the trips of a feed that are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from kiti.platform.db import Conn, fetch_all, fetch_value


@dataclass(frozen=True, slots=True)
class TripKey:
    """What a trip is known by within its feed."""

    code: str
    service_date: date


async def list_trips(
    conn: Conn, *, feed: str, codes: Sequence[str], first: date, last: date
) -> list[TripKey]:
    """The feed's trips of these codes from `first` to `last`, both included."""
    return await fetch_all(
        conn,
        TripKey,
        """
        SELECT code, service_date
        FROM trip
        WHERE feed = $1 AND code = ANY($2::text[]) AND service_date BETWEEN $3 AND $4
        """,
        feed,
        codes,
        first,
        last,
    )


async def has_stops(conn: Conn, *, feed: str) -> bool:
    """Whether anything of the feed was ever written."""
    return await fetch_value(conn, "SELECT EXISTS (SELECT FROM stop WHERE feed = $1)", feed)
