"""The gateways' way in: webhooks, let in by their signature alone."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.payments.gateways.registry import Gateways
from kiti.payments.webhooks import receive_webhook
from kiti.platform.db import Database
from kiti.platform.errors import NotFound
from kiti.platform.http import answer, read_json, refuses

WEBHOOK_BYTES_MAX: Final = 256 * 1024


def webhook_routes(db: Database, gateways: Gateways) -> APIRouter:
    """`POST /payments/webhook/flutterwave`."""
    routes = APIRouter(prefix="/payments/webhook", tags=["payments"])

    @routes.post("/flutterwave", responses=refuses(400, 401, 404, 413, 415, 503))
    async def flutterwave(request: Request) -> Response:
        """What Flutterwave tells: stored, then answered 200; its claims are verified by a job."""
        body = await read_json(request, limit=WEBHOOK_BYTES_MAX)
        gateway = gateways.find("flutterwave")
        if gateway is None:
            raise NotFound("this gateway is not configured here")
        await receive_webhook(db, gateway, raw=body.raw, headers=request.headers)
        return answer({"received": True})

    return routes
