"""The simulated balance: its lines, disputes and payouts. Made by events and testers."""

import secrets
from collections import OrderedDict
from datetime import datetime, timedelta

from kiti.sandbox.stripe.amounts import step
from kiti.sandbox.stripe.model import (
    Category,
    Charge,
    Dispute,
    DisputeStatus,
    Line,
    Payout,
    Refund,
    Refused,
)

# 2.9 % of a charge, and 15.00 of a dispute, which comes back when it is won.
_FEE_PER_MILLE = 29
_DISPUTE_FEE = 1500
_DUE_IN = timedelta(days=7)
_LINES_MAX = 200_000


class Books:
    """State in memory. Amounts are in the currency of the payment: no exchange here."""

    def __init__(self) -> None:
        self.lines: OrderedDict[str, Line] = OrderedDict()
        self.disputes: OrderedDict[str, Dispute] = OrderedDict()
        self.payouts: OrderedDict[str, Payout] = OrderedDict()

    def charge(self, charge: Charge, now: datetime) -> Line:
        """Money came in, less the fee."""
        fee = charge.amount * _FEE_PER_MILLE // 1000
        fee -= fee % step(charge.currency)
        return self._line(
            "charge", charge, now, source_id=charge.charge_id, amount=charge.amount, fee=fee
        )

    def refund(self, refund: Refund, now: datetime) -> Line:
        """Money goes out; the fee of the charge stays."""
        return self._line("refund", refund, now, source_id=refund.refund_id, amount=-refund.amount)

    def refund_failure(self, refund: Refund, now: datetime) -> Line:
        """What went out has come back."""
        return self._line(
            "refund_failure", refund, now, source_id=refund.refund_id, amount=refund.amount
        )

    def dispute(
        self,
        charge: Charge,
        *,
        amount: int | None,
        reason: str,
        due_in: timedelta = _DUE_IN,
        is_inquiry: bool,
        now: datetime,
    ) -> Dispute:
        """The payer's bank asks (an inquiry), or takes the money at once; None means all of it.

        Raises:
            Refused: the charge is unpaid or disputed, or it is more than is left.
        """
        left = charge.amount - charge.refunded
        amount = left if amount is None else amount
        if charge.status != "succeeded" or charge.is_disputed or not 0 < amount <= left:
            raise Refused("This charge cannot be disputed so")
        dispute = Dispute(
            dispute_id=f"du_{secrets.token_hex(12)}",
            charge_id=charge.charge_id,
            intent_id=charge.intent_id,
            amount=amount,
            currency=charge.currency,
            reason=reason,
            created_at=now,
            due_at=now + due_in,
            status="warning_needs_response" if is_inquiry else "needs_response",
        )
        self.disputes[dispute.dispute_id] = dispute
        if not is_inquiry:
            charge.is_disputed = True
            self._of(dispute, "dispute", -amount, _DISPUTE_FEE, now)
        return dispute

    def submit(self, dispute: Dispute, evidence: dict[str, str], *, is_final: bool) -> None:
        """Evidence, staged or (once) submitted.

        Raises:
            Refused: the dispute has ended, or evidence was submitted before.
        """
        if dispute.status not in {"needs_response", "warning_needs_response"}:
            raise Refused("This dispute is already closed or its evidence has been submitted.")
        dispute.evidence |= evidence
        if is_final:
            dispute.submissions += 1
            dispute.status = "under_review"

    def end(self, dispute: Dispute, status: DisputeStatus, now: datetime) -> bool:
        """Won or lost; False when it has ended before. What is won comes back with its fee."""
        if dispute.status in {"won", "lost", "warning_closed"}:
            return False
        has_money_gone = bool(dispute.line_ids)
        dispute.status = status if has_money_gone else "warning_closed"
        if dispute.status == "won":
            self._of(dispute, "dispute_reversal", dispute.amount, -_DISPUTE_FEE, now)
        return True

    def pay_out(self, now: datetime) -> list[Payout]:
        """One paid payout a currency, of all that is not paid out yet and more than nothing."""
        made: list[Payout] = []
        for currency in sorted({line.currency for line in self.lines.values()}):
            lines = [
                line
                for line in self.lines.values()
                if line.currency == currency and line.payout_id is None
            ]
            net = sum(line.amount - line.fee for line in lines)
            if net <= 0:
                continue
            payout = Payout(f"po_{secrets.token_hex(12)}", net, currency, now)
            self.payouts[payout.payout_id] = payout
            own = self._line("payout", payout, now, source_id=payout.payout_id, amount=-net)
            payout.line_id = own.line_id
            for line in (*lines, own):
                line.payout_id = payout.payout_id
            made.append(payout)
        return made

    def _of(
        self, dispute: Dispute, category: Category, amount: int, fee: int, now: datetime
    ) -> None:
        own = self._line(
            category, dispute, now, source_id=dispute.dispute_id, amount=amount, fee=fee
        )
        dispute.line_ids.append(own.line_id)

    def _line(
        self,
        category: Category,
        of: Charge | Refund | Dispute | Payout,
        now: datetime,
        *,
        source_id: str,
        amount: int,
        fee: int = 0,
    ) -> Line:
        line = Line(
            f"txn_{secrets.token_hex(12)}", category, amount, fee, of.currency, source_id, now
        )
        self.lines[line.line_id] = line
        while len(self.lines) > _LINES_MAX:
            self.lines.popitem(last=False)
        return line
