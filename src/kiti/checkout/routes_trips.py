"""What an operator does with a trip over HTTP: POST /api/trips/{id}/cancel and /close."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.closing import close_sales
from kiti.checkout.desk import Desk
from kiti.checkout.schemas_trips import CancelledTripOut, CancelTripIn, ClosedTripOut, CloseTripIn
from kiti.checkout.trip_cancelling import cancel_trip_within
from kiti.identity.access import require_staff
from kiti.identity.caller import Caller
from kiti.identity.model import Role
from kiti.network.model import NoSuchTrip
from kiti.platform.db import Conn
from kiti.platform.http import (
    Answer,
    Body,
    PathId,
    encode,
    parse,
    read_id,
    read_json,
    refuses,
    takes,
)
from kiti.platform.idempotency import claim_for, once, read_key

STAFF: Final = frozenset({Role.OPERATOR_STAFF, Role.OPERATOR_ADMIN})

Work = Callable[[Conn, Caller, UUID, Body], Awaitable[Answer]]


def router(desk: Desk) -> APIRouter:
    """The calls of an operator's staff, for trips of their own operator."""
    routes = APIRouter(prefix="/api/trips", tags=["operator"])

    async def do(request: Request, trip_id: str, *, route: str, work: Work) -> Response:
        """Check in the contract's order, then work once for the key."""
        body = await read_json(request)
        caller = await desk.identity.callers.require(request)
        key = read_key(request.headers, body, required=False)
        claim = None
        if key is not None:
            claim = claim_for(caller.scope, route=route, path=request.url.path, key=key, body=body)

        async def run(conn: Conn) -> Answer:
            found = read_id(trip_id, NoSuchTrip)
            sheet = await desk.catalogue.sheet(conn, found, fresh=True)
            await require_staff(conn, caller, operator_id=sheet.operator_id, roles=STAFF)
            return await work(conn, caller, found, body)

        return (await once(desk.db, claim, run)).response()

    @routes.post(
        "/{trip_id}/cancel",
        response_model=CancelledTripOut,
        openapi_extra=takes(CancelTripIn),
        responses=refuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def cancel(request: Request, trip_id: PathId) -> Response:
        """Cancel the trip: every booking ends, and all that was paid goes back."""

        async def work(conn: Conn, caller: Caller, found: UUID, body: Body) -> Answer:
            fields = parse(CancelTripIn, body)
            done = await cancel_trip_within(
                conn, desk.catalogue, trip_id=found, reason=fields.reason, by=caller.id
            )
            out = CancelledTripOut(
                trip_id=found,
                status="CANCELLED",
                reason=done.reason,
                cancelled_at=done.cancelled_at,
                done_at=done.done_at,
            )
            return Answer(200, encode(out))

        return await do(request, trip_id, route="cancel-trip", work=work)

    @routes.post(
        "/{trip_id}/close",
        response_model=ClosedTripOut,
        openapi_extra=takes(CloseTripIn),
        responses=refuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def close(request: Request, trip_id: PathId) -> Response:
        """Take no new bookings; those there are stay."""

        async def work(conn: Conn, _caller: Caller, found: UUID, body: Body) -> Answer:
            parse(CloseTripIn, body)
            await close_sales(conn, trip_id=found)
            return Answer(200, encode(ClosedTripOut(trip_id=found, status="CLOSED")))

        return await do(request, trip_id, route="close-trip", work=work)

    return routes
