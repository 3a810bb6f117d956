"""Search, the choice of a place, and results."""

from datetime import date, timedelta

import pytest

from kiti.network.model import NewStop
from kiti.network.service import put_stop
from kiti.platform.clock import utc_now
from pages_site import Site, tomorrow_at

DAY = timedelta(days=1)


def days_ahead(n: int) -> date:
    """A date that one test has for itself."""
    return tomorrow_at(6).date() + n * DAY


async def test_a_search_can_be_shared_by_its_address(site: Site):
    browser = await site.browser()
    home = await browser.get(
        "/", **{"from": "lagos", "to": str(site.cities["abuja"])}, passengers="4"
    )
    form = home.form("/trips")
    assert form.method == "get"
    assert [form.value(name) for name in ("from", "to", "passengers")] == ["Lagos", "Abuja", "4"]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"from": "lagos", "to": "atlantis"}, "There is no city or stop called “atlantis”."),
        ({"from": "x", "to": "lagos"}, "Type the name of a city or a stop."),
        ({"from": "lagos", "to": "eko"}, "Choose another place than where you start."),
        ({"from": "lagos", "to": "ibadan", "date": "tomorrow"}, "Not a date"),
        ({"from": "lagos", "to": "ibadan", "date": "9999-12-31"}, "Not a date"),
        ({"from": "00000000-0000-7000-8000-000000000000", "to": "ibadan"}, "There is no city"),
    ],
)
async def test_what_cannot_be_searched_is_told(site: Site, typed: dict[str, str], told: str):
    browser = await site.browser()
    page = await browser.get("/trips", **typed)
    assert page.status == 422
    assert told in page.text
    assert page.form("/trips").value("from")


async def test_a_name_of_several_places_is_asked_back(site: Site):
    browser = await site.browser()
    page = await browser.get("/trips", **{"from": "port", "to": "lagos", "passengers": "3"})
    assert page.heading == "Which place do you mean?"
    assert "Port Harcourt all stops, NG" in page.text
    results = await browser.submit(page, "/trips", {"from": str(site.cities["port sudan"])})
    assert results.heading == "Port Sudan → to Lagos"
    assert "3 passengers" in results.text


async def test_platforms_of_one_name_are_told_apart(site: Site):
    async with site.db.transaction() as conn:
        for code in ("sandton_ew", "sandton_ns"):
            await put_stop(conn, NewStop("g", code, "Sandton Platform", "Africa/Johannesburg"))
        await put_stop(conn, NewStop("g", "city", "Sandton City", "Africa/Johannesburg"))
    browser = await site.browser()
    page = await browser.get("/trips", **{"from": "sandton", "to": "lagos"})
    assert page.heading == "Which place do you mean?"
    assert "Sandton Platform stop, sandton_ew" in page.text
    assert "Sandton Platform stop, sandton_ns" in page.text
    assert "Sandton City stop " in page.text
    assert "stop, city" not in page.text


async def test_a_whole_name_means_its_city_though_a_stop_begins_so(site: Site):
    async with site.db.transaction() as conn:
        await put_stop(conn, NewStop("p", "loj", "Lagos Ojota", "Africa/Lagos"))
    browser = await site.browser()
    whole = await browser.get("/trips", **{"from": "Lagos", "to": "abuja"})
    assert whole.heading == "Lagos → to Abuja"
    part = await browser.get("/trips", **{"from": "Lago", "to": "abuja"})
    assert part.heading == "Which place do you mean?"


async def test_the_night_coach_arrives_a_day_later(site: Site):
    on = days_ahead(4)
    await site.coach(starts_at=tomorrow_at(21) + 4 * DAY)
    browser = await site.browser()
    page = await browser.get("/trips", **{"from": "lagos", "to": "abuja", "date": str(on)})
    assert "22:30 → to 09:20 +1 day 10 h 50 min" in page.text
    seats = await browser.get(page.link("Choose seats"))
    assert "+1 day" in seats.text
    assert "10:00" not in seats.text.partition("Stops on the way")[0]


async def test_days_are_a_step_apart_and_never_past(site: Site):
    browser = await site.browser()
    page = await browser.get("/trips", **{"from": "lagos", "to": "abuja"})
    today = utc_now() + timedelta(hours=1)
    assert f"{today.day} " in page.text
    assert [link.text for link in page.links if "day" in link.text] == ["Next day →"]
    following = await browser.get(page.link("Next day"))
    assert "Day before" in following.text


async def test_an_empty_day_names_the_nearest_with_seats(site: Site):
    on = days_ahead(60)
    await site.coach(starts_at=tomorrow_at(6) + 62 * DAY)
    browser = await site.browser()
    page = await browser.get(
        "/trips", **{"from": "lagos", "to": "abuja", "date": str(on), "passengers": "2"}
    )
    assert "No trips with enough seats on this day" in page.text
    then = await browser.get(page.link(f"date={on + 2 * DAY}"))
    assert "17 seats left" in then.text
    assert "2 passengers" in then.text
    nowhere = await browser.get(
        "/trips", **{"from": "lagos", "to": "port harcourt", "date": str(on)}
    )
    assert "Try another place" in nowhere.text


async def test_many_trips_come_in_pages_and_in_the_order_asked_for(site: Site):
    on = days_ahead(80)
    for n in range(22):
        await site.coach(
            starts_at=tomorrow_at(5) + 80 * DAY + n * timedelta(minutes=10),
            per_km_minor=6_000 - n,
            operator=f"Line {n}",
        )
    browser = await site.browser()
    page = await browser.get("/trips", **{"from": "lagos", "to": "ibadan", "date": str(on)})
    assert page.text.index(": Line 0,") < page.text.index(": Line 19,")
    assert ": Line 20," not in page.text
    more = await browser.get(page.link("More trips"))
    assert ": Line 21," in more.text
    assert ": Line 19," not in more.text
    cheap = await browser.get(page.link("Cheapest"))
    assert cheap.text.index(": Line 21,") < cheap.text.index(": Line 2,")
    assert ": Line 0," not in cheap.text
    assert ": Line 0," in (await browser.get(cheap.link("More trips"))).text


async def test_a_strip_of_days_tells_prices_and_leads_there(site: Site):
    on = days_ahead(100)
    await site.coach(starts_at=tomorrow_at(6) + 100 * DAY, per_km_minor=6_000)
    await site.coach(starts_at=tomorrow_at(6) + 101 * DAY, per_km_minor=9_000)
    browser = await site.browser()
    page = await browser.get("/trips", **{"from": "lagos", "to": "abuja", "date": str(on)})
    days = [link for link in page.links if "date=" in link.href and "NGN" in link.text]
    assert len(days) == 2
    assert all(f"date={on + n * DAY}" in day.href for n, day in enumerate(days))
    cells = [link for link in page.links if link.text.endswith("no seats")]
    assert len(cells) == 5
    then = await browser.get(days[1].href)
    assert days[1].text.partition("NGN")[2].strip() in then.text.partition("Choose seats")[0]


async def test_results_are_narrowed_by_links_and_widened_again(site: Site):
    on = days_ahead(120)
    for hour, operator in ((6, "Early Lines"), (18, "Late Lines")):
        await site.coach(starts_at=tomorrow_at(hour) + 120 * DAY, operator=operator)
    browser = await site.browser()
    page = await browser.get("/trips", **{"from": "lagos", "to": "abuja", "date": str(on)})
    assert "Toilet" in page.text
    morning = await browser.get(page.link("Morning"))
    assert ": Early Lines," in morning.text
    assert ": Late Lines," not in morning.text
    assert "Filters (1)" in morning.text
    both = await browser.get(morning.link("Late Lines"))
    assert "No trips with these filters" in both.text
    wide = await browser.get(both.link("Show all trips"))
    assert ": Late Lines," in wide.text
    assert ": Early Lines," in wide.text
    again = await browser.get(morning.link("Morning"))
    assert ": Late Lines," in again.text
    cheapest = await browser.get(morning.link("Cheapest"))
    assert ": Late Lines," not in cheapest.text


@pytest.mark.parametrize(
    "odd", ["time=noon", "operator=x", "class=" + "x" * 300, "amenity=%3Cscript%3E", "class=&time="]
)
async def test_an_odd_filter_is_no_fault(site: Site, odd: str):
    browser = await site.browser()
    page = await browser.get(f"/trips?from=lagos&to=abuja&{odd}")
    assert page.status == 200
    assert "<script>" not in page.html


async def test_routes_with_most_trips_are_offered(site: Site):
    await site.coach()
    browser = await site.browser()
    home = await browser.get("/")
    results = await browser.get(home.link("Abuja"))
    assert results.heading == "Lagos → to Abuja"


@pytest.mark.parametrize("path", ["/trips?cursor=x", "/trips?" + "a=1&" * 300, "/trips?date="])
async def test_an_odd_address_is_a_page_still(site: Site, path: str):
    browser = await site.browser()
    page = await browser.get(path + "&from=lagos&to=abuja")
    assert page.status in {200, 400, 422}


async def test_pages_answer_head(site: Site):
    browser = await site.browser()
    answer = await browser.client.head(f"{site.url}/")
    assert answer.status_code == 200
    assert answer.content == b""
