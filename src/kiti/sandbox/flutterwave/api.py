"""The calls of Flutterwave v3 that a merchant makes with the secret key."""

import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kiti.sandbox.core import Core, Handler, misbehave
from kiti.sandbox.currency import minor_unit
from kiti.sandbox.faults import Call, Fault
from kiti.sandbox.flutterwave import wire
from kiti.sandbox.flutterwave.account import Account, fee_of, newest
from kiti.sandbox.flutterwave.model import Charge, Checkout, Refund, RefundStatus, Refused
from kiti.sandbox.flutterwave.notices import NAME, Notices, twisted
from kiti.sandbox.flutterwave.terms import (
    optional_text,
    read_amount,
    read_instant,
    read_terms,
    required_text,
)
from kiti.sandbox.replies import BodyRefused, json_reply, read_object

PREFIX: Final = "/flutterwave/v3"
_PAGE_SIZE: Final = 20
_TRANSACTIONS_PAGE_SIZE: Final = 10
_DIGITS_MAX: Final = 18


def error_reply(message: str, status: int) -> Response:
    """A refusal or failure in the gateway's words."""
    return json_reply(wire.error(message), status)


def guarded(core: Core, call: str, handler: Handler) -> Handler:
    """The handler behind its counter, the secret key and the gateway's way to refuse."""

    async def endpoint(request: Request) -> Response:
        core.calls[NAME, call] += 1
        authorization = request.headers.get("authorization", "")
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key:
            return error_reply("Authorization required", 401)
        secret = core.settings.flutterwave_secret_key
        if not secret or not hmac.compare_digest(key.strip().encode(), secret.encode()):
            return error_reply("Invalid authorization key", 401)
        try:
            return await handler(request)
        except Refused as refused:
            return error_reply(refused.message, refused.status)
        except BodyRefused as refused:
            return error_reply(str(refused), 400)

    return endpoint


class Api:
    """Payments, transactions and refunds."""

    def __init__(self, core: Core, account: Account, notices: Notices) -> None:
        self._core = core
        self._account = account
        self._notices = notices

    def routes(self) -> list[Route]:
        """The routes, hot ones first."""
        at = f"{PREFIX}/transactions"
        return [
            self._route("POST", f"{PREFIX}/payments", "create", self.create),
            self._route("GET", f"{at}/verify_by_reference", "verify", self.verify_by_reference),
            self._route("GET", f"{at}/{{id}}/verify", "verify", self.verify),
            self._route("POST", f"{at}/{{id}}/refund", "refund", self.refund),
            self._route("POST", f"{at}/{{id}}/resend-hook", "resend-hook", self.resend_hook),
            self._route("GET", f"{at}/{{id}}/events", "events", self.events),
            self._route("GET", f"{at}/fee", "fee", self.fee),
            self._route("GET", at, "transactions", self.transactions),
            self._route("GET", f"{PREFIX}/refunds/{{id}}", "refunds", self.read_refund),
            self._route("GET", f"{PREFIX}/refunds", "refunds", self.refunds),
        ]

    def _route(
        self, method: str, path: str, call: str, handler: Callable[[Request], Awaitable[Response]]
    ) -> Route:
        return Route(path, guarded(self._core, call, handler), methods=[method])

    async def create(self, request: Request) -> Response:
        """A hosted link. Its reply holds no transaction id: there is no transaction yet."""
        terms = read_terms(await read_object(request))
        fault = self._core.faults.take(NAME, "create", terms.tx_ref)

        def effect() -> Response:
            checkout = self._account.open_checkout(terms, twist=fault, now=self._now())
            link = hosted_link(request, self._core, checkout)
            return json_reply(wire.envelope("Hosted Link", {"link": link}))

        return await self._misbehave("create", fault, effect)

    async def verify(self, request: Request) -> Response:
        """A transaction by its own id."""
        charge_id = path_id(request)
        return await self._verify(lambda: self._account.charges.get(charge_id), None)

    async def verify_by_reference(self, request: Request) -> Response:
        """A transaction by the merchant's reference."""
        tx_ref = request.query_params.get("tx_ref", "")
        if not tx_ref:
            raise Refused("tx_ref is required")
        return await self._verify(lambda: self._account.find_by_reference(tx_ref), tx_ref)

    async def _verify(self, find: Callable[[], Charge | None], tx_ref: str | None) -> Response:
        found = find()
        reference = found.terms.tx_ref if found else tx_ref
        fault = self._core.faults.take(NAME, "verify", reference)

        def effect() -> Response:
            charge = twisted(self._known(find()), fault)
            return json_reply(
                wire.envelope("Transaction fetched successfully", wire.verified(charge))
            )

        return await self._misbehave("verify", fault, effect)

    async def refund(self, request: Request) -> Response:
        """Money back, all that is left when no amount is given. No idempotency, as documented."""
        charge_id = path_id(request)
        body = await read_object(request)
        charge = self._known(self._account.charges.get(charge_id))
        amount = (
            read_amount(body["amount"], charge.currency) if body.get("amount") is not None else None
        )
        comments = optional_text(body, "comments")
        fault = self._core.faults.take(NAME, "refund", charge.terms.tx_ref)

        def effect() -> Response:
            refund = self._refund(charge, amount, comments, fault)
            if fault and fault.kind == "duplicate":
                self._refund_again(charge, amount, comments)
            reply = wire.envelope("Transaction refund initiated", wire.made_refund(refund))
            return json_reply(reply)

        return await self._misbehave("refund", fault, effect)

    def _refund(
        self, charge: Charge, amount: Decimal | None, comments: str | None, fault: Fault | None
    ) -> Refund:
        kind = fault.kind if fault else None
        if fault and kind == "fail_refund" and fault.order.refuse:
            raise Refused("Insufficient balance to process this refund")
        if fault and kind == "wrong_amount":
            asked = amount or charge.amount
            amount = fault.order.amount or asked - minor_unit(charge.currency)
        end: RefundStatus = "failed" if kind == "fail_refund" else "completed"
        delay_s = fault.delay_s if fault and kind in {"fail_refund", "succeed_late"} else 0
        refund = self._account.refund(
            charge.charge_id,
            amount=amount,
            comments=comments,
            status="processing" if delay_s else end,
            now=self._now(),
        )
        if delay_s:
            self._core.clock.call_in(delay_s, lambda: self._finish_refund(refund.refund_id, end))
        else:
            self._notices.refund(refund)
        return refund

    def _refund_again(self, charge: Charge, amount: Decimal | None, comments: str | None) -> None:
        """A repeated call, as a broken proxy makes it; what is not left to give is not given."""
        try:
            self._refund(charge, amount, comments, None)
        except Refused:
            return

    def _finish_refund(self, refund_id: int, status: RefundStatus) -> None:
        refund = self._account.finish_refund(refund_id, status, self._now())
        if refund is not None:
            self._notices.refund(refund)

    async def resend_hook(self, request: Request) -> Response:
        """The transaction's webhook once more."""
        charge = self._known(self._account.charges.get(path_id(request)))
        self._notices.charge(charge)
        return json_reply(wire.envelope("hook sent successfully", "hook sent"))

    async def events(self, request: Request) -> Response:
        """The transaction's timeline."""
        charge = self._known(self._account.charges.get(path_id(request)))
        return json_reply(wire.envelope("Transaction events fetched", wire.timeline(charge)))

    async def fee(self, request: Request) -> Response:
        """What a charge would cost."""
        query = dict[str, object](request.query_params)
        currency = optional_text(query, "currency") or "NGN"
        amount = read_amount(required_text(query, "amount"), currency)
        fee, _ = fee_of(amount, currency)
        return json_reply(wire.envelope("Charged fee", wire.fee(amount, fee, currency)))

    async def transactions(self, request: Request) -> Response:
        """All attempts to pay, newest first."""
        query = request.query_params
        during = period(request)

        def fits(charge: Charge) -> bool:
            return (
                during(charge.created_at)
                and query.get("tx_ref", charge.terms.tx_ref) == charge.terms.tx_ref
                and query.get("status", charge.status) == charge.status
                and query.get("currency", charge.currency) == charge.currency
                and query.get("customer_email", charge.terms.customer.email)
                == charge.terms.customer.email
            )

        page, size = page_number(request), _TRANSACTIONS_PAGE_SIZE
        found, total = newest(self._account.charges, fits=fits, page=page, size=size)
        rows = [wire.listed(charge) for charge in found]
        meta = wire.page_info(total, page, size)
        return json_reply(wire.envelope("Transactions fetched", rows, meta=meta))

    async def refunds(self, request: Request) -> Response:
        """All refunds, newest first. There is no filter by transaction."""
        during = period(request)
        page, size = page_number(request), _PAGE_SIZE
        found, total = newest(
            self._account.refunds, fits=lambda r: during(r.created_at), page=page, size=size
        )
        rows = [wire.listed_refund(refund) for refund in found]
        meta = wire.page_info(total, page, size)
        return json_reply(wire.envelope("Transaction refunds fetched", rows, meta=meta))

    async def read_refund(self, request: Request) -> Response:
        """One refund."""
        refund = self._account.refunds.get(path_id(request))
        if refund is None:
            raise Refused("No refund was found for this id", self._account.options.not_found_status)
        return json_reply(wire.envelope("Transaction refund fetched", wire.listed_refund(refund)))

    def _known(self, charge: Charge | None) -> Charge:
        if charge is None:
            status = self._account.options.not_found_status
            raise Refused("No transaction was found for this id", status)
        return charge

    def _now(self) -> datetime:
        return self._core.clock.now()

    async def _misbehave(
        self, call: Call, fault: Fault | None, effect: Callable[[], Response]
    ) -> Response:
        failure = error_reply("An error occurred. Please contact support", 503)
        return await misbehave(self._core, (NAME, call), fault, effect=effect, failure=failure)


def hosted_link(request: Request, core: Core, checkout: Checkout) -> str:
    """The page where the customer pays, under the address by which the sandbox is reached."""
    origin = core.settings.public_url or str(request.base_url).rstrip("/")
    return f"{origin}{PREFIX}/hosted/pay/{checkout.token}"


def page_number(request: Request) -> int:
    """The page asked for, counted from 1."""
    asked = request.query_params.get("page", "1")
    is_number = asked.isdecimal() and len(asked) <= _DIGITS_MAX
    return max(1, int(asked)) if is_number else 1


def path_id(request: Request) -> int:
    """The id in the path; 0, which nothing has, when it is no number."""
    written = str(request.path_params["id"])
    return int(written) if written.isdecimal() and len(written) <= _DIGITS_MAX else 0


def period(request: Request) -> Callable[[datetime], bool]:
    """Whether an instant lies from `from` to `to`, both included; a bare date means all of it.

    Raises:
        Refused: one of them is no ISO 8601 date or instant.
    """
    query = dict[str, object](request.query_params)
    since, until = read_instant(query, "from"), read_instant(query, "to")
    if until is not None and len(str(query["to"])) == len("2026-11-22"):
        until = until.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return lambda at: (since is None or since <= at) and (until is None or at <= until)
