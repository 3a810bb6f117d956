"""Events of the simulated Stripe: kept for the list, signed, and handed to the deliveries."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final, cast

from kiti.sandbox.core import Core
from kiti.sandbox.deliveries import Webhook
from kiti.sandbox.faults import Fault
from kiti.sandbox.replies import to_json
from kiti.sandbox.stripe import wire
from kiti.sandbox.stripe.account import Account
from kiti.sandbox.stripe.amounts import from_major, step
from kiti.sandbox.stripe.model import Charge, Dispute, Event, Intent, Refund, Session
from kiti.sandbox.stripe.wire import Shown

NAME: Final = "stripe"
_PATH: Final = "/api/payments/webhook/stripe"
_AMOUNTS: Final = ("amount", "amount_total", "amount_subtotal", "amount_received")
_UNPAID: Final = {
    "checkout.session": ("payment_status", "unpaid"),
    "payment_intent": ("status", "processing"),
    "charge": ("status", "pending"),
    "refund": ("status", "pending"),
}


def signature(body: bytes, secret: str, at: datetime) -> str:
    """The header `Stripe-Signature`: an instant, and hex of HMAC-SHA256 over it and the body."""
    seconds = wire.seconds(at)
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def twisted(shown: Shown, fault: Fault | None) -> Shown:
    """The object, and what is expanded in it, as a lying answer or webhook shows it."""
    if fault is None or fault.kind not in {"wrong_amount", "wrong_currency", "succeed_late"}:
        return shown
    out = {
        name: twisted(cast("Shown", value), fault) if isinstance(value, dict) else value
        for name, value in shown.items()
    }
    currency = out.get("currency")
    if fault.kind == "wrong_amount" and isinstance(currency, str):
        for name in _AMOUNTS:
            right = out.get(name)
            if isinstance(right, int):
                wrong = fault.order.amount
                out[name] = right - step(currency) if wrong is None else from_major(wrong, currency)
    if fault.kind == "wrong_currency" and isinstance(currency, str):
        out["currency"] = fault.currency(currency.upper()).lower()
    if fault.kind == "succeed_late":
        name, value = _UNPAID.get(str(out.get("object")), ("", ""))
        out |= {name: value} if name else {}
    return out


class Notices:
    """Tells the merchant what happened, in the order in which it did."""

    def __init__(self, core: Core, account: Account) -> None:
        self._core = core
        self._account = account

    def session(self, kind: str, session: Session) -> None:
        """News of a Checkout Session: `completed`, `expired` and so on."""
        shown = wire.session(self._account, session)
        self._tell(f"checkout.session.{kind}", shown, session.client_reference_id)

    def intent(self, kind: str, intent: Intent) -> None:
        """News of a payment intent."""
        shown = wire.intent(intent)
        self._tell(f"payment_intent.{kind}", shown, self._account.reference_of(intent))

    def charge(self, kind: str, charge: Charge) -> None:
        """News of a charge."""
        shown = wire.charge(charge)
        self._tell(f"charge.{kind}", shown, self._reference(charge.intent_id))

    def refund(self, kind: str, refund: Refund) -> None:
        """News of a refund."""
        shown = wire.refund(refund)
        self._tell(f"refund.{kind}", shown, self._reference(refund.intent_id))

    def dispute(self, kind: str, dispute: Dispute) -> None:
        """News of a dispute."""
        shown = wire.dispute(self._account, dispute)
        self._tell(f"charge.dispute.{kind}", shown, self._reference(dispute.intent_id))

    def other(self, kind: str, shown: Shown) -> None:
        """News of no payment in particular."""
        self._tell(kind, shown, None)

    def shown(self, event: Event) -> Shown:
        """An event on the wire."""
        return self._event(event, event.shown)

    def _reference(self, intent_id: str) -> str | None:
        intent = self._account.intents.get(intent_id)
        return self._account.reference_of(intent) if intent is not None else None

    def _tell(self, kind: str, shown: Shown, reference: str | None) -> None:
        event = self._account.add_event(kind, shown, self._core.clock.now())
        enabled = self._account.options.enabled_events
        if enabled and kind not in enabled:
            return
        fault = self._core.faults.take(NAME, "webhook", reference)
        self._send(event, twisted(shown, fault), reference, fault)
        if fault and fault.kind == "succeed_late":
            self._core.clock.call_in(
                fault.delay_s, lambda: self._send(event, shown, reference, None)
            )

    def _event(self, event: Event, shown: Shown) -> Shown:
        return {
            "id": event.event_id,
            "object": "event",
            "api_version": self._account.options.api_version,
            "created": wire.seconds(event.created_at),
            "data": {"object": shown},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": event.kind,
        }

    def _send(self, event: Event, shown: Shown, reference: str | None, fault: Fault | None) -> None:
        raw = to_json(self._event(event, shown))
        webhook = Webhook(
            gateway=NAME,
            event=event.kind,
            reference=reference,
            url=self._core.settings.app_url + _PATH,
            headers={"content-type": "application/json; charset=utf-8", "user-agent": "Stripe/1.0"},
            body=raw,
            retries_s=self._account.options.webhook_retries_s,
            sign=lambda: self._signed(raw),
        )
        self._core.deliveries.send(webhook, fault)

    def _signed(self, raw: bytes) -> dict[str, str]:
        """Each try is signed anew, by the wall clock: the merchant's is not ours to move."""
        secret = self._core.settings.stripe_webhook_secret
        if not secret:
            return {}
        now = datetime.now(UTC)  # noqa: TID251  # the product's clock is not ours to import
        return {"stripe-signature": signature(raw, secret, now)}
