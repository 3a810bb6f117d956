"""Stripe's webhooks: a signature over the instant and the raw bytes, and what an event tells.

Source: docs.stripe.com/webhooks (signatures, tolerance), docs.stripe.com/api/events/types.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from kiti.payments.gateways.port import GatewayEvent
from kiti.payments.gateways.reading import (
    as_object,
    as_text,
    as_uuid,
    decode,
    digest_key,
    kept,
)
from kiti.payments.gateways.stripe_wire import REFERENCE, REFUND_ID, as_id
from kiti.payments.model import BadSignature
from kiti.platform.errors import MalformedJson
from kiti.platform.secrets import constant_time_equal

TOLERANCE: Final = timedelta(seconds=300)
_INSTANT: Final = re.compile(r"[0-9]{1,11}\Z", re.ASCII)
_SIGNATURES_MAX: Final = 10
# Never kept: card details, who paid, and from where. Kiti has its own contact of the booking.
_NOT_KEPT: Final = frozenset(
    {"billing_details", "collected_information", "customer_details", "customer_email", "customer",
     "evidence", "payment_method_details", "payment_method_options", "payment_method",
     "receipt_email", "receipt_url", "shipping", "shipping_details", "source", "client_secret",
     "url", "email", "phone", "name", "card", "destination_details", "instructions_email"}
)  # fmt: skip
# What claims that money came; a session that is complete may still be unpaid.
_SUCCESSES: Final = frozenset(
    {"checkout.session.async_payment_succeeded", "payment_intent.succeeded", "charge.succeeded"}
)


def check_signature(
    raw: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now: datetime
) -> None:
    """Refuse what is not signed with one of the secrets, or not signed just now.

    Several v1 signatures may stand in the header while a secret is rotated: any of them will do. An
    empty secret signs nothing. Five minutes either way are allowed; Stripe's own SDK would let an
    instant in the future pass.

    Raises:
        BadSignature: no such header, a wrong one, or an instant too far from `now`.
    """
    pairs = [part.partition("=") for part in headers.get("stripe-signature", "").split(",")]
    instants = [value for name, _, value in pairs if name == "t"]
    given = [value for name, _, value in pairs if name == "v1"][:_SIGNATURES_MAX]
    if len(instants) != 1 or not _INSTANT.match(instants[0]):
        raise BadSignature
    if abs(now.timestamp() - int(instants[0])) > TOLERANCE.total_seconds():
        raise BadSignature
    signed = instants[0].encode() + b"." + raw
    expected = [_hmac(secret, signed) if secret else "" for secret in secrets]
    matches = [constant_time_equal(each, right) for each in given for right in expected]
    if not any(matches):
        raise BadSignature


def _hmac(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def read_event(raw: bytes, *, is_live: bool) -> GatewayEvent:
    """What the body claims; one that we have no use for is an event of kind `other`.

    An event of the other mode (test money in a live account, or the reverse) is never ours.

    Raises:
        MalformedJson: it is not JSON.
    """
    try:
        value = decode(raw)
    except ValueError:
        raise MalformedJson from None
    found = as_object(value)
    body = kept(value, without=_NOT_KEPT)
    event_id = as_text(found.get("id"))
    kind = as_text(found.get("type")) or ""
    key = f"{event_id}" if event_id is not None else digest_key(raw)
    data = as_object(as_object(found.get("data")).get("object"))
    if found.get("livemode", False) is not is_live:
        return GatewayEvent(key, "other", None, None, None, is_success=False, body=body)
    return _event(key, kind, data, body)


def _event(key: str, kind: str, data: dict[str, Any], body: bytes) -> GatewayEvent:
    what = data.get("object")
    intent_id = as_id(data.get("id" if what == "payment_intent" else "payment_intent"), "pi")
    metadata = as_object(data.get("metadata"))
    reference = as_text(metadata.get(REFERENCE), length_max=200)
    if what == "checkout.session":
        reference = as_text(data.get("client_reference_id"), length_max=200)
    if what == "refund":
        refund_id = as_uuid(metadata.get(REFUND_ID))
        return GatewayEvent(key, "refund", None, intent_id, refund_id, is_success=False, body=body)
    if what == "dispute":
        return GatewayEvent(key, "dispute", None, intent_id, None, is_success=False, body=body)
    if what == "charge" and kind.startswith("charge.refund"):
        return GatewayEvent(key, "refund", reference, intent_id, None, is_success=False, body=body)
    if what not in {"checkout.session", "payment_intent", "charge"} or reference is None:
        return GatewayEvent(key, "other", reference, intent_id, None, is_success=False, body=body)
    is_paid = kind == "checkout.session.completed" and data.get("payment_status") == "paid"
    return GatewayEvent(
        key,
        "payment",
        reference,
        intent_id,
        None,
        is_success=is_paid or kind in _SUCCESSES,
        body=body,
    )
