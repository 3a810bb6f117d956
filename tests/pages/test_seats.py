"""Choosing seats: what is refused, and how it is told."""

import asyncio
from datetime import timedelta

import pytest

from kiti.platform.clock import utc_now
from pages_site import Site, booking_id_of
from plain_browser import PlainBrowser, read_page


async def test_a_lost_seat_is_named_and_the_others_stay_chosen(site: Site):
    sheet = await site.coach()
    slow, quick = await site.browser(), await site.browser()
    page = await slow.get(f"/trips/{sheet.trip_id}")
    await site.hold(quick, sheet, "2A")
    told = await slow.submit(page, "/hold", {"seat": ["2A", "2B", "3A"], "passengers": "3"})
    assert told.status == 409
    assert "Seat 2A was just taken." in told.text
    assert "Still free and chosen: 2B, 3A." in told.text
    assert told.box("2A").is_disabled
    assert told.box("2A").says == "Seat 2A, window, Standard, taken"
    assert told.box("2B").is_on
    assert told.form("/hold").value("passengers") == "3"
    held = await slow.submit(told, "/hold", {"seat": ["2B", "3A", "3B"]})
    assert held.heading == "Your seats are kept"


async def test_two_lost_seats_are_both_named(site: Site):
    sheet = await site.coach()
    slow, quick = await site.browser(), await site.browser()
    page = await slow.get(f"/trips/{sheet.trip_id}")
    await site.hold(quick, sheet, "2A", "2B")
    told = await slow.submit(page, "/hold", {"seat": ["2A", "2B"]})
    assert "Seats 2A, 2B were just taken. Nothing is held yet. Please choose another." in told.text


@pytest.mark.parametrize(
    ("changes", "press", "told"),
    [
        ({"seat": []}, None, "Choose 1 to 10 seats."),
        ({"seat": ["2A"], "CHILD": "2"}, None, "There are more passengers than seats."),
    ],
)
async def test_a_choice_that_cannot_be_is_told(
    site: Site, changes: dict[str, str | list[str]], press: str | None, told: str
):
    sheet = await site.coach()
    browser = await site.browser()
    page = await browser.get(f"/trips/{sheet.trip_id}")
    answer = await browser.submit(page, "/hold", changes, press=press)
    assert answer.status == 422
    assert told in answer.text


async def test_more_than_ten_seats_are_too_many(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    page = await browser.get(f"/trips/{sheet.trip_id}")
    free = [field.value for field in page.form("/hold").fields
            if field.kind == "checkbox" and not field.is_disabled]  # fmt: skip
    assert (await browser.submit(page, "/hold", {"seat": free[:11]})).status == 422
    held = await browser.submit(page, "/hold", {"seat": free[:9]})
    page = await browser.get(f"/trips/{sheet.trip_id}")
    told = await browser.submit(page, "/hold", {"seat": free[9:11]})
    assert told.status == 429
    assert "Too many seats of this trip are held and not paid yet." in told.text
    assert held.status == 200


async def test_seats_that_the_form_never_had_are_refused(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    page = await browser.get(f"/trips/{sheet.trip_id}")
    form = page.form("/hold")
    for field in form.fields:
        if field.kind == "checkbox":
            field.value = "99Z"
            break
    answer = await browser.send(page, form, {"seat": ["99Z"]})
    assert answer.status_code == 422
    assert "The trip has no seat of that name." in read_page(answer).text


async def test_a_double_click_holds_once(site: Site):
    """Both clicks carry the form's key; the second may come after the first made a guest."""
    sheet = await site.coach()
    browser = await site.browser()
    page = await browser.get(f"/trips/{sheet.trip_id}")
    form = page.form("/hold")
    first, second = await asyncio.gather(
        browser.send(page, form, {"seat": ["2A"]}), browser.send(page, form, {"seat": ["2A"]})
    )
    third = await browser.send(page, form, {"seat": ["2A"]})
    assert [each.status_code for each in (first, second, third)] == [303, 303, 303]
    assert len({each.headers["location"] for each in (first, second, third)}) == 1
    assert await holds_on(site, sheet.trip_id) == 1
    held = await browser.get(first.headers["location"])
    assert held.heading == "Your seats are kept"


async def holds_on(site: Site, trip_id: object) -> int:
    return await site.value("SELECT count(*) FROM booking WHERE trip_id = $1", trip_id)


async def test_the_same_form_with_another_choice_is_asked_about(site: Site):
    """Back from the next page, other seats: the first answer must not be given for them."""
    sheet = await site.coach()
    browser = await site.browser()
    page = await browser.get(f"/trips/{sheet.trip_id}")
    held = await browser.submit(page, "/hold", {"seat": ["2A"]})
    told = await browser.submit(page, "/hold", {"seat": ["2B"]})
    assert told.status == 422
    assert "Your choice has changed." in told.text
    assert f"/bookings/{booking_id_of(held)}" in told.html
    again = await browser.submit(told, "/hold")
    assert "2B Standard" in again.text


async def test_the_answer_of_a_form_can_be_reloaded_by_its_address(site: Site):
    sheet = await site.coach()
    browser = await site.browser()
    page = await browser.get(f"/trips/{sheet.trip_id}", passengers="2")
    told = await browser.submit(page, "/hold", {"seat": []})
    again = await browser.get(told.url)
    assert again.status == 200
    assert again.form("/hold").value("passengers") == "2"


async def test_only_the_segment_asked_for_is_sold(site: Site):
    """A seat is free again on the legs behind the one that has it."""
    sheet = await site.coach()
    browser = await site.browser()
    ids = {name: str(stop) for name, stop in site.stops.items()}
    path = f"/trips/{sheet.trip_id}"
    early = await browser.get(path, **{"from": ids["jibowu"], "to": ids["challenge"]})
    await browser.submit(early, "/hold", {"seat": ["2A"]})
    late = await browser.get(path, **{"from": ids["challenge"], "to": ids["utako"]})
    assert not late.box("2A").is_disabled
    assert (await browser.get(path)).box("2A").is_disabled
    held = await browser.submit(late, "/hold", {"seat": ["2A"]})
    assert "Challenge Park, Ibadan" in held.text


async def test_a_trip_that_is_not_for_sale_says_why(site: Site):
    soon = await site.coach(starts_at=utc_now() + timedelta(minutes=5))
    gone = await site.coach(starts_at=utc_now() - timedelta(minutes=5))
    off = await site.coach()
    browser = await site.browser()
    form = await browser.get(f"/trips/{off.trip_id}")
    async with site.db.connection() as conn:
        await conn.execute(
            "UPDATE trip_inventory SET status = 'cancelled' WHERE trip_id = $1", off.trip_id
        )
    for sheet, told in (
        (soon, "Sales for this trip have closed."),
        (gone, "This trip has left."),
        (off, "This trip has been cancelled."),
    ):
        page = await browser.get(f"/trips/{sheet.trip_id}")
        assert page.status == 200
        assert told in page.text
        assert page.forms == []
    told = await browser.submit(form, "/hold", {"seat": ["2A"]})
    assert told.status == 409
    assert "This trip has been cancelled." in told.text


async def test_a_full_trip_has_no_form(site: Site):
    sheet = await site.coach(layout="1A 1B\n")
    await site.hold(await site.browser(), sheet, "1A", "1B")
    page = await (await site.browser()).get(f"/trips/{sheet.trip_id}")
    assert "Every seat is taken" in page.text
    assert page.forms == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("from=nonsense", 422),
        ("from=00000000-0000-7000-8000-000000000000", 422),
        ("passengers=900", 200),
        ("passengers=-1", 200),
        ("passengers=two", 200),
        ("seat=99Z", 200),
    ],
)
async def test_odd_addresses_of_a_trip(site: Site, query: str, status: int):
    sheet = await site.coach()
    page = await (await site.browser()).get(f"/trips/{sheet.trip_id}?{query}")
    assert page.status == status


async def test_a_segment_backwards_is_told(site: Site):
    sheet = await site.coach()
    browser: PlainBrowser = await site.browser()
    ids = {"from": str(site.stops["utako"]), "to": str(site.stops["jibowu"])}
    page = await browser.get(f"/trips/{sheet.trip_id}", **ids)
    assert page.status == 422


async def test_every_layout_is_drawn_square_by_square(site: Site):
    """Two decks, berths two squares long, tables two wide: each row has every column once."""
    lines = ("class s: SLEEPER", "[Lower deck]", "= . . @", "L1:s . L2:s L3:s", "^ . ^ ^",
             "# < . ~", "[Upper deck]", "U1 . U2 U3", "")  # fmt: skip
    layout = "\n".join(lines)
    sheet = await site.coach(layout=layout)
    page = await (await site.browser()).get(f"/trips/{sheet.trip_id}")
    assert page.box("L1").says.startswith("Seat L1, window, aisle, berth, lower, Sleeper, NGN")
    assert page.html.count('<fieldset class="deck">') == 2
    tables = [
        part.partition("</table>")[0] for part in page.html.split('<table role="presentation">')[1:]
    ]
    assert [table.count("<tr>") for table in tables] == [4, 1]
    assert tables[0].count('rowspan="2"') == 3
    assert tables[0].count("<td") == 4 + 4 + 1 + 3
    assert 'colspan="2"' in tables[0]
