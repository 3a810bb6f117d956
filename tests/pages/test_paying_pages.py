"""Paying through the pages: the truth about money, whatever the address claims."""

import asyncio
from uuid import UUID

import pytest

from kiti.payments.gateways.flutterwave import FlutterwaveKeys
from pages_site import Site, booking_id_of, leaves
from plain_browser import Page, PlainBrowser


def reference_in(url: str) -> str:
    """Our reference in an address that the gateway sends a payer back to."""
    return url.partition("tx_ref=")[2].partition("&")[0]


async def test_methods_are_those_of_the_currency_mobile_money_first(site: Site):
    browser = await site.browser()
    naira = await site.to_pay(browser, await site.coach(), "2A")
    cedi = await site.to_pay(browser, await site.coach(currency="GHS"), "2A")
    rupee = await site.to_pay(browser, await site.coach(currency="INR"), "2A")
    assert methods(naira) == ["CARD", "BANK_TRANSFER", "USSD"]
    assert methods(cedi) == ["MOBILE_MONEY", "CARD"]
    assert "There is no way to pay in INR here just now." in rupee.text


def methods(page: Page) -> list[str]:
    return [field.value for field in page.form("/pay").fields if field.kind == "radio"]


async def test_a_method_that_is_not_offered_is_refused(site: Site):
    browser = await site.browser()
    page = await site.to_pay(browser, await site.coach(), "2A")
    form = page.form("/pay")
    for value in ("MOBILE_MONEY", "BITCOIN"):
        form.fields[2].value = value
        assert form.fields[2].kind == "radio"
        told = await browser.submit(page, "/pay", {"method": value})
        assert told.status == 422
        assert "Please choose one of these ways to pay." in told.text


async def test_the_payment_page_may_lead_to_the_gateway_and_no_other_page_may(site: Site):
    browser = await site.browser()
    pay = await site.to_pay(browser, await site.coach(), "2A")
    held = await browser.get(pay.link("Back to the passengers"))
    assert "form-action" not in pay.headers["content-security-policy"]
    assert "form-action 'self'" in held.headers["content-security-policy"]


async def test_a_double_click_asks_the_gateway_once(site: Site):
    browser = await site.browser()
    page = await site.to_pay(browser, await site.coach(), "2A")
    form = page.form("/pay")
    answers = await asyncio.gather(
        *(browser.send(page, form, {"method": "CARD"}) for _ in range(3))
    )
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await payments_of(site, booking_id_of(page)) == ["open"]


async def payments_of(site: Site, booking_id: UUID) -> list[str]:
    async with site.db.connection() as conn:
        rows = await conn.fetch(
            "SELECT status FROM payment WHERE booking_id = $1 ORDER BY created_at", booking_id
        )
    return [row["status"] for row in rows]


async def test_another_method_from_the_same_form_closes_the_first(site: Site):
    """Back from the gateway's page, where browsers keep the form as it was."""
    browser = await site.browser()
    page = await site.to_pay(browser, await site.coach(), "2A")
    first = await leaves(browser, page, "CARD")
    second = await leaves(browser, page, "USSD")
    assert first != second
    assert await payments_of(site, booking_id_of(page)) == ["cancelled", "open"]


async def test_a_card_that_is_declined_leaves_the_seats_and_another_try(site: Site):
    browser = await site.browser()
    page = await site.to_pay(browser, await site.coach(), "2A")
    link = await leaves(browser, page, "CARD")
    told = await browser.get(await site.at_gateway(link, "decline"))
    assert told.heading == "The payment did not go through"
    assert "Your seats are kept until" in told.text
    # The form that led there has had its answer: it tells how that stands.
    stale = await browser.submit(page, "/pay", {"method": "CARD"})
    assert stale.heading == "The payment did not go through"
    again = await browser.get(told.link("Try again"))
    assert "The last try did not go through" in again.text
    link = await leaves(browser, again, "CARD")
    ticket = await browser.get(await site.at_gateway(link, "pay"))
    assert ticket.heading == "Your ticket"


@pytest.mark.parametrize("claim", ["successful", "completed", "failed", "cancelled"])
async def test_a_forged_return_is_not_believed(site: Site, claim: str):
    browser = await site.browser()
    link = await site.to_gateway(browser, await site.coach(), "2A")
    back = await site.at_gateway(link, "cancel")
    reference = reference_in(back)
    page = await browser.get(
        "/pay/return", tx_ref=reference, status=claim, transaction_id="1234567"
    )
    assert page.heading == "Waiting for word of your payment"
    assert claim not in page.html
    booking = await browser.get(page.link("Pay another way"))
    assert booking.heading.startswith("Pay ")


async def test_a_pending_payment_waits_and_looks_again_without_script(site: Site):
    browser = await site.browser()
    link = await site.to_gateway(browser, await site.coach(), "2A")
    page = await browser.get(await site.at_gateway(link, "pay_late", delay_s="30"))
    assert page.status == 200
    assert page.refresh is not None
    seconds, _, url = page.refresh.partition(";url=")
    assert seconds == "5"
    assert url == page.link("I have paid")
    await site.sandbox.advance(30)
    await site.look_again()
    ticket = await browser.get(url)
    assert ticket.heading == "Your ticket"


async def test_money_for_seats_that_are_gone_is_on_its_way_back(site: Site):
    sheet = await site.coach()
    browser, quick = await site.browser(), await site.browser()
    link = await site.to_gateway(browser, sheet, "2A")
    booking_id = await site.value(
        "SELECT booking_id FROM booking WHERE trip_id = $1", sheet.trip_id
    )
    await site.expire(booking_id)
    await site.hold(quick, sheet, "2A")
    told = await browser.get(await site.at_gateway(link, "pay"))
    assert told.heading == "We could not use your payment"
    assert "On its way back to you: NGN 27,367.69" in told.text
    assert "the seats had been sold to somebody else meanwhile" in told.text
    await site.work()
    over = await browser.get(f"/bookings/{booking_id}")
    assert over.heading == "The time to pay is over"
    assert "NGN 27,367.69 , because" in over.text


async def test_late_money_for_free_seats_is_a_ticket(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    link = await site.to_gateway(browser, sheet, "2A")
    booking_id = await site.value(
        "SELECT booking_id FROM booking WHERE trip_id = $1", sheet.trip_id
    )
    await site.expire(booking_id)
    ticket = await browser.get(await site.at_gateway(link, "pay"))
    assert ticket.heading == "Your ticket"


async def test_money_that_is_too_little_goes_back(site: Site):
    browser = await site.browser()
    link = await site.to_gateway(browser, await site.coach(), "2A")
    told = await browser.get(await site.at_gateway(link, "pay_wrong_amount"))
    assert told.heading == "We could not use your payment"
    assert "Received: NGN 27,367.68" in told.text
    assert "less came than the price" in told.text


async def test_seats_given_back_while_paying_get_the_money_back(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    page = await site.to_pay(browser, sheet, "2A")
    link = await leaves(browser, page, "CARD")
    held = await browser.get(f"/bookings/{booking_id_of(page)}")
    assert "A payment is under way." in held.text
    released = await browser.submit(held, "/release")
    assert "all of it goes back, by itself" in released.text
    told = await browser.get(await site.at_gateway(link, "pay"))
    assert "the seats had been given back" in told.text


async def test_a_gateway_that_refuses_is_told_as_it_is(site: Site):
    browser = await site.browser()
    page = await site.to_pay(browser, await site.coach(), "2A")
    keys = site.gateway._keys
    site.gateway._keys = FlutterwaveKeys("a wrong key", "hash")
    try:
        told = await browser.submit(page, "/pay", {"method": "CARD"})
    finally:
        site.gateway._keys = keys
    assert told.heading == "Pay NGN 27,367.69"
    assert "The last try did not go through" in told.text
    assert "took no money" in told.text
    link = await leaves(browser, told, "CARD")
    assert (await browser.get(await site.at_gateway(link, "pay"))).heading == "Your ticket"


async def test_a_gateway_that_says_nothing_leaves_another_try(site: Site):
    browser = await site.browser()
    page = await site.to_pay(browser, await site.coach(), "2A")
    await site.sandbox.fault("create", "lose_reply")
    told = await browser.submit(page, "/pay", {"method": "CARD"})
    assert told.heading == "Waiting for word of your payment"
    again = await browser.get(told.link("Pay another way"))
    assert "A payment is under way" in again.text
    link = await leaves(browser, again, "CARD")
    ticket = await browser.get(await site.at_gateway(link, "pay"))
    assert ticket.heading == "Your ticket"


async def test_a_stranger_on_the_way_back_is_told_nothing(site: Site):
    browser, stranger = await site.browser(), await site.browser()
    link = await site.to_gateway(browser, await site.coach(), "2A")
    back = await site.at_gateway(link, "pay")
    page = await stranger.get(back)
    assert page.heading == "You are back from paying"
    assert "NGN" not in page.text
    # What brought them was a reason to ask the gateway all the same.
    assert (await browser.get(back)).heading == "Your ticket"


@pytest.mark.parametrize("query", ["", "?tx_ref=", "?tx_ref=KT-NONE", "?tx_ref=%00", "?tx_ref=<b>"])
async def test_a_return_that_names_no_payment_is_not_found(site: Site, query: str):
    browser: PlainBrowser = await site.browser()
    page = await browser.get(f"/pay/return{query}")
    assert page.status == 404
    assert "<b>" not in page.html


async def test_a_paid_booking_is_not_paid_again(site: Site):
    browser = await site.browser()
    page = await site.to_pay(browser, await site.coach(), "2A")
    link = await leaves(browser, page, "CARD")
    await browser.get(await site.at_gateway(link, "pay"))
    assert (await browser.submit(page, "/pay", {"method": "USSD"})).heading == "Your ticket"
    assert (await browser.get(f"/bookings/{booking_id_of(page)}/pay")).heading == "Your ticket"


async def test_whoever_has_not_said_who_travels_is_asked_first(site: Site):
    browser = await site.browser()
    held = await site.hold(browser, await site.coach(), "2A")
    page = await browser.get(f"/bookings/{booking_id_of(held)}/pay")
    assert page.heading == "Your seats are kept"
