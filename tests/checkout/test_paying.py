"""Beginning to pay, over HTTP."""

from payments_site import Site


async def test_a_seat_is_paid_and_confirmed(site: Site) -> None:
    ada = await site.passenger()
    payment = await ada.open()
    assert payment["status"] == "PENDING"
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    assert (await ada.read())["status"] == "CONFIRMED"
    assert await site.breaches() == []
