"""Several commands on one data folder: what one does the others see."""

import base64
import secrets

from identity_site import assert_problem
from product_process import own_folder, running
from shop import PASSWORD, Shop
from waiting import until


async def test_a_second_server_with_a_worker_sees_the_holds_and_tidies_up(server: Shop):
    trip = await server.fresh_trip()
    held = await server.hold(trip, ["4A"])
    ended = await server.hold(trip, ["4B"])
    stored = "SELECT status FROM booking WHERE booking_id = $1::text::uuid"

    async def is_tidied_up() -> bool:
        return await server.product.value(stored, ended["bookingId"]) == "expired"

    with own_folder() as folder:
        settings = {"KITI_DATA_DIR": str(server.product.data_dir)}
        async with running(folder, "serve", "--with-worker", **settings) as product:
            second = Shop(product, server.origin, server.destination)
            assert await second.refused(trip, ["4A"]) == ["4A"]
            assert (await second.booking(held))["status"] == "HELD"
            await server.product.let_expire(ended["bookingId"])
            await until(is_tidied_up, seconds=60)
            bought = await second.hold(trip, ["4B"])
    # The other server goes on, and so does the database.
    assert (await server.booking(bought))["status"] == "HELD"
    assert await server.audit() == []


SECRETS = {
    "JWT_SECRET": secrets.token_hex(32),
    "JOB_SECRET_KEY": secrets.token_hex(32),
    "KITI_TICKET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    "KITI_PRIVACY_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    "FLUTTERWAVE_SECRET_KEY": "FLWSECK-" + secrets.token_hex(16),
    "FLUTTERWAVE_WEBHOOK_SECRET_HASH": secrets.token_hex(16),
}


async def test_in_production_the_demos_password_opens_nothing_and_cookies_are_secure(demo: Shop):
    email = (await demo.register())["user"]["email"]
    settings = {"APP_URL": "https://kiti.example", "KITI_DATA_DIR": str(demo.product.data_dir)}
    with own_folder() as folder:
        async with running(folder, "serve", APP_ENV="production", **SECRETS, **settings) as product:
            shop = Shop(product, demo.origin, demo.destination)
            for account in ("passenger", "admin"):
                body = {"email": f"{account}@kiti.example", "password": "kiti-demo-2026"}
                assert_problem(await shop.post("/api/auth/login", body), 401, "UNAUTHENTICATED")
            entered = await shop.post("/api/auth/login", {"email": email, "password": PASSWORD})
            assert entered.status_code == 200, entered.text
            cookies = entered.headers.get_list("set-cookie")
            assert len(cookies) == 2
            for cookie in cookies:
                assert cookie.startswith("__Host-")
                parts = {part.strip().lower() for part in cookie.split(";")}
                assert {"secure", "httponly", "path=/", "samesite=lax"} <= parts
            await assert_jobs_need_their_secret(shop)
            log = product.log()
        assert [name for name, secret in SECRETS.items() if secret in log] == []
        assert PASSWORD not in log
        assert email not in log


async def assert_jobs_need_their_secret(shop: Shop) -> None:
    """Strangers are told of the health alone, and may run nothing."""
    health = await shop.get("/api/jobs/health")
    assert health.json().keys() == {"status"}
    for headers in ({}, {"x_job_secret": "wrong"}):
        answer = await shop.post("/api/jobs/expire-seats", None, **headers)
        assert_problem(answer, 401, "UNAUTHENTICATED")
    secret = SECRETS["JOB_SECRET_KEY"]
    ran = await shop.post("/api/jobs/expire-seats", None, x_job_secret=secret)
    assert ran.json()["status"] == "DONE"
    answer = await shop.post("/api/jobs/nothing", None, x_job_secret=secret)
    assert_problem(answer, 404, "NOT_FOUND")
