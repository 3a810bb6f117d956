"""Money that Kiti itself holds, over HTTP: credit, and refunds that are handed out in cash."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.checkout.cash import require_cashier_of
from kiti.checkout.schemas_payments import CreditItemOut, CreditOut, PaidOutIn, PaidOutOut
from kiti.identity.caller import Callers
from kiti.ledger import postings
from kiti.ledger.service import list_held
from kiti.payments.house import pay_out
from kiti.payments.model import NoSuchRefund
from kiti.platform.db import Conn, Database
from kiti.platform.http import (
    Answer,
    PathId,
    answer,
    encode,
    parse,
    private,
    read_id,
    read_json,
    refuses,
    takes,
)
from kiti.platform.idempotency import claim_for, once, read_key


def router(db: Database, callers: Callers) -> APIRouter:
    """A holder's credit; and, for staff, refunds that are handed out in cash."""
    routes = APIRouter(prefix="/api", tags=["payments"])

    @routes.get("/credit", response_model=CreditOut, responses=refuses(401, 503))
    async def credit(request: Request) -> Response:
        """What the caller has to spend here: pay with `"gateway": "credit"`."""
        caller = await callers.require(request)
        async with db.connection() as conn:
            held = await list_held(conn, postings.passenger_credit(caller.id))
        return private(
            answer(
                CreditOut(
                    items=[
                        CreditItemOut(amount=money.amount_minor, currency=money.currency)
                        for money in held
                    ]
                )
            )
        )

    @routes.post(
        "/payments/refunds/{refundId}/paid-out",
        response_model=PaidOutOut,
        openapi_extra=takes(PaidOutIn),
        responses=refuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def paid_out(request: Request, refundId: PathId) -> Response:  # noqa: N803  # on the wire
        """Say that a refund of cash was handed out; again changes nothing."""
        body = await read_json(request)
        caller = await callers.require(request)
        key = read_key(request.headers, body, required=False)
        claim = None
        if key is not None:
            claim = claim_for(
                caller.scope, route="paid-out", path=request.url.path, key=key, body=body
            )

        async def work(conn: Conn) -> Answer:
            refund_id = read_id(refundId, NoSuchRefund)
            await require_cashier_of(conn, caller, refund_id=refund_id)
            parse(PaidOutIn, body)
            refund = await pay_out(conn, refund_id=refund_id, agent_id=caller.id)
            out = PaidOutOut(
                refund_id=refund.refund_id,
                amount=refund.amount_minor,
                currency=refund.currency,
                status="SUCCEEDED",
            )
            return Answer(200, encode(out))

        return (await once(db, claim, work)).response()

    return routes
