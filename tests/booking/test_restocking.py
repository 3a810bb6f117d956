"""Stock that changes under holds."""

from datetime import timedelta

import pytest

from booking_make import hold, make_request, make_stock
from kiti.booking.audit import audit
from kiti.booking.model import HoldLimit
from kiti.booking.restocking import lock_stock, set_terms
from kiti.booking.service import extend_hold, get_booking
from kiti.platform.db import Database


async def test_a_hold_ends_with_sales_that_close_earlier_than_it(db: Database) -> None:
    trip = await make_stock(db)
    long, other = make_request(trip), make_request(await make_stock(db))
    for request in (long, other):
        assert (await hold(db, request)).outcome == "held"
    async with db.transaction() as conn:
        await lock_stock(conn, trip_ids=[long.trip_id])
        soon = await conn.fetchval("SELECT clock_timestamp() + interval '1 minute'")
        assert soon is not None
        await set_terms(conn, trip_ids=[long.trip_id], sales_close_at=[soon], sheet_versions=[1])
    async with db.transaction() as conn:
        cut = await get_booking(conn, booking_id=long.booking_id, holder_id=None)
        assert (cut.status, cut.expires_at) == ("held", soon)
        with pytest.raises(HoldLimit):
            await extend_hold(conn, booking_id=long.booking_id, holder_id=None, minutes=5)
    async with db.transaction() as conn:
        kept = await get_booking(conn, booking_id=other.booking_id, holder_id=None)
        assert kept.expires_at > soon + timedelta(minutes=5)
        assert await audit(conn) == []
