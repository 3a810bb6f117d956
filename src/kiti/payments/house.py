"""Money that Kiti itself takes: a holder's credit here, and cash in the hands of staff.

No company moves it and nothing is on the wire: taking it is one transaction, with no page, no
silence and no webhook, so it goes by none of the port of gateways. Each taking is a payment that is
born succeeded and a receipt like any other, so that every rule about receipts and refunds holds.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from kiti.ledger import postings
from kiti.ledger.model import Account, BelowFloor
from kiti.ledger.service import post
from kiti.payments import store, store_house
from kiti.payments.gateways.port import GatewayReceipt
from kiti.payments.model import (
    IN_CASH,
    IN_CREDIT,
    MethodNotAvailable,
    NewPayment,
    NoSuchRefund,
    Payment,
    PaymentMethod,
    RefundNotInCash,
)
from kiti.payments.service import Use, record_receipt
from kiti.payments.store_house import RefundInCash
from kiti.platform.db import Conn

__all__ = ["METHODS", "RefundInCash", "find_refund", "pay_out", "take_cash", "take_credit"]

METHODS: Final[Mapping[str, PaymentMethod]] = {
    IN_CREDIT: PaymentMethod.CREDIT,
    IN_CASH: PaymentMethod.CASH,
}


async def take_credit(conn: Conn, new: NewPayment) -> Payment:
    """Pay out of the holder's credit, all of it or nothing. The caller confirms the booking.

    The floor of the ledger decides, so that no two can spend the same credit.

    Raises:
        MethodNotAvailable: there is not so much credit; the transaction is lost with it.
    Locks: the payment, the holder's credit.
    """
    try:
        return await _take(conn, new, into=postings.passenger_credit(new.holder_id))
    except BelowFloor as error:
        raise MethodNotAvailable("Your credit is less than this costs.") from error


async def take_cash(conn: Conn, new: NewPayment, *, agent_id: UUID) -> Payment:
    """Note that an account of the staff took cash: it owes it to us from now on.

    Locks: the payment.
    """
    return await _take(conn, new, into=postings.agent_float(agent_id))


async def _take(conn: Conn, new: NewPayment, *, into: Account) -> Payment:
    payment = await store.insert_taken(conn, new)
    is_new = await record_receipt(
        conn,
        payment=payment,
        received=GatewayReceipt(str(payment.payment_id), payment.money),
        use=Use(payment.amount_minor, None),
        learned_at=payment.now,
        into=into,
    )
    assert is_new, "a payment of a new id has no receipt"  # noqa: S101 (rolls all back)
    return payment


async def find_refund(conn: Conn, *, refund_id: UUID) -> RefundInCash:
    """A refund, in cash or not, and the trip that it is about.

    Raises:
        NoSuchRefund.
    """
    found = await store_house.find_refund(conn, refund_id=refund_id)
    if found is None:
        raise NoSuchRefund
    return found


async def pay_out(conn: Conn, *, refund_id: UUID, agent_id: UUID) -> RefundInCash:
    """Note that a refund was handed out in cash, out of what this account holds for us.

    One that was handed out already stays so.

    Raises:
        NoSuchRefund.
        RefundNotInCash: it goes back another way.
    Locks: the refund.
    """
    paid = await store_house.mark_paid_out(conn, refund_id=refund_id)
    if paid is None:
        found = await find_refund(conn, refund_id=refund_id)
        if found.gateway != IN_CASH:
            raise RefundNotInCash
        return found
    given = postings.refund_given(
        refund_id=refund_id,
        look=0,
        trip_id=paid.trip_id,
        out_of=postings.agent_float(agent_id),
        currency=paid.currency,
        paid_minor=paid.amount_minor,
        given_minor=paid.amount_minor,
    )
    await post(conn, [given])
    return paid
