"""The words of the slice: accounts, postings, entries, and what the ledger refuses."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from kiti.platform.errors import Conflict, NotFound

Side = Literal["asset", "liability", "revenue", "expense"]

# Of entries that belong to no trip: an operator's payout, the bank.
NO_TRIP: Final = UUID(int=0)


class Kind(StrEnum):
    """The chart of accounts. An account is a kind and an owner, in one currency."""

    # What we have, or are owed.
    GATEWAY_CLEARING = "gateway_clearing"
    BANK = "bank"
    DISPUTE_HOLD = "dispute_hold"
    OPERATOR_RECEIVABLE = "operator_receivable"
    AGENT_FLOAT = "agent_float"
    FX_CLEARING = "fx_clearing"
    # What we owe.
    PASSENGER_FUNDS = "passenger_funds"
    SUSPENSE = "suspense"
    REFUNDS_PAYABLE = "refunds_payable"
    PASSENGER_CREDIT = "passenger_credit"
    OPERATOR_PAYABLE = "operator_payable"
    OPERATOR_RESERVE = "operator_reserve"
    PAYOUT_TRANSIT = "payout_transit"
    TAX_PAYABLE = "tax_payable"
    # What we earn, and what it costs.
    COMMISSION = "commission"
    FEES_REVENUE = "fees_revenue"
    GATEWAY_FEES = "gateway_fees"
    PAYOUT_FEES = "payout_fees"
    DISPUTE_FEES = "dispute_fees"
    CHARGEBACK_LOSS = "chargeback_loss"
    FX_ROUNDING = "fx_rounding"

    @property
    def side(self) -> Side:
        """Which kind of account it is."""
        return _SIDES[self]

    @property
    def has_floor(self) -> bool:
        """Whether the database refuses to let what is owed here fall below zero."""
        return self in FLOORED


_ASSETS: Final = frozenset({
    Kind.GATEWAY_CLEARING, Kind.BANK, Kind.DISPUTE_HOLD, Kind.OPERATOR_RECEIVABLE,
    Kind.AGENT_FLOAT, Kind.FX_CLEARING,
})  # fmt: skip
_REVENUES: Final = frozenset({Kind.COMMISSION, Kind.FEES_REVENUE})
_EXPENSES: Final = frozenset({
    Kind.GATEWAY_FEES, Kind.PAYOUT_FEES, Kind.DISPUTE_FEES, Kind.CHARGEBACK_LOSS, Kind.FX_ROUNDING,
})  # fmt: skip
FLOORED: Final = frozenset({
    Kind.PASSENGER_FUNDS, Kind.SUSPENSE, Kind.REFUNDS_PAYABLE, Kind.PASSENGER_CREDIT,
    Kind.OPERATOR_PAYABLE, Kind.OPERATOR_RESERVE, Kind.PAYOUT_TRANSIT,
})  # fmt: skip


def _side(kind: Kind) -> Side:
    if kind in _ASSETS:
        return "asset"
    if kind in _REVENUES:
        return "revenue"
    return "expense" if kind in _EXPENSES else "liability"


_SIDES: Final[dict[Kind, Side]] = {kind: _side(kind) for kind in Kind}


class Unbalanced(Exception):
    """The postings of an entry do not sum to zero: whoever made it has a bug."""


class BelowFloor(Conflict):
    """More would be taken from an account than it has."""


class NoSuchEntry(NotFound):
    """The ledger has no such entry."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose money of which kind. `owner`: a gateway's name, somebody's id, "" for the house."""

    kind: Kind
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Posting:
    """A line of an entry. `amount_minor`: minor units; a debit is positive, a credit negative."""

    account: Account
    amount_minor: int


def debit(account: Account, amount_minor: int) -> Posting:
    """A debit: more of an asset or expense, less of a liability or revenue."""
    return Posting(account, amount_minor)


def credit(account: Account, amount_minor: int) -> Posting:
    """A credit: less of an asset or expense, more of a liability or revenue."""
    return Posting(account, -amount_minor)


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement of money, about to be posted.

    Known by `source_type`, `source_id` and `purpose`: of these there is one entry. Amounts are in
    minor units of `currency`. `trip_id`: of the sale, NO_TRIP when it belongs to none. `reverses`:
    the entry that it undoes, None for most.

    Raises:
        Unbalanced: the lines do not sum to zero, are fewer than two, or one of them is zero.
    """

    source_type: str
    source_id: UUID
    purpose: str
    currency: str
    postings: tuple[Posting, ...]
    trip_id: UUID = NO_TRIP
    reverses: UUID | None = None

    def __post_init__(self) -> None:
        amounts = [posting.amount_minor for posting in self.postings]
        if len(amounts) < 2 or sum(amounts) != 0 or 0 in amounts:
            raise Unbalanced(f"{self.source_type} {self.purpose}: {amounts}")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ledger as it was posted, with its entry's particulars."""

    entry_id: UUID
    trip_id: UUID
    source_type: str
    source_id: UUID
    purpose: str
    currency: str
    reverses: UUID | None
    occurred_at: datetime
    line: int
    kind: str
    owner: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Total:
    """What all accounts of a kind come to in a currency: debits less credits, minor units."""

    kind: str
    currency: str
    amount_minor: int
