"""Webhooks of the simulated Flutterwave: built, signed and handed to the deliveries."""

import base64
import hashlib
import hmac
from dataclasses import replace
from decimal import Decimal
from typing import Final

from kiti.sandbox.core import Core
from kiti.sandbox.currency import minor_unit
from kiti.sandbox.deliveries import Webhook
from kiti.sandbox.faults import Fault
from kiti.sandbox.flutterwave import wire
from kiti.sandbox.flutterwave.account import Account
from kiti.sandbox.flutterwave.model import Charge, Refund
from kiti.sandbox.replies import to_json

NAME: Final = "flutterwave"
_PATH: Final = "/api/payments/webhook/flutterwave"


def signature(body: bytes, secret_hash: str) -> str:
    """The header `flutterwave-signature` of v4: base64 of HMAC-SHA256 over the raw body."""
    digest = hmac.new(secret_hash.encode(), body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def twisted(charge: Charge, fault: Fault | None) -> Charge:
    """The charge as a lying answer or webhook shows it."""
    if fault is None:
        return charge
    match fault.kind:
        case "wrong_amount":
            amount = fault.order.amount or charge.amount - minor_unit(charge.currency)
            return replace(charge, amount=amount, charged=amount)
        case "wrong_currency":
            return replace(charge, currency=fault.currency(charge.currency))
        case "succeed_late":
            return replace(charge, status="pending")
        case _:
            return charge


class Notices:
    """Tells the merchant what happened to a charge or a refund."""

    def __init__(self, core: Core, account: Account) -> None:
        self._core = core
        self._account = account

    def charge(self, charge: Charge) -> None:
        """This charge came to an end, well or badly."""
        tx_ref = charge.terms.tx_ref
        fault = self._core.faults.take(NAME, "webhook", tx_ref)
        shown = twisted(charge, fault)
        is_flat = self._account.options.webhook_shape == "flat"
        body = wire.flat_charge_event(shown) if is_flat else wire.charge_event(shown)
        self._send("charge.completed", tx_ref, body, fault)
        if fault and fault.kind == "succeed_late":
            self._core.clock.call_in(fault.delay_s, lambda: self._charge_again(charge.charge_id))

    def _charge_again(self, charge_id: int) -> None:
        charge = self._account.charges.get(charge_id)
        if charge is not None:
            self._send("charge.completed", charge.terms.tx_ref, wire.charge_event(charge), None)

    def refund(self, refund: Refund) -> None:
        """This refund came to an end; said only to merchants who asked for it."""
        charge = self._account.charges.get(refund.charge_id)
        if not self._account.options.refund_webhooks or charge is None:
            return
        tx_ref = charge.terms.tx_ref
        fault = self._core.faults.take(NAME, "webhook", tx_ref)
        if fault and fault.kind == "wrong_amount":
            amount = fault.order.amount or refund.amount - minor_unit(charge.currency)
            refund = replace(refund, amount=max(amount, Decimal(0)))
        if fault and fault.kind == "succeed_late":
            refund_id = refund.refund_id
            self._core.clock.call_in(fault.delay_s, lambda: self._refund_again(refund_id, tx_ref))
            refund = replace(refund, status="processing")
        self._send("refund", tx_ref, wire.refund_event(refund), fault)

    def _refund_again(self, refund_id: int, tx_ref: str) -> None:
        refund = self._account.refunds.get(refund_id)
        if refund is not None:
            self._send("refund", tx_ref, wire.refund_event(refund), None)

    def _send(self, event: str, tx_ref: str, body: dict[str, object], fault: Fault | None) -> None:
        settings, options = self._core.settings, self._account.options
        raw = to_json(body)
        headers = {"content-type": "application/json", "user-agent": "Flutterwave-Sandbox"}
        secret_hash = settings.flutterwave_webhook_secret_hash
        if secret_hash and options.webhook_signature in {"v3", "both"}:
            headers["verif-hash"] = secret_hash
        if secret_hash and options.webhook_signature in {"v4", "both"}:
            headers["flutterwave-signature"] = signature(raw, secret_hash)
        webhook = Webhook(
            gateway=NAME,
            event=event,
            reference=tx_ref,
            url=settings.app_url + _PATH,
            headers=headers,
            body=raw,
            retries_s=options.webhook_retries_s,
        )
        self._core.deliveries.send(webhook, fault)
