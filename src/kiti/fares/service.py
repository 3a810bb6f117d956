"""Fare tables written and kept, and the fares of a trip's segments."""

import hashlib
import json
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from kiti.fares import store
from kiti.fares.model import (
    FareKey,
    FareMissing,
    FareTable,
    NewFareTable,
    PassengerType,
    check_table,
)
from kiti.fares.store import FareRow, ShareRow
from kiti.network.distance import distance_km
from kiti.network.model import Segment, TripSheet
from kiti.platform.db import Conn
from kiti.platform.ids import new_id
from kiti.platform.lru import Lru
from kiti.platform.money import Money

# About 250 bytes a fare: 25 MB when full.
KEPT_FARES_MAX: Final = 100_000
BATCH: Final = 5_000


class FareTables:
    """Fare tables by id. One for a process; bounded; what was read once never changes."""

    def __init__(self, *, fares_max: int = KEPT_FARES_MAX) -> None:
        self._tables = Lru[UUID, FareTable](weight_max=fares_max)

    @property
    def misses(self) -> int:
        """How many reads went to the database."""
        return self._tables.misses

    async def table(self, conn: Conn, fare_table_id: UUID) -> FareTable:
        """The table of this id.

        Raises:
            FareMissing: there is no such table.
        """
        kept = self._tables.get(fare_table_id)
        if kept is not None:
            return kept
        row = await store.find_table(conn, fare_table_id=fare_table_id)
        if row is None:
            raise FareMissing("The trip has no fares.")
        fares = await store.list_fares(conn, fare_table_id=fare_table_id)
        shares = await store.list_shares(conn, fare_table_id=fare_table_id)
        # One object for each stop and word, however many fares name it.
        stops: dict[UUID, UUID] = {}
        words: dict[str, str] = {}
        table = FareTable(
            fare_table_id=row.fare_table_id,
            currency=row.currency,
            fares={
                FareKey(
                    stops.setdefault(fare.from_stop_id, fare.from_stop_id),
                    stops.setdefault(fare.to_stop_id, fare.to_stop_id),
                    words.setdefault(fare.seat_class, fare.seat_class),
                    words.setdefault(fare.passenger_type, fare.passenger_type),
                ): fare.amount_minor
                for fare in fares
            },
            per_km_minor=row.per_km_minor,
            minimum_minor=row.minimum_minor,
            class_shares={part.name: part.per_mille for part in shares if part.kind == "CLASS"},
            type_shares={part.name: part.per_mille for part in shares if part.kind == "TYPE"},
        )
        self._tables.put(fare_table_id, table, weight=len(table.fares) + 1)
        return table


async def put_fare_table(conn: Conn, table: NewFareTable) -> UUID:
    """Write a fare table; the id of the one with these prices, whatever its name.

    Raises:
        FareTableInvalid: an amount or a share is out of range, or there are too many fares.
    """
    check_table(table)
    digest = _digest(table)
    fare_table_id = new_id()
    if not await store.insert_table(conn, fare_table_id=fare_table_id, table=table, digest=digest):
        found = await store.find_table_id(conn, digest=digest)
        assert found is not None, "nothing deletes a fare table"  # noqa: S101
        return found
    rows = [
        FareRow(key.from_stop_id, key.to_stop_id, key.seat_class, key.passenger_type, amount)
        for key, amount in table.fares.items()
    ]
    for at in range(0, len(rows), BATCH):
        await store.insert_fares(conn, fare_table_id=fare_table_id, fares=rows[at : at + BATCH])
    shares = [ShareRow("CLASS", name, part) for name, part in table.class_shares.items()]
    shares += [ShareRow("TYPE", name, part) for name, part in table.type_shares.items()]
    await store.insert_shares(conn, fare_table_id=fare_table_id, shares=shares)
    return fare_table_id


async def find_fare_table(conn: Conn, table: NewFareTable) -> UUID | None:
    """The id of the table with these prices, whatever its name; None when none is on file.

    Raises:
        FareTableInvalid: as `put_fare_table`.
    """
    check_table(table)
    return await store.find_table_id(conn, digest=_digest(table))


def _digest(table: NewFareTable) -> str:
    """What makes a table the same: currency, prices and shares, in any order; not its name."""
    fares = sorted(
        (str(key.from_stop_id), str(key.to_stop_id), key.seat_class, key.passenger_type, amount)
        for key, amount in table.fares.items()
    )
    content = [
        table.currency,
        table.per_km_minor,
        table.minimum_minor,
        fares,
        sorted(table.class_shares.items()),
        sorted(table.type_shares.items()),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def seat_fares(
    sheet: TripSheet,
    segment: Segment,
    table: FareTable,
    passenger_type: str = PassengerType.ADULT,
) -> dict[str, Money | None]:
    """The fare of each class of the trip's layout; None where the table has none."""
    board, leave = sheet.calls[segment.first], sheet.calls[segment.last]
    km = distance_km(board, leave)
    return {
        seat_class: table.fare(board.stop_id, leave.stop_id, seat_class, passenger_type, km=km)
        for seat_class in sheet.layout.classes
    }


def quote(
    sheet: TripSheet,
    segment: Segment,
    seats: Sequence[int],
    passenger_types: Sequence[str],
    table: FareTable,
) -> list[Money]:
    """What each of these seats costs, in their order; seats by index, one type of passenger each.

    Raises:
        FareMissing: one of them has no fare, so it is not for sale.
    """
    fares = {kind: seat_fares(sheet, segment, table, kind) for kind in set(passenger_types)}
    out: list[Money] = []
    for index, kind in zip(seats, passenger_types, strict=True):
        seat_class = sheet.layout.seats[index].seat_class
        fare = fares[kind][seat_class]
        if fare is None:
            raise FareMissing(seat_class=seat_class, passenger_type=kind)
        out.append(fare)
    return out
