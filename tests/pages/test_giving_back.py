"""Paid seats given back by plain forms: the offer, the passenger's yes, and what becomes of it."""

import asyncio
from uuid import UUID

from kiti.booking.model import SEATS_PER_HOLD_MAX
from kiti.checkout.offers import Offer
from kiti.fares.policies import put_policy
from kiti.fares.refund_policy import HOURS_MAX, Policy, Rule
from kiti.network.model import TripSheet
from kiti.pages.forms import TEXT_LENGTH_MAX
from kiti.platform.clock import utc_now
from kiti.platform.ids import new_id
from kiti.platform.money import Money
from pages_site import Site, booking_id_of, leaves
from plain_browser import Page, PlainBrowser

HALF = Policy(rules=(Rule(hours_before_min=1, refund_percent=50),))
WALLET = Policy(rules=(Rule(refund_percent=100, to="wallet", bank_transfer_percent=95),))
NOTHING = Policy(rules=(Rule(refund_percent=0),))
# A standard seat from Lagos to Abuja, and its half.
FARE, HALF_FARE = "NGN\N{NO-BREAK SPACE}27,367.69", "NGN\N{NO-BREAK SPACE}13,683.84"


async def bought(
    site: Site, browser: PlainBrowser, *seats: str, policy: Policy = HALF
) -> tuple[Page, TripSheet]:
    """The page of tickets that were paid for."""
    sheet = await site.coach()
    async with site.db.transaction() as conn:
        await put_policy(conn, operator_id=sheet.operator_id, policy=policy)
    pay = await site.to_pay(browser, sheet, *seats)
    link = await leaves(browser, pay, "CARD")
    tickets = await browser.get(await site.at_gateway(link, "pay"))
    assert tickets.heading.startswith("Your ")
    return tickets, sheet


async def cancellations(site: Site, booking_id: UUID) -> list[tuple[str, int]]:
    async with site.db.connection() as conn:
        rows = await conn.fetch(
            "SELECT method, cardinality(seats) AS seats FROM cancellation WHERE booking_id = $1",
            booking_id,
        )
    return [(row["method"], row["seats"]) for row in rows]


async def test_a_seat_is_given_back_and_then_the_rest(site: Site):
    browser = await site.browser()
    tickets, sheet = await bought(site, browser, "2A", "2B")
    booking_id = booking_id_of(tickets)
    offer = await browser.submit(tickets, "/refund-offer", {"seat": ["2B"]})
    assert offer.status == 200
    assert offer.heading == "Give back seat 2B?"
    assert f"{HALF_FARE} the way you paid" in offer.html
    assert "At least 1 h before departure: 50 %." in offer.text
    assert await cancellations(site, booking_id) == []

    left = await browser.submit(offer, "/cancel")
    assert left.heading == "Your 2 tickets"
    assert left.text.count("Cancelled: not valid") == 1
    assert "The seats are given back. Below is how the money for them stands." in left.text
    assert "On its way back to you: NGN 13,683.84 , because seats were given back." in left.text
    boxes = [field.value for field in left.form("/refund-offer").fields if field.name == "seat"]
    assert boxes == ["2A"]
    await site.work()
    assert "Given back:" in (await browser.get(left.url)).text

    last = await browser.submit(left, "/refund-offer")  # the only seat left is ticked
    over = await browser.submit(last, "/cancel")
    assert over.heading == "This booking is cancelled"
    assert "On its way back to you:" in over.text
    assert await cancellations(site, booking_id) == [("ORIGINAL", 1), ("ORIGINAL", 1)]
    seats = await browser.get(f"/trips/{sheet.trip_id}")
    assert not seats.box("2A").is_disabled
    assert not seats.box("2B").is_disabled
    gone = await browser.get(f"/bookings/{booking_id}/refund-offer", seat="2A")
    assert gone.heading == "This booking is cancelled"


async def test_credit_or_less_the_way_it_was_paid(site: Site):
    browser = await site.browser()
    tickets, _ = await bought(site, browser, "2A", policy=WALLET)
    offer = await browser.submit(tickets, "/refund-offer")
    assert f"{FARE} as credit" in offer.html
    assert offer.text.index("as credit") < offer.text.index("the way you paid")
    credit, _ = (form for form in offer.forms if form.action.endswith("/cancel"))
    offer.forms = [credit]
    over = await browser.submit(offer, "/cancel")
    assert over.heading == "This booking is cancelled"
    assert "what was offered for them is your credit." in over.text
    assert await cancellations(site, booking_id_of(tickets)) == [("CREDIT", 1)]


async def test_nothing_goes_back_and_that_is_said_before_and_after(site: Site):
    browser = await site.browser()
    tickets, _ = await bought(site, browser, "2A", policy=NOTHING)
    offer = await browser.submit(tickets, "/refund-offer")
    assert "No money goes back" in offer.text
    over = await browser.submit(offer, "/cancel")
    assert "No money goes back for them." in over.text
    assert "On its way back" not in over.text


async def test_no_seat_ticked_is_told(site: Site):
    browser = await site.browser()
    tickets, _ = await bought(site, browser, "2A", "2B")
    told = await browser.submit(tickets, "/refund-offer")
    assert told.status == 422
    assert "Choose the seats that you give back." in told.text
    other = await browser.get(f"{tickets.url}/refund-offer", seat="5D")
    assert other.status == 422


async def test_two_clicks_give_back_once(site: Site):
    browser = await site.browser()
    tickets, _ = await bought(site, browser, "2A", "2B")
    offer = await browser.submit(tickets, "/refund-offer", {"seat": ["2A"]})
    form = offer.form("/cancel")
    answers = await asyncio.gather(*(browser.send(offer, form) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert await cancellations(site, booking_id_of(tickets)) == [("ORIGINAL", 1)]


async def test_an_offer_that_is_over_is_made_anew(site: Site):
    browser = await site.browser()
    tickets, _ = await bought(site, browser, "2A", "2B", "3A")
    one = await browser.submit(tickets, "/refund-offer", {"seat": ["2A", "2B"]})
    other = await browser.submit(tickets, "/refund-offer", {"seat": ["2A"]})
    await browser.submit(other, "/cancel")
    anew = await browser.submit(one, "/cancel")
    assert anew.status == 409
    assert "That offer is over" in anew.text
    assert anew.heading == "Give back seat 2B?"
    left = await browser.submit(anew, "/cancel")
    assert left.text.count("Cancelled: not valid") == 2


async def test_an_offer_is_the_booking_s_own_and_ours(site: Site):
    browser = await site.browser()
    first, _ = await bought(site, browser, "2A")
    second, _ = await bought(site, browser, "2A")
    offer = await browser.submit(first, "/refund-offer")
    form = offer.form("/cancel")
    form.action = f"/bookings/{booking_id_of(second)}/cancel"
    assert (await browser.send(offer, form)).status_code == 404
    form.action = f"/bookings/{booking_id_of(first)}/cancel"
    forged = form.value("offer")[:-3] + "AAA"
    assert (await browser.send(offer, form, {"offer": forged})).status_code == 422
    assert (await browser.send(offer, form, {"key": "x"})).status_code == 400
    assert (await browser.send(offer, form, {"csrf": "x"})).status_code == 403

    stranger = await site.browser()
    await site.hold(stranger, await site.coach(), "2A")
    looked = await stranger.get(f"{first.url}/refund-offer", seat="2A")
    assert looked.status == 404
    for page in (first, second):
        assert await cancellations(site, booking_id_of(page)) == []


async def test_a_hold_that_is_not_paid_has_no_offer(site: Site):
    browser = await site.browser()
    held = await site.hold(browser, await site.coach(), "2A")
    back = await browser.get(f"/bookings/{booking_id_of(held)}/refund-offer", seat="2A")
    assert back.heading == "Your seats are kept"


def test_the_longest_offer_is_not_cut_by_a_form(site: Site):
    money = Money(10**15, "NGN")
    rule = Rule(hours_before_min=HOURS_MAX, exclusive=True, refund_percent=100).text
    seats = tuple(range(1990, 1990 + SEATS_PER_HOLD_MAX))
    offer = Offer(new_id(), 10**6, seats, "ORIGINAL", money, money, utc_now(), rule)
    assert len(offer.to_id(site.parts.identity.tokens)) <= TEXT_LENGTH_MAX
