"""Whole purchases through the plain forms, as browsers without JavaScript send them."""

from datetime import timedelta

import pytest
import zxingcpp

from kiti.booking.tickets import verify_token
from kiti.pages.tickets import Qr
from pages_site import Site, booking_id_of, leaves, people, tomorrow_at


async def test_a_guest_finds_holds_pays_and_has_tickets(site: Site):
    sheet = await site.coach(starts_at=tomorrow_at(6) + timedelta(days=3))
    browser = await site.browser()
    home = await browser.get("/")
    results = await browser.submit(
        home,
        "/trips",
        {"from": "lagos", "to": "IBADÁN", "date": str(sheet.service_date), "passengers": "2"},
    )
    assert results.heading == "Lagos → to Ibadan"
    assert "07:30" in results.text
    assert "17 seats left" in results.text

    seats = await browser.get(results.link("Choose seats"))
    assert seats.box("2A").says == "Seat 2A, window, Standard, NGN\xa05,597.25"
    assert seats.box("4C").is_disabled
    held = await browser.submit(seats, "/hold", {"seat": ["2A", "1B"]})
    assert held.heading == "Your seats are kept"
    assert "NGN\xa013,993.13" in held.html  # a standard seat, and half as much again
    pay = await browser.submit(held, "/passengers", people(held, "Wanjirũ Ngũgĩ", "Ọlá"))
    assert pay.heading == "Pay NGN 13,993.13"

    link = await leaves(browser, pay, "CARD")
    ticket = await browser.get(await site.at_gateway(link, "pay"))
    assert ticket.heading == "Your 2 tickets"
    assert ticket.url == f"{site.url}/bookings/{booking_id_of(held)}"
    for text in ("Wanjirũ Ngũgĩ", "Ọlá", "Jibowu Terminal, Lagos", "Challenge Park, Ibadan"):
        assert text in ticket.text
    facts = [verify_token(token, public_key(site)) for token in tokens_in(ticket.html)]
    assert [fact and fact.trip_id for fact in facts] == [sheet.trip_id] * 2

    mine = await browser.get("/bookings")
    assert mine.link("Tickets") == f"/bookings/{booking_id_of(held)}"


def public_key(site: Site):
    return site.parts.counter.tickets._signer.public_key


def tokens_in(html: str) -> list[str]:
    """What a scanner reads from the codes of a page."""
    return [scan(Qr(int(size), path)) for size, path in codes_in(html)]


def codes_in(html: str) -> list[tuple[str, str]]:
    parts = html.split('<svg class="qr" viewBox="0 0 ')[1:]
    return [(part.split(" ")[0], part.split('<path fill="#000" d="')[1].split('"')[0])
            for part in parts]  # fmt: skip


def scan(qr: Qr) -> str:
    """Draw the path's rectangles, four dots a module, and read them."""
    scale = 4
    side = qr.size * scale
    picture = bytearray(b"\xff" * side * side)
    for part in qr.path.strip("MZz").split("ZM"):
        start, _, rest = part.partition("h")
        x, y = (int(number) for number in start.split(" "))
        width, _, rest = rest.partition("v")
        height = rest.partition("h")[0]
        for row in range(y * scale, (y + int(height)) * scale):
            at = row * side + x * scale
            picture[at : at + int(width) * scale] = bytes(int(width) * scale)
    found = zxingcpp.read_barcodes(memoryview(picture).cast("B", (side, side)))
    return found[0].text


async def test_the_best_seats_for_a_family_with_a_child(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    seats = await browser.get(f"/trips/{sheet.trip_id}", passengers="3")
    assert seats.form("/hold").value("passengers") == "3"
    held = await browser.submit(seats, "/hold", {"CHILD": "1"}, press="best")
    assert held.heading == "Your seats are kept"
    assert held.text.count("Standard, Adult") == 2
    assert held.text.count("Standard, Child") == 1
    pay = await browser.submit(held, "/passengers", people(held))
    assert pay.heading == "Pay NGN 68,419.23"  # two and a half fares


async def test_enter_does_not_choose_for_people(site: Site):
    """Enter presses a form's first button: it must not be the one that takes the best seats."""
    sheet = await site.coach()
    browser = await site.browser()
    seats = await browser.get(f"/trips/{sheet.trip_id}")
    buttons = [field for field in seats.form("/hold").fields if field.kind == "button"]
    assert buttons[0].name == ""


async def test_an_account_books_and_sees_it_in_another_browser(site: Site):
    sheet = await site.coach()
    first, second = await site.browser(), await site.browser()
    form = await first.get("/register", next=f"/trips/{sheet.trip_id}")
    seats = await first.submit(
        form,
        "/register",
        {"name": "Amina", "email": "amina.b@example.com", "password": "a long way to Abuja",
         "phone": "+234 803 000 0001"},
    )  # fmt: skip
    held = await first.submit(seats, "/hold", {"seat": ["3A"]})
    assert held.form("/passengers").value("phone") == "+2348030000001"
    assert held.form("/passengers").value("email") == "amina.b@example.com"

    login = await second.get("/login")
    mine = await second.submit(
        login, "/login", {"email": "AMINA.B@example.com", "password": "a long way to Abuja"}
    )
    assert mine.link("Go on") == f"/bookings/{booking_id_of(held)}"


async def test_a_booking_that_costs_nothing_needs_no_gateway(site: Site):
    sheet = await site.coach(per_km_minor=0)
    browser = await site.browser()
    pay = await site.to_pay(browser, sheet, "2A")
    assert pay.heading == "Pay NGN 0.00"
    ticket = await browser.submit(pay, "/pay", {"method": "CARD"})
    assert ticket.heading == "Your ticket"


async def test_passengers_are_kept_and_can_be_changed_after_paying(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    held = await site.hold(browser, sheet, "2A")
    sent = people(held, "Ada") | {
        "id-type-0": "Passport",
        "id-number-0": "A123",
        "kin-name-0": "Bola",
        "kin-phone-0": "0803 555 0000",
    }
    pay = await browser.submit(held, "/passengers", sent)
    again = await browser.get(pay.link("Back to the passengers"))
    form = again.form("/passengers")
    assert form.value("phone") == "+2348031234567"
    assert form.value("kin-name-0") == "Bola"
    assert form.value("kin-phone-0") == "+2348035550000"

    link = await leaves(browser, pay, "CARD")
    ticket = await browser.get(await site.at_gateway(link, "pay"))
    change = await browser.get(ticket.link("Change passengers"))
    assert change.form("/passengers").value("id-number-0") == "A123"
    saved = await browser.submit(change, "/passengers", {"name-0": "Adaeze"})
    assert "The passengers are saved." in saved.text
    assert "Adaeze" in saved.text
    kept = (await browser.get(ticket.link("Change passengers"))).form("/passengers")
    assert kept.value("kin-name-0") == "Bola"


async def test_a_wrong_phone_is_told_beside_its_field(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    held = await site.hold(browser, sheet, "2A", "2B")
    told = await browser.submit(
        held, "/passengers", {"phone": "12", "name-0": "Ada", "name-1": " ", "kin-name-1": "Bola"}
    )
    assert told.status == 422
    assert told.title.startswith("Error: ")
    assert {"#name-1", "#kin-phone-1"} <= {link.href for link in told.links}
    assert told.form("/passengers").value("name-0") == "Ada"
    told = await browser.submit(told, "/passengers", {"name-1": "Bisi", "kin-name-1": ""})
    assert told.status == 422
    assert "Not a phone number with its country code" in told.text
    assert told.link("#phone") == "#phone"


async def test_time_can_be_added_until_it_cannot(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    held = await site.hold(browser, sheet, "2A")
    more = await browser.submit(held, "/extend")
    assert "You have more time now." in more.text
    assert "(25 minutes left)" in more.text
    most = await browser.submit(more, "/extend")
    assert "(30 minutes left)" in most.text
    assert [form for form in most.forms if "/extend" in form.action] == []
    over = await browser.submit(held, "/extend")
    assert "cannot be kept any longer" in over.text


async def test_seats_are_given_back(site: Site):
    sheet = await site.coach()
    browser, other = await site.browser(), await site.browser()
    held = await site.hold(browser, sheet, "2A")
    assert (await other.get(f"/trips/{sheet.trip_id}")).box("2A").is_disabled
    gone = await browser.submit(held, "/release")
    assert gone.heading == "The seats are given back"
    again = await browser.get(gone.link("Choose seats on this trip again"))
    assert again.box("2A").is_on
    assert not again.box("2A").is_disabled
    assert (await browser.submit(held, "/release")).heading == "The seats are given back"


@pytest.mark.parametrize("step", ["", "/pay"])
async def test_a_hold_that_ended_offers_the_same_seats(site: Site, step: str):
    sheet = await site.coach()
    browser = await site.browser()
    pay = await site.to_pay(browser, sheet, "2A")
    await site.expire(booking_id_of(pay))
    over = await browser.get(f"/bookings/{booking_id_of(pay)}{step}")
    assert over.heading == "The time to pay is over"
    again = await browser.get(over.link("Take the same seats again"))
    assert [again.box(label).is_on for label in ("2A", "2B")] == [True, False]
    over = await browser.submit(pay, "/pay", {"method": "CARD"})
    assert over.heading == "The time to pay is over"


async def test_going_back_keeps_the_hold_and_says_so(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    held = await site.hold(browser, sheet, "2A")
    back = await browser.get(f"/trips/{sheet.trip_id}")
    assert "You are keeping 2A on this trip." in back.text
    assert back.link("Go on with that") == f"/bookings/{booking_id_of(held)}"
