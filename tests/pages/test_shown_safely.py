"""What others wrote is shown as text, refusals are pages, and the API stays the API."""

import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2
import pytest
from fastapi.routing import APIRoute

from kiti.app.web import create_app, front_of
from kiti.pages.passenger import router
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id
from pages_site import Site, leaves, people
from plain_browser import read_page
from site_parts import make_parts

HOSTILE = "<script>alert(1)</script>"
TEMPLATE = "{{7*7}}{% raw %}"
QUOTES = "\"'><img src=x onerror=alert(1)>"


async def test_hostile_names_are_text_on_every_page(site: Site):
    sheet = await site.coach(operator=f"{HOSTILE} & {TEMPLATE}")
    browser = await site.browser()
    seats = await browser.get(f"/trips/{sheet.trip_id}")
    assert f"{HOSTILE} & {TEMPLATE}" in seats.text
    held = await browser.submit(seats, "/hold", {"seat": ["2A", "2B", "3A"]})
    told = await browser.submit(
        held, "/passengers", {"phone": QUOTES, "email": QUOTES, "name-0": HOSTILE}
    )
    assert told.status == 422
    assert told.form("/passengers").value("phone") == QUOTES
    pay = await browser.submit(told, "/passengers", people(held, HOSTILE, TEMPLATE, QUOTES)
                               | {"email": ""})  # fmt: skip
    link = await leaves(browser, pay, "CARD")
    ticket = await browser.get(await site.at_gateway(link, "pay"))
    for page in (seats, held, told, pay, ticket, await browser.get("/bookings")):
        assert "<script>alert" not in page.html
        assert "<img" not in page.html
        assert "49" not in page.text.replace(page.url, "").split()
    for name in (HOSTILE, TEMPLATE, QUOTES):
        assert name in ticket.text


@pytest.mark.parametrize("text", [HOSTILE, TEMPLATE, QUOTES, "%s %(x)s %", "\N{NULL}\N{BELL}x"])
async def test_what_was_typed_comes_back_as_text(site: Site, text: str):
    browser = await site.browser()
    page = await browser.get("/trips", **{"from": text, "to": "lagos", "date": text})
    assert page.status == 422
    assert "<script>alert" not in page.html
    assert "<img" not in page.html
    assert page.form("/trips").value("from") in {text, ""}
    sheet = await site.coach()
    odd = await browser.get(f"/trips/{sheet.trip_id}", seat=text, note=text)
    assert odd.status == 200
    assert "alert(1)" not in odd.html


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/trips/nonsense", 404),
        ("/trips/00000000-0000-7000-8000-000000000000", 404),
        ("/bookings/nonsense", 404),
        ("/bookings/00000000-0000-7000-8000-000000000000", 401),
        ("/static/nothing.css", 404),
        ("/static/..%2fshell.py", 404),
        ("/logout", 405),
    ],
)
async def test_refusals_are_pages_with_a_way_on(site: Site, path: str, status: int):
    page = await (await site.browser()).get(path)
    assert page.status == status
    assert page.link("Find a trip") == "/"


@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/api/bookings", "/api/trips/nonsense"])
async def test_the_api_answers_problems(site: Site, path: str):
    answer = await (await site.browser()).client.get(site.url + path)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "content-security-policy" not in answer.headers


class BrokenPool:
    """A pool that gives no connection but this error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def acquire(self, *, timeout: float) -> AbstractAsyncContextManager[Conn]:
        del timeout
        raise self._error

    async def expire_connections(self) -> None:
        """There is none."""

    async def close(self) -> None:
        """Nothing to close."""


async def ask_without_database(error: Exception, path: str) -> httpx2.Response:
    parts = make_parts(Database(BrokenPool(error)))
    transport = httpx2.ASGITransport(create_app(parts))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        answer = await client.get(path)
    parts.identity.passwords.close()
    return answer


async def test_a_bug_is_a_page_without_a_trace():
    answer = await ask_without_database(ZeroDivisionError("a secret"), "/trips?from=lagos&to=abuja")
    page = read_page(answer)
    assert page.status == 500
    assert page.heading == "Something went wrong here"
    assert "a secret" not in page.html
    assert page.headers["x-request-id"] in page.text
    answer = await ask_without_database(ZeroDivisionError(), "/api/trips/" + str(new_id()))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_the_database_the_form_is_there_and_the_rest_says_when():
    home = read_page(await ask_without_database(OSError(), "/"))
    assert home.status == 200
    assert home.form("/trips")
    away = read_page(await ask_without_database(OSError(), "/trips?from=lagos&to=abuja"))
    assert away.status == 503
    assert away.headers["retry-after"] == "1"
    assert away.link("Try again") == "/trips?from=lagos&to=abuja"


async def test_every_answer_carries_the_headers_that_keep_it_safe(site: Site):
    browser = await site.browser()
    for path in ("/", "/nothing", "/login", "/bookings"):
        page = await browser.get(path)
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_static_files_are_kept_for_ever_and_small(site: Site):
    browser = await site.browser()
    home = await browser.client.get(f"{site.url}/")
    url = home.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = await browser.client.get(site.url + url)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["content-encoding"] == "gzip"
    plain = await browser.client.get(site.url + url, headers={"accept-encoding": "identity"})
    assert plain.text == answer.text
    assert "content-encoding" not in plain.headers
    for other in ("/static/kiti.css", "/static/kiti.000000000000.css"):
        answer = await browser.client.get(site.url + other)
        assert answer.text == plain.text
        assert answer.headers["cache-control"] == "no-cache"


async def test_a_seat_page_is_light(site: Site):
    """All that a phone loads to choose seats, as it goes over the wire, with the page unpacked."""
    sheet = await site.coach()
    browser = await site.browser()
    page = await browser.client.get(f"{site.url}/trips/{sheet.trip_id}")
    css = await browser.client.get(
        site.url + page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    )
    assert int(css.headers["content-length"]) < 4_000
    assert len(page.content) < 12_000


def test_every_page_is_in_the_docs(site: Site):
    text = (Path(__file__).parents[2] / "docs" / "pages.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`([A-Z]+ /[^`]*)`", text))
    routes = {
        f"{method} {route.path}"
        for route in router(front_of(site.parts)).routes
        if isinstance(route, APIRoute)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == routes
