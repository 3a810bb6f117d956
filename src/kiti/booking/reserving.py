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
from kiti.platform.idempotency import Claim, Kept, begin, find_unscoped, keep, replay

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
    trip_hint: str | None,
    wanted: Callable[[], Wanted],
) -> Reserved:
    """Hold seats for the caller (None: a new guest), once for the claim.

    `wanted` reads the fields; it is called only when there is no kept answer. The claim, the seats
    and the answer are committed together. Without a claim it is one statement in autocommit.
    `trip_hint`: the trip as the body has it, whatever it is: so many at once get a connection for
    one trip.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress; what `wanted` and `Sales.hold` refuse.
    """
    if claim is None:
        holder = _holder(caller)
        return _reserved(caller, holder, await sales.hold(db, wanted(), holder))

    async def once(conn: Conn) -> Reserved:
        kept = await _kept_as_stranger(conn, caller, claim)
        if kept is None:
            kept = await begin(conn, claim)
        if kept is not None:
            context = kept.context
            guest = None if context is None else GuestClaims.from_json(context)
            return Reserved(replay(kept), guest)
        holder = _holder(caller)
        first = _reserved(caller, holder, await sales.hold_within(conn, wanted(), holder))
        context = None if first.guest is None else first.guest.to_json()
        await keep(conn, claim, first.answer, context=context)
        return first

    return await db.run(once, about=trip_hint)


async def _kept_as_stranger(conn: Conn, caller: Caller | None, claim: Claim) -> Kept | None:
    """The answer that made this guest a guest, when this is that call again.

    The first call had no caller, so its key is scoped to itself; sent again with the token that it
    gave, it comes from a guest. Another guest's key is not looked at.
    """
    if caller is None or caller.kind != "guest":
        return None
    return await find_unscoped(
        conn, claim, is_callers=lambda context: GuestClaims.from_json(context).guest_id == caller.id
    )


def _holder(caller: Caller | None) -> Holder:
    if caller is not None and caller.kind == "account":
        return Holder("account", caller.id)
    return Holder("guest", uuid4() if caller is None else caller.id)


def _reserved(caller: Caller | None, holder: Holder, held: Held) -> Reserved:
    guest = None if holder.kind == "account" else _guest(GuestId(holder.id), caller, held)
    return Reserved(Answer(201, encode(_held_out(held))), guest)


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
