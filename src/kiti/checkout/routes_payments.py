"""Paying over HTTP: /api/payments/initiate (also /api/payments) and /api/payments/status."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from kiti.checkout.paying import Asked, Wish, initiate
from kiti.checkout.schemas_payments import InitiateIn, InitiateOut, PaymentOut, payment_out
from kiti.checkout.till import Till
from kiti.checkout.watching import read_status
from kiti.identity.caller import Caller, Callers
from kiti.payments.house import METHODS
from kiti.payments.model import PaymentMethod
from kiti.platform.db import Database
from kiti.platform.errors import ValidationFailed
from kiti.platform.http import Body, answer, parse, private, read_json, refuses, takes
from kiti.platform.idempotency import claim_for, read_key

ROUTE = "initiate"
PATH = "/api/payments/initiate"


def router(db: Database, callers: Callers, till: Till) -> APIRouter:
    """The calls that pay."""
    routes = APIRouter(prefix="/api/payments", tags=["payments"])

    async def pay(request: Request) -> Response:
        body = await read_json(request)
        caller = await callers.require(request)
        key = read_key(request.headers, body, required=True)
        assert key is not None, "a required key was read"  # noqa: S101 (for the type checker)
        claim = claim_for(caller.scope, route=ROUTE, path=PATH, key=key, body=body)
        asked = Asked(
            holder_id=caller.id,
            is_account=caller.kind == "account",
            claim=claim,
            booking_hint=body.text("bookingId"),
            wish=lambda: _wish(body),
            caller=caller,
        )
        return (await initiate(db, till, asked)).response()

    for path, operation_id in (("/initiate", "initiatePayment"), ("", "createPayment")):
        routes.add_api_route(
            path,
            pay,
            methods=["POST"],
            status_code=201,
            summary="Begin to pay a booking",
            operation_id=operation_id,
            description="The second call with the same wish is answered with the open attempt. "
            "`POST /api/payments` and `POST /api/payments/initiate` are the same operation.",
            response_model=InitiateOut,
            openapi_extra=takes(InitiateIn),
            responses={
                200: {"model": InitiateOut, "description": "The attempt that was open already"},
                **refuses(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
            },
        )

    async def caller_of(request: Request) -> Caller:
        """Asked before the query's fields are checked."""
        return await callers.require(request)

    @routes.get("/status", response_model=PaymentOut, responses=refuses(401, 404, 422, 503))
    async def status(
        caller: Annotated[Caller, Depends(caller_of)],
        transactionId: Annotated[str, Query(min_length=1, max_length=200)],  # noqa: N803  # on the wire
    ) -> Response:
        """What became of a payment; while it is pending its gateway is asked, once in 5 s."""
        history = await read_status(db, till, reference=transactionId, holder_id=caller.id)
        return private(answer(payment_out(history)))

    return routes


def _wish(body: Body) -> Wish:
    fields = parse(InitiateIn, body)
    return Wish(
        booking_id=fields.booking_id,
        amount_minor=fields.amount,
        currency=fields.currency,
        method=_method(fields),
        gateway=fields.gateway,
    )


def _method(fields: InitiateIn) -> PaymentMethod:
    """How it is to be paid: the method asked for, or what Kiti itself takes."""
    own = METHODS.get(fields.gateway or "")
    if own is None and fields.payment_method is not None:
        return PaymentMethod(fields.payment_method)
    if own is not None and fields.payment_method is None:
        return own
    message = "Field required" if own is None else f"{fields.gateway} has no methods: leave it out"
    raise ValidationFailed(errors=[{"pointer": "#/paymentMethod", "message": message}])
