"""Refunds made at the gateway's own pages, beside what is owed and sent from here."""

from paying_steps import by_hand, open_unheard, owed, refunds, state
from payments_site import Site


async def test_two_parts_made_by_hand_are_two_refunds_and_cancel_with_the_last(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    await ada.status(payment)
    for part, status in ((ada.major / 4, "CONFIRMED"), (ada.major * 3 / 4, "CANCELLED")):
        await by_hand(site, payment, part)
        await site.job("reconcile-settlements")
        assert (await ada.read())["status"] == status
    found = await refunds(ada, payment)
    assert [(reason, status) for reason, _, _, status in found] == [("AT_GATEWAY", "SUCCEEDED")] * 2
    assert sum(amount for _, amount, _, _ in found) == ada.total
    await site.job("retry-refunds")
    assert len(await site.refunds_at_gateway(payment)) == 2
    assert await site.breaches() == []


async def test_what_is_owed_and_was_paid_by_hand_is_not_sent(site: Site) -> None:
    ada, payment, _ = await owed(site)
    await site.sandbox.fault("refund", "fail_refund", refuse=True)
    await site.work()
    assert await state(site) == ("failed", 1)
    await by_hand(site, payment, (ada.total - 1) / 100)
    await site.job("reconcile-settlements")
    assert await refunds(ada, payment) == [("UNDERPAID", ada.total - 1, "NGN", "SUCCEEDED")]
    await site.job("retry-refunds")
    assert len(await site.refunds_at_gateway(payment)) == 1
    assert await site.breaches() == []


async def test_our_own_refunds_are_never_taken_for_anothers(site: Site) -> None:
    """Neither while they are under way nor after; nor one that failed, nor one of other money."""
    ada, payment, _ = await owed(site)
    stranger = await site.sandbox.paid(amount=10)
    await by_hand(site, {"id": stranger}, 10)
    await site.sandbox.fault("refund", "lose_reply")
    await site.work()
    for _ in range(2):
        assert (await site.job("reconcile-settlements"))["processed"] == 0
        await site.job("retry-refunds")
    assert await refunds(ada, payment) == [("UNDERPAID", ada.total - 1, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_by_hand_while_ours_is_under_way_waits_for_its_end(site: Site) -> None:
    """A part given by hand while the excess goes back: each is counted once."""
    ada, payment = await open_unheard(site)
    await site.money_unannounced(payment, amount=ada.major + 50)
    await ada.status(payment)
    await site.sandbox.fault("refund", "succeed_late", delay_s=600)
    await site.work()
    assert (await state(site))[0] == "pending"
    await by_hand(site, payment, ada.major)
    await site.job("reconcile-settlements")
    assert (await ada.read())["status"] == "CONFIRMED"
    await site.sandbox.advance(601)
    await site.job("retry-refunds")
    await site.job("reconcile-settlements")
    found = sorted((reason, amount) for reason, amount, _, _ in await refunds(ada, payment))
    assert found == [("AT_GATEWAY", ada.total), ("OVERPAID", 5000)]
    assert (await ada.read())["status"] == "CANCELLED"
    assert await site.breaches() == []


async def test_more_than_is_left_of_a_receipt_is_told_and_left_alone(site: Site) -> None:
    """A part was given by hand of what is owed whole: a person decides; nothing is booked wrong."""
    ada, payment, _ = await owed(site)
    await site.sandbox.fault("refund", "fail_refund", refuse=True)
    await site.work()
    await by_hand(site, payment, 1)
    assert (await site.job("reconcile-settlements"))["processed"] == 0
    assert await refunds(ada, payment) == [("UNDERPAID", ada.total - 1, "NGN", "FAILED")]
    assert await site.breaches() == []
