"""SQL of fare tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from kiti.fares.model import NewFareTable
from kiti.platform.db import Conn, execute, fetch_all, fetch_optional, fetch_value


@dataclass(frozen=True, slots=True)
class TableRow:
    """A fare table without its fares."""

    fare_table_id: UUID
    currency: str
    per_km_minor: int | None
    minimum_minor: int | None


@dataclass(frozen=True, slots=True)
class FareRow:
    """One fare of a table."""

    from_stop_id: UUID
    to_stop_id: UUID
    seat_class: str
    passenger_type: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ShareRow:
    """What a class (`kind` CLASS) or a passenger type (TYPE) pays, in thousandths."""

    kind: str
    name: str
    per_mille: int


async def find_table(conn: Conn, *, fare_table_id: UUID) -> TableRow | None:
    """The table of this id."""
    return await fetch_optional(
        conn,
        TableRow,
        """
        SELECT fare_table_id, currency, per_km_minor, minimum_minor
        FROM fare_table
        WHERE fare_table_id = $1
        """,
        fare_table_id,
    )


async def list_fares(conn: Conn, *, fare_table_id: UUID) -> list[FareRow]:
    """The table's fares: as many as `put_fare_table` lets in."""
    return await fetch_all(
        conn,
        FareRow,
        """
        SELECT from_stop_id, to_stop_id, class AS seat_class, passenger_type, amount_minor
        FROM fare
        WHERE fare_table_id = $1
        """,
        fare_table_id,
    )


async def list_shares(conn: Conn, *, fare_table_id: UUID) -> list[ShareRow]:
    """The table's shares."""
    return await fetch_all(
        conn,
        ShareRow,
        "SELECT kind, name, per_mille FROM fare_share WHERE fare_table_id = $1",
        fare_table_id,
    )


async def insert_table(
    conn: Conn, *, fare_table_id: UUID, table: NewFareTable, digest: str
) -> bool:
    """Write a table without its fares; False when one of this digest is there."""
    written = await execute(
        conn,
        """
        INSERT INTO fare_table (fare_table_id, name, currency, per_km_minor, minimum_minor, digest)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (digest) DO NOTHING
        """,
        fare_table_id,
        table.name,
        table.currency,
        table.per_km_minor,
        table.minimum_minor,
        digest,
    )
    return written == 1


async def find_table_id(conn: Conn, *, digest: str) -> UUID | None:
    """The table of this digest."""
    return await fetch_value(conn, "SELECT fare_table_id FROM fare_table WHERE digest = $1", digest)


async def insert_fares(conn: Conn, *, fare_table_id: UUID, fares: Sequence[FareRow]) -> int:
    """Write the fares of a new table."""
    return await execute(
        conn,
        """
        INSERT INTO fare (fare_table_id, from_stop_id, to_stop_id, class, passenger_type,
          amount_minor)
        SELECT $1, n.from_stop_id, n.to_stop_id, n.class, n.passenger_type, n.amount_minor
        FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[])
          AS n (from_stop_id, to_stop_id, class, passenger_type, amount_minor)
        """,
        fare_table_id,
        [fare.from_stop_id for fare in fares],
        [fare.to_stop_id for fare in fares],
        [fare.seat_class for fare in fares],
        [fare.passenger_type for fare in fares],
        [fare.amount_minor for fare in fares],
    )


async def insert_shares(conn: Conn, *, fare_table_id: UUID, shares: Sequence[ShareRow]) -> int:
    """Write the shares of a new table."""
    return await execute(
        conn,
        """
        INSERT INTO fare_share (fare_table_id, kind, name, per_mille)
        SELECT $1, n.kind, n.name, n.per_mille
        FROM unnest($2::text[], $3::text[], $4::integer[]) AS n (kind, name, per_mille)
        """,
        fare_table_id,
        [share.kind for share in shares],
        [share.name for share in shares],
        [share.per_mille for share in shares],
    )
