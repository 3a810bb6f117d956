"""Beginning to pay, in phases: the intent is committed, the gateway is asked, the outcome kept.

What Kiti itself takes (credit, cash), and what costs nothing, is paid within the first phase.
The idempotency key is claimed with the intent and answered with the outcome. A crash between them
is finished by the next call with the same key, or by `poll-payments`; never by a second checkout
for the same key.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from kiti.booking.model import HoldExpired, Payable
from kiti.booking.people import find_contact
from kiti.booking.service import (
    get_booking,
    lengthen_for_payment,
    lock_payable,
    trip_of,
)
from kiti.checkout.cash import holder_to_serve
from kiti.checkout.exchanging import amount_due, confirm_paid
from kiti.checkout.schemas_payments import InitiateOut
from kiti.checkout.till import Till
from kiti.identity.caller import Caller
from kiti.identity.service import find_account
from kiti.payments import house
from kiti.payments import service as payments
from kiti.payments.gateways.port import CheckoutRequest, CheckoutResult, Gateway
from kiti.payments.model import (
    CREATING_S_MAX,
    IN_CASH,
    IN_CREDIT,
    AmountMismatch,
    NewPayment,
    Payment,
    PaymentMethod,
)
from kiti.platform.clock import monotonic_s
from kiti.platform.db import Conn, Database
from kiti.platform.errors import Conflict, DatabaseUnavailable, ValidationFailed
from kiti.platform.http import Answer, encode
from kiti.platform.idempotency import Claim, IdempotencyInProgress, begin, keep, replay
from kiti.platform.ids import new_id
from kiti.platform.money import CurrencyMismatch, Money

WAIT_S: Final = 6.0
PAUSE_S: Final = 0.05
PAUSE_S_MAX: Final = 0.5
FINISH_PAUSES_S: Final = (0.2, 0.6, 1.8)
TITLE: Final = "Kiti"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a holder wants: this booking paid, so much, this way. None: ours to choose."""

    booking_id: UUID
    amount_minor: int
    currency: str | None
    method: PaymentMethod
    gateway: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A call to pay: whose (an account's, or a guest's), under which key.

    `caller`: who calls by the API, who may be of the staff; None: a page's visitor, who is not.
    `wish` reads the fields, once the key and the booking's holder are known to be right;
    `booking_hint` is the booking's id as the body has it, whatever it is.
    """

    holder_id: UUID
    is_account: bool
    claim: Claim
    booking_hint: str | None
    wish: Callable[[], Wish]
    caller: Caller | None = None

    @property
    def caller_id(self) -> UUID:
        """Whose till cash goes into."""
        return self.holder_id if self.caller is None else self.caller.id

    @property
    def key_digest(self) -> bytes:
        """The key's name among payments."""
        name = f"{self.claim.scope}\0{self.claim.route}\0{self.claim.key}"
        return hashlib.sha256(name.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Begun:
    """An attempt that is committed, and what the gateway is asked. `ends_at`: the hold's end."""

    payment: Payment
    ends_at: datetime
    gateway: Gateway
    request: CheckoutRequest


class _UnderWay(Exception):
    """Another call is asking the gateway for this booking's checkout at this moment."""


async def initiate(db: Database, till: Till, asked: Asked) -> Answer:
    """Open an attempt to pay, or answer with the one that is open; once for the key.

    While another call is under way, for the same key or booking, this one waits for its outcome.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress; NoSuchBooking; what `wish` refuses,
        AmountMismatch, CurrencyMismatch, MethodNotAvailable; HoldExpired, BookingNotHeld,
        AlreadyPaid, RateLimited: in this order.
    """
    begun = await _begin_in_turn(db, till, asked)
    if isinstance(begun, Answer):
        return begun
    result = await begun.gateway.create_checkout(begun.request)
    for pause_s in FINISH_PAUSES_S:
        try:
            return await db.run(lambda conn: _finish(conn, begun, result, asked.claim))
        except DatabaseUnavailable:  # the gateway has answered: not to be lost for a moment's sake
            await asyncio.sleep(pause_s)
    return await db.run(lambda conn: _finish(conn, begun, result, asked.claim))


async def _begin_in_turn(db: Database, till: Till, asked: Asked) -> _Begun | Answer:
    until_s = monotonic_s() + WAIT_S
    pause_s = PAUSE_S
    about = await trip_of(db, booking_id=asked.booking_hint)
    while True:
        try:
            return await db.run(lambda conn: _begin(conn, till, asked), about=about)
        except (_UnderWay, IdempotencyInProgress):
            if monotonic_s() + pause_s > until_s:
                raise IdempotencyInProgress(retry_after_s=1) from None
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, PAUSE_S_MAX)


async def _begin(conn: Conn, till: Till, asked: Asked) -> _Begun | Answer:
    """Claim the key and commit the intent; an answer when there is nothing to ask the gateway.

    Locks: the key, trip, booking, payment.
    """
    kept = await begin(conn, asked.claim, lease_s=CREATING_S_MAX)
    if kept is not None:
        return replay(kept)
    lost = await payments.find_begun(conn, key_digest=asked.key_digest)
    if lost is not None:
        return await _resume(conn, asked, lost)
    wish = await _read_wish(conn, asked)
    payable = await _lock_payable(conn, till, asked, wish)
    due = await amount_due(
        conn, booking_id=payable.booking_id, trip_id=payable.trip_id, total=payable.total
    )
    gateway = _checked(till, wish, due)
    open_payment = await _open_payment(conn, payable, wish, gateway, due=due)
    if open_payment is not None:
        return await _answer(conn, asked.claim, open_payment, payable.expires_at, status=200)
    ends_at = await lengthen_for_payment(conn, payable=payable, minutes=till.payment_minutes)
    new = NewPayment(
        payment_id=new_id(),
        reference=payments.new_reference(),
        booking_id=payable.booking_id,
        trip_id=payable.trip_id,
        holder_id=payable.holder_id,
        gateway=gateway if isinstance(gateway, str) else gateway.name,
        method=wish.method,
        money=due,
        expires_at=ends_at,
        key_digest=asked.key_digest,
    )
    if due.amount_minor == 0 or isinstance(gateway, str):
        return await _pay_at_once(conn, till, asked, new)
    payment = await payments.begin_payment(conn, new)
    if payment.now >= ends_at:  # the hold ended while this call waited for a lock
        raise HoldExpired
    request = await _request(conn, till, asked, payment, ends_at)
    return _Begun(payment, ends_at, gateway, request)


async def _read_wish(conn: Conn, asked: Asked) -> Wish:
    """The fields; before they are refused, whose booking it is."""
    try:
        return asked.wish()
    except ValidationFailed:
        await _require_own(conn, asked)
        raise


async def _require_own(conn: Conn, asked: Asked) -> None:
    try:
        booking_id = UUID(asked.booking_hint or "")
    except ValueError:
        return
    await get_booking(conn, booking_id=booking_id, holder_id=asked.holder_id)


async def _lock_payable(conn: Conn, till: Till, asked: Asked, wish: Wish) -> Payable:
    """The live hold, locked; before its state is refused, what is wrong with the fields.

    The caller's own, but for cash: that is taken for others too.
    """
    holder_id = asked.holder_id
    if wish.gateway == IN_CASH:
        holder_id = await holder_to_serve(conn, asked.caller, booking_id=wish.booking_id)
    try:
        return await lock_payable(conn, booking_id=wish.booking_id, holder_id=holder_id)
    except Conflict:
        booking = await get_booking(conn, booking_id=wish.booking_id, holder_id=holder_id)
        due = await amount_due(
            conn, booking_id=booking.booking_id, trip_id=booking.trip_id, total=booking.total
        )
        _checked(till, wish, due)
        raise


def _checked(till: Till, wish: Wish, price: Money) -> Gateway | str:
    """The gateway for a payment that is what is due; its name alone where it is Kiti itself.

    Raises:
        CurrencyMismatch, AmountMismatch, MethodNotAvailable.
    """
    total = {"amount": price.amount_minor, "currency": price.currency}
    if wish.currency is not None and wish.currency != price.currency:
        raise CurrencyMismatch("The booking is priced in another currency.", total=total)
    if wish.amount_minor != price.amount_minor:
        raise AmountMismatch(total=total)
    if wish.gateway is not None and wish.gateway in house.METHODS:
        return wish.gateway
    return till.gateways.choose(name=wish.gateway, method=wish.method, currency=price.currency)


async def _open_payment(
    conn: Conn, payable: Payable, wish: Wish, gateway: Gateway | str, *, due: Money
) -> Payment | None:
    """The open attempt when it is what is wished; one that is not is closed, and watched."""
    found = await payments.lock_open(conn, booking_id=payable.booking_id)
    if found is None:
        return None
    if found.is_under_way:
        raise _UnderWay
    name = gateway if isinstance(gateway, str) else gateway.name
    if found.status == "creating":
        await payments.lose_checkout(conn, payment_id=found.payment_id)
    elif not found.is_payable:
        await payments.expire_payment(conn, payment_id=found.payment_id)
    elif (found.gateway, found.method, found.money) == (name, wish.method, due):
        return found
    else:
        await payments.close_payment(conn, found)
    return None


async def _request(
    conn: Conn, till: Till, asked: Asked, payment: Payment, ends_at: datetime
) -> CheckoutRequest:
    """What the gateway is asked; it may reach the booking's contact, else the account."""
    account = await find_account(conn, payment.holder_id) if asked.is_account else None
    contact = await find_contact(conn, booking_id=payment.booking_id)
    email = None if contact is None else contact.email
    phone = None if contact is None else contact.phone
    if account is not None:
        email, phone = email or account.email, phone or account.phone
    return CheckoutRequest(
        reference=payment.reference,
        money=payment.money,
        method=PaymentMethod(payment.method),
        email=email or till.address_of_nobody(payment.holder_id),
        name=None if account is None else account.name,
        phone=phone,
        return_url=till.return_url,
        title=TITLE,
        expires_at=ends_at,
        ttl_s=max(int((ends_at - payment.now).total_seconds()), 1),
    )


async def _pay_at_once(conn: Conn, till: Till, asked: Asked, new: NewPayment) -> Answer:
    """What costs nothing, or what Kiti itself takes: no gateway is asked, and it is confirmed.

    Raises:
        MethodNotAvailable: there is less credit than this costs.
        HoldExpired: the hold ended while this call waited for a lock.
    """
    if new.money.amount_minor == 0:
        payment = await payments.begin_payment(conn, new)
        await payments.settle_free(conn, payment_id=payment.payment_id)
    elif new.gateway == IN_CREDIT:
        payment = await house.take_credit(conn, new)
    else:
        payment = await house.take_cash(conn, new, agent_id=asked.caller_id)
    if payment.now >= new.expires_at:
        raise HoldExpired
    confirmation = await confirm_paid(
        conn, payment=payment, late_money_minutes=till.late_money_minutes
    )
    if confirmation.outcome != "confirmed":
        raise HoldExpired
    await payments.cancel_pending(conn, booking_id=payment.booking_id, but=payment.payment_id)
    paid = await payments.get_payment(conn, payment_id=payment.payment_id)
    return await _answer(conn, asked.claim, paid, new.expires_at, status=201)


async def _resume(conn: Conn, asked: Asked, lost: Payment) -> Answer:
    """The same key after a crash: its attempt stands, and nobody knows what the gateway made of it.

    A gateway without idempotency is not asked for a checkout again under the same reference.
    """
    if lost.status == "creating":
        await payments.lose_checkout(conn, payment_id=lost.payment_id)
    payment = await payments.get_payment(conn, payment_id=lost.payment_id)
    booking = await get_booking(conn, booking_id=lost.booking_id, holder_id=asked.holder_id)
    return await _answer(conn, asked.claim, payment, booking.expires_at, status=201)


async def _finish(conn: Conn, begun: _Begun, result: CheckoutResult, claim: Claim) -> Answer:
    """Commit the outcome, and the answer with it."""
    payment = await payments.record_checkout(
        conn, payment_id=begun.payment.payment_id, result=result
    )
    return await _answer(conn, claim, payment, begun.ends_at, status=201)


async def _answer(
    conn: Conn, claim: Claim, payment: Payment, ends_at: datetime, *, status: int
) -> Answer:
    out = InitiateOut(
        payment_id=payment.payment_id,
        transaction_id=payment.reference,
        status=payment.wire_status,
        gateway=payment.gateway,
        redirect_url=payment.redirect_url if payment.is_payable else None,
        amount=payment.amount_minor,
        currency=payment.currency,
        expires_at=ends_at,
    )
    answer = Answer(status, encode(out))
    await keep(conn, claim, answer)
    return answer
