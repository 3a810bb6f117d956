"""What a gateway's answer makes of a payment and its booking: one function, whoever asked.

The webhook's job, the poller, a read of the status and the return page all come here, in any order
and at once, and reach the same end: each receipt is kept once and decided once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from kiti.booking.model import Confirmation
from kiti.checkout.exchanging import confirm_paid
from kiti.payments import service as payments
from kiti.payments.gateways.port import GatewayReceipt, PaymentSnapshot
from kiti.payments.model import EventState, Payment, shortfall
from kiti.payments.service import Use
from kiti.platform.db import Conn, Database
from kiti.platform.errors import DatabaseUnavailable

log: Final = structlog.get_logger("kiti.checkout.settling")

TRIES_MAX: Final = 3
# Why a booking did not take money that was right, as the passenger is told.
_REASONS: Final = {
    "released": "BOOKING_RELEASED",
    "cancelled": "BOOKING_CANCELLED",
    "trip_cancelled": "TRIP_CANCELLED",
    "too_late": "TOO_LATE",
    "sales_closed": "SALES_CLOSED",
    "seats_gone": "SEATS_GONE",
    "other_booking": "OTHER_BOOKING",
    "exchange_off": "EXCHANGE_OFF",
}


class _Overtaken(Exception):
    """Another settling kept the receipt that confirmed the booking here: all of this goes back."""


@dataclass(frozen=True, slots=True)
class SettledEvent:
    """A webhook's event that led here, and what has come of it."""

    event_id: UUID
    state: EventState


async def settle(
    db: Database,
    *,
    payment_id: UUID,
    snapshot: PaymentSnapshot,
    late_money_minutes: int,
    event: SettledEvent | None = None,
    about: str | None = None,
) -> None:
    """Record what the gateway says of a payment, and do what follows.

    `about`: its trip, where many may settle at once (see `Database.run`).

    Money that is right confirms the booking; what is too much, too little, in another currency, too
    late or a second time is owed back, and a job sends it. Safe to run again, and at once.

    Locks: trip (both trips of an exchange), booking, payment.

    Raises:
        DatabaseUnavailable: nothing was recorded; ask again.
    """
    for _ in range(TRIES_MAX):
        try:
            await db.run(
                lambda conn: _settle(conn, payment_id, snapshot, late_money_minutes, event),
                about=about,
            )
        except _Overtaken:
            continue
        return
    raise DatabaseUnavailable(retry_after_s=1)


async def _settle(
    conn: Conn,
    payment_id: UUID,
    snapshot: PaymentSnapshot,
    late_money_minutes: int,
    event: SettledEvent | None,
) -> None:
    if event is not None:
        await payments.finish_event(conn, event_id=event.event_id, state=event.state)
    if snapshot.status == "FAILED":
        await payments.fail_payment(conn, payment_id=payment_id)
    if not snapshot.receipts:
        return
    payment = await payments.get_payment(conn, payment_id=payment_id)
    received = await payments.new_receipts(conn, gateway=payment.gateway, snapshot=snapshot)
    if not received:
        return
    learned_at = payment.now  # before any lock is waited for
    confirmation: Confirmation | None = None
    decided: list[tuple[GatewayReceipt, Use, bool]] = []
    for each in received:
        lack = shortfall(each.money, price=payment.money)
        if lack is not None:
            decided.append((each, Use(0, lack.reason), False))
            continue
        is_first = confirmation is None
        if confirmation is None:
            confirmation = await confirm_paid(
                conn, payment=payment, late_money_minutes=late_money_minutes
            )
        confirms = is_first and confirmation.outcome == "confirmed"
        decided.append((each, _use(each, payment, confirmation, confirms=confirms), confirms))
    await _record(conn, payment, decided, learned_at=learned_at)


def _use(
    received: GatewayReceipt, payment: Payment, confirmation: Confirmation, *, confirms: bool
) -> Use:
    """What becomes of money that would be enough."""
    if confirms:
        is_more = received.money.amount_minor > payment.amount_minor
        return Use(payment.amount_minor, "OVERPAID" if is_more else None)
    if confirmation.outcome == "refused":
        return Use(0, _REASONS.get(confirmation.reason or "", "NO_BOOKING"))
    return Use(0, "DUPLICATE")


async def _record(
    conn: Conn,
    payment: Payment,
    decided: list[tuple[GatewayReceipt, Use, bool]],
    *,
    learned_at: datetime,
) -> None:
    for received, use, confirms in decided:
        is_new = await payments.record_receipt(
            conn, payment=payment, received=received, use=use, learned_at=learned_at
        )
        if confirms and not is_new:
            raise _Overtaken
        if confirms:
            await payments.cancel_pending(
                conn, booking_id=payment.booking_id, but=payment.payment_id
            )
        if is_new:
            log.info(
                "money received",
                payment_id=str(payment.payment_id),
                confirms=confirms,
                refund=use.refund_reason,
            )
