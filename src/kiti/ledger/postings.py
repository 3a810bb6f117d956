"""The entry of each event of money: which accounts move when it happens.

Source: the chart and table of reference/payments.md section 6. Amounts are minor units of the
entry's currency; a part that is zero is left out.
"""

from collections.abc import Iterable
from uuid import UUID

from kiti.ledger.model import NO_TRIP, Account, Entry, Kind, Posting, credit, debit


def _lines(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    return tuple(posting for posting in postings if posting.amount_minor)


def clearing(gateway: str) -> Account:
    """What a gateway has received for us and not paid out yet."""
    return Account(Kind.GATEWAY_CLEARING, gateway)


def funds(booking_id: UUID) -> Account:
    """What was paid for a booking that has not travelled yet."""
    return Account(Kind.PASSENGER_FUNDS, str(booking_id))


def suspense(receipt_id: UUID) -> Account:
    """What came in a receipt and pays for nothing."""
    return Account(Kind.SUSPENSE, str(receipt_id))


def payable(refund_id: UUID) -> Account:
    """What a refund still owes."""
    return Account(Kind.REFUNDS_PAYABLE, str(refund_id))


def operator_payable(operator_id: UUID) -> Account:
    """What an operator has earned and was not paid yet."""
    return Account(Kind.OPERATOR_PAYABLE, str(operator_id))


def received(
    *,
    receipt_id: UUID,
    booking_id: UUID,
    trip_id: UUID,
    into: Account,
    currency: str,
    amount_minor: int,
    applied_minor: int,
) -> Entry:
    """Money came: what pays for the booking is the passenger's funds, the rest is in suspense.

    `into`: who has it now: a gateway, an agent; or a passenger's credit, of which it was taken.
    """
    return Entry(
        "receipt",
        receipt_id,
        "received",
        currency,
        _lines((
            debit(into, amount_minor),
            credit(funds(booking_id), applied_minor),
            credit(suspense(receipt_id), amount_minor - applied_minor),
        )),
        trip_id,
    )  # fmt: skip


def gateway_fee(
    *, receipt_id: UUID, trip_id: UUID, gateway: str, currency: str, fee_minor: int
) -> Entry:
    """The gateway keeps its fee of a receipt."""
    lines = (
        debit(Account(Kind.GATEWAY_FEES, gateway), fee_minor),
        credit(clearing(gateway), fee_minor),
    )
    return Entry("receipt", receipt_id, "gateway_fee", currency, lines, trip_id)


def refund_owed(
    *, refund_id: UUID, source: Account, trip_id: UUID, currency: str, amount_minor: int
) -> Entry:
    """A refund is owed, out of a receipt's suspense or a booking's funds."""
    lines = (debit(source, amount_minor), credit(payable(refund_id), amount_minor))
    return Entry("refund", refund_id, "owed", currency, lines, trip_id)


def refund_given(
    *,
    refund_id: UUID,
    look: int,
    trip_id: UUID,
    out_of: Account,
    currency: str,
    paid_minor: int,
    given_minor: int,
) -> Entry:
    """`given_minor` went back, of which `paid_minor` was owed; below zero: was taken back.

    `out_of`: whose money it was: a gateway's, an agent's; or the passenger's credit, which grows.
    What a gateway gave beyond what was owed is lost until it is recovered. `look`: the number of
    the look at the refund that found it.
    """
    return Entry(
        "refund",
        refund_id,
        f"given_{look}",
        currency,
        _lines((
            debit(payable(refund_id), paid_minor),
            debit(Account(Kind.CHARGEBACK_LOSS, out_of.owner), given_minor - paid_minor),
            credit(out_of, given_minor),
        )),
        trip_id,
    )  # fmt: skip


def passenger_credit(holder_id: UUID) -> Account:
    """What a passenger has to spend here."""
    return Account(Kind.PASSENGER_CREDIT, str(holder_id))


def credited(
    *,
    cancellation_id: UUID,
    booking_id: UUID,
    trip_id: UUID,
    holder_id: UUID,
    currency: str,
    amount_minor: int,
) -> Entry:
    """A cancelled seat gives its holder credit instead of a refund."""
    lines = (
        debit(funds(booking_id), amount_minor),
        credit(passenger_credit(holder_id), amount_minor),
    )
    return Entry("cancellation", cancellation_id, "credited", currency, lines, trip_id)


def kept_on_cancel(
    *,
    cancellation_id: UUID,
    booking_id: UUID,
    trip_id: UUID,
    operator_id: UUID,
    currency: str,
    operator_minor: int,
    fees_minor: int,
) -> Entry:
    """What a cancelled seat does not give back: the operator's, and fees of the house."""
    return Entry(
        "cancellation",
        cancellation_id,
        "kept",
        currency,
        _lines((
            debit(funds(booking_id), operator_minor + fees_minor),
            credit(operator_payable(operator_id), operator_minor),
            credit(Account(Kind.FEES_REVENUE), fees_minor),
        )),
        trip_id,
    )  # fmt: skip


def earned(
    *,
    booking_id: UUID,
    trip_id: UUID,
    operator_id: UUID,
    currency: str,
    gross_minor: int,
    commission_minor: int,
    tax_minor: int,
) -> Entry:
    """The trip has departed: the passenger's funds are the operator's, less commission and tax."""
    return Entry(
        "booking",
        booking_id,
        "earned",
        currency,
        _lines((
            debit(funds(booking_id), gross_minor),
            credit(operator_payable(operator_id), gross_minor - commission_minor - tax_minor),
            credit(Account(Kind.COMMISSION), commission_minor),
            credit(Account(Kind.TAX_PAYABLE), tax_minor),
        )),
        trip_id,
    )  # fmt: skip


def unearned(
    *,
    cause_id: UUID,
    booking_id: UUID,
    trip_id: UUID,
    operator_id: UUID,
    currency: str,
    payable_minor: int,
    receivable_minor: int,
    commission_minor: int,
) -> Entry:
    """What goes back to a passenger after it was earned is the passenger's funds again.

    The operator gives its part out of what it is still to be paid (`payable_minor`); what it was
    paid already it owes us from now on (`receivable_minor`); the house gives its commission.
    """
    return Entry(
        "unearning",
        cause_id,
        "unearned",
        currency,
        _lines((
            debit(operator_payable(operator_id), payable_minor),
            debit(Account(Kind.OPERATOR_RECEIVABLE, str(operator_id)), receivable_minor),
            debit(Account(Kind.COMMISSION), commission_minor),
            credit(funds(booking_id), payable_minor + receivable_minor + commission_minor),
        )),
        trip_id,
    )  # fmt: skip


def transferred(
    *,
    transfer_id: UUID,
    booking_ids: tuple[UUID, UUID],
    trip_ids: tuple[UUID, UUID],
    holder_id: UUID,
    currency: str,
    amount_minor: int,
) -> list[Entry]:
    """The funds of a booking that is given up pay for another one: from the first to the second.

    An entry belongs to one trip, so there are two, and the money is the holder's credit in between.
    """
    held = passenger_credit(holder_id)
    out = (debit(funds(booking_ids[0]), amount_minor), credit(held, amount_minor))
    into = (debit(held, amount_minor), credit(funds(booking_ids[1]), amount_minor))
    return [
        Entry("transfer", transfer_id, "moved_out", currency, out, trip_ids[0]),
        Entry("transfer", transfer_id, "moved_in", currency, into, trip_ids[1]),
    ]


def agent_float(agent_id: UUID) -> Account:
    """The cash that an agent took for us and has not paid in."""
    return Account(Kind.AGENT_FLOAT, str(agent_id))


def remitted(*, remittance_id: UUID, agent_id: UUID, currency: str, amount_minor: int) -> Entry:
    """An agent paid its takings in."""
    lines = (
        debit(Account(Kind.BANK), amount_minor),
        credit(agent_float(agent_id), amount_minor),
    )
    return Entry("remittance", remittance_id, "remitted", currency, lines, NO_TRIP)


def settled(*, settlement_id: UUID, gateway: str, currency: str, net_minor: int) -> Entry:
    """A gateway paid out to the bank."""
    lines = (debit(Account(Kind.BANK), net_minor), credit(clearing(gateway), net_minor))
    return Entry("settlement", settlement_id, "settled", currency, lines, NO_TRIP)


def payout_sent(*, payout_id: UUID, operator_id: UUID, currency: str, amount_minor: int) -> Entry:
    """A payout to an operator is on its way."""
    lines = (
        debit(operator_payable(operator_id), amount_minor),
        credit(Account(Kind.PAYOUT_TRANSIT, str(payout_id)), amount_minor),
    )
    return Entry("payout", payout_id, "sent", currency, lines, NO_TRIP)


def payout_paid(*, payout_id: UUID, currency: str, amount_minor: int, fee_minor: int) -> Entry:
    """A payout has arrived; the bank took its fee."""
    return Entry(
        "payout",
        payout_id,
        "paid",
        currency,
        _lines((
            debit(Account(Kind.PAYOUT_TRANSIT, str(payout_id)), amount_minor),
            debit(Account(Kind.PAYOUT_FEES), fee_minor),
            credit(Account(Kind.BANK), amount_minor + fee_minor),
        )),
        NO_TRIP,
    )  # fmt: skip


def dispute_opened(
    *,
    dispute_id: UUID,
    trip_id: UUID,
    gateway: str,
    currency: str,
    amount_minor: int,
    fee_minor: int,
) -> Entry:
    """A payer disputes a payment: the gateway takes the money back until it is decided."""
    return Entry(
        "dispute",
        dispute_id,
        "opened",
        currency,
        _lines((
            debit(Account(Kind.DISPUTE_HOLD, str(dispute_id)), amount_minor),
            debit(Account(Kind.DISPUTE_FEES, gateway), fee_minor),
            credit(clearing(gateway), amount_minor + fee_minor),
        )),
        trip_id,
    )  # fmt: skip


def dispute_reserved(
    *, dispute_id: UUID, operator_id: UUID, trip_id: UUID, currency: str, amount_minor: int
) -> Entry:
    """While a payment of an earned booking is disputed its sum is held back from the operator."""
    lines = (
        debit(operator_payable(operator_id), amount_minor),
        credit(Account(Kind.OPERATOR_RESERVE, str(operator_id)), amount_minor),
    )
    return Entry("dispute", dispute_id, "reserved", currency, lines, trip_id)


def dispute_won(
    *, dispute_id: UUID, trip_id: UUID, gateway: str, currency: str, amount_minor: int
) -> Entry:
    """A dispute was won: the gateway gives the money back."""
    lines = (
        debit(clearing(gateway), amount_minor),
        credit(Account(Kind.DISPUTE_HOLD, str(dispute_id)), amount_minor),
    )
    return Entry("dispute", dispute_id, "won", currency, lines, trip_id)


def dispute_lost(
    *, dispute_id: UUID, trip_id: UUID, bearer: Account, currency: str, amount_minor: int
) -> Entry:
    """A dispute was lost: its bearer pays.

    `bearer`: a booking's funds before departure, the operator's reserve or receivable after it, or
    the house's chargeback loss.
    """
    lines = (
        debit(bearer, amount_minor),
        credit(Account(Kind.DISPUTE_HOLD, str(dispute_id)), amount_minor),
    )
    return Entry("dispute", dispute_id, "lost", currency, lines, trip_id)
