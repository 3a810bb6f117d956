"""Settlements and chargebacks of the simulated account: made by a tester, read by the API."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from kiti.sandbox.flutterwave.account import Account
from kiti.sandbox.flutterwave.model import Chargeback, ChargebackStatus, Refused, Settlement

# The states in which the money has left the merchant.
_DEBITED: frozenset[ChargebackStatus] = frozenset({"accepted", "lost"})


class Finance:
    """What happens to paid money afterwards. State in memory; shares the account's ids."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.settlements: dict[int, Settlement] = {}
        self.chargebacks: dict[int, Chargeback] = {}

    def reset(self) -> None:
        """Forget all."""
        self.settlements.clear()
        self.chargebacks.clear()

    def settle(self, now: datetime) -> list[Settlement]:
        """One completed settlement a currency, of all that is not settled yet."""
        account = self._account
        currencies = sorted({charge.currency for charge in account.charges.values()})
        made = [self._settle(currency, now) for currency in currencies]
        return [settlement for settlement in made if settlement is not None]

    def _settle(self, currency: str, now: datetime) -> Settlement | None:
        account = self._account
        charges = [
            charge
            for charge in account.charges.values()
            if charge.status == "successful" and charge.currency == currency
            if charge.settlement_id is None
        ]
        refunds = [
            refund
            for refund in account.refunds.values()
            if refund.status == "completed" and refund.settlement_id is None
            if account.charges[refund.charge_id].currency == currency
        ]
        chargebacks = [
            chargeback
            for chargeback in self.chargebacks.values()
            if chargeback.status in _DEBITED and chargeback.settlement_id is None
            if chargeback.currency == currency
        ]
        if not (charges or refunds or chargebacks):
            return None
        number = account.next_id()
        settlement = Settlement(
            settlement_id=number,
            currency=currency,
            gross=_sum(charge.charged for charge in charges),
            fee=_sum(charge.charged - charge.settled for charge in charges),
            chargeback=_sum(chargeback.amount for chargeback in chargebacks),
            refund=_sum(refund.amount for refund in refunds),
            charge_ids=tuple(charge.charge_id for charge in charges),
            refund_ids=tuple(refund.refund_id for refund in refunds),
            chargeback_ids=tuple(chargeback.chargeback_id for chargeback in chargebacks),
            created_at=now,
        )
        self.settlements[number] = settlement
        for charge in charges:
            account.charges[charge.charge_id] = replace(charge, settlement_id=number)
        for refund in refunds:
            account.refunds[refund.refund_id] = replace(refund, settlement_id=number)
        for chargeback in chargebacks:
            self._put(replace(chargeback, settlement_id=number))
        return settlement

    def dispute(
        self,
        charge_id: int,
        *,
        amount: Decimal | None,
        comment: str,
        due_at: datetime,
        now: datetime,
    ) -> Chargeback:
        """The payer's bank raises a chargeback; None means all of the charge.

        Raises:
            Refused: unknown or unpaid charge, or more than it was.
        """
        charge = self._account.charges.get(charge_id)
        if charge is None or charge.status != "successful":
            raise Refused("No transaction was found for this id")
        amount = charge.amount if amount is None else amount
        if amount > charge.amount:
            raise Refused("amount is more than the transaction")
        chargeback = Chargeback(
            chargeback_id=self._account.next_id(),
            charge_id=charge_id,
            flw_ref=charge.flw_ref,
            tx_ref=charge.terms.tx_ref,
            amount=amount,
            currency=charge.currency,
            status="initiated",
            comment=comment,
            proof=None,
            due_at=due_at,
            created_at=now,
            history=(_entry("initiated", now, "Debit and hold chargeback amount"),),
        )
        return self._put(chargeback)

    def answer(
        self, chargeback_id: int, *, accept: bool, comment: str, proof: str | None, now: datetime
    ) -> Chargeback:
        """The merchant accepts or declines, once and in time.

        Raises:
            Refused: unknown, answered before, or too late.
        """
        chargeback = self.chargebacks.get(chargeback_id)
        if chargeback is None:
            raise Refused("No chargeback was found for this id")
        if chargeback.status != "initiated":
            raise Refused(f"Chargeback has already been {chargeback.status}")
        status: ChargebackStatus = "accepted" if accept else "declined"
        return self._end(chargeback, status, comment, proof=proof, now=now)

    def decide(
        self, chargeback_id: int, status: Literal["won", "lost"], now: datetime
    ) -> Chargeback:
        """The bank's verdict.

        Raises:
            Refused: unknown, or decided before.
        """
        chargeback = self.chargebacks.get(chargeback_id)
        if chargeback is None or chargeback.status not in {"initiated", "declined"}:
            raise Refused("No chargeback that is open was found for this id")
        return self._end(chargeback, status, "The bank has decided", proof=None, now=now)

    def lose_unanswered(self, chargeback_id: int, now: datetime) -> None:
        """The time to answer is over: silence loses."""
        chargeback = self.chargebacks.get(chargeback_id)
        if chargeback is not None and chargeback.status == "initiated":
            self._end(chargeback, "lost", "No merchant response", proof=None, now=now)

    def _end(
        self,
        chargeback: Chargeback,
        status: ChargebackStatus,
        comment: str,
        *,
        proof: str | None,
        now: datetime,
    ) -> Chargeback:
        history = (*chargeback.history, _entry(status, now, comment))
        return self._put(replace(chargeback, status=status, proof=proof, history=history))

    def _put(self, chargeback: Chargeback) -> Chargeback:
        self.chargebacks[chargeback.chargeback_id] = chargeback
        return chargeback


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _entry(action: str, now: datetime, description: str) -> dict[str, object]:
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"action": action, "stage": "new", "date": at, "description": description}
