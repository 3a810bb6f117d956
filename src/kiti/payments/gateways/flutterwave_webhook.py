"""Flutterwave's webhooks: two signatures, four shapes of body.

The secret is the webhook's own "secret hash", not the API key. `verif-hash` (v3) is that secret
itself: it does not bind the body, which is one more reason why an event is only a hint.
Source: developer.flutterwave.com, webhooks; shape B was seen in the field.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from kiti.payments.gateways.flutterwave_wire import as_id
from kiti.payments.gateways.port import GatewayEvent
from kiti.payments.gateways.reading import as_object, as_text, as_uuid, decode, digest_key, kept
from kiti.payments.model import BadSignature
from kiti.platform.errors import MalformedJson
from kiti.platform.secrets import constant_time_equal

_SUCCESSFUL: Final = frozenset({"successful", "succeeded"})
# Never kept: card details, who paid, and from where. Kiti has its own contact of the booking.
_NOT_KEPT: Final = frozenset(
    {"card", "entity", "customer", "token", "ip", "IP", "device_fingerprint", "account",
     "payment_method", "authorization", "card_number", "pan", "cvv", "expiry", "first_6digits",
     "last_4digits", "card6", "card_last4", "account_number", "fullname", "email", "phone",
     "phone_number", "phonenumber"}
)  # fmt: skip


def check_signature(raw: bytes, headers: Mapping[str, str], *, secrets: Sequence[str]) -> None:
    """Refuse what is not signed with one of the secrets; an empty secret signs nothing.

    The HMAC header decides alone when it is there: falling back to `verif-hash` would be a
    downgrade that an attacker chooses.

    Raises:
        BadSignature: neither header, or a wrong one.
    """
    given = headers.get("flutterwave-signature")
    if given is not None:
        expected = [_hmac(secret, raw) if secret else "" for secret in secrets]
    else:
        given = headers.get("verif-hash", "")
        expected = list(secrets)
    if not any([constant_time_equal(given, each) for each in expected]):  # noqa: C419 (all, always)
        raise BadSignature


def _hmac(secret: str, raw: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()


def read_event(raw: bytes) -> GatewayEvent:
    """What the body claims; one of no shape we know is an event of kind `other`.

    Raises:
        MalformedJson: it is not JSON.
    """
    try:
        value = decode(raw)
    except ValueError:
        raise MalformedJson from None
    found = as_object(value)
    inner = found.get("data")
    kind = as_text(found.get("event", found.get("type"))) or ""
    body = kept(value, without=_NOT_KEPT)
    if isinstance(inner, dict):
        data = as_object(cast("object", inner))
        if kind.startswith("charge."):
            return _charge(
                data, raw, body=body, reference=data.get("tx_ref", data.get("reference"))
            )
        if kind.startswith("refund"):
            return _refund(data, raw, body=body)
    elif "AmountRefunded" in found:
        return _refund(found, raw, body=body)
    elif "txRef" in found:
        return _charge(found, raw, body=body, reference=found.get("txRef"))
    return GatewayEvent(digest_key(raw), "other", None, None, None, is_success=False, body=body)


def _charge(data: dict[str, Any], raw: bytes, *, body: bytes, reference: object) -> GatewayEvent:
    transaction_id = as_text(data.get("id"), length_max=64)
    status = (as_text(data.get("status"), length_max=40) or "").lower()
    ours = as_text(reference, length_max=200)
    key = _key(raw, "charge", transaction_id, status, ours)
    return GatewayEvent(
        key,
        "payment",
        ours,
        as_id(transaction_id),
        None,
        is_success=status in _SUCCESSFUL,
        body=body,
    )


def _refund(data: dict[str, Any], raw: bytes, *, body: bytes) -> GatewayEvent:
    refund_id = as_text(data.get("id"), length_max=64)
    status = (as_text(data.get("status"), length_max=40) or "").lower()
    transaction_id = as_id(data.get("TransactionId", data.get("tx_id")))
    comments = data.get("comments", data.get("comment"))
    ours = as_uuid(comments)
    key = _key(raw, "refund", refund_id, status, f"{transaction_id}:{ours}")
    return GatewayEvent(
        key,
        "refund",
        None,
        transaction_id,
        ours,
        is_success=False,
        body=body,
    )


def _key(raw: bytes, kind: str, gateway_id: str | None, status: str, ours: str | None) -> str:
    """One name for one news: the gateway's id and what is ours of it.

    Both, for a body that is not bound by its signature could take the name of another payment's.
    """
    if not gateway_id or not status or ours is None:
        return digest_key(raw)
    name = hashlib.sha256(f"{gateway_id}\0{status}\0{ours}".encode()).hexdigest()
    return f"{kind}:{name}"
