"""Stripe's objects as JSON. What points to another object is its id, unless it is expanded."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from kiti.sandbox.stripe.account import Account
from kiti.sandbox.stripe.model import (
    Charge,
    Dispute,
    Intent,
    Line,
    Payout,
    Refund,
    Refused,
    Session,
)

Shown = dict[str, object]
_AVAILABLE_IN = timedelta(days=2)
_TYPES = {
    "charge": "charge",
    "refund": "refund",
    "refund_failure": "refund_failure",
    "dispute": "adjustment",
    "dispute_reversal": "adjustment",
    "payout": "payout",
}
_CARD: Shown = {
    "brand": "visa",
    "country": "NG",
    "exp_month": 12,
    "exp_year": 2034,
    "funding": "credit",
    "last4": "4242",
}


def seconds(at: datetime) -> int:
    """An instant on this wire."""
    return int(at.timestamp())


def session(account: Account, it: Session, origin: str = "") -> Shown:
    """A Checkout Session; its page is told while it is open."""
    intent = account.intents.get(it.intent_id or "")
    is_paid = intent is not None and intent.status == "succeeded"
    details: Shown = {
        "address": None,
        "email": it.customer_email,
        "name": None,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }
    return {
        "id": it.session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": it.amount,
        "amount_total": it.amount,
        "automatic_tax": {"enabled": False, "liability": None, "status": None},
        "cancel_url": it.cancel_url,
        "client_reference_id": it.client_reference_id,
        "created": seconds(it.created_at),
        "currency": it.currency,
        "customer": None,
        "customer_details": details if it.status == "complete" else None,
        "customer_email": it.customer_email,
        "expires_at": seconds(it.expires_at),
        "livemode": False,
        "metadata": it.metadata,
        "mode": "payment",
        "payment_intent": it.intent_id,
        "payment_method_types": list(it.method_types),
        "payment_status": "paid" if is_paid else "unpaid",
        "status": it.status,
        "success_url": it.success_url,
        "ui_mode": "hosted",
        "url": f"{origin}/stripe/c/pay/{it.session_id}" if it.status == "open" else None,
    }


def intent(it: Intent) -> Shown:
    """A payment intent. `last_payment_error` tells of the last try while it has failed."""
    error: Shown | None = None
    if it.decline_code is not None:
        error = {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": it.decline_code,
            "message": "Your card was declined.",
            "charge": it.charge_ids[-1],
        }
    return {
        "id": it.intent_id,
        "object": "payment_intent",
        "amount": it.amount,
        "amount_capturable": 0,
        "amount_received": it.received,
        "capture_method": "automatic_async",
        "created": seconds(it.created_at),
        "currency": it.currency,
        "last_payment_error": error,
        "latest_charge": it.charge_ids[-1] if it.charge_ids else None,
        "livemode": False,
        "metadata": it.metadata,
        "payment_method_types": ["card"],
        "status": it.status,
    }


def charge(it: Charge) -> Shown:
    """A charge; its refunds are listed apart, as in the API's newer versions."""
    is_paid = it.status == "succeeded"
    return {
        "id": it.charge_id,
        "object": "charge",
        "amount": it.amount,
        "amount_captured": it.amount if is_paid else 0,
        "amount_refunded": it.refunded,
        "balance_transaction": it.line_id,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "captured": is_paid,
        "created": seconds(it.created_at),
        "currency": it.currency,
        "disputed": it.is_disputed,
        "failure_code": "card_declined" if it.status == "failed" else None,
        "failure_message": "Your card was declined." if it.status == "failed" else None,
        "livemode": False,
        "metadata": it.metadata,
        "paid": is_paid,
        "payment_intent": it.intent_id,
        "payment_method_details": {"card": _CARD, "type": "card"},
        "refunded": is_paid and it.refunded == it.amount,
        "status": it.status,
    }


def refund(it: Refund) -> Shown:
    """A refund."""
    shown: Shown = {
        "id": it.refund_id,
        "object": "refund",
        "amount": it.amount,
        "balance_transaction": it.line_id,
        "charge": it.charge_id,
        "created": seconds(it.created_at),
        "currency": it.currency,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": it.metadata,
        "payment_intent": it.intent_id,
        "reason": it.reason,
        "status": it.status,
    }
    if it.failure_reason is not None:
        shown["failure_reason"] = it.failure_reason
        shown["failure_balance_transaction"] = it.failure_line_id
    return shown


def dispute(account: Account, it: Dispute) -> Shown:
    """A dispute, with what it has moved on the balance."""
    is_over = it.status in {"won", "lost", "warning_closed"}
    lines = account.books.lines
    return {
        "id": it.dispute_id,
        "object": "dispute",
        "amount": it.amount,
        "balance_transactions": [line(lines[each]) for each in it.line_ids if each in lines],
        "charge": it.charge_id,
        "created": seconds(it.created_at),
        "currency": it.currency,
        "evidence": dict(it.evidence),
        "evidence_details": {
            "due_by": None if is_over else seconds(it.due_at),
            "has_evidence": bool(it.evidence),
            "past_due": False,
            "submission_count": it.submissions,
        },
        "is_charge_refundable": it.status.startswith("warning"),
        "livemode": False,
        "metadata": it.metadata,
        "payment_intent": it.intent_id,
        "reason": it.reason,
        "status": it.status,
    }


def line(it: Line) -> Shown:
    """A balance transaction."""
    fees = [
        {
            "amount": it.fee,
            "application": None,
            "currency": it.currency,
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
    return {
        "id": it.line_id,
        "object": "balance_transaction",
        "amount": it.amount,
        "available_on": seconds(it.created_at + _AVAILABLE_IN),
        "created": seconds(it.created_at),
        "currency": it.currency,
        "description": None,
        "exchange_rate": None,
        "fee": it.fee,
        "fee_details": fees if it.fee else [],
        "net": it.amount - it.fee,
        "reporting_category": it.category,
        "source": it.source_id,
        "status": "available" if it.payout_id else "pending",
        "type": _TYPES[it.category],
    }


def payout(it: Payout) -> Shown:
    """A payout."""
    return {
        "id": it.payout_id,
        "object": "payout",
        "amount": it.amount,
        "arrival_date": seconds(it.created_at),
        "automatic": True,
        "balance_transaction": it.line_id,
        "created": seconds(it.created_at),
        "currency": it.currency,
        "description": "STRIPE PAYOUT",
        "failure_code": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "status": it.status,
        "type": "bank_account",
    }


def find(account: Account, named: str) -> Shown | None:  # one a kind of object
    """Whatever has this id; None when nothing has."""
    books = account.books
    if found := account.sessions.get(named):
        return session(account, found)
    if found := account.intents.get(named):
        return intent(found)
    if found := account.charges.get(named):
        return charge(found)
    if found := account.refunds.get(named):
        return refund(found)
    if found := books.disputes.get(named):
        return dispute(account, found)
    if found := books.lines.get(named):
        return line(found)
    if found := books.payouts.get(named):
        return payout(found)
    return None


def expanded(account: Account, shown: Shown, paths: Sequence[str]) -> Shown:
    """The object with what these paths name (`payment_intent.latest_charge`) put into it.

    Raises:
        Refused: a path leads nowhere.
    """
    for path in paths:
        parts = path.split(".")
        listed = shown.get("data") if parts[0] == "data" else None
        if isinstance(listed, list):
            for each in cast("list[Shown]", listed):
                _expand(account, each, parts[1:])
        else:
            _expand(account, shown, parts)
    return shown


def _expand(account: Account, shown: Shown, parts: list[str]) -> None:
    place = shown
    for part in parts:
        if part not in place:
            raise Refused(f"This property cannot be expanded ({part}).", param="expand")
        value = place[part]
        if isinstance(value, str):
            value = place[part] = find(account, value)
        if not isinstance(value, dict):
            return
        place = cast("Shown", value)


def error(refused: Refused, request_id: str) -> Shown:
    """A refusal."""
    told: Shown = {"message": refused.message, "type": refused.kind}
    if refused.code is not None:
        told["code"] = refused.code
        told["doc_url"] = f"https://stripe.com/docs/error-codes/{refused.code.replace('_', '-')}"
    if refused.param is not None:
        told["param"] = refused.param
    if refused.kind == "invalid_request_error":
        told["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
    return {"error": told}


def unknown_call(method: str, path: str) -> Shown:
    """What an address that is no call answers."""
    message = f"Unrecognized request URL ({method}: {path.removeprefix('/stripe')})."
    return error(Refused(message, status=404), "req_none")
