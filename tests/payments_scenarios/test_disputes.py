"""Scenario 43: a refund and a dispute of the same money, at both gateways."""

from dataclasses import dataclass
from typing import Any

import pytest

from gateway_hands import Hands
from kiti.payments import disputing, refunding
from kiti.payments.disputing import DisputesUntold, LookAtDisputes
from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.payments.gateways.port import Gateway
from kiti.payments.gateways.registry import Gateways
from kiti.payments.gateways.stripe import Stripe, StripeKeys
from paying_steps import refunds
from payments_site import Passenger, Site

GATEWAYS = ("flutterwave", "stripe")


@dataclass
class Case:
    """A payment that was too little: its refund is owed and not sent yet."""

    site: Site
    hands: Hands
    ada: Passenger
    payment: dict[str, Any]

    @property
    def received(self) -> int:
        return self.ada.total - 1

    async def dispute(self, **more: object) -> str:
        """The payer's bank asks for it."""
        (charge,) = await self.hands.paid(self.payment)
        dispute_id = await self.hands.dispute(charge, **more)
        assert dispute_id is not None
        return dispute_id

    async def rows(self) -> list[tuple[Any, ...]]:
        """The disputes here: what they are of, how they stand, what had gone back, what is paid."""
        return await self.site.rows(
            "SELECT amount_minor, status, given_minor, covered_minor FROM dispute"
            " ORDER BY dispute_id"
        )

    async def refund_status(self) -> tuple[str, int]:
        ((status, tries),) = await self.site.rows("SELECT status, tries FROM refund")
        return status, tries

    async def at_gateway(self) -> list[int]:
        """What the gateway gave back, one by one."""
        return [self.hands.refunded(each) for each in await self.hands.refunds(self.payment)]

    async def balance(self, kind: str) -> int:
        """Debits less credits of all accounts of a kind."""
        found = await self.site.value(
            "SELECT coalesce(sum(amount_minor), 0) FROM ledger_posting WHERE kind = $1", kind
        )
        return int(found)


@pytest.fixture(params=GATEWAYS)
async def case(both: Site, request: pytest.FixtureRequest) -> Case:
    hands = Hands(both, request.param)
    await hands.fault("webhook", "drop", times=1000)
    ada = await both.passenger()
    payment = await hands.open(ada)
    await both.pay(payment, "pay_wrong_amount")
    await ada.status(payment)
    return Case(both, hands, ada, payment)


async def test_scenario_43_a_refund_waits_while_the_money_is_disputed(case: Case) -> None:
    """The gateway knows of the dispute; nobody here does until the refund is about to be sent."""
    await case.dispute()
    await case.site.work()
    assert await case.rows() == [(case.received, "needs_response", 0, 0)]
    assert await case.refund_status() == ("owed", 0)
    assert await case.balance("dispute_hold") == case.received
    await case.site.job("retry-refunds")
    await case.site.job("reconcile-settlements")
    assert await case.at_gateway() == []
    assert await refunds(case.ada, case.payment) == [("UNDERPAID", case.received, "NGN", "PENDING")]
    assert await case.site.breaches() == []


async def test_scenario_43_a_dispute_that_is_won_lets_the_refund_go(case: Case) -> None:
    dispute_id = await case.dispute()
    await case.site.work()
    await case.hands.decide(dispute_id, is_won=True)
    await case.site.job("reconcile-settlements")
    await case.site.work()
    assert await case.at_gateway() == [case.received]
    assert await case.rows() == [(case.received, "won", 0, 0)]
    assert await case.refund_status() == ("succeeded", 1)
    assert await case.balance("dispute_hold") == 0
    assert await case.site.breaches() == []


async def test_scenario_43_a_dispute_that_is_lost_pays_the_refund(case: Case) -> None:
    """The payer has the money from the bank: it is not sent a second time."""
    dispute_id = await case.dispute()
    await case.site.work()
    await case.hands.decide(dispute_id, is_won=False)
    for _ in range(2):
        await case.site.job("reconcile-settlements")
        await case.site.work()
        await case.site.job("retry-refunds")
    assert await case.at_gateway() == []
    assert await case.rows() == [(case.received, "lost", 0, case.received)]
    assert await case.refund_status() == ("succeeded", 0)
    assert await case.balance("dispute_hold") == await case.balance("chargeback_loss") == 0
    assert await case.site.breaches() == []


async def test_scenario_43_a_dispute_after_the_refund_keeps_what_had_gone_back(
    case: Case,
) -> None:
    """The evidence that it is settled already; only Flutterwave lets such money be disputed."""
    await case.site.work()
    assert await case.at_gateway() == [case.received]
    (charge,) = await case.hands.paid(case.payment)
    dispute_id = await case.hands.dispute(charge)
    assert (dispute_id is None) == (case.hands.gateway == "stripe")
    if dispute_id is not None:
        await case.site.job("reconcile-settlements")
        assert await case.rows() == [(case.received, "needs_response", case.received, 0)]
        await case.hands.decide(dispute_id, is_won=True)
        await case.site.job("reconcile-settlements")
    assert await case.site.breaches() == []


async def test_a_loss_is_the_houses_until_it_is_shared_out(case: Case) -> None:
    """The booking is paid, its money is disputed and lost: it stands, and the books show it."""
    ada = await case.site.passenger()
    payment = await case.hands.open(ada)
    await case.site.pay(payment)
    await ada.status(payment)
    (charge,) = await case.hands.paid(payment)
    dispute_id = await case.hands.dispute(charge)
    assert dispute_id is not None
    await case.hands.decide(dispute_id, is_won=False)
    await case.site.job("reconcile-settlements")
    assert await case.rows() == [(ada.total, "lost", 0, 0)]
    assert await case.balance("chargeback_loss") == ada.total
    assert (await ada.read())["status"] == "CONFIRMED"
    await case.site.work()
    assert await case.site.breaches() == []


async def test_a_refund_larger_than_what_the_bank_took_waits_for_a_person(case: Case) -> None:
    minor = 100 if case.hands.gateway == "stripe" else 1
    dispute_id = await case.dispute(amount=minor)
    await case.site.work()
    await case.hands.decide(dispute_id, is_won=False)
    await case.site.job("reconcile-settlements")
    await case.site.work()
    await case.site.job("retry-refunds")
    assert await case.at_gateway() == []
    assert [each.invariant for each in await case.site.breaches()] == [
        "a refund that is owed moves on"
    ]


async def test_a_gateway_that_does_not_tell_is_asked_again(case: Case) -> None:
    """The job fails and is run again; a refund does not wait for what nobody tells."""
    async with gateway_client() as http:
        away: Gateway = (
            Stripe(http, base_url="http://127.0.0.1:9", keys=StripeKeys("k", "s"))
            if case.hands.gateway == "stripe"
            else Flutterwave(http, base_url="http://127.0.0.1:9", keys=FlutterwaveKeys("k", "s"))
        )
        job = LookAtDisputes(case.hands.gateway)
        with pytest.raises(DisputesUntold):
            await disputing.look_by_job(case.site.db, Gateways([away]), job)
        refund_id = await case.site.value("SELECT refund_id FROM refund")
        assert await refunding.send_refund(case.site.db, Gateways([away]), refund_id=refund_id)
    assert await case.refund_status() == ("owed", 0)  # it was tried, and never left
    await case.site.job("retry-refunds")
    assert await case.at_gateway() == [case.received]


async def test_one_that_is_sent_again_waits_too(case: Case) -> None:
    """Its first sending was refused; by the time of the second the money is disputed."""
    await case.hands.fault("refund", "fail_refund", refuse=True)
    await case.site.work()
    await case.site.value("UPDATE refund SET sent_at = clock_timestamp() RETURNING 1")
    await case.dispute()
    await case.site.job("reconcile-settlements")
    await case.site.value(
        "UPDATE refund SET sent_at = sent_at - interval '1 hour', created_at ="
        " created_at - interval '1 hour' RETURNING 1"
    )
    refund_id = await case.site.value("SELECT refund_id FROM refund")
    assert await refunding.send_refund(case.site.db, case.site.till.gateways, refund_id=refund_id)
    assert await case.at_gateway() == []
    assert await case.refund_status() == ("failed", 1)
    assert await case.site.value("SELECT leased_until IS NULL FROM refund")
    assert await case.site.breaches() == []


async def test_a_webhook_tells_of_a_dispute_and_of_its_end(both: Site) -> None:
    hands = Hands(both, "stripe")
    ada = await both.passenger()
    payment = await hands.open(ada)
    await both.pay(payment)
    await both.webhook(payment, 2)
    await both.work()
    (charge,) = await hands.paid(payment)
    dispute_id = await hands.dispute(charge)
    assert dispute_id is not None
    await both.webhook(payment, 4)
    await both.work()
    assert await both.rows("SELECT status, due_at > opened_at FROM dispute") == [
        ("needs_response", True)
    ]
    await hands.decide(dispute_id, is_won=True)
    await both.webhook(payment, 6)
    await both.work()
    assert await both.rows("SELECT status, due_at FROM dispute") == [("won", None)]
    kinds = await both.rows("SELECT kind, state FROM webhook_event WHERE kind = 'dispute'")
    assert kinds == [("dispute", "done")] * 4
    assert await both.breaches() == []


async def test_an_inquiry_takes_nothing_and_stops_nothing(both: Site) -> None:
    hands = Hands(both, "stripe")
    await hands.fault("webhook", "drop", times=1000)
    ada = await both.passenger()
    payment = await hands.open(ada)
    await both.pay(payment, "pay_wrong_amount")
    await ada.status(payment)
    (charge,) = await hands.paid(payment)
    assert await hands.dispute(charge, is_inquiry=True) is not None
    await both.work()
    assert await both.rows("SELECT status, taken_at FROM dispute") == [("inquiry", None)]
    assert await both.value("SELECT status FROM refund") == "succeeded"
    assert await both.value("SELECT count(*) FROM ledger_entry WHERE source_type = 'dispute'") == 0
    assert await both.breaches() == []


async def test_a_dispute_of_money_of_others_is_not_kept(both: Site) -> None:
    hands = Hands(both, "stripe")
    data = {"object": "dispute", "id": "du_1", "payment_intent": "pi_of_others"}
    assert (await hands.deliver_event("charge.dispute.created", data)).status_code == 200
    made = await both.sandbox.control(
        "POST", "/stripe/payments", json={"reference": "KT-OTHERS", "amount": 9, "currency": "ngn"}
    )
    assert await hands.dispute(made.json()) is not None
    await both.work()
    assert await both.value("SELECT count(*) FROM dispute") == 0
    assert await both.breaches() == []


BREAKS = {
    "the ledger holds what is disputed": (
        "UPDATE dispute SET status = 'under_review', ended_at = NULL"
    ),
    "no money goes back while it is disputed": (
        "UPDATE dispute SET taken_at = taken_at - interval '1 hour',"
        " ended_at = ended_at + interval '1 hour'"
    ),
}


@pytest.mark.parametrize("invariant", BREAKS)
async def test_the_audit_finds(case: Case, invariant: str) -> None:
    dispute_id = await case.dispute()
    await case.site.work()
    await case.hands.decide(dispute_id, is_won=True)
    await case.site.job("reconcile-settlements")
    await case.site.work()
    assert await case.site.breaches() == []
    await case.site.value(BREAKS[invariant] + " RETURNING 1")
    assert invariant in {each.invariant for each in await case.site.breaches()}
