"""The gateways' way in: webhooks, let in by their signature alone."""

from typing import Final

from fastapi import APIRouter
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from kiti.payments.gateways.port import Gateway
from kiti.payments.gateways.registry import Gateways
from kiti.payments.model import BadSignature
from kiti.payments.webhooks import receive_webhook
from kiti.platform.db import Database
from kiti.platform.errors import MalformedJson, NotFound
from kiti.platform.http import answer, read_raw_json, refuses

WEBHOOK_BYTES_MAX: Final = 256 * 1024


def webhook_routes(db: Database, gateways: Gateways) -> APIRouter:
    """`POST /payments/webhook/flutterwave` and `/stripe`."""
    routes = APIRouter(prefix="/payments/webhook", tags=["payments"])

    @routes.post("/flutterwave", responses=refuses(400, 401, 404, 413, 415, 503))
    async def flutterwave(request: Request) -> Response:
        """What Flutterwave tells: stored, then answered 200; its claims are verified by a job."""
        return await _take(db, gateways.find("flutterwave"), request)

    @routes.post("/stripe", responses=refuses(400, 401, 404, 413, 415, 503))
    async def stripe(request: Request) -> Response:
        """What Stripe tells: stored, then answered 200; its claims are verified by a job."""
        return await _take(db, gateways.find("stripe"), request)

    return routes


async def _take(db: Database, gateway: Gateway | None, request: Request) -> Response:
    """Keep what was sent; whatever it is, when it is signed."""
    raw = await read_raw_json(request, limit=WEBHOOK_BYTES_MAX)
    if gateway is None:
        raise NotFound("this gateway is not configured here")
    try:
        await receive_webhook(db, gateway, raw=raw, headers=request.headers)
    except BadSignature:
        _require_json(raw)  # of a stranger, the contract's order: the body, then who is calling
        raise
    return answer({"received": True})


def _require_json(raw: bytes) -> None:
    try:
        from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise MalformedJson from None
