"""The SQL of webhook events: kept before they are answered."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from kiti.payments.gateways.port import GatewayEvent
from kiti.payments.model import EventState
from kiti.platform.db import Conn, execute, fetch_one


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event as it is kept; `deliveries` counts this one."""

    event_id: UUID
    state: EventState
    deliveries: int


async def put_event(
    conn: Conn, event: GatewayEvent, *, event_id: UUID, gateway: str, state: EventState, raw: bytes
) -> KeptEvent:
    """Keep the event, or count one more delivery of the same news.

    Locks: the event of the same key, so that two deliveries at once follow each other.
    """
    return await fetch_one(
        conn,
        KeptEvent,
        """
        INSERT INTO webhook_event AS e (
          event_id, gateway, event_key, kind, reference, gateway_transaction_id, is_success, body,
          sha256, state, received_at, done_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, t.now,
               CASE WHEN $10 <> 'queued' THEN t.now END
        FROM (SELECT clock_timestamp() AS now) AS t
        ON CONFLICT (gateway, event_key) DO UPDATE SET deliveries = e.deliveries + 1
        RETURNING event_id, state, deliveries
        """,
        event_id,
        gateway,
        event.event_key,
        event.kind,
        event.reference,
        event.gateway_transaction_id,
        event.is_success,
        event.body,
        hashlib.sha256(raw).digest(),
        state,
    )


async def move_event(conn: Conn, *, event_id: UUID, state: EventState) -> None:
    """What came of the event; one that is done stays so."""
    await execute(
        conn,
        """
        UPDATE webhook_event
        SET state = $2, done_at = CASE WHEN $2 <> 'queued' THEN clock_timestamp() END
        WHERE event_id = $1 AND state <> 'done'
        """,
        event_id,
        state,
    )
