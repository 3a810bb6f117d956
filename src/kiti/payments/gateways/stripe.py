"""The gateway Stripe: Checkout Sessions, refunds, disputes, the balance, through its official SDK.

A creation carries our reference as its idempotency key, so it is sent again when nobody knows what
came of it, and makes one session. A refund's key is our id of it and the amount. Stripe keeps an
answer for a day, errors too, so after a day, and before a refund is sent a second time, it is
looked up. One session is paid once; the payment intent that it makes is the transaction.
Source: docs.stripe.com/api, docs.stripe.com/api/idempotent_requests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar, cast

import httpx2
import structlog

from kiti.payments.gateways import stripe_wire as wire
from kiti.payments.gateways.port import (
    Capabilities,
    CheckoutRequest,
    CheckoutResult,
    DisputeSnapshot,
    ExpireOutcome,
    GatewayEvent,
    PaymentSnapshot,
    RefundRecord,
    RefundRequest,
    RefundSnapshot,
    SettlementLine,
    SettlementSnapshot,
    sum_refunds,
)
from kiti.payments.gateways.reading import as_link, as_object, as_text
from kiti.payments.gateways.stripe_books import read_dispute, read_line, read_settlement
from kiti.payments.gateways.stripe_client import Call, Reply, ask, ask_keyed, make_client
from kiti.payments.gateways.stripe_webhook import check_signature, read_event
from kiti.platform.clock import utc_now
from kiti.platform.money import Money

if TYPE_CHECKING:
    from stripe.params import (
        BalanceTransactionListParams,
        DisputeListParams,
        PayoutListParams,
        RefundListParams,
    )

log: Final = structlog.get_logger("kiti.payments.stripe")

PAGES_MAX: Final = 200
PAGE: Final = 100
# Sendings of one refund whose answers Stripe may still keep: more than we ever make in a day.
KEYS_MAX: Final = 30
_CHARGE: Final = "latest_charge.balance_transaction"
_Item = TypeVar("_Item")
_Params = TypeVar("_Params", bound=Mapping[str, object])
_ListCall = Callable[[str | None], Call]


@dataclass(frozen=True, slots=True)
class StripeKeys:
    """What the account is known by. The webhook's secret is not the API key."""

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    webhook_secret_previous: str = field(default="", repr=False)

    @property
    def is_live(self) -> bool:
        """Whether the key moves real money."""
        return "_live_" in self.secret_key[:12]


class Stripe:
    """The adapter. `base_url` is without a version: `https://api.stripe.com`.

    `now` reads the wall clock that webhooks' instants are held against.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        *,
        base_url: str,
        keys: StripeKeys,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        api = make_client(client, base_url=base_url, key=keys.secret_key).v1
        self._sessions, self._intents = api.checkout.sessions, api.payment_intents
        self._refunds, self._disputes = api.refunds, api.disputes
        self._payouts, self._lines = api.payouts, api.balance_transactions
        self._is_https_only = base_url.startswith("https:")
        self._keys = keys
        self._now = now

    @property
    def name(self) -> str:
        """Its name in our API and tables."""
        return "stripe"

    def capabilities(self) -> Capabilities:
        """What it can do."""
        return Capabilities(
            currencies=wire.CURRENCIES,
            is_signature_bound=True,
            is_create_repeatable=True,
            link_s_min=wire.LINK_S_MIN,
            link_s_max=wire.LINK_S_MAX,
        )

    def to_wire(self, money: Money) -> int:
        """Stripe's minor units, exact.

        Raises:
            ValueError: finer than Stripe takes it.
        """
        return wire.to_wire(money)

    def from_wire(self, value: object, currency: str) -> Money:
        """Our minor units, exact.

        Raises:
            ValueError: not an amount, or finer than the minor unit.
        """
        return wire.from_wire(value, currency)

    async def create_checkout(self, request: CheckoutRequest) -> CheckoutResult:
        """Ask for the session, under our reference as its key."""
        try:
            params = wire.checkout_params(request)
        except ValueError as error:
            return CheckoutResult("REFUSED", reason=str(error))
        key = request.reference
        reply = await ask_keyed(
            lambda: self._sessions.create_async(params, {"idempotency_key": key})
        )
        if reply.is_refusal:
            log.warning("checkout refused", status=reply.status, reason=reply.reason)
            return CheckoutResult("REFUSED", reason=reply.reason)
        link = as_link(reply.body.get("url"), is_https_only=self._is_https_only)
        session_id = wire.as_id(reply.body.get("id"), "cs")
        if not reply.is_ok or link is None or session_id is None:
            log.warning("checkout unknown", status=reply.status, reason=reply.reason)
            return CheckoutResult("UNKNOWN", reason=reply.reason)
        return CheckoutResult("OPEN", redirect_url=link, gateway_id=session_id)

    async def fetch_payment(
        self,
        *,
        reference: str,
        gateway_id: str | None = None,
        gateway_transaction_id: str | None = None,
    ) -> PaymentSnapshot:
        """By the payment intent that an event named, by the session, else by a search.

        The search sees an intent up to a minute late, and is only needed when the answer to the
        creation was lost: nobody has that session's address then.
        """
        intent_id = wire.as_id(gateway_transaction_id, "pi")
        if intent_id is not None:
            named = await self._by_intent(intent_id, reference)
            if named.status in {"SUCCEEDED", "UNKNOWN"}:
                return named
        session_id = wire.as_id(gateway_id, "cs")
        if session_id is not None:
            return await self._by_session(session_id, reference)
        return await self._by_search(reference)

    async def fetch_all(self, *, reference: str) -> PaymentSnapshot:
        """Every payment intent under our reference, as far as the search has seen them."""
        return await self._by_search(reference)

    async def expire_checkout(self, *, gateway_id: str) -> ExpireOutcome:
        """Close the session, so that nobody pays there any more."""
        session_id = wire.as_id(gateway_id, "cs")
        if session_id is None:
            return "NOT_OPEN"
        reply = await ask(lambda: self._sessions.expire_async(session_id))
        if reply.is_ok:
            return "EXPIRED"
        return "NOT_OPEN" if reply.status in {400, 404} and reply.is_refusal else "UNKNOWN"

    async def create_refund(self, request: RefundRequest) -> RefundSnapshot:
        """Send the refund, under our id and the amount as its key.

        What Stripe kept under the key from an earlier sending stands while that refund lives. One
        that failed or was refused is sent under the next key: the caller has looked it up.
        """
        intent_id = wire.as_id(request.gateway_transaction_id, "pi")
        try:
            params = wire.refund_params(request, intent_id or "")
        except ValueError as error:
            return RefundSnapshot("REFUSED", reason=str(error))
        if intent_id is None:
            return RefundSnapshot("REFUSED", reason="not a payment intent")
        for number in range(KEYS_MAX):
            key = f"{request.refund_id}-{params.get('amount')}" + (f"-{number}" if number else "")
            reply = await ask_keyed(
                lambda key=key: self._refunds.create_async(params, {"idempotency_key": key})
            )
            if not reply.is_replayed:
                return _refund_of(reply)
            if reply.is_ok:
                found = wire.read_refund(reply.body)
                kept = await self._refund_by_id(found.gateway_refund_id)
                if kept.status != "FAILED":
                    return kept
        return RefundSnapshot("UNKNOWN", reason="every key was used before")

    async def find_refund(self, request: RefundRequest) -> RefundSnapshot:
        """Look for our refund: by Stripe's id when it is known, else among all of the payment."""
        refund_id = wire.as_id(request.gateway_refund_id, "re")
        if refund_id is not None:
            return await self._refund_by_id(refund_id)
        intent_id = wire.as_id(request.gateway_transaction_id, "pi")
        if intent_id is None:
            return RefundSnapshot("NOT_FOUND")

        def page(after: str | None) -> Call:
            params: RefundListParams = {"payment_intent": intent_id, "limit": PAGE}
            return lambda: self._refunds.list_async(_after(params, after))

        found = await self._list(page, as_object)
        if found is None:
            return RefundSnapshot("UNKNOWN", reason="the list of refunds is not to be had")
        return sum_refunds(
            [wire.read_refund(each) for each in found if wire.is_our_refund(each, request)]
        )

    async def list_refunds(self, *, since: datetime, until: datetime) -> list[RefundRecord] | None:
        """All refunds of these days, whoever made them."""
        first_s, last_s = int(since.timestamp()), int(until.timestamp())

        def page(after: str | None) -> Call:
            params: RefundListParams = {"created": {"gte": first_s, "lte": last_s}, "limit": PAGE}
            return lambda: self._refunds.list_async(_after(params, after))

        found = await self._list(page, wire.read_record)
        return None if found is None else [each for each in found if each is not None]

    async def list_disputes(self, *, since: datetime) -> list[DisputeSnapshot] | None:
        """All disputes opened since then."""
        since_s = int(since.timestamp())

        def page(after: str | None) -> Call:
            params: DisputeListParams = {"created": {"gte": since_s}, "limit": PAGE}
            return lambda: self._disputes.list_async(_after(params, after))

        return await self._list(page, read_dispute)

    async def list_settlements(self, *, since: datetime) -> list[SettlementSnapshot] | None:
        """All payouts made since then."""
        since_s = int(since.timestamp())

        def page(after: str | None) -> Call:
            params: PayoutListParams = {"created": {"gte": since_s}, "limit": PAGE}
            return lambda: self._payouts.list_async(_after(params, after))

        return await self._list(page, read_settlement)

    async def list_settlement_lines(self, *, settlement_id: str) -> list[SettlementLine] | None:
        """What a payout is made of, and itself."""
        payout_id = wire.as_id(settlement_id, "po")
        if payout_id is None:
            return None

        def page(after: str | None) -> Call:
            params: BalanceTransactionListParams = {
                "payout": payout_id,
                "limit": PAGE,
                "expand": ["data.source"],
            }
            return lambda: self._lines.list_async(_after(params, after))

        return await self._list(page, read_line)

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str]) -> list[GatewayEvent]:
        """What the webhook claims, once its signature holds.

        Raises:
            BadSignature, MalformedJson.
        """
        secrets = (self._keys.webhook_secret, self._keys.webhook_secret_previous)
        check_signature(raw, headers, secrets=secrets, now=self._now())
        return [read_event(raw, is_live=self._keys.is_live)]

    async def _by_intent(self, intent_id: str, reference: str) -> PaymentSnapshot:
        reply = await ask(lambda: self._intents.retrieve_async(intent_id, {"expand": [_CHARGE]}))
        if reply.is_missing:
            return PaymentSnapshot("NOT_FOUND")
        return self._snapshot(reply, [reply.body], reference)

    async def _by_session(self, session_id: str, reference: str) -> PaymentSnapshot:
        expand = [f"payment_intent.{_CHARGE}"]
        reply = await ask(lambda: self._sessions.retrieve_async(session_id, {"expand": expand}))
        if reply.is_missing:
            return PaymentSnapshot("NOT_FOUND")
        if reply.is_ok and reply.body.get("client_reference_id") != reference:
            log.error("a session is another payment's", reference=reference)
            return PaymentSnapshot("NOT_FOUND")
        intent = reply.body.get("payment_intent")
        # Nobody has tried to pay there yet, or ever: there is no intent.
        intents: list[object] = [] if intent is None else [intent]
        is_over = reply.body.get("status") != "open"
        return self._snapshot(reply, intents, reference, is_over=is_over)

    async def _by_search(self, reference: str) -> PaymentSnapshot:
        query = f'metadata["{wire.REFERENCE}"]:"{reference}"'
        reply = await ask(
            lambda: self._intents.search_async(
                {"query": query, "limit": PAGE, "expand": [f"data.{_CHARGE}"]}
            )
        )
        found = reply.body.get("data")
        is_list = isinstance(found, list)
        intents: list[object] = cast("list[object]", found) if is_list else [None]
        return self._snapshot(reply, intents, reference)

    def _snapshot(
        self, reply: Reply, listed: list[object], reference: str, *, is_over: bool = False
    ) -> PaymentSnapshot:
        """What these intents say of our payment; those of another are left out."""
        if not reply.is_ok:
            return self._unknown(reply.reason)
        try:
            found = [wire.read_intent(each) for each in listed]
        except ValueError as error:
            return self._unknown(str(error))
        ours = [each for each in found if each.reference == reference]
        if len(ours) < len(found):
            log.error("a payment intent is another payment's", reference=reference)
        return wire.snapshot_of(ours, is_over=is_over)

    def _unknown(self, reason: str) -> PaymentSnapshot:
        log.warning("payment unknown", reason=reason)
        return PaymentSnapshot("UNKNOWN", reason=reason)

    async def _refund_by_id(self, refund_id: str | None) -> RefundSnapshot:
        if refund_id is None:
            return RefundSnapshot("UNKNOWN", reason="not a refund")
        reply = await ask(lambda: self._refunds.retrieve_async(refund_id))
        if not reply.is_ok:
            return RefundSnapshot("UNKNOWN", reason=reply.reason)
        return wire.read_refund(reply.body)

    async def _list(self, page: _ListCall, read: Callable[[object], _Item]) -> list[_Item] | None:
        """All pages; None when one is not to be had or read: a part is never told as the whole."""
        out: list[_Item] = []
        after: str | None = None
        for _ in range(PAGES_MAX):
            reply = await ask(page(after))
            items = reply.body.get("data")
            if not reply.is_ok or not isinstance(items, list):
                log.warning("a list is not to be had", reason=reply.reason)
                return None
            try:
                out += [read(item) for item in items]
            except ValueError as error:
                log.warning("a list cannot be read", reason=str(error))
                return None
            if not items or reply.body.get("has_more") is not True:
                return out
            after = as_text(as_object(items[-1]).get("id"))
        log.error("a list is too long", pages=PAGES_MAX)
        return None


def _refund_of(reply: Reply) -> RefundSnapshot:
    """What came of sending a refund."""
    if not reply.is_sent:
        return RefundSnapshot("NOT_SENT", reason=reply.reason)
    if reply.is_refusal:
        return RefundSnapshot("REFUSED", reason=reply.reason)
    if not reply.is_ok:
        return RefundSnapshot("UNKNOWN", reason=reply.reason)
    return wire.read_refund(reply.body)


def _after(params: _Params, after: str | None) -> _Params:
    """The same list, from the next page on."""
    return params if after is None else cast("_Params", {**params, "starting_after": after})
