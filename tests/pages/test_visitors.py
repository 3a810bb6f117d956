"""Who looks at a page: guests, accounts, sessions that ended; and that no form can be forged."""

from dataclasses import replace
from urllib.parse import urlencode

import httpx2
import pytest
from starlette.responses import Response

from kiti.identity.cookies import Cookies
from kiti.pages.visits import Visit, Visits
from pages_site import Site, booking_id_of, people
from plain_browser import Form, Page, PlainBrowser, read_page

PASSWORD = "the long road to Kumasi"


async def registered(site: Site, name: str) -> PlainBrowser:
    """A browser that has just made an account."""
    browser = await site.browser()
    page = await browser.get("/register")
    fields = {"name": name, "email": f"{name}@example.com", "password": PASSWORD}
    page = await browser.submit(page, "/register", fields)
    assert page.heading == "My bookings", page.text
    return browser


def cookies(answer: httpx2.Response) -> dict[str, str]:
    """The cookies that an answer sets, whole."""
    return {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}


async def test_a_name_and_a_password_let_in_and_out(site: Site):
    browser = await registered(site, "amina")
    page = await browser.get("/bookings")
    left = await browser.submit(page, "/logout")
    assert left.heading == "Where to?"
    assert set(dict(browser.client.cookies)) == {"browser-key"}
    assert "Log in" in left.text
    page = await browser.get("/login", next="/bookings?x=1")
    wrong = await browser.submit(
        page, "/login", {"email": "amina@example.com", "password": "wrong as can be"}
    )
    assert wrong.status == 401
    assert "The e-mail or the password is wrong." in wrong.text
    assert wrong.form("/login").value("email") == "amina@example.com"
    assert "wrong as can be" not in wrong.html
    page = await browser.submit(
        wrong, "/login", {"email": "amina@example.com", "password": PASSWORD}
    )
    assert page.url.endswith("/bookings?x=1")
    assert (await browser.get("/login")).url.endswith("/bookings")


async def test_an_account_that_cannot_be_made_says_why(site: Site):
    await registered(site, "taken")
    browser = await site.browser()
    page = await browser.get("/register")
    sent = {"name": "T", "email": "taken@example.com", "password": PASSWORD}
    told = await browser.submit(page, "/register", sent)
    assert told.status == 422
    assert "An account with this e-mail exists." in told.text
    told = await browser.submit(page, "/register", {"email": "no", "password": "short"})
    assert {"#email", "#name", "#password"} <= {link.href for link in told.links}
    assert "short" not in told.html


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example", "/\\evil.example",
                                    "javascript:alert(1)", "/a\nb", "evil"])  # fmt: skip
async def test_nothing_leads_to_another_site(site: Site, target: str):
    browser = await site.browser()
    page = await browser.get("/login", next=target)
    assert page.form("/login").value("next") == "/bookings"
    form = page.form("/login")
    next(field for field in form.fields if field.name == "next").value = target
    await registered(site, f"u{abs(hash(target))}")
    answer = await browser.send(
        page, form, {"email": f"u{abs(hash(target))}@example.com", "password": PASSWORD}
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/bookings"


async def test_an_access_token_that_is_gone_is_renewed_without_a_word(site: Site):
    browser = await registered(site, "renewed")
    before = dict(browser.client.cookies)
    browser.client.cookies.delete("auth-token")
    page = await browser.get("/bookings")
    assert "Log out" in page.text
    after = dict(browser.client.cookies)
    assert after["auth-token"] != before["auth-token"]
    assert after["refresh-token"] != before["refresh-token"]


@pytest.mark.parametrize("access_token", [None, "no.token.atall"])
async def test_a_form_is_taken_though_the_access_token_has_ended(
    site: Site, access_token: str | None
):
    """Shown before, sent after: the token of a form outlives the access token."""
    browser = await registered(site, f"late{access_token is None}")
    sheet = await site.coach()
    page = await browser.get(f"/trips/{sheet.trip_id}")
    browser.client.cookies.delete("auth-token")
    if access_token is not None:
        browser.client.cookies.set("auth-token", access_token, domain="127.0.0.1", path="/")
    held = await browser.submit(page, "/hold", {"seat": ["2A"]})
    assert held.heading == "Your seats are kept"
    holder = await site.value("SELECT holder_kind FROM booking WHERE trip_id = $1", sheet.trip_id)
    assert holder == "account"


async def test_a_refusal_hands_over_a_session_that_was_renewed(site: Site):
    """Else the browser would come with the old token again, and lose its session for it."""
    browser = await registered(site, "refused")
    browser.client.cookies.delete("auth-token")
    assert (await browser.get("/bookings/00000000-0000-7000-8000-000000000000")).status == 404
    browser.client.cookies.delete("auth-token")
    answer = await browser.client.post(f"{site.url}/logout", data={"csrf": "forged"})
    assert answer.status_code == 403
    assert "Log out" in (await browser.get("/bookings")).text


async def test_a_session_that_has_ended_is_nobody_and_no_trap(site: Site):
    browser = await registered(site, "ended")
    sheet = await site.coach()
    shown = await browser.get(f"/trips/{sheet.trip_id}")
    async with site.db.connection() as conn:
        await conn.execute("UPDATE session SET revoked_at = now(), revoked_for = 'logout'")
    browser.client.cookies.delete("auth-token")
    kept = dict(browser.client.cookies)
    told = await browser.submit(shown, "/hold", {"seat": ["2A"]})
    assert told.status == 401
    assert told.link("/login?") == "/login?next=%2F"
    assert "refresh-token" not in dict(browser.client.cookies)
    held = await site.hold(browser, sheet, "2A")
    assert held.heading == "Your seats are kept"
    for name, value in kept.items():
        browser.client.cookies.set(name, value, domain="127.0.0.1", path="/")
    assert (await browser.get(f"/trips/{sheet.trip_id}")).status == 200
    assert "refresh-token" not in dict(browser.client.cookies)


async def test_a_bad_guest_token_is_forgotten(site: Site):
    browser = await site.browser()
    browser.client.cookies.set("guest-token", "x.y.z", domain="127.0.0.1", path="/")
    held = await site.hold(browser, await site.coach(), "2A")
    assert held.heading == "Your seats are kept"


async def test_what_a_guest_booked_stays_theirs_after_logging_in(site: Site):
    browser = await site.browser()
    held = await site.hold(browser, await site.coach(), "2A")
    page = await browser.get("/register")
    mine = await browser.submit(
        page,
        "/register",
        {"name": "G", "email": "guest.first@example.com", "password": PASSWORD},
    )
    assert mine.link("Go on") == f"/bookings/{booking_id_of(held)}"
    pay = await browser.submit(await browser.get(mine.link("Go on")), "/passengers",
                               people(held))  # fmt: skip
    assert pay.heading.startswith("Pay ")


async def test_bookings_of_others_are_not_there(site: Site):
    browser, other = await site.browser(), await site.browser()
    held = await site.hold(browser, await site.coach(), "2A")
    url = f"/bookings/{booking_id_of(held)}"
    nobody = await other.get(url)
    assert nobody.status == 401
    assert nobody.link("/login?") == "/login?" + urlencode({"next": url})
    mine = await site.hold(other, await site.coach(), "2A")
    for path in (url, f"{url}/pay", f"{url}/passengers"):
        assert (await other.get(path)).status == 404
    form = mine.form("/passengers")
    for path in ("/passengers", "/pay", "/extend", "/release"):
        forged = Form("post", url + path, form.fields)
        answer = await other.send(mine, forged, {"phone": "+2348031234567", "name-0": "Eve"})
        assert answer.status_code == 404
    assert (await browser.get(url)).heading == "Your seats are kept"


async def test_my_bookings_come_in_pages(site: Site):
    browser = await site.browser()
    assert "There are no bookings here." in (await browser.get("/bookings")).text
    sheet = await site.coach()
    for _ in range(21):
        await browser.submit(await site.hold(browser, sheet, "2A"), "/release")
    page = await browser.get("/bookings")
    assert page.text.count("given back") == 20
    earlier = await browser.get(page.link("Earlier bookings"))
    assert earlier.text.count("given back") == 1


async def forms_of(site: Site, browser: PlainBrowser) -> list[tuple[Page, Form, str]]:
    """Every form that changes something, and who it is shown to."""
    sheet = await site.coach()
    seats = await browser.get(f"/trips/{sheet.trip_id}")
    held = await site.hold(browser, sheet, "2A")
    pay = await browser.submit(held, "/passengers", people(held))
    out = [(seats, seats.form("/hold"), "seat")]
    out += [(held, form, "") for form in held.forms if form.method == "post"]
    out += [(pay, pay.form("/pay"), "")]
    for path in ("/login", "/register"):
        page = await browser.get(path)
        out += [(page, page.form(path), "")]
    return out


@pytest.mark.parametrize("forgery", ["none", "empty", "others", "another visitor's"])
async def test_a_form_without_its_token_is_refused(site: Site, forgery: str):
    browser, other = await site.browser(), await site.browser()
    theirs = (await other.get("/login")).form("/login").value("csrf")
    await site.hold(other, await site.coach(), "2A")
    forms = await forms_of(site, browser)
    assert len(forms) >= 7
    for page, form, _ in forms:
        token = next(field for field in form.fields if field.name == "csrf")
        if forgery == "none":
            form.fields.remove(token)
        token.value = {"empty": "", "others": "A" * 43, "another visitor's": theirs}.get(
            forgery, ""
        )
        answer = await browser.send(page, form)
        assert answer.status_code == 403, form.action
        assert "out of date" in read_page(answer).text


async def test_a_browser_without_its_key_cannot_log_in(site: Site):
    """The form's token alone is not enough: an attacker can have one of their own."""
    browser, victim = await site.browser(), await site.browser()
    page = await browser.get("/login")
    answer = await victim.send(page, page.form("/login"), {"email": "a@b.example"})
    assert answer.status_code == 403


async def test_the_browsers_key_does_not_stand_in_for_an_account(site: Site):
    """A form shown to nobody is no form of the account that has logged in since."""
    browser = await site.browser()
    sheet = await site.coach()
    before = await browser.get(f"/trips/{sheet.trip_id}")
    held = await site.hold(browser, sheet, "2A")
    page = await browser.get("/register")
    await browser.submit(
        page, "/register", {"name": "K", "email": "k.key@example.com", "password": PASSWORD}
    )
    told = await browser.submit(before, "/hold", {"seat": ["2B"]})
    assert told.status == 403
    assert held.status == 200


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(site: Site):
    browser = await site.browser()
    page = await browser.get(f"/trips/{(await site.coach()).trip_id}")
    held = await browser.send(page, page.form("/hold"), {"seat": ["2A"]})
    first = await (await site.browser()).client.get(f"{site.url}/login")
    for line in (*cookies(first).values(), *cookies(held).values()):
        assert "HttpOnly" in line
        assert "SameSite=lax" in line
        assert "Path=/" in line
        assert "Domain" not in line
    assert set(cookies(held)) == {"guest-token"}


async def test_in_production_the_key_is_bound_to_the_host(site: Site):
    visits = Visits(replace(site.parts.identity, cookies=Cookies(is_secure=True)))
    visit, response = Visit(None, None, None), Response()
    visits.form_token(visit)
    visits.leave(visit, response)
    assert response.headers["set-cookie"].startswith("__Host-browser-key=")
    assert "; Secure" in response.headers["set-cookie"]


async def test_forms_are_read_as_forms_only(site: Site):
    browser = await site.browser()
    answer = await browser.client.post(f"{site.url}/login", json={"email": "a@b.example"})
    assert answer.status_code == 415
    answer = await browser.client.post(f"{site.url}/login", data={"email": "x" * 100_000})
    assert answer.status_code == 413
    many = "&".join(f"a{n}=1" for n in range(300))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await browser.client.post(f"{site.url}/login", content=many.encode(), headers=headers)
    assert answer.status_code == 400
    assert read_page(answer).heading == "That did not work"
