"""Cash: taken and handed out by staff, for trips of their own operator."""

from typing import Final
from uuid import UUID

from kiti.booking.model import NoSuchBooking
from kiti.booking.service import get_booking
from kiti.identity.access import require_staff
from kiti.identity.caller import Caller
from kiti.identity.model import Role
from kiti.network.operators import operator_of
from kiti.payments import house
from kiti.platform.db import Conn
from kiti.platform.errors import Forbidden

CASHIERS: Final = frozenset({Role.AGENT, Role.OPERATOR_STAFF, Role.OPERATOR_ADMIN})


async def holder_to_serve(conn: Conn, caller: Caller | None, *, booking_id: UUID) -> UUID:
    """Whose booking a cashier takes cash for: their own, or anybody's on a trip of their operator.

    Raises:
        NoSuchBooking: there is none, or the caller may neither see it nor take cash for it.
        Forbidden: it is the caller's own, who is no cashier of its operator.
    """
    booking = await get_booking(conn, booking_id=booking_id, holder_id=None)
    try:
        await _require_cashier(conn, caller, trip_id=booking.trip_id)
    except Forbidden:
        if caller is None or booking.holder_id == caller.id:
            raise
        raise NoSuchBooking from None
    return booking.holder_id


async def require_cashier_of(conn: Conn, caller: Caller, *, refund_id: UUID) -> None:
    """Refuse whoever may not hand a refund out.

    Raises:
        NoSuchRefund.
        Forbidden: the caller is no cashier of its operator.
    """
    refund = await house.find_refund(conn, refund_id=refund_id)
    await _require_cashier(conn, caller, trip_id=refund.trip_id)


async def _require_cashier(conn: Conn, caller: Caller | None, *, trip_id: UUID) -> None:
    if caller is None:
        raise Forbidden
    operator = await operator_of(conn, trip_id=trip_id)
    await require_staff(conn, caller, operator_id=operator.operator_id, roles=CASHIERS)
