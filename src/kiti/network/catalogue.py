"""What the network says, kept in memory: layouts, patterns and, for some seconds, trips."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from kiti.network import store, store_trips
from kiti.network.layout import Layout, parse_layout
from kiti.network.model import Call, NoSuchTrip, TripSheet
from kiti.network.store_trips import CallRow, TripRow
from kiti.platform.clock import monotonic_s
from kiti.platform.db import Conn
from kiti.platform.lru import Lru

SHEET_TTL_S: Final = 5.0
# A pattern never changes, but the names, zones and places of its stops may.
CALLS_TTL_S: Final = 60.0
# About 300 bytes a call and 500 a seat: 20 MB when all three are full.
SHEET_CALLS_MAX: Final = 30_000
PATTERN_CALLS_MAX: Final = 20_000
LAYOUT_SEATS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Reads:
    """How many reads found what they wanted in memory, and how many went to the database."""

    hits: int
    misses: int


class Catalogue:
    """Trip sheets by id. One for a process; bounded; a trip may be 5 seconds old, a stop 60.

    A hold priced from a sheet that is too old is refused by the trip's version, so that what is
    kept here may be late, never wrong. Don't read through it what the same transaction wrote: a
    rollback would leave here what never was.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic_s) -> None:
        self._sheets = Lru[UUID, TripSheet](
            weight_max=SHEET_CALLS_MAX, ttl_s=SHEET_TTL_S, clock=clock
        )
        self._calls = Lru[UUID, tuple[CallRow, ...]](
            weight_max=PATTERN_CALLS_MAX, ttl_s=CALLS_TTL_S, clock=clock
        )
        self._layouts = Lru[UUID, Layout](weight_max=LAYOUT_SEATS_MAX, clock=clock)

    def reads(self) -> dict[str, Reads]:
        """The reads so far of `sheets`, `patterns` and `layouts`."""
        kept = {"sheets": self._sheets, "patterns": self._calls, "layouts": self._layouts}
        return {name: Reads(lru.hits, lru.misses) for name, lru in kept.items()}

    async def sheet(self, conn: Conn, trip_id: UUID, *, fresh: bool = False) -> TripSheet:
        """The sheet of one trip; with `fresh`, as the database has it now.

        Raises:
            NoSuchTrip: there is none of this id.
        """
        sheets = await self.sheets(conn, [trip_id], fresh=fresh)
        if trip_id not in sheets:
            raise NoSuchTrip
        return sheets[trip_id]

    async def sheets(
        self, conn: Conn, trip_ids: Iterable[UUID], *, fresh: bool = False
    ) -> dict[UUID, TripSheet]:
        """The sheets of those of these trips that there are, by id: three reads at most."""
        found: dict[UUID, TripSheet] = {}
        missing: list[UUID] = []
        for trip_id in dict.fromkeys(trip_ids):
            sheet = None if fresh else self._sheets.get(trip_id)
            if sheet is None:
                missing.append(trip_id)
            else:
                found[trip_id] = sheet
        if not missing:
            return found
        rows = await store_trips.list_trips(conn, trip_ids=missing)
        calls = await self._patterns(conn, {row.pattern_id for row in rows}, fresh=fresh)
        layouts = await self.layouts(conn, {row.layout_id for row in rows})
        for row in rows:
            sheet = _sheet(row, calls[row.pattern_id], layouts[row.layout_id])
            self._sheets.put(row.trip_id, sheet, weight=len(sheet.calls))
            found[row.trip_id] = sheet
        return found

    async def sheet_of(self, conn: Conn, trip_id: UUID, *, shape: int) -> TripSheet:
        """The sheet of a trip as it was while its stock had this shape: of a booking that is over.

        Raises:
            NoSuchTrip: there is none of this id.
        """
        row = await store_trips.find_former(conn, trip_id=trip_id, shape=shape)
        if row is None:
            return await self.sheet(conn, trip_id)
        calls = await self._patterns(conn, {row.pattern_id}, fresh=False)
        layouts = await self.layouts(conn, {row.layout_id})
        return _sheet(row, calls[row.pattern_id], layouts[row.layout_id])

    async def layouts(self, conn: Conn, layout_ids: Iterable[UUID]) -> dict[UUID, Layout]:
        """The layouts of these ids, which there must be."""
        found: dict[UUID, Layout] = {}
        missing: list[UUID] = []
        for layout_id in set(layout_ids):
            layout = self._layouts.get(layout_id)
            if layout is None:
                missing.append(layout_id)
            else:
                found[layout_id] = layout
        if missing:
            for row in await store.list_layouts(conn, layout_ids=missing):
                layout = parse_layout(row.text)
                self._layouts.put(row.layout_id, layout, weight=len(layout.seats))
                found[row.layout_id] = layout
        return found

    async def _patterns(
        self, conn: Conn, pattern_ids: set[UUID], *, fresh: bool
    ) -> dict[UUID, Sequence[CallRow]]:
        found: dict[UUID, Sequence[CallRow]] = {}
        missing: list[UUID] = []
        for pattern_id in pattern_ids:
            calls = None if fresh else self._calls.get(pattern_id)
            if calls is None:
                missing.append(pattern_id)
            else:
                found[pattern_id] = calls
        if missing:
            rows = await store_trips.list_calls(conn, pattern_ids=missing)
            for pattern_id, group in groupby(rows, key=lambda row: row.pattern_id):
                calls = tuple(group)
                self._calls.put(pattern_id, calls, weight=len(calls))
                found[pattern_id] = calls
        return found


def _sheet(row: TripRow, calls: Sequence[CallRow], layout: Layout) -> TripSheet:
    return TripSheet(
        trip_id=row.trip_id,
        version=row.version,
        operator_id=row.operator_id,
        operator_name=row.operator_name,
        service_date=row.service_date,
        starts_at=row.starts_at,
        layout_id=row.layout_id,
        layout=layout,
        fare_table_id=row.fare_table_id,
        calls=tuple(_call(call, row.starts_at) for call in calls),
    )


def _call(call: CallRow, starts_at: datetime) -> Call:
    return Call(
        position=call.position,
        sequence=call.sequence,
        stop_id=call.stop_id,
        name=call.name,
        city=call.city,
        timezone=call.timezone,
        latitude=call.latitude,
        longitude=call.longitude,
        arrives_at=starts_at + timedelta(seconds=call.arrival_s),
        departs_at=starts_at + timedelta(seconds=call.departure_s),
        pickup=call.pickup,
        drop_off=call.drop_off,
    )
