"""Stripe's official SDK over our own HTTP client: no retries, no telemetry, no state of a module.

The SDK would pick a transport by what is installed and tell Stripe about this machine with each
call; here it gets the process's one client, and only the headers that a call needs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import stripe

from kiti.payments.gateways.reading import as_object, as_text

# One try of a call; a keyed call is tried twice, which together stays within an attempt's lease.
TRY_S: Final = 10.0
PAUSE_S: Final = 0.3
TRIES: Final = 2
REPLY_BYTES_MAX: Final = 2 * 1024 * 1024
# 4xx that are no decision: Stripe was slow or busy, or is still working on the same key.
_NOT_FINAL: Final = frozenset({408, 409, 425, 429})
# Worth another try under the same key; a 500 is kept by Stripe, and would only be said again.
_WORTH_A_TRY: Final = frozenset({0, 409, 429, 502, 503, 504})
_SENT: Final = frozenset(
    {"authorization", "content-type", "idempotency-key", "stripe-version", "user-agent"}
)
_KINDS: Final = (
    "list",
    "search_result",
    "checkout.session",
    "payment_intent",
    "charge",
    "refund",
    "dispute",
    "balance_transaction",
    "payout",
)
_READ: Final = ("idempotent-replayed", "request-id")

Call = Callable[[], Awaitable[stripe.StripeObject]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, or why there is none: `status` 0; `is_sent` False: it surely never left.

    `is_replayed`: Stripe said this before, under the same key. `kind` and `code` are its words for
    an error.
    """

    status: int
    reason: str
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    kind: str = ""
    code: str = ""
    is_replayed: bool = False
    is_sent: bool = True

    @property
    def is_ok(self) -> bool:
        """Whether Stripe did what was asked."""
        return self.status == 200 and not self.kind

    @property
    def is_refusal(self) -> bool:
        """Whether Stripe has said no, for good. Another use of a key says nothing of this one."""
        if self.status in _NOT_FINAL or self.kind == "idempotency_error":
            return False
        return 400 <= self.status < 500

    @property
    def is_missing(self) -> bool:
        """Whether there is no such thing at Stripe."""
        return self.status == 404 and self.code == "resource_missing"


class _NotSent(stripe.APIConnectionError):
    """No connection: Stripe has heard nothing."""


class _Transport(stripe.HTTPClient):
    """The SDK's way out: our client, which keeps to the address it is given."""

    name = "httpx2"

    def __init__(self, client: httpx2.AsyncClient) -> None:
        super().__init__()
        self._http = client

    async def request_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: Any = None,  # noqa: ANN401  # as the SDK has it
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request. What goes wrong is raised in the SDK's words."""
        sent = {name: value for name, value in headers.items() if name.lower() in _SENT}
        content = post_data.encode() if isinstance(post_data, str) else post_data
        try:
            async with (
                asyncio.timeout(TRY_S),
                self._http.stream(method.upper(), url, headers=sent, content=content) as response,
            ):
                raw = bytearray()
                async for part in response.aiter_bytes():
                    raw += part
                    if len(raw) > REPLY_BYTES_MAX:
                        break
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise _NotSent(type(error).__name__) from error
        except (httpx2.TransportError, httpx2.DecodingError, TimeoutError) as error:
            raise stripe.APIConnectionError(type(error).__name__) from error
        told = {name: response.headers[name] for name in _READ if name in response.headers}
        return bytes(raw), response.status_code, told


def make_client(http: httpx2.AsyncClient, *, base_url: str, key: str) -> stripe.StripeClient:
    """The SDK for this account, at this address.

    It imports what an answer may hold when the first one comes, a tenth of a second long: now, so
    that no request waits for it. Its own log would hold whole answers, payers and all.
    """
    logging.getLogger("stripe").setLevel(logging.CRITICAL)
    stripe.StripeObject.construct_from({kind: {"object": kind} for kind in _KINDS}, None)
    return stripe.StripeClient(
        key,
        base_addresses={"api": base_url.rstrip("/")},
        http_client=_Transport(http),
        max_network_retries=0,
    )


async def ask(call: Call) -> Reply:
    """One call; nothing that goes wrong with it is raised."""
    try:
        answer = (await call()).last_response
        assert answer is not None, "a reply without a reply"  # noqa: S101  # told as no reply
    except _NotSent as error:
        return Reply(0, str(error), is_sent=False)
    except stripe.APIConnectionError as error:
        return Reply(0, str(error))
    except stripe.StripeError as error:
        return _refused(error)
    except Exception as error:  # noqa: BLE001  # the SDK trips over replies that are not Stripe's
        return Reply(0, f"not a reply of Stripe's ({type(error).__name__})")
    is_replayed = answer.headers.get("idempotent-replayed") == "true"
    return Reply(200, "ok", as_object(answer.data), is_replayed=is_replayed)


async def ask_keyed(call: Call) -> Reply:
    """A call that carries an idempotency key: tried again when nobody knows what came of it.

    `is_replayed` is about the first try: whether Stripe knew the key before this.
    """
    reply = await ask(call)
    for _ in range(TRIES - 1):
        if reply.status not in _WORTH_A_TRY:
            break
        await asyncio.sleep(PAUSE_S)
        again = await ask(call)
        was_sent = reply.is_sent or again.is_sent
        reply = Reply(
            again.status, again.reason, again.body, again.kind, again.code, is_sent=was_sent
        )
    return reply


def _refused(error: stripe.StripeError) -> Reply:
    """What Stripe said. Its message is left out of the reason: it may repeat the payer's e-mail."""
    told = as_object(as_object(error.json_body).get("error"))
    headers = error.headers or {}
    status = error.http_status or 0
    kind = as_text(told.get("type")) or "api_error"
    code = as_text(told.get("code")) or ""
    words = (kind, code, as_text(told.get("param")), as_text(headers.get("request-id")))
    return Reply(
        status,
        " ".join([str(status), *(word for word in words if word)]),
        kind=kind,
        code=code,
        is_replayed=headers.get("idempotent-replayed") == "true",
    )
