"""The jobs of paying: news from gateways and from booking, and those that return by the clock."""

from collections.abc import Mapping
from typing import Final

from kiti.booking.closing import close_trips
from kiti.booking.service import RELEASED_JOB
from kiti.checkout.adopting import adopt_refunds
from kiti.checkout.earning import earn_departed
from kiti.checkout.till import Till
from kiti.checkout.trip_cancelling import TRIP_CANCELLED, CancelledTrip, cancel_bookings
from kiti.checkout.watching import (
    BookingReleased,
    close_payment,
    close_released,
    poll_payments,
    verify_payment,
)
from kiti.jobs.model import Handler, NamedJob
from kiti.jobs.service import handler_for
from kiti.payments.adopting import ADOPT_REFUNDS, AdoptRefunds
from kiti.payments.closing import CLOSE_PAYMENT, ClosePayment
from kiti.payments.disputing import (
    LOOK_AT_DISPUTES,
    LookAtDisputes,
    look_at_disputes,
    look_by_job,
)
from kiti.payments.owing import SEND_REFUND, SendRefund
from kiti.payments.refunding import retry_refunds, send_refund
from kiti.payments.service import VERIFY_PAYMENT, VerifyPayment
from kiti.platform.db import Database

POLL_EVERY: Final = "every 15s"
RETRY_EVERY: Final = "every 30s"
RECONCILE_EVERY: Final = "every 1h"
CLOSE_EVERY: Final = "every 60s"


def handlers(till: Till) -> Mapping[str, Handler]:
    """What each kind of job about money does."""

    async def verify(db: Database, job: VerifyPayment) -> None:
        await verify_payment(db, till, job)

    async def send(db: Database, job: SendRefund) -> None:
        await send_refund(db, till.gateways, refund_id=job.refund_id)

    async def close(db: Database, job: ClosePayment) -> None:
        await close_payment(db, till, job)

    async def look_for_refunds(db: Database, job: AdoptRefunds) -> None:
        await adopt_refunds(db, till, job)

    async def look_for_disputes(db: Database, job: LookAtDisputes) -> None:
        await look_by_job(db, till.gateways, job)

    return {
        LOOK_AT_DISPUTES: handler_for(LookAtDisputes, look_for_disputes),
        ADOPT_REFUNDS: handler_for(AdoptRefunds, look_for_refunds),
        CLOSE_PAYMENT: handler_for(ClosePayment, close),
        VERIFY_PAYMENT: handler_for(VerifyPayment, verify),
        SEND_REFUND: handler_for(SendRefund, send),
        RELEASED_JOB: handler_for(BookingReleased, close_released),
        TRIP_CANCELLED: handler_for(CancelledTrip, cancel_bookings),
    }


def named_jobs(till: Till) -> list[NamedJob]:
    """The first two ask, by hand, about all that is unfinished."""

    async def poll(db: Database) -> int:
        return await poll_payments(db, till, is_by_hand=False)

    async def poll_by_hand(db: Database) -> int:
        return await poll_payments(db, till, is_by_hand=True)

    async def retry(db: Database) -> int:
        return await retry_refunds(db, till.gateways, is_by_hand=False)

    async def retry_by_hand(db: Database) -> int:
        return await retry_refunds(db, till.gateways, is_by_hand=True)

    async def reconcile(db: Database) -> int:
        names = till.gateways.names()
        for name in names:
            await look_at_disputes(db, till.gateways, gateway=name)
        return sum([await adopt_refunds(db, till, AdoptRefunds(name)) for name in names])

    async def close(db: Database) -> int:
        return await close_trips(db) + await earn_departed(db)

    return [
        NamedJob("close-trips", CLOSE_EVERY, close),
        NamedJob("reconcile-settlements", RECONCILE_EVERY, reconcile),
        NamedJob("poll-payments", POLL_EVERY, poll, run_by_hand=poll_by_hand),
        NamedJob("retry-refunds", RETRY_EVERY, retry, run_by_hand=retry_by_hand),
    ]
