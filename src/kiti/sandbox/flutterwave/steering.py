"""Controls of the simulated Flutterwave alone: money out of nowhere, settlements, chargebacks."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kiti.sandbox.control import OrderRefused, answering, read_model
from kiti.sandbox.core import Core, Handler
from kiti.sandbox.flutterwave import wire
from kiti.sandbox.flutterwave.account import Account
from kiti.sandbox.flutterwave.api import path_id
from kiti.sandbox.flutterwave.finance import Finance
from kiti.sandbox.flutterwave.model import Checkout, Customer, Options, Refused, Terms
from kiti.sandbox.flutterwave.notices import NAME, Notices
from kiti.sandbox.replies import json_reply

_WEEK_S = 7 * 86_400
_Amount = Annotated[Decimal, Field(gt=0, lt=10**12)]


class ChargeOrder(BaseModel):
    """Another attempt under a reference, known or not: a second tab, or money unannounced."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    tx_ref: Annotated[str, Field(min_length=1, max_length=255)]
    status: Literal["successful", "failed", "pending"] = "successful"
    amount: _Amount | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None


class ChargebackOrder(BaseModel):
    """The payer's bank wants the money back; the answer is due in `due_s` seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    transaction_id: int
    amount: _Amount | None = None
    comment: str = "Product/service not received"
    due_s: Annotated[float, Field(gt=0, le=366 * 86_400)] = _WEEK_S


class VerdictOrder(BaseModel):
    """The bank has decided."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    status: Literal["won", "lost"]


class Steering:
    """`/control/flutterwave/…`."""

    def __init__(self, core: Core, account: Account, finance: Finance, notices: Notices) -> None:
        self._core = core
        self._account = account
        self._finance = finance
        self._notices = notices

    def routes(self) -> list[Route]:
        """The routes."""
        at = f"/control/{NAME}"
        return [
            Route(f"{at}/options", _steering(self.read_options), methods=["GET"]),
            Route(f"{at}/options", _steering(self.set_options), methods=["PUT"]),
            Route(f"{at}/charges", _steering(self.charge), methods=["POST"]),
            Route(f"{at}/settlements", _steering(self.settle), methods=["POST"]),
            Route(f"{at}/chargebacks", _steering(self.dispute), methods=["POST"]),
            Route(f"{at}/chargebacks/{{id}}", _steering(self.decide), methods=["POST"]),
        ]

    async def read_options(self, _: Request) -> Response:
        """How the account behaves."""
        return json_reply(self._account.options.model_dump(mode="json"))

    async def set_options(self, request: Request) -> Response:
        """Behave so from now on; what is not named goes back to its default."""
        self._account.options = await read_model(request, Options)
        return await self.read_options(request)

    async def charge(self, request: Request) -> Response:
        """A charge that no hosted page made. Its webhook is sent unless it is pending."""
        order = await read_model(request, ChargeOrder)
        checkout = self._checkout(order)
        charge = self._account.charge(
            checkout,
            status=order.status,
            now=self._core.clock.now(),
            amount=order.amount,
            currency=order.currency,
        )
        if charge.status != "pending":
            self._notices.charge(charge)
        return json_reply(wire.verified(charge), 201)

    def _checkout(self, order: ChargeOrder) -> Checkout:
        known = self._account.checkouts(reference=order.tx_ref, limit=1)
        if known:
            return known[0]
        if order.amount is None:
            raise Refused("amount is required for a reference that is not known")
        terms = Terms(
            tx_ref=order.tx_ref,
            amount=order.amount,
            currency=order.currency or "NGN",
            customer=Customer("somebody@kiti.example", "Somebody", None),
            redirect_url=None,
            payment_type="card",
            title="Payment",
            meta=None,
            session_minutes=1,
            tries_max=1,
            link_expires_at=None,
        )
        return self._account.open_checkout(terms, twist=None, now=self._core.clock.now())

    async def settle(self, _: Request) -> Response:
        """Settle all that is not settled yet: one settlement a currency."""
        made = self._finance.settle(self._core.clock.now())
        return json_reply({"items": [wire.settlement(settlement) for settlement in made]}, 201)

    async def dispute(self, request: Request) -> Response:
        """A chargeback; unanswered when it falls due, it is lost."""
        order = await read_model(request, ChargebackOrder)
        now = self._core.clock.now()
        made = self._finance.dispute(
            order.transaction_id,
            amount=order.amount,
            comment=order.comment,
            due_at=now + timedelta(seconds=order.due_s),
            now=now,
        )
        self._core.clock.call_in(order.due_s, lambda: self._lose(made.chargeback_id))
        return json_reply(wire.chargeback(made), 201)

    async def decide(self, request: Request) -> Response:
        """The bank's verdict on a chargeback."""
        order = await read_model(request, VerdictOrder)
        now = self._core.clock.now()
        return json_reply(
            wire.chargeback(self._finance.decide(path_id(request), order.status, now))
        )

    def _lose(self, chargeback_id: int) -> None:
        self._finance.lose_unanswered(chargeback_id, self._core.clock.now())


def _steering(handler: Handler) -> Handler:
    """The handler, to whom the gateway's refusals are a tester's mistakes."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            raise OrderRefused(refused.message) from refused

    return answering(endpoint)
