"""Gateways' webhooks: kept, together with the job that asks the gateway, and only then answered."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog

from kiti.jobs.service import enqueue
from kiti.payments import store_events, store_receipts, store_refunds
from kiti.payments.adopting import ADOPT_REFUNDS, AdoptRefunds
from kiti.payments.disputing import LOOK_AT_DISPUTES, LookAtDisputes
from kiti.payments.gateways.port import Gateway, GatewayEvent
from kiti.payments.owing import SEND_REFUND, SendRefund
from kiti.payments.service import VERIFY_PAYMENT, VerifyPayment, find_payment
from kiti.platform.db import Conn, Database
from kiti.platform.errors import MalformedJson
from kiti.platform.ids import new_id

# What the table takes; a body of a gateway is a hundredth of it.
BODY_BYTES_MAX: Final = 256 * 1024

log: Final = structlog.get_logger("kiti.payments.webhooks")


async def receive_webhook(
    db: Database, gateway: Gateway, *, raw: bytes, headers: Mapping[str, str]
) -> None:
    """Keep what a gateway sent. When this returns it is safe for the gateway to forget it.

    What is signed and cannot be read is parked by its digest.

    Raises:
        BadSignature: it is not the gateway's; nothing is kept.
        DatabaseUnavailable: it is not kept; the gateway will send it again.
    """
    try:
        events = gateway.parse_webhook(raw, headers)
    except MalformedJson:
        events = [_unreadable(raw)]
    for event in events:
        await db.run(lambda conn, event=event: _keep(conn, event, gateway=gateway.name, raw=raw))


def _unreadable(raw: bytes) -> GatewayEvent:
    """What cannot be read is named by its digest; none of it is kept, for it may hold a card."""
    digest = hashlib.sha256(raw).hexdigest()
    body = _note("cannot be read", raw)
    return GatewayEvent(f"raw:{digest}", "other", None, None, None, is_success=False, body=body)


def _note(why: str, raw: bytes) -> bytes:
    return json.dumps({"kiti": why, "bytes": len(raw)}).encode()


async def _keep(conn: Conn, event: GatewayEvent, *, gateway: str, raw: bytes) -> None:
    """One row for each news, however often it comes, and a job while it is not dealt with."""
    if event.kind == "refund" and event.refund_id is not None:
        await _keep_refund(conn, event, refund_id=event.refund_id, gateway=gateway, raw=raw)
        return
    if event.kind == "dispute":
        await _keep_dispute(conn, event, gateway=gateway, raw=raw)
        return
    if event.kind == "refund" and event.gateway_transaction_id is not None:
        await _keep_stray(conn, event, event.gateway_transaction_id, gateway=gateway, raw=raw)
        return
    payment = None
    if event.kind == "payment" and event.reference is not None:
        payment = await find_payment(conn, reference=event.reference)
    if payment is None or payment.gateway != gateway:
        # Another environment's, another system's, or news we have no use for: kept for people.
        await _put(conn, event, gateway=gateway, raw=raw, is_ours=False)
        return
    kept = await _put(conn, event, gateway=gateway, raw=raw, is_ours=True)
    if kept.state == "done":
        return
    await enqueue(
        conn,
        kind=VERIFY_PAYMENT,
        payload=VerifyPayment(
            payment.payment_id, kept.event_id, event.gateway_transaction_id, event.is_success
        ),
        dedupe=str(kept.event_id),
        priority=3,
    )


async def _keep_refund(
    conn: Conn, event: GatewayEvent, *, refund_id: UUID, gateway: str, raw: bytes
) -> None:
    is_ours = await store_refunds.has_refund(conn, refund_id=refund_id, gateway=gateway)
    kept = await _put(conn, event, gateway=gateway, raw=raw, is_ours=is_ours)
    if not is_ours:
        return
    await enqueue(conn, kind=SEND_REFUND, payload=SendRefund(refund_id), dedupe=str(refund_id))
    await store_events.move_event(conn, event_id=kept.event_id, state="done")


async def _keep_stray(
    conn: Conn, event: GatewayEvent, transaction_id: str, *, gateway: str, raw: bytes
) -> None:
    """A refund without an id of ours: made at the gateway's own pages, if it is of money here."""
    known = await store_receipts.list_known(conn, gateway=gateway, transaction_ids=[transaction_id])
    kept = await _put(conn, event, gateway=gateway, raw=raw, is_ours=bool(known))
    if known:
        await enqueue(conn, kind=ADOPT_REFUNDS, payload=AdoptRefunds(gateway), dedupe=gateway)
        await store_events.move_event(conn, event_id=kept.event_id, state="done")


async def _keep_dispute(conn: Conn, event: GatewayEvent, *, gateway: str, raw: bytes) -> None:
    """A dispute, of money here or not: the gateway is asked for its disputes."""
    kept = await _put(conn, event, gateway=gateway, raw=raw, is_ours=True)
    await enqueue(
        conn,
        kind=LOOK_AT_DISPUTES,
        payload=LookAtDisputes(gateway),
        dedupe=gateway,
        priority=2,
    )
    await store_events.move_event(conn, event_id=kept.event_id, state="done")


async def _put(
    conn: Conn, event: GatewayEvent, *, gateway: str, raw: bytes, is_ours: bool
) -> store_events.KeptEvent:
    if len(event.body) > BODY_BYTES_MAX:
        event = replace(event, body=_note("too long to be kept", raw))
    kept = await store_events.put_event(
        conn,
        event,
        event_id=new_id(),
        gateway=gateway,
        state="queued" if is_ours else "parked",
        raw=raw,
    )
    if not is_ours and kept.deliveries == 1:
        log.warning("webhook parked", gateway=gateway, kind=event.kind, event_id=str(kept.event_id))
    return kept
