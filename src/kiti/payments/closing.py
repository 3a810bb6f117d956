"""Closing a gateway's page, so that nobody pays what is not wanted any more: by a job."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kiti.jobs.service import enqueue
from kiti.platform.db import Conn

CLOSE_PAYMENT: Final = "payment.close"


@dataclass(frozen=True, slots=True)
class ClosePayment:
    """The payload of a job that closes the page of a payment."""

    payment_id: UUID


async def close_page(conn: Conn, *, payment_id: UUID, delay_s: float = 0) -> None:
    """Have the page closed in `delay_s` seconds; called twice, the earlier time counts."""
    await enqueue(
        conn,
        kind=CLOSE_PAYMENT,
        payload=ClosePayment(payment_id),
        dedupe=str(payment_id),
        delay_s=max(delay_s, 0),
        priority=1,
    )
