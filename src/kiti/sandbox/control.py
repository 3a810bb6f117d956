"""`/control/…`: how a tester scripts faults, moves the clock and looks inside."""

from collections.abc import Sequence
from typing import Annotated, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kiti.sandbox.core import Core, Gateway, Handler
from kiti.sandbox.deliveries import Delivery
from kiti.sandbox.faults import FaultOrder
from kiti.sandbox.replies import BodyRefused, json_reply, read_object

_LIMIT = 100
_LIMIT_MAX = 20_000
_Model = TypeVar("_Model", bound=BaseModel)


class OrderRefused(Exception):
    """The tester's order cannot be carried out; `detail` says why."""

    def __init__(self, detail: object) -> None:
        super().__init__(str(detail))
        self.detail = detail


class AdvanceOrder(BaseModel):
    """Seconds to move the sandbox's clock forward."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: Annotated[float, Field(gt=0, le=366 * 86_400)]


def answering(handler: Handler) -> Handler:
    """The handler, whose refusals become 422 with `error`."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except OrderRefused as refused:
            return json_reply({"error": refused.detail}, 422)

    return endpoint


async def read_model(request: Request, model: type[_Model]) -> _Model:
    """The order in the body.

    Raises:
        OrderRefused: it is none.
    """
    try:
        return model.model_validate(await read_object(request))
    except BodyRefused as refused:
        raise OrderRefused(str(refused)) from refused
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        detail = [{"at": list(item["loc"]), "message": item["msg"]} for item in found]
        raise OrderRefused(detail) from None


class Control:
    """The controls that all gateways share."""

    def __init__(self, core: Core, gateways: Sequence[Gateway]) -> None:
        self._core = core
        self._gateways = {gateway.name: gateway for gateway in gateways}

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/control/faults", answering(self.add_fault), methods=["POST"]),
            Route("/control/faults", self.list_faults, methods=["GET"]),
            Route("/control/faults", self.clear_faults, methods=["DELETE"]),
            Route("/control/advance", answering(self.advance), methods=["POST"]),
            Route("/control/payments", answering(self.payments), methods=["GET"]),
            Route("/control/webhooks", answering(self.webhooks), methods=["GET"]),
            Route("/control/calls", self.calls, methods=["GET"]),
            Route("/control/reset", self.reset, methods=["POST"]),
        ]

    async def add_fault(self, request: Request) -> Response:
        """One more fault to come, after those that wait already."""
        order = await read_model(request, FaultOrder)
        if order.gateway not in self._gateways:
            raise OrderRefused(f"gateway is one of: {', '.join(self._gateways)}")
        try:
            fault_id = self._core.faults.add(order)
        except OverflowError as error:
            raise OrderRefused(str(error)) from error
        return json_reply({"id": fault_id, **order.model_dump(mode="json")}, 201)

    async def list_faults(self, _: Request) -> Response:
        """The faults still to come."""
        return json_reply({"items": self._core.faults.waiting()})

    async def clear_faults(self, _: Request) -> Response:
        """No more faults."""
        self._core.faults.clear()
        return Response(status_code=204)

    async def advance(self, request: Request) -> Response:
        """Move the clock: links expire, late money comes, webhooks are tried again."""
        order = await read_model(request, AdvanceOrder)
        self._core.clock.advance(order.seconds)
        return json_reply({"now": self._core.clock.now().isoformat()})

    async def payments(self, request: Request) -> Response:
        """What the gateways know: `?gateway=`, `?reference=`, `?limit=`; newest first."""
        asked = request.query_params.get("gateway")
        if asked is not None and asked not in self._gateways:
            raise OrderRefused(f"gateway is one of: {', '.join(self._gateways)}")
        reference, limit = _filter(request)
        items = [
            payment
            for gateway in self._gateways.values()
            if asked in {None, gateway.name}
            for payment in gateway.payments(reference=reference, limit=limit)
        ]
        return json_reply({"items": items})

    async def webhooks(self, request: Request) -> Response:
        """The deliveries with the answers they got: `?reference=`, `?limit=`; oldest first."""
        reference, limit = _filter(request)
        kept = self._core.deliveries.kept(reference=reference, limit=limit)
        return json_reply({"items": [_delivery(delivery) for delivery in kept]})

    async def calls(self, _: Request) -> Response:
        """How many calls arrived, by gateway and call, whatever became of them."""
        counts: dict[str, dict[str, int]] = {name: {} for name in self._gateways}
        for (gateway, call), count in self._core.calls.items():
            counts[gateway][call] = count
        return json_reply(counts)

    async def reset(self, _: Request) -> Response:
        """As just started, but that no id comes twice."""
        self._core.faults.clear()
        self._core.calls.clear()
        await self._core.deliveries.clear()
        for gateway in self._gateways.values():
            gateway.reset()
        self._core.clock.reset()
        return Response(status_code=204)


def _filter(request: Request) -> tuple[str | None, int]:
    query = request.query_params
    written = query.get("limit", str(_LIMIT))
    if not (written.isdecimal() and len(written) < 6 and 1 <= int(written) <= _LIMIT_MAX):
        raise OrderRefused(f"limit is 1 to {_LIMIT_MAX}")
    return query.get("reference"), int(written)


def _delivery(delivery: Delivery) -> dict[str, object]:
    webhook = delivery.webhook
    return {
        "id": delivery.delivery_id,
        "gateway": webhook.gateway,
        "event": webhook.event,
        "reference": webhook.reference,
        "url": webhook.url,
        "state": delivery.state,
        "createdAt": delivery.created_at.isoformat(),
        "body": cast("object", webhook.body.decode()),
        "tries": [
            {"at": one.at.isoformat(), "status": one.status, "error": one.error}
            for one in delivery.tries
        ],
    }
