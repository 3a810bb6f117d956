"""The simulated merchant account: what was asked, paid, given back and settled. No I/O."""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from kiti.sandbox.currency import rounded
from kiti.sandbox.faults import Fault
from kiti.sandbox.flutterwave.model import (
    Charge,
    ChargeStatus,
    Checkout,
    Options,
    Refund,
    RefundStatus,
    Refused,
    Terms,
)

FEE_RATE: Final = Decimal("0.014")
VAT_RATE: Final = Decimal("0.075")
CHECKOUTS_MAX: Final = 200_000
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def fee_of(amount: Decimal, currency: str) -> tuple[Decimal, Decimal]:
    """The gateway's fee on this amount, and the VAT on that fee: 1.4 % and 7.5 % of it."""
    fee = rounded(amount * FEE_RATE, currency)
    return fee, rounded(fee * VAT_RATE, currency)


def first_id(started_at: datetime) -> int:
    """Where this process begins to count: above all ids of any earlier one.

    A merchant keeps the ids it has seen; a restarted sandbox must not give them to other payments.
    """
    return int((started_at.timestamp() - 1_600_000_000) * 10_000)


class Account:
    """State in memory, oldest payments forgotten beyond a limit. Methods take `now`, aware."""

    def __init__(self, started_at: datetime, *, checkouts_max: int = CHECKOUTS_MAX) -> None:
        self._checkouts_max = checkouts_max
        self._ids = itertools.count(first_id(started_at))
        self.options = Options()
        self._clear()

    def _clear(self) -> None:
        self._checkouts: dict[str, Checkout] = {}
        self._tokens: defaultdict[str, list[str]] = defaultdict(list)
        self.charges: dict[int, Charge] = {}
        self.refunds: dict[int, Refund] = {}
        self._refund_ids: defaultdict[int, list[int]] = defaultdict(list)

    def reset(self) -> None:
        """Forget all but which ids were used."""
        self.options = Options()
        self._clear()

    def next_id(self) -> int:
        """An id never given before."""
        return next(self._ids)

    def open_checkout(self, terms: Terms, *, twist: Fault | None, now: datetime) -> Checkout:
        """A new hosted link. There is no idempotency: the same `tx_ref` gets a second link.

        Raises:
            Refused: the account wants unique references and knows this one.
        """
        if self.options.is_tx_ref_unique and terms.tx_ref in self._tokens:
            raise Refused("A payment with this tx_ref already exists")
        number = self.next_id()
        token = f"flwlnk-{_digest(number, terms.tx_ref)}"
        checkout = Checkout(token, terms, number, now, twist)
        self._checkouts[token] = checkout
        self._tokens[terms.tx_ref].append(token)
        while len(self._checkouts) > self._checkouts_max:
            self._forget_oldest()
        return checkout

    def find_checkout(self, token: str) -> Checkout | None:
        """The checkout behind this link; None when there is none."""
        return self._checkouts.get(token)

    def checkouts(self, *, reference: str | None, limit: int) -> list[Checkout]:
        """The newest checkouts, newest first; None means under any reference."""
        if reference is None:
            return list(itertools.islice(reversed(self._checkouts.values()), limit))
        tokens = self._tokens.get(reference, [])
        return [self._checkouts[token] for token in reversed(tokens[-limit:])]

    def charge(
        self,
        checkout: Checkout,
        *,
        status: ChargeStatus,
        now: datetime,
        amount: Decimal | None = None,
        currency: str | None = None,
    ) -> Charge:
        """One attempt to pay here, under an id of its own; by default what was asked."""
        terms = checkout.terms
        currency = currency or terms.currency
        amount = rounded(terms.amount if amount is None else amount, currency)
        fee, vat = fee_of(amount, currency)
        extra = fee + vat if self.options.customer_bears_fee else Decimal(0)
        number = self.next_id()
        charge = Charge(
            charge_id=number,
            token=checkout.token,
            terms=terms,
            customer_id=checkout.customer_id,
            flw_ref=f"FLW-MOCK-{_digest(number, terms.tx_ref)}",
            amount=amount,
            currency=currency,
            charged=amount + extra,
            fee=fee,
            settled=amount + extra - fee - vat,
            status=status,
            created_at=now,
        )
        self.charges[number] = charge
        checkout.charge_ids.append(number)
        return charge

    def finish_charge(self, charge_id: int, status: ChargeStatus) -> Charge | None:
        """A pending charge comes to its end; None when it is gone or has ended before."""
        charge = self.charges.get(charge_id)
        if charge is None or charge.status != "pending":
            return None
        charge = self.charges[charge_id] = replace(charge, status=status)
        return charge

    def charges_at(self, checkout: Checkout) -> list[Charge]:
        """All attempts through this link, oldest first."""
        return [self.charges[number] for number in checkout.charge_ids]

    def charges_under(self, tx_ref: str) -> list[Charge]:
        """All attempts under this reference, through whatever link, oldest first."""
        found = [
            charge
            for token in self._tokens.get(tx_ref, [])
            for charge in self.charges_at(self._checkouts[token])
        ]
        return sorted(found, key=lambda charge: charge.charge_id)

    def find_by_reference(self, tx_ref: str) -> Charge | None:
        """The attempt that speaks for this reference: the newest successful, else the newest.

        Which one the real gateway shows is undocumented.
        """
        found = self.charges_under(tx_ref)
        paid = [charge for charge in found if charge.status == "successful"]
        return (paid or found or [None])[-1]

    def refund(
        self,
        charge_id: int,
        *,
        amount: Decimal | None,
        comments: str | None,
        status: RefundStatus,
        now: datetime,
    ) -> Refund:
        """Give back `amount`, or all that is left when None. Twice asked is twice given.

        Raises:
            Refused: unknown or unpaid charge, or more than is left of it. The documentation does
                not give the wording.
        """
        charge = self.charges.get(charge_id)
        if charge is None:
            raise Refused("No transaction was found for this id", self.options.not_found_status)
        if charge.status != "successful":
            raise Refused("Only successful transactions can be refunded")
        left = charge.amount - self.refunded(charge_id)
        amount = left if amount is None else amount
        if not 0 < amount <= left:
            raise Refused("Refund amount is more than what is left of the transaction")
        number = self.next_id()
        refund = Refund(
            refund_id=number,
            charge_id=charge_id,
            flw_ref=charge.flw_ref,
            amount=amount,
            status=status,
            comments=comments,
            created_at=now,
            updated_at=now,
        )
        self.refunds[number] = refund
        self._refund_ids[charge_id].append(number)
        return refund

    def finish_refund(self, refund_id: int, status: RefundStatus, now: datetime) -> Refund | None:
        """A refund under way comes to its end; None when it is gone or has ended before."""
        refund = self.refunds.get(refund_id)
        if refund is None or refund.status != "processing":
            return None
        refund = self.refunds[refund_id] = replace(refund, status=status, updated_at=now)
        return refund

    def refunds_of(self, charge_id: int) -> list[Refund]:
        """All refunds of this charge, failed ones too, oldest first."""
        return [self.refunds[number] for number in self._refund_ids.get(charge_id, [])]

    def refunded(self, charge_id: int) -> Decimal:
        """What has gone back of this charge or is on its way."""
        under_way = (r.amount for r in self.refunds_of(charge_id) if r.status != "failed")
        return sum(under_way, Decimal(0))

    def _forget_oldest(self) -> None:
        token, checkout = next(iter(self._checkouts.items()))
        del self._checkouts[token]
        self._tokens[checkout.terms.tx_ref].remove(token)
        if not self._tokens[checkout.terms.tx_ref]:
            del self._tokens[checkout.terms.tx_ref]
        for charge_id in checkout.charge_ids:
            del self.charges[charge_id]
            for refund_id in self._refund_ids.pop(charge_id, []):
                del self.refunds[refund_id]


def newest(
    found: dict[_Key, _Value], *, fits: Callable[[_Value], bool], page: int, size: int
) -> tuple[list[_Value], int]:
    """One page of those that fit, newest first, and how many fit in all. Pages count from 1."""
    fitting = [value for value in reversed(found.values()) if fits(value)]
    start = (page - 1) * size
    return fitting[start : start + size], len(fitting)


def is_open(checkout: Checkout, charges: Iterable[Charge], now: datetime) -> bool:
    """Whether somebody may still pay here: in time, and with tries left."""
    terms = checkout.terms
    if terms.link_expires_at is not None and now >= terms.link_expires_at:
        return False
    opened_at = checkout.opened_at or now
    if now >= opened_at + timedelta(minutes=terms.session_minutes):
        return False
    failed = sum(1 for charge in charges if charge.status == "failed")
    return failed < terms.tries_max


def _digest(number: int, tx_ref: str) -> str:
    return hashlib.sha256(f"{number}/{tx_ref}".encode()).hexdigest()[:32]
