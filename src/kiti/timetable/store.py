"""SQL of feeds: whether one was ever written, how, and which others have its operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all, fetch_optional, fetch_value


async def has_stops(conn: Conn, *, feed: str) -> bool:
    """Whether anything of the feed was ever written."""
    return await fetch_value(conn, "SELECT EXISTS (SELECT FROM stop WHERE feed = $1)", feed)


@dataclass(frozen=True, slots=True)
class Edition:
    """The last import that wrote a feed's trips: its calendars run so many whole weeks later."""

    shift_weeks: int


async def find_edition(conn: Conn, *, feed: str) -> Edition | None:
    """The last import that wrote trips of the feed; None when none is known."""
    return await fetch_optional(
        conn, Edition, "SELECT shift_weeks FROM feed_edition WHERE feed = $1", feed
    )


async def put_edition(conn: Conn, *, feed: str, shift_weeks: int) -> None:
    """Note how the feed's trips are written from now on."""
    await execute(
        conn,
        """
        INSERT INTO feed_edition (feed, shift_weeks, written_at)
        VALUES ($1, $2, clock_timestamp())
        ON CONFLICT (feed) DO UPDATE
          SET shift_weeks = excluded.shift_weeks, written_at = excluded.written_at
        """,
        feed,
        shift_weeks,
    )


@dataclass(frozen=True, slots=True)
class Namesake:
    """Trips ahead of an operator of the same name that another feed has written."""

    feed: str
    operator_name: str
    trips: int


async def list_namesakes(
    conn: Conn, *, feed: str, names: Sequence[str], first: date, last: date, limit: int
) -> list[Namesake]:
    """Other feeds with trips ahead of operators of these names, `first` to `last` included.

    Names count in any case of letters; those with the most trips come first.
    """
    return await fetch_all(
        conn,
        Namesake,
        """
        SELECT trip.feed, operator.name AS operator_name, count(*) AS trips
        FROM operator
        JOIN LATERAL (
          SELECT DISTINCT route.feed FROM route
          WHERE route.operator_id = operator.operator_id AND route.feed <> $1) AS other ON true
        JOIN trip ON trip.feed = other.feed AND trip.operator_id = operator.operator_id
          AND trip.service_date BETWEEN $3 AND $4 AND trip.starts_at > clock_timestamp()
        WHERE lower(operator.name) = ANY (SELECT lower(name) FROM unnest($2::text[]) AS name)
        GROUP BY trip.feed, operator.name
        ORDER BY trips DESC, trip.feed
        LIMIT $5
        """,
        feed,
        names,
        first,
        last,
        limit,
    )


@dataclass(frozen=True, slots=True)
class KnownOperator:
    """An operator that is on file."""

    operator_id: UUID
    code: str
    name: str


async def find_operator(conn: Conn, *, feed: str, codes: tuple[str, str]) -> KnownOperator | None:
    """The operator of the first code; else that of the second, if it runs routes of the feed."""
    return await fetch_optional(
        conn,
        KnownOperator,
        """
        SELECT operator_id, code, name
        FROM operator
        WHERE code = $2 OR (code = $3 AND EXISTS (
          SELECT FROM route WHERE route.feed = $1 AND route.operator_id = operator.operator_id))
        ORDER BY code = $2 DESC
        LIMIT 1
        """,
        feed,
        codes[0],
        codes[1],
    )


async def has_passengers(conn: Conn, *, operator_id: UUID) -> bool:
    """Whether a seat is held or sold of a trip of this operator that has not left."""
    return await fetch_value(
        conn,
        """
        SELECT EXISTS (
          SELECT FROM trip
          JOIN trip_inventory inv ON inv.trip_id = trip.trip_id
          WHERE trip.operator_id = $1 AND trip.starts_at > clock_timestamp()
            AND bit_count(inv.taken & ~inv.blocked) > 0)
        """,
        operator_id,
    )
