"""One reservation: who holds, under which idempotency key, and the answer that is kept for it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from kiti.booking.sales import Held, Holder, Sales, Wanted
from kiti.booking.schemas import ReserveOut
from kiti.identity.caller import Caller
from kiti.identity.model import GuestId
from kiti.identity.tokens import GuestClaims, new_guest
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.platform.http import Answer, MoneyOut, encode
from kiti.platform.idempotency import Claim, begin, keep, replay

GUEST_TOKEN_DAYS = 30


@dataclass(frozen=True, slots=True)
class Reserved:
    """The answer of a reservation, first or replayed; `guest`: what a guest's token is made of."""

    answer: Answer
    guest: GuestClaims | None


async def reserve_seats(
    db: Database,
    sales: Sales,
    *,
    caller: Caller | None,
    claim: Claim | None,
    wanted: Callable[[], Wanted],
) -> Reserved:
    """Hold seats for the caller (None: a new guest), once for the claim.

    `wanted` reads the fields; it is called only when there is no kept answer. The claim, the seats
    and the answer are committed together. Without a claim it is one statement in autocommit.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress; what `wanted` and `Sales.hold` refuse.
    """
    if claim is None:
        asked = wanted()
        async with db.connection() as conn:
            return await _hold(conn, sales, caller, asked)

    async def once(conn: Conn) -> Reserved:
        kept = await begin(conn, claim)
        if kept is not None:
            context = kept.context
            guest = None if context is None else GuestClaims.from_json(context)
            return Reserved(replay(kept), guest)
        first = await _hold(conn, sales, caller, wanted())
        context = None if first.guest is None else first.guest.to_json()
        await keep(conn, claim, first.answer, context=context)
        return first

    return await db.run(once)


async def _hold(conn: Conn, sales: Sales, caller: Caller | None, wanted: Wanted) -> Reserved:
    if caller is not None and caller.kind == "account":
        held = await sales.hold(conn, wanted, Holder("account", caller.id))
        return Reserved(Answer(201, encode(_held_out(held))), None)
    guest_id = GuestId(uuid4() if caller is None else caller.id)
    held = await sales.hold(conn, wanted, Holder("guest", guest_id))
    return Reserved(Answer(201, encode(_held_out(held))), _guest(guest_id, caller, held))


def _guest(guest_id: GuestId, caller: Caller | None, held: Held) -> GuestClaims:
    """A guest's token is valid until 30 days after the latest trip booked with it."""
    until: datetime = held.sheet.calls[-1].arrives_at + timedelta(days=GUEST_TOKEN_DAYS)
    if caller is not None and caller.expires_at is not None:
        until = max(until, caller.expires_at)
    return new_guest(guest_id, valid_until=until, now=utc_now())


def _held_out(held: Held) -> ReserveOut:
    calls = held.sheet.calls
    return ReserveOut(
        booking_id=held.booking_id,
        reference=held.reference,
        status="HELD",
        trip_id=held.sheet.trip_id,
        seat_numbers=list(held.labels),
        from_stop_id=calls[held.segment.first].stop_id,
        to_stop_id=calls[held.segment.last].stop_id,
        expires_at=held.ends_at,
        server_time=held.decided_at,
        total=MoneyOut(amount=held.total.amount_minor, currency=held.total.currency),
    )
