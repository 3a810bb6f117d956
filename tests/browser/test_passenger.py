"""The passengers' pages in a real browser: without JavaScript, on a small screen, by keyboard."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from kiti.network.model import TripSheet
from pages_site import Site

pytestmark = pytest.mark.browser

TARGET_PX = 44
# What is inside a sentence is as high as its line (WCAG 2.5.8, inline).
TARGETS = (
    "button:visible, input:visible, select:visible, summary:visible, a.button, .solo > a, nav a"
)


@asynccontextmanager
async def a_page(
    chromium: Browser,
    *,
    scripts: bool = False,
    width: int = 320,
    scheme: Literal["light", "dark"] = "light",
) -> AsyncGenerator[Page]:
    """A page in a browser of its own, that breaks no rule of its policy."""
    context = await chromium.new_context(
        viewport={"width": width, "height": 640}, color_scheme=scheme, java_script_enabled=scripts
    )
    page = await context.new_page()
    broken: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Uncaught" in message.text:
            broken.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: broken.append(str(error)))
    yield page
    assert broken == []
    await context.close()


async def fits(page: Page) -> None:
    """Nothing is wider than the screen, and nothing to touch is smaller than a finger."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    small: list[str] = []
    for target in await page.locator(TARGETS).all():
        box = await target.bounding_box()
        is_hidden = box is None or box["width"] <= 1 or box["x"] < 0
        # Its label is what is touched.
        is_option = await target.evaluate("each => each.closest('.option') !== null")
        if not is_hidden and not is_option and box is not None and box["height"] < TARGET_PX - 0.5:
            small.append(await target.evaluate("each => each.outerHTML"))
    assert small == [], page.url


async def heading(page: Page, text: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(text))


async def test_a_whole_purchase_without_javascript_on_a_small_screen(site: Site, chromium: Browser):
    sheet = await site.coach()
    async with a_page(chromium) as page:
        await page.goto(site.url)
        await fits(page)
        await page.get_by_label("From").fill("lagos")
        await page.get_by_label("To", exact=True).fill("ibadan")
        await page.get_by_label("Date").fill(sheet.service_date.isoformat())
        await page.get_by_label("Passengers").select_option("2")
        await page.get_by_role("button", name="Find trips").click()
        await heading(page, "Lagos.*Ibadan")
        await fits(page)
        await page.locator(f"a[href*='{sheet.trip_id}']").click()
        await fits(page)
        # Not forced: each seat can be touched, whatever else is on the screen.
        await page.get_by_label("Seat 5C").check()
        await page.get_by_label("Seat 1A").check()
        await expect(page.get_by_label("Seat 4C")).to_be_disabled()
        await page.get_by_role("button", name="Keep these seats").click()
        await heading(page, "Your seats are kept")
        await fits(page)
        await page.get_by_label("Phone", exact=True).fill("0803 123 4567")
        await page.get_by_label("Full name").first.fill("Ngozi")
        await page.get_by_label("Full name").last.fill("Kwame")
        await page.get_by_role("button", name="Go on to pay").click()
        await heading(page, "Pay NGN")
        await fits(page)
        await page.get_by_label("Bank transfer").check()
        await page.get_by_role("button", name="Go on to pay").click()
        await page.get_by_role("button", name="Pay", exact=True).click()
        await heading(page, "Your 2 tickets")
        await fits(page)
        await expect(page.get_by_role("img", name="QR code")).to_have_count(2)
        await page.get_by_role("link", name="My bookings").click()
        await fits(page)
        await page.get_by_role("link", name="Tickets").click()
        await heading(page, "Your 2 tickets")


async def test_seats_are_given_back_without_javascript_by_keyboard(site: Site, chromium: Browser):
    sheet = await site.coach()
    async with a_page(chromium) as page:
        await to_gateway(site, page, sheet, "2A", "2B")
        await page.get_by_role("button", name="Pay", exact=True).click()
        await heading(page, "Your 2 tickets")
        await press_until(page, page.get_by_label("Seat 2B"))
        await page.keyboard.press("Space")
        await press_until(page, page.get_by_role("button", name="See what goes back"))
        await page.keyboard.press("Enter")
        await heading(page, "Give back seat 2B?")
        await fits(page)
        await press_until(page, page.get_by_role("button", name="Give back for money"))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("The seats are given back.")
        await expect(page.get_by_text("On its way back to you:")).to_be_visible()
        await expect(page.get_by_label("Seat 2B")).to_have_count(0)
        await fits(page)


async def press_until(page: Page, target: Locator, key: str = "Tab") -> None:
    """Move the focus by keyboard until it is on the target, which must then be in sight."""
    for _ in range(120):
        if await target.evaluate("each => each === document.activeElement"):
            assert await target.evaluate(IS_SEEN), await target.evaluate("each => each.outerHTML")
            return
        await page.keyboard.press(key)
    raise AssertionError(f"{key} never reaches {target}")


# Whether the middle of what has the focus is on the screen and under nothing else.
IS_SEEN = """each => {
  const box = each.getBoundingClientRect();
  const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return found !== null && (each.contains(found) || found.contains(each)
    || found.parentElement === each.parentElement);
}"""


async def test_a_whole_purchase_by_keyboard_alone_in_the_dark(site: Site, chromium: Browser):
    sheet = await site.coach()
    async with a_page(chromium, scheme="dark", width=360) as page:
        await page.goto(f"{site.url}/trips/{sheet.trip_id}")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")  # skips to the page
        for label in ("Seat 2B", "Seat 5A"):
            await press_until(page, page.get_by_label(label))
            await page.keyboard.press("Space")
        await expect(page.get_by_label("Seat 5A")).to_be_checked()
        await press_until(page, page.locator(".bar button"))
        await page.keyboard.press("Enter")
        await heading(page, "Your seats are kept")
        await press_until(page, page.get_by_label("Phone", exact=True))
        await page.keyboard.type("+2348031234567")
        await press_until(page, page.get_by_label("Full name").first)
        await page.keyboard.type("Ngozi")
        await press_until(page, page.get_by_label("Full name").last)
        await page.keyboard.type("Kwame")
        await page.keyboard.press("Enter")
        await heading(page, "Pay NGN")
        await press_until(page, page.get_by_label("Card"))
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_label("Bank transfer")).to_be_checked()
        await page.keyboard.press("Enter")
        await press_until(page, page.get_by_role("button", name="Pay", exact=True))
        await page.keyboard.press("Enter")
        await heading(page, "Your 2 tickets")


async def test_enter_on_a_seat_takes_what_was_chosen(site: Site, chromium: Browser):
    sheet = await site.coach()
    async with a_page(chromium) as page:
        await page.goto(f"{site.url}/trips/{sheet.trip_id}")
        await page.get_by_label("Seat 3D").check()
        await page.get_by_label("Seat 3D").press("Enter")
        await heading(page, "Your seats are kept")
        await expect(page.get_by_role("rowheader", name="3D")).to_be_visible()


async def test_nothing_chosen_is_told_where_it_is_heard(site: Site, chromium: Browser):
    sheet = await site.coach()
    async with a_page(chromium) as page:
        await page.goto(f"{site.url}/trips/{sheet.trip_id}")
        await page.get_by_role("button", name="Keep these seats").click()
        await expect(page.get_by_role("alert")).to_contain_text("Choose 1 to 10 seats.")


@pytest.mark.slow
async def test_the_waiting_page_looks_again_without_javascript(site: Site, chromium: Browser):
    sheet = await site.coach()
    async with a_page(chromium) as page:
        await waits(site, page, sheet)
        await heading(page, "Waiting for word of your payment")
        await site.sandbox.advance(5)
        await site.look_again()
        await expect(page.get_by_role("heading", level=1)).to_have_text(
            "Your ticket", timeout=20_000
        )


async def waits(site: Site, page: Page, sheet: TripSheet) -> None:
    """Go as far as the waiting page, with money that comes in 5 seconds of the sandbox."""
    await to_gateway(site, page, sheet, "3D")
    await page.get_by_label("Seconds until").fill("5")
    await page.get_by_role("button", name="Pay late").click()


async def to_gateway(site: Site, page: Page, sheet: TripSheet, *seats: str) -> None:
    """Go as far as the gateway's page."""
    await page.goto(f"{site.url}/trips/{sheet.trip_id}")
    for seat in seats:
        await page.get_by_label(f"Seat {seat}").check()
    await page.get_by_role("button", name="Keep these seats").click()
    await page.get_by_label("Phone", exact=True).fill("0803 123 4567")
    for name in await page.get_by_label("Full name").all():
        await name.fill("Ngozi")
    await page.get_by_role("button", name="Go on to pay").click()
    await page.get_by_role("button", name="Go on to pay").click()


@pytest.mark.slow
async def test_scripts_only_add_comfort(site: Site, chromium: Browser):
    """The clock counts down, and the waiting page moves on by itself."""
    sheet = await site.coach()
    async with a_page(chromium, scripts=True) as page:
        await page.goto(f"{site.url}/trips/{sheet.trip_id}")
        await page.get_by_label("Seat 2A").check()
        await page.get_by_role("button", name="Keep these seats").click()
        clock = page.locator("[data-left]")
        await expect(clock).to_have_text(re.compile(r"\(14:5[0-7]\)"), timeout=15_000)
        await waits(site, page, sheet)
        await heading(page, "Waiting for word of your payment")
        await site.sandbox.advance(5)
        await site.look_again()
        await expect(page.get_by_role("heading", level=1)).to_have_text(
            "Your ticket", timeout=20_000
        )


async def accessible(page: Page, seen: list[str]) -> None:
    """axe finds nothing, at the size the page has now."""
    found: dict[str, Any] = (await Axe().run(page)).response
    faults = [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]]
    assert faults == [], page.url
    assert await page.evaluate("document.documentElement.scrollWidth") <= 640, page.url
    seen.append(await page.get_by_role("heading", level=1).inner_text())


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 320), pytest.param("dark", 640, marks=pytest.mark.slow)]
)
async def test_axe_finds_nothing_on_any_page(
    site: Site, chromium: Browser, scheme: Literal["light", "dark"], width: int
):
    sheet = await site.coach()
    seen: list[str] = []
    async with a_page(chromium, scripts=True, scheme=scheme, width=width) as page:
        on = sheet.service_date.isoformat()
        for path in (
            "/",
            "/trips?from=xyzzy&to=",
            "/trips?from=port&to=lagos",
            f"/trips?from=lagos&to=abuja&date={on}",
            "/trips?from=lagos&to=port+harcourt",
            "/bookings",
            "/login",
            "/register",
            "/nothing",
            f"/trips/{sheet.trip_id}",
        ):
            await page.goto(site.url + path)
            await accessible(page, seen)
        await page.locator("summary").first.click()
        await page.get_by_label("Seat 2A").check()
        await accessible(page, seen)
        await site.hold(await site.browser(), sheet, "2A")
        await page.get_by_role("button", name="Keep these seats").click()
        await accessible(page, seen)
        await page.get_by_label("Seat 2B").check()
        await page.get_by_role("button", name="Keep these seats").click()
        await accessible(page, seen)
        await page.get_by_label("Phone", exact=True).fill("12")
        await page.get_by_label("Full name").fill("Ngozi")
        await page.get_by_role("button", name="Go on to pay").click()
        await accessible(page, seen)
        await page.get_by_label("Phone", exact=True).fill("0803 123 4567")
        await page.get_by_role("button", name="Go on to pay").click()
        await accessible(page, seen)
        await page.get_by_role("button", name="Go on to pay").click()
        await page.get_by_role("button", name="Cancel").click()
        await accessible(page, seen)
        await page.get_by_role("link", name="Pay another way").click()
        await accessible(page, seen)
        await page.get_by_label("USSD").check()
        await page.get_by_role("button", name="Go on to pay").click()
        await page.get_by_role("button", name="declined").click()
        await accessible(page, seen)
        await page.get_by_role("link", name="Try again").click()
        await page.get_by_role("button", name="Go on to pay").click()
        await page.get_by_role("button", name="Pay", exact=True).click()
        await accessible(page, seen)
        await page.get_by_role("link", name="Change passengers").click()
        await accessible(page, seen)
        await page.get_by_role("link", name="Back to the tickets").click()
        tickets = page.url
        await page.goto(f"{tickets}/refund-offer")
        await accessible(page, seen)
        await page.get_by_label("Seat").check()
        await page.get_by_role("button", name="See what goes back").click()
        await accessible(page, seen)
        await page.get_by_role("button", name="Give back for money").click()
        await accessible(page, seen)
        await page.goto(site.url + "/bookings")
        await accessible(page, seen)
    assert len(set(seen)) >= 13, seen
