"""An account's life: register, book, refresh by cookie and by body, log out."""

from identity_site import assert_problem
from shop import PASSWORD, Shop


async def test_an_account_registers_books_refreshes_and_logs_out(demo: Shop):
    session = await demo.register()
    token, user = session["accessToken"], session["user"]
    assert user["roles"] == ["passenger"]
    assert session["expiresIn"] == 15 * 60
    assert (await demo.get("/api/auth/me", token)).json() == user
    held = await demo.hold(await demo.fresh_trip(), count=1, token=token)
    assert "guestToken" not in held

    # The same person at another device.
    entered = await demo.post("/api/auth/login", {"email": user["email"], "password": PASSWORD})
    assert entered.status_code == 200, entered.text
    other = entered.json()
    booking = await demo.booking(held, other["accessToken"])
    assert booking["id"] == held["bookingId"]

    refreshed = await demo.post("/api/auth/refresh", {"refreshToken": other["refreshToken"]})
    assert refreshed.status_code == 200, refreshed.text
    newer = refreshed.json()
    assert newer["refreshToken"] != other["refreshToken"]
    assert (await demo.booking(held, newer["accessToken"]))["id"] == held["bookingId"]

    left = await demo.post("/api/auth/logout", {}, newer["accessToken"])
    assert left.status_code == 204
    for dead in (newer["refreshToken"], other["refreshToken"]):
        answer = await demo.post("/api/auth/refresh", {"refreshToken": dead})
        assert_problem(answer, 401, "UNAUTHENTICATED")
    # The first session goes on, until every one is ended.
    answer = await demo.post("/api/auth/refresh", {"refreshToken": session["refreshToken"]})
    assert answer.status_code == 200, answer.text
    last = answer.json()
    assert (await demo.post("/api/auth/logout-all", {}, last["accessToken"])).status_code == 204
    answer = await demo.post("/api/auth/refresh", {"refreshToken": last["refreshToken"]})
    assert_problem(answer, 401, "UNAUTHENTICATED")


async def test_a_browser_lives_by_cookies_from_its_own_origin(demo: Shop):
    user = (await demo.register())["user"]
    origin = {"origin": demo.product.url}
    async with demo.product.new_client() as browser:
        entered = await browser.post(
            "/api/auth/login", json={"email": user["email"], "password": PASSWORD}, headers=origin
        )
        assert entered.status_code == 200, entered.text
        assert not {"accessToken", "refreshToken"} & entered.json().keys()
        assert (await browser.get("/api/auth/me")).json() == user
        before = dict(browser.cookies)
        assert_problem(await browser.post("/api/auth/refresh"), 403, "CSRF_FAILED")
        refreshed = await browser.post("/api/auth/refresh", headers=origin)
        assert refreshed.status_code == 200, refreshed.text
        after = dict(browser.cookies)
        assert after["refresh-token"] != before["refresh-token"]
        body = {"tripId": (await demo.fresh_trip())["id"], "count": 1}
        refused = await browser.post("/api/bookings/reserve", json=body)
        assert_problem(refused, 403, "CSRF_FAILED")
        held = await browser.post("/api/bookings/reserve", json=body, headers=origin)
        assert held.status_code == 201, held.text
        assert (await browser.post("/api/auth/logout", headers=origin)).status_code == 204
        assert dict(browser.cookies) == {}
        assert_problem(await browser.get("/api/auth/me"), 401, "UNAUTHENTICATED")


async def test_what_is_wrong_with_a_registration_is_told_without_the_password(demo: Shop):
    user = (await demo.register())["user"]
    taken = {"email": user["email"].upper(), "password": PASSWORD, "name": "Ada"}
    answer = await demo.post("/api/auth/register", taken)
    problem = assert_problem(answer, 422, "VALIDATION_FAILED")
    assert [error["pointer"] for error in problem["errors"]] == ["#/email"]
    short = {"email": "new@kiti.example", "password": "hunter2", "name": "Ada"}
    answer = await demo.post("/api/auth/register", short)
    problem = assert_problem(answer, 422, "VALIDATION_FAILED")
    assert [error["pointer"] for error in problem["errors"]] == ["#/password"]
    assert "hunter2" not in answer.text
    for wrong in ({"email": user["email"]}, {"email": "nobody@kiti.example"}):
        answer = await demo.post("/api/auth/login", wrong | {"password": "not it, not at all"})
        assert_problem(answer, 401, "UNAUTHENTICATED")
