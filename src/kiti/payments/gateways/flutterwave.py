"""The gateway Flutterwave, API v3: hosted checkout, verification, refunds, webhooks.

No call of v3 is idempotent. A creation is never sent twice under one reference: silence leaves it
UNKNOWN, and `verify_by_reference` tells later. A refund is looked up by our id before it is sent
again. The reply to a creation names no transaction, so `tx_ref`, our reference, is the only handle.
Source: developer.flutterwave.com, API v3 (checkout, transactions, refunds).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast

import httpx2
import structlog

from kiti.payments.gateways import flutterwave_wire as wire
from kiti.payments.gateways.flutterwave_webhook import check_signature, read_event
from kiti.payments.gateways.port import (
    Capabilities,
    CheckoutRequest,
    CheckoutResult,
    DisputeSnapshot,
    GatewayEvent,
    PaymentSnapshot,
    RefundRecord,
    RefundRequest,
    RefundSnapshot,
    sum_refunds,
)
from kiti.payments.gateways.reading import as_object, as_text, decode
from kiti.platform.money import Money

log: Final = structlog.get_logger("kiti.payments.flutterwave")

CONNECT_S: Final = 2.0
READ_S: Final = 15.0
CALL_S: Final = 20.0
REPLY_BYTES_MAX: Final = 1024 * 1024
PAGES_MAX: Final = 100
# Of 20 each: a day on which every trip was cancelled. Beyond it a person is told (the audit).
REFUND_PAGES_MAX: Final = 2000
LINK_S_MIN: Final = 60
LINK_S_MAX: Final = 24 * 3600
# 4xx that are no decision: the gateway was slow or busy.
_NOT_FINAL: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class FlutterwaveKeys:
    """What the account is known by. The webhook's secret is not the API key."""

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    webhook_secret_previous: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Reply:
    """A reply, or why there is none: `status` 0; `is_sent` False: it surely never left."""

    status: int
    body: dict[str, Any]
    reason: str
    is_sent: bool = True

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300 and self.body.get("status") != "error"

    @property
    def is_refusal(self) -> bool:
        """Whether the gateway has said no, for good."""
        if self.status in _NOT_FINAL:
            return False
        return 400 <= self.status < 500 or (
            200 <= self.status < 300 and self.body.get("status") == "error"
        )


def gateway_client() -> httpx2.AsyncClient:
    """The client that all gateways share; whoever asks for it closes it.

    No proxies of the environment, no redirects: calls with our key go where we are told and nowhere
    else.
    """
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(READ_S, connect=CONNECT_S, pool=CONNECT_S),
        limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20),
        follow_redirects=False,
        trust_env=False,
    )


class Flutterwave:
    """The adapter. `base_url` carries the version: `https://api.flutterwave.com/v3`."""

    def __init__(self, client: httpx2.AsyncClient, *, base_url: str, keys: FlutterwaveKeys) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._keys = keys

    @property
    def name(self) -> str:
        """Its name in our API and tables."""
        return "flutterwave"

    def capabilities(self) -> Capabilities:
        """What it can do."""
        return Capabilities(
            currencies=wire.CURRENCIES,
            is_signature_bound=False,
            is_create_repeatable=False,
            link_s_min=LINK_S_MIN,
            link_s_max=LINK_S_MAX,
        )

    def to_wire(self, money: Money) -> int | Decimal:
        """Major units, exact."""
        return wire.to_wire(money)

    def from_wire(self, value: object, currency: str) -> Money:
        """Minor units, exact.

        Raises:
            ValueError: not an amount, or finer than the minor unit.
        """
        return wire.from_wire(value, currency)

    async def create_checkout(self, request: CheckoutRequest) -> CheckoutResult:
        """Ask for the hosted page, once."""
        reply = await self._call("POST", "/payments", content=wire.checkout_body(request))
        if reply.is_refusal:
            log.warning("checkout refused", status=reply.status, reason=reply.reason)
            return CheckoutResult("REFUSED", reason=reply.reason)
        is_https_only = self._base_url.startswith("https:")
        link = wire.read_link(reply.body, is_https_only=is_https_only) if reply.is_ok else None
        if link is None:
            log.warning("checkout unknown", status=reply.status, reason=reply.reason)
            return CheckoutResult("UNKNOWN", reason=reply.reason)
        return CheckoutResult("OPEN", redirect_url=link)

    async def fetch_payment(
        self,
        *,
        reference: str,
        gateway_id: str | None = None,
        gateway_transaction_id: str | None = None,
    ) -> PaymentSnapshot:
        """Verify by the id that an event named, else by our reference.

        One reference may have several transactions, a declined and then a successful one, and
        verification by reference tells of one: unless that one is successful, all are listed.
        """
        del gateway_id  # v3 names no checkout
        transaction_id = wire.as_id(gateway_transaction_id)
        if transaction_id is not None:
            path = f"/transactions/{transaction_id}/verify"
            named = await self._verify(path, reference=reference)
            if named.status in {"SUCCEEDED", "UNKNOWN"}:
                return named
        found = await self._verify(
            "/transactions/verify_by_reference", reference=reference, params={"tx_ref": reference}
        )
        if found.status in {"SUCCEEDED", "UNKNOWN", "NOT_FOUND"}:
            return found
        listed = await self._list(reference)
        return found if listed.status in {"UNKNOWN", "NOT_FOUND"} else listed

    async def fetch_all(self, *, reference: str) -> PaymentSnapshot:
        """Every transaction under our reference; by verification where there is no list."""
        listed = await self._list(reference)
        if listed.status in {"UNKNOWN", "NOT_FOUND"}:
            return await self.fetch_payment(reference=reference)
        return listed

    async def create_refund(self, request: RefundRequest) -> RefundSnapshot:
        """Send the refund, once."""
        path = f"/transactions/{request.gateway_transaction_id}/refund"
        reply = await self._call("POST", path, content=wire.refund_body(request))
        if not reply.is_sent:
            return RefundSnapshot("NOT_SENT", reason=reply.reason)
        if reply.is_refusal:
            return RefundSnapshot("REFUSED", reason=reply.reason)
        if not reply.is_ok:
            return RefundSnapshot("UNKNOWN", reason=reply.reason)
        return wire.read_refund(reply.body.get("data"), request.money.currency)

    async def find_refund(self, request: RefundRequest) -> RefundSnapshot:
        """Look for our refund: by the gateway's id when it is known, else page by page to the end.

        The list has no filter but the day, so all refunds of the days of our sendings are read.
        """
        currency = request.money.currency
        refund_id = wire.as_id(request.gateway_refund_id)
        if refund_id is not None:
            reply = await self._call("GET", f"/refunds/{refund_id}")
            if reply.is_ok:
                return wire.read_refund(reply.body.get("data"), currency)
            return RefundSnapshot("UNKNOWN", reason=reply.reason)
        items = await self._refunds(request.since, request.until)
        if items is None:
            return RefundSnapshot("UNKNOWN", reason="the list was not told")
        ours: dict[str, RefundSnapshot] = {}  # an item may come twice, as pages move
        for n, item in enumerate(items):
            if wire.is_our_refund(item, request):
                found = wire.read_refund(item, currency)
                ours[found.gateway_refund_id or f"unread {n}"] = found
        return sum_refunds(list(ours.values()))

    async def list_refunds(self, *, since: datetime, until: datetime) -> list[RefundRecord] | None:
        """All refunds of these days that can be read."""
        items = await self._refunds(since, until)
        if items is None:
            return None
        records = [record for item in items if (record := wire.read_record(item)) is not None]
        return list({record.gateway_refund_id: record for record in records}.values())

    async def _refunds(self, since: datetime, until: datetime) -> list[object] | None:
        """The whole list of these days, page by page; None when it was not told to its end."""
        found: list[object] = []
        for page in range(1, REFUND_PAGES_MAX + 1):
            params = {
                "from": since.strftime("%Y-%m-%d"),
                "to": until.strftime("%Y-%m-%d"),
                "page": str(page),
            }
            reply = await self._call("GET", "/refunds", params=params)
            items = reply.body.get("data")
            if not reply.is_ok or not isinstance(items, list):
                log.warning("refunds not told", reason=reply.reason)
                return None
            found += cast("list[object]", items)
            if _is_last_page(reply.body, page) or not items:
                return found
        log.error("too many refunds to be listed", pages=REFUND_PAGES_MAX)
        return None

    async def list_disputes(self, *, since: datetime) -> list[DisputeSnapshot] | None:
        """All chargebacks raised since then, as far as they can be read."""
        found: dict[str, DisputeSnapshot] = {}
        for page in range(1, PAGES_MAX + 1):
            params = {"from": since.strftime("%Y-%m-%d"), "page": str(page)}
            reply = await self._call("GET", "/chargebacks", params=params)
            items = reply.body.get("data")
            if not reply.is_ok or not isinstance(items, list):
                log.warning("chargebacks not told", reason=reply.reason)
                return None
            for item in cast("list[object]", items):
                try:
                    read = wire.read_dispute(item)
                except ValueError as error:
                    log.warning("a chargeback cannot be read", reason=str(error))
                    continue
                found[read.gateway_dispute_id] = read
            if _is_last_page(reply.body, page) or not items:
                return list(found.values())
        log.error("too many chargebacks to be listed", pages=PAGES_MAX)
        return None

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str]) -> list[GatewayEvent]:
        """What the webhook claims, once its signature holds.

        Raises:
            BadSignature, MalformedJson.
        """
        secrets = (self._keys.webhook_secret, self._keys.webhook_secret_previous)
        check_signature(raw, headers, secrets=secrets)
        return [read_event(raw)]

    async def _verify(
        self, path: str, *, reference: str, params: dict[str, str] | None = None
    ) -> PaymentSnapshot:
        reply = await self._call("GET", path, params=params)
        if reply.status in {200, 400, 404} and wire.is_not_found(reply.body):
            return PaymentSnapshot("NOT_FOUND")
        if not reply.is_ok:
            return self._unknown(reply.reason)
        try:
            found = wire.read_transaction(reply.body.get("data"))
        except ValueError as error:
            return self._unknown(str(error))
        if found.reference != reference:
            log.error("verification told of another payment", reference=reference)
            return PaymentSnapshot("NOT_FOUND")
        return wire.snapshot_of([found])

    async def _list(self, reference: str) -> PaymentSnapshot:
        found: list[wire.Transaction] = []
        for page in range(1, PAGES_MAX + 1):
            params = {"tx_ref": reference, "page": str(page)}
            reply = await self._call("GET", "/transactions", params=params)
            items = reply.body.get("data")
            if not reply.is_ok or not isinstance(items, list):
                return self._unknown(reply.reason)
            try:
                found += [wire.read_transaction(item) for item in items]
            except ValueError as error:
                return self._unknown(str(error))
            if _is_last_page(reply.body, page) or not items:
                break
        return wire.snapshot_of([each for each in found if each.reference == reference])

    def _unknown(self, reason: str) -> PaymentSnapshot:
        log.warning("payment unknown", reason=reason)
        return PaymentSnapshot("UNKNOWN", reason=reason)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> _Reply:
        """One request; nothing that goes wrong with it is raised."""
        headers = {"authorization": f"Bearer {self._keys.secret_key}", "accept": "application/json"}
        if content is not None:
            headers["content-type"] = "application/json"
        url = self._base_url + path
        try:
            async with (
                asyncio.timeout(CALL_S),
                self._client.stream(
                    method, url, params=params, content=content, headers=headers
                ) as response,
            ):
                raw = await _read(response)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return _Reply(0, {}, type(error).__name__, is_sent=False)
        except (httpx2.TransportError, httpx2.DecodingError, TimeoutError) as error:
            return _Reply(0, {}, type(error).__name__)
        try:
            body = as_object(decode(raw))
        except ValueError:
            body = {}
        message = as_text(body.get("message"), length_max=300) or "no message"
        return _Reply(response.status_code, body, f"{response.status_code} {message}")


async def _read(response: httpx2.Response) -> bytes:
    """The body, as far as it is of a size that the gateway sends; the rest is not JSON then."""
    parts = bytearray()
    async for part in response.aiter_bytes():
        parts += part
        if len(parts) > REPLY_BYTES_MAX:
            break
    return bytes(parts[:REPLY_BYTES_MAX])


def _is_last_page(body: dict[str, Any], page: int) -> bool:
    info = as_object(as_object(body.get("meta")).get("page_info"))
    pages = info.get("total_pages")
    return not isinstance(pages, int) or page >= pages
