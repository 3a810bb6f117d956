"""The last searches, which a browser keeps for itself."""

from datetime import timedelta

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from pages_site import Site, tomorrow_at

pytestmark = pytest.mark.browser


async def test_last_searches_are_offered_again_and_forgotten(site: Site, chromium: Browser):
    context = await chromium.new_context(viewport={"width": 320, "height": 640})
    page = await context.new_page()
    await page.goto(site.url)
    await expect(page.get_by_text("Your last searches")).to_be_hidden()
    for end in ("ibadan", "abuja", "ibadan"):
        await page.goto(f"{site.url}/trips?from=lagos&to={end}&passengers=2&time=morning")
    await page.goto(site.url)

    section = page.get_by_role("region", name="Your last searches")
    await expect(section.get_by_role("link")).to_have_text(["Lagos → Ibadan", "Lagos → Abuja"])
    await section.get_by_role("link", name="Lagos → Ibadan").click()
    await expect(page.get_by_text("2 passengers")).to_be_visible()
    assert "date=" not in page.url
    assert "time=" not in page.url
    await page.goto(site.url)
    await section.get_by_role("button", name="Forget them").click()
    await expect(section).to_be_hidden()
    await page.goto(site.url)
    await expect(section).to_be_hidden()
    await context.close()


@pytest.mark.parametrize(("scheme", "ahead"), [("light", 140), ("dark", 160)])
async def test_the_strip_and_the_filters_fit_and_are_reached(
    site: Site, chromium: Browser, scheme: str, ahead: int
):
    later = timedelta(days=ahead)
    on = (tomorrow_at(6) + later).date()
    for hour, operator in ((6, "Early Lines"), (18, "Late Lines")):
        await site.coach(starts_at=tomorrow_at(hour) + later, operator=operator)
    context = await chromium.new_context(
        viewport={"width": 320, "height": 640},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=True,
    )
    page = await context.new_page()
    await page.goto(f"{site.url}/trips?from=lagos&to=abuja&date={on}")
    await page.get_by_text("Filters", exact=True).click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    found = (await Axe().run(page)).response["violations"]
    assert found == []
    days = page.get_by_role("navigation", name="Prices by date").get_by_role("link")
    await expect(days).to_have_count(7)
    for day in await days.all():
        box = await day.bounding_box()
        assert box is not None
        assert box["height"] >= 43.5
    await page.get_by_role("link", name="Early Lines", exact=True).click()
    await expect(page.get_by_role("link", name="Choose seats")).to_have_count(1)
    await context.close()
