"""Stripe's books on the wire: disputes, payouts to our bank, and the lines they are made of.

Source: docs.stripe.com/api (disputes, payouts, balance transactions), docs.stripe.com/reports.
"""

from typing import Final, Literal

from kiti.payments.gateways.port import (
    DisputeSnapshot,
    DisputeStatus,
    LineKind,
    SettlementLine,
    SettlementSnapshot,
)
from kiti.payments.gateways.reading import as_object, as_text
from kiti.payments.gateways.stripe_wire import (
    REFUND_ID,
    as_currency,
    as_id,
    as_instant,
    signed,
)

_DISPUTES: Final[dict[str, DisputeStatus]] = {
    "warning_needs_response": "INQUIRY",
    "warning_under_review": "INQUIRY",
    "warning_closed": "CLOSED",
    "needs_response": "NEEDS_RESPONSE",
    "under_review": "UNDER_REVIEW",
    "won": "WON",
    "lost": "LOST",
    "prevented": "CLOSED",
}
_LINES: Final[dict[str, LineKind]] = {
    "charge": "PAYMENT",
    "refund": "REFUND",
    "refund_failure": "REFUND_FAILURE",
    "dispute": "DISPUTE",
    "dispute_reversal": "DISPUTE_REVERSAL",
    "fee": "FEE",
    "payout": "PAYOUT",
    "payout_reversal": "PAYOUT",
}
_PAYOUTS: Final[dict[str, Literal["PAID", "FAILED"]]] = {
    "paid": "PAID",
    "failed": "FAILED",
    "canceled": "FAILED",
}


def read_dispute(value: object) -> DisputeSnapshot:
    """A dispute.

    Raises:
        ValueError: it is none, or in a state that is not known.
    """
    data = as_object(value)
    dispute_id, status = as_text(data.get("id")), data.get("status")
    opened_at = as_instant(data.get("created"))
    if dispute_id is None or opened_at is None:
        raise ValueError("not a dispute")
    told = status if isinstance(status, str) else ""
    # An appeal of a dispute that was lost is reviewed again.
    known = _DISPUTES.get("under_review" if told.startswith("appeal") else told)
    if known is None:
        raise ValueError("a dispute in a state that is not known")
    return DisputeSnapshot(
        gateway_dispute_id=dispute_id,
        gateway_transaction_id=as_id(data.get("payment_intent"), "pi"),
        amount=data.get("amount"),
        currency=as_currency(data.get("currency")),
        status=known,
        reason=as_text(data.get("reason")) or "general",
        opened_at=opened_at,
        due_at=as_instant(as_object(data.get("evidence_details")).get("due_by")),
    )


def read_settlement(value: object) -> SettlementSnapshot:
    """A payout to our bank.

    Raises:
        ValueError: it is none.
    """
    data = as_object(value)
    settlement_id, made_at = as_id(data.get("id"), "po"), as_instant(data.get("created"))
    amount, status = data.get("amount"), data.get("status")
    if settlement_id is None or made_at is None or not isinstance(amount, int):
        raise ValueError("not a payout")
    return SettlementSnapshot(
        settlement_id=settlement_id,
        money=signed(amount, as_currency(data.get("currency"))),
        status=_PAYOUTS.get(str(status), "PENDING"),
        made_at=made_at,
        arrives_at=as_instant(data.get("arrival_date")),
    )


def read_line(value: object) -> SettlementLine:
    """A balance transaction with its source, if expanded.

    Raises:
        ValueError: it is none.
    """
    data = as_object(value)
    line_id, made_at = as_text(data.get("id")), as_instant(data.get("created"))
    amount, fee = data.get("amount"), data.get("fee")
    if line_id is None or made_at is None:
        raise ValueError("not a balance transaction")
    if not isinstance(amount, int) or not isinstance(fee, int):
        raise ValueError("not a balance transaction")  # noqa: TRY004  # a stranger's, not a bug
    currency = as_currency(data.get("currency"))
    source = as_object(data.get("source"))
    refund_id = as_object(source.get("metadata")).get(REFUND_ID)
    return SettlementLine(
        line_id=line_id,
        kind=_LINES.get(str(data.get("reporting_category")), "OTHER"),
        gateway_transaction_id=as_id(source.get("payment_intent"), "pi"),
        refund_id=as_text(refund_id),
        amount=signed(amount, currency),
        fee=signed(fee, currency),
        made_at=made_at,
    )
