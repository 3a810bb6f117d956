"""Controls of the simulated Stripe alone: money out of nowhere, disputes, payouts."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kiti.sandbox.control import OrderRefused, answering, read_model
from kiti.sandbox.core import Core, Handler
from kiti.sandbox.replies import json_reply
from kiti.sandbox.stripe import wire
from kiti.sandbox.stripe.account import Account
from kiti.sandbox.stripe.hosted import HostedPage
from kiti.sandbox.stripe.model import Dispute, DisputeStatus, Options, Refused
from kiti.sandbox.stripe.notices import NAME, Notices
from kiti.sandbox.stripe.terms import RefundParams

_WEEK_S = 7 * 86_400
_Amount = Annotated[int, Field(ge=1, le=10**12)]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PaymentOrder(_Order):
    """A payment under a reference that no session made: another integration, or the dashboard.

    Amount (Stripe's units) and currency are the known session's when left out.
    """

    reference: Annotated[str, Field(min_length=1, max_length=200)]
    status: Literal["succeeded", "failed", "pending"] = "succeeded"
    amount: _Amount | None = None
    currency: Annotated[str, Field(pattern="^[a-z]{3}$")] | None = None


class EndOrder(_Order):
    """A payment under way comes to its end now."""

    payment_intent: str
    is_paid: bool


class RefundOrder(_Order):
    """A refund made in the dashboard: it carries none of the merchant's metadata."""

    payment_intent: str
    amount: _Amount | None = None


class DisputeOrder(_Order):
    """The payer's bank asks or takes; the answer is due in `due_s` seconds."""

    payment_intent: str
    amount: _Amount | None = None
    reason: Annotated[str, Field(max_length=100)] = "product_not_received"
    due_s: Annotated[float, Field(gt=0, le=366 * 86_400)] = _WEEK_S
    is_inquiry: bool = False


class VerdictOrder(_Order):
    """The bank has decided."""

    status: Literal["won", "lost"]


class Steering:
    """`/control/stripe/…`."""

    def __init__(self, core: Core, account: Account, notices: Notices, hosted: HostedPage) -> None:
        self._core = core
        self._account = account
        self._notices = notices
        self._hosted = hosted

    def routes(self) -> list[Route]:
        """The routes."""
        at = f"/control/{NAME}"
        return [
            Route(f"{at}/options", _steering(self.read_options), methods=["GET"]),
            Route(f"{at}/options", _steering(self.set_options), methods=["PUT"]),
            Route(f"{at}/payments", _steering(self.pay), methods=["POST"]),
            Route(f"{at}/payments/end", _steering(self.end_payment), methods=["POST"]),
            Route(f"{at}/refunds", _steering(self.refund), methods=["POST"]),
            Route(f"{at}/disputes", _steering(self.dispute), methods=["POST"]),
            Route(f"{at}/disputes/{{id}}", _steering(self.decide), methods=["POST"]),
            Route(f"{at}/payouts", _steering(self.pay_out), methods=["POST"]),
        ]

    async def read_options(self, _: Request) -> Response:
        """How the account behaves."""
        return json_reply(self._account.options.model_dump(mode="json"))

    async def set_options(self, request: Request) -> Response:
        """Behave so from now on; what is not named goes back to its default."""
        self._account.options = await read_model(request, Options)
        return await self.read_options(request)

    async def pay(self, request: Request) -> Response:
        """A payment that no hosted page made. Its webhooks are sent unless it is pending."""
        order = await read_model(request, PaymentOrder)
        known = self._account.sessions_of(reference=order.reference, limit=1)
        amount = order.amount or (known[0].amount if known else None)
        currency = order.currency or (known[0].currency if known else None)
        if amount is None or currency is None:
            raise Refused("amount and currency are required for a reference that is not known")
        metadata = known[0].intent_metadata if known else {"reference": order.reference}
        now = self._core.clock.now()
        intent = self._account.new_intent(
            amount=amount, currency=currency, metadata=metadata, now=now
        )
        charge = self._account.charge(intent, order.status, now)
        if order.status == "succeeded":
            self._notices.charge("succeeded", charge)
            self._notices.intent("succeeded", intent)
        elif order.status == "failed":
            self._notices.intent("payment_failed", intent)
        return json_reply(wire.intent(intent), 201)

    async def end_payment(self, request: Request) -> Response:
        """A payment under way succeeds or fails."""
        order = await read_model(request, EndOrder)
        if not self._hosted.finish(order.payment_intent, is_paid=order.is_paid):
            raise Refused("no such payment is under way")
        shown = wire.intent(self._account.intents[order.payment_intent])
        return json_reply(shown)

    async def refund(self, request: Request) -> Response:
        """A refund as somebody makes it in the dashboard."""
        order = await read_model(request, RefundOrder)
        params = RefundParams(payment_intent=order.payment_intent)
        charge = self._account.paid_charge(params)
        refund = self._account.refund(
            charge,
            amount=order.amount,
            params=params,
            status="succeeded",
            now=self._core.clock.now(),
        )
        self._notices.refund("created", refund)
        self._notices.charge("refunded", charge)
        return json_reply(wire.refund(refund), 201)

    async def dispute(self, request: Request) -> Response:
        """A dispute; unanswered when it falls due, it is lost."""
        order = await read_model(request, DisputeOrder)
        params = RefundParams(payment_intent=order.payment_intent)
        made = self._account.books.dispute(
            self._account.paid_charge(params),
            amount=order.amount,
            reason=order.reason,
            due_in=timedelta(seconds=order.due_s),
            is_inquiry=order.is_inquiry,
            now=self._core.clock.now(),
        )
        self._notices.dispute("created", made)
        if not order.is_inquiry:
            self._notices.dispute("funds_withdrawn", made)
        self._core.clock.call_in(order.due_s, lambda: self._lose_unanswered(made))
        return json_reply(wire.dispute(self._account, made), 201)

    async def decide(self, request: Request) -> Response:
        """The bank's verdict."""
        order = await read_model(request, VerdictOrder)
        found = self._account.books.disputes.get(request.path_params["id"])
        if found is None or not self._end(found, order.status):
            raise Refused("no such dispute is open")
        return json_reply(wire.dispute(self._account, found))

    async def pay_out(self, _: Request) -> Response:
        """Pay out all that is not paid out yet: one payout a currency."""
        made = self._account.books.pay_out(self._core.clock.now())
        rows = [wire.payout(payout) for payout in made]
        for row in rows:
            self._notices.other("payout.paid", row)
            self._notices.other("payout.reconciliation_completed", row)
        return json_reply({"items": rows}, 201)

    def _lose_unanswered(self, dispute: Dispute) -> None:
        if dispute.status in {"needs_response", "warning_needs_response"}:
            self._end(dispute, "lost")

    def _end(self, dispute: Dispute, status: DisputeStatus) -> bool:
        if not self._account.books.end(dispute, status, self._core.clock.now()):
            return False
        if dispute.status == "won":
            self._account.charges[dispute.charge_id].is_disputed = False
            self._notices.dispute("funds_reinstated", dispute)
        self._notices.dispute("closed", dispute)
        return True


def _steering(handler: Handler) -> Handler:
    """The handler, to whom the gateway's refusals are a tester's mistakes."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            raise OrderRefused(refused.message) from refused

    return answering(endpoint)
