"""SIGKILL of servers and workers while money moves, at both gateways: nothing is lost or doubled.

Passengers pay, pay too little, twice or too late, give tickets back; after every few answers a
process is killed. What was acknowledged must be there, and each gateway's own books must say that
what was not kept went back once.
"""

import asyncio
import random
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from embedded_commands import kill
from gateway_hands import paid_minor, refunded_minor
from kiti.sandbox import SandboxSettings, serving
from product_process import Product, own_folder
from sandbox_driver import SECRET_HASH, SECRET_KEY, Driver
from shop import Shop, bearer
from waiting import until

pytestmark = pytest.mark.slow

SEED: Final = 20_261_123
KILLS: Final = 32
BUYERS: Final = 6
TRIES: Final = 4
BACK_S: Final = 60.0
JOB_SECRET: Final = "a job secret of the kills, long enough to be one"
STRIPE_KEY: Final = "sk_test_of_the_kills"
STRIPE_SECRET: Final = "whsec_of_the_kills"
PLANS: Final = ("pay", "pay", "cancel", "cancel", "short", "twice", "late", "gone", "release")
# What is no answer yet: the process is gone, or busy with this very call.
NOT_YET: Final = frozenset({500, 502, 503})


class Lost(Exception):
    """No answer came, for this time."""


@dataclass
class Purchase:
    """One passenger's way, step by step; each step can be done again."""

    world: "World"
    trip: dict[str, Any]
    seat: str
    plan: str
    gateway: str
    held: dict[str, Any] = field(default_factory=dict[str, Any])
    payment: dict[str, Any] = field(default_factory=dict[str, Any])
    seen: set[str] = field(default_factory=set[str])
    done: int = 0
    keys: list[str] = field(default_factory=lambda: [str(uuid4()) for _ in range(3)])

    @property
    def steps(self) -> list[Callable[[], Awaitable[None]]]:
        if self.plan == "release":
            return [self.reserve, self.initiate, self.release]
        before = {"late": [self.expire], "gone": [self.expire, self.rival]}.get(self.plan, [])
        after = [self.see] + ([self.cancel] if self.plan == "cancel" else [])
        return [self.reserve, self.initiate, *before, self.pay, *after]

    async def go_on(self) -> bool:
        """Do what is left; False when an answer was lost too often."""
        tries = 0
        steps = self.steps
        while self.done < len(steps):
            try:
                await steps[self.done]()
            except Lost:
                tries += 1
                if tries >= TRIES:
                    return False
                await self.world.breathe()
                continue
            self.done += 1
            self.world.answers += 1
        return True

    async def call(self, method: str, path: str, **more: Any) -> httpx2.Response:  # noqa: ANN401
        """A call by a connection of its own: a killed process leaves dead ones behind."""
        token = self.held.get("guestToken")
        headers = bearer(token) | more.pop("headers", {})
        async with httpx2.AsyncClient(
            base_url=self.world.shop.product.url, trust_env=False, timeout=15
        ) as client:
            try:
                answer = await client.request(method, path, headers=headers, **more)
            except httpx2.TransportError:
                raise Lost from None
        is_under_way = "IDEMPOTENCY_IN_PROGRESS" in answer.text
        if answer.status_code in NOT_YET or is_under_way:
            raise Lost
        return answer

    async def reserve(self) -> None:
        body = {"tripId": self.trip["id"], "seatNumbers": [self.seat]}
        key = {"idempotency-key": self.keys[0]}
        answer = await self.call("POST", "/api/bookings/reserve", json=body, headers=key)
        assert answer.status_code == 201, answer.text
        self.held = answer.json()

    async def initiate(self) -> None:
        body = {
            "bookingId": self.held["bookingId"],
            "amount": self.held["total"]["amount"],
            "paymentMethod": "CARD",
            "gateway": self.gateway,
            "idempotencyKey": self.keys[1],
        }
        answer = await self.call("POST", "/api/payments/initiate", json=body)
        assert answer.status_code in {200, 201}, answer.text
        self.payment = answer.json()

    async def expire(self) -> None:
        async with self.world.turn:
            await self.world.conn.execute(
                "UPDATE booking SET expires_at = clock_timestamp()"
                " WHERE booking_id = $1::text::uuid AND status = 'held'",
                self.held["bookingId"],
            )

    async def rival(self) -> None:
        body = {"tripId": self.trip["id"], "seatNumbers": [self.seat]}
        other = Purchase(self.world, self.trip, self.seat, "", "", keys=self.keys[2:])
        key = {"idempotency-key": self.keys[2]}
        answer = await other.call("POST", "/api/bookings/reserve", json=body, headers=key)
        assert answer.status_code in {201, 409}, answer.text

    async def pay(self) -> None:
        """At the gateway's page, found at the gateway where we were told of none."""
        known = await self.world.known(self)
        if known is None and self.plan in {"late", "gone"}:
            return  # the gateway never heard of it, and it cannot be begun any more
        if known is None:
            self.keys[1] = str(uuid4())
            await self.initiate()
            known = await self.world.known(self)
        assert known is not None, self.payment
        if known["charges"]:
            return
        action = "pay_wrong_amount" if self.plan == "short" else "pay"
        url = self.world.driver.url + known["path"]
        answer = await self.world.driver.submit(url, action)
        assert answer.status_code in {303, 410}, answer.text
        if self.plan == "twice" and answer.status_code == 303:
            at = "/stripe/payments" if self.gateway == "stripe" else "/flutterwave/charges"
            name = "reference" if self.gateway == "stripe" else "tx_ref"
            body = {name: self.payment["transactionId"]}
            again = await self.world.driver.control("POST", at, json=body)
            assert again.status_code == 201, again.text

    async def see(self) -> None:
        """How the booking stands by now; that it was confirmed is an answer not to be lost."""
        reference = self.payment["transactionId"]
        await self.call("GET", "/api/payments/status", params={"transactionId": reference})
        answer = await self.call("GET", f"/api/bookings/{self.held['bookingId']}")
        assert answer.status_code == 200, answer.text
        self.seen.add(answer.json()["status"])

    async def release(self) -> None:
        answer = await self.call("DELETE", f"/api/bookings/reserve/{self.held['bookingId']}")
        assert answer.status_code == 204, answer.text
        self.seen.add("RELEASED")

    async def cancel(self) -> None:
        """The ticket goes back under an offer; a second offer of the same is not taken."""
        at = f"/api/bookings/{self.held['bookingId']}"
        found = await self.call("GET", f"{at}/refund-offer")
        if found.status_code == 409:  # not confirmed, or cancelled by a call whose answer was lost
            await self.see()
            return
        offer = next(each for each in found.json()["offers"] if each["method"] == "ORIGINAL")
        answer = await self.call(
            "POST",
            f"{at}/cancel",
            json={"offerId": offer["offerId"]},
            headers={"idempotency-key": str(uuid4())},
        )
        assert answer.status_code in {200, 409}, answer.text
        if answer.status_code == 200:
            self.seen.add("CANCELLED")


class World:
    """The product, its gateways, and those who buy."""

    def __init__(self, shop: Shop, driver: Driver, conn: asyncpg.Connection) -> None:
        self.shop = shop
        self.driver = driver
        self.conn = conn
        self.turn = asyncio.Lock()
        self.answers = 0
        self.purchases: list[Purchase] = []
        self.unfinished: list[Purchase] = []
        self._random = random.Random(SEED)  # chooses what happens, keeps no secret
        self._seats: list[tuple[dict[str, Any], str]] = []
        self._stopping = asyncio.Event()

    async def breathe(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await self._stopping.wait()

    async def known(self, purchase: Purchase) -> dict[str, Any] | None:
        """What the gateway has under this payment's reference."""
        query = {"reference": purchase.payment["transactionId"], "gateway": purchase.gateway}
        answer = await self.driver.control("GET", "/payments", params=query)
        items = answer.json()["items"]
        return items[0] if items else None

    async def buy(self) -> None:
        while not self._stopping.is_set():
            trip, seat = await self._next_seat()
            plan = self._random.choice(PLANS)
            gateway = self._random.choice(("flutterwave", "stripe"))
            purchase = Purchase(self, trip, seat, plan, gateway)
            self.purchases.append(purchase)
            if not await purchase.go_on():
                self.unfinished.append(purchase)

    async def _next_seat(self) -> tuple[dict[str, Any], str]:
        async with self.turn:
            if not self._seats:
                trip = await self.shop.fresh_trip()
                free = [s for s, how in (await self.shop.statuses(trip)).items()
                        if how == "AVAILABLE"]  # fmt: skip
                self._seats = [(trip, seat) for seat in free]
            return self._seats.pop()

    async def prepare_seats(self, count: int) -> None:
        """Look for seats while all is well."""
        while len(self._seats) < count:
            trip = await self.shop.fresh_trip()
            statuses = await self.shop.statuses(trip)
            self._seats += [(trip, seat) for seat, how in statuses.items() if how == "AVAILABLE"]

    async def kill_some(self) -> dict[str, int]:
        """Kill again and again, after every few answers; how often which."""
        killed = {"child_web": 0, "child_worker": 0}
        while sum(killed.values()) < KILLS:
            wanted = self.answers + self._random.randint(1, 8)

            async def are_there(wanted: int = wanted) -> bool:
                return self.answers >= wanted

            await until(are_there, seconds=BACK_S)
            name = self._random.choice(("child_web", "child_worker"))
            running = self.shop.product.children(name)
            if running:
                kill(self._random.choice(running))
                killed[name] += 1
        return killed

    async def run(self) -> dict[str, int]:
        async with asyncio.TaskGroup() as group:
            for _ in range(BUYERS):
                group.create_task(self.buy())
            killed = await self.kill_some()
            self._stopping.set()
        return killed

    async def finish(self) -> None:
        """As if the time had passed that leases, backoffs and grace last; all is done."""
        self._stopping = asyncio.Event()
        for _ in range(3):
            await self._let_time_pass()
            self.unfinished = [each for each in self.unfinished if not await each.go_on()]
        assert self.unfinished == []
        for _ in range(4):
            for job in ("poll-payments", "reconcile-settlements", "retry-refunds"):
                await self._run_job(job)
            await until(self._is_quiet, seconds=BACK_S)
            await self._let_time_pass()

    async def walk(self, plan: str, gateway: str, *, is_killed: bool) -> Purchase:
        """One purchase, from its first step to its last."""
        trip, seat = self._seats.pop()
        purchase = Purchase(self, trip, seat, plan, gateway)
        for step in purchase.steps:
            await self._done(step, is_killed=is_killed)
        return purchase

    async def on_file(self, purchase: Purchase) -> list[tuple[Any, ...]]:
        """What is known of it here, once all is done."""
        await purchase.see()
        await assert_right(self, purchase)
        async with self.turn:
            rows = await self.conn.fetch(ON_FILE, purchase.held["bookingId"])
        return [tuple(row) for row in rows]

    async def _done(self, step: Callable[[], Awaitable[None]], *, is_killed: bool) -> None:
        """The step is done, however often it must be begun."""
        doing = asyncio.ensure_future(step())
        if is_killed:
            await self.breathe()
            kill(*self.shop.product.children("child_web"))
            kill(*self.shop.product.children("child_worker"))
        for _ in range(100):
            try:
                await doing
            except Lost:
                await self.breathe()
                await self._let_time_pass()
                doing = asyncio.ensure_future(step())
                continue
            return
        raise AssertionError("it cannot be done")

    async def _run_job(self, name: str) -> None:
        """By hand; a run that died with its process keeps its lease for a while."""

        async def is_done() -> bool:
            await self._let_time_pass()
            secret = {"x-job-secret": JOB_SECRET}
            answer = await self.shop.product.client.post(f"/api/jobs/{name}", headers=secret)
            return answer.status_code == 200 and answer.json()["status"] == "DONE"

        await until(is_done, seconds=BACK_S)

    async def _let_time_pass(self) -> None:
        async with self.turn:
            for sql in PASSING:
                await self.conn.execute(sql)

    async def _is_quiet(self) -> bool:
        async with self.turn:
            return not await self.conn.fetchval(
                "SELECT count(*) FROM job WHERE run_at <= clock_timestamp() OR lease_id IS NOT NULL"
            )


# How a booking stands, what was received for it and went back, and each line of the books about it.
ON_FILE: Final = """
    SELECT 'booking' AS what, status AS state, total_minor AS minor
    FROM booking WHERE booking_id = $1::text::uuid
    UNION ALL
    SELECT 'ticket', t.status, 0 FROM ticket AS t WHERE t.booking_id = $1::text::uuid
    UNION ALL
    SELECT 'receipt', c.currency, c.applied_minor
    FROM payment_receipt AS c JOIN payment AS p USING (payment_id)
    WHERE p.booking_id = $1::text::uuid
    UNION ALL
    SELECT 'refund ' || r.reason, r.status, r.amount_minor
    FROM refund AS r JOIN payment AS p USING (payment_id)
    WHERE p.booking_id = $1::text::uuid
    UNION ALL
    SELECT e.source_type || ' ' || regexp_replace(e.purpose, '[0-9]+$', ''), l.kind, l.amount_minor
    FROM ledger_entry AS e JOIN ledger_posting AS l USING (entry_id, trip_id)
    WHERE e.source_id IN (
      SELECT c.receipt_id FROM payment_receipt AS c JOIN payment AS p USING (payment_id)
      WHERE p.booking_id = $1::text::uuid
      UNION ALL SELECT r.refund_id FROM refund AS r JOIN payment AS p USING (payment_id)
      WHERE p.booking_id = $1::text::uuid
      UNION ALL SELECT cancellation_id FROM cancellation WHERE booking_id = $1::text::uuid)
    ORDER BY 1, 2, 3
"""
PASSING: Final = (
    """UPDATE idempotency_key SET locked_until = clock_timestamp()
       WHERE locked_until > clock_timestamp()""",
    "UPDATE payment SET created_at = created_at - interval '60 s' WHERE status = 'creating'",
    """UPDATE refund SET leased_until = NULL, sent_at = sent_at - interval '1 hour',
         created_at = created_at - interval '1 hour'
       WHERE status <> 'succeeded'""",
    "UPDATE named_job SET leased_until = clock_timestamp() WHERE leased_until > clock_timestamp()",
)


@asynccontextmanager
async def world_of(folder: Path) -> AsyncGenerator[World]:
    """`kiti serve` with two servers and a worker, and the simulated gateways beside it."""
    product = Product(folder, "serve", "--workers", "2", "--with-worker")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    keys = SandboxSettings(
        app_url=url,
        flutterwave_secret_key=SECRET_KEY,
        flutterwave_webhook_secret_hash=SECRET_HASH,
        stripe_secret_key=STRIPE_KEY,
        stripe_webhook_secret=STRIPE_SECRET,
    )
    async with serving(keys) as sandbox_url, httpx2.AsyncClient(trust_env=False) as http:
        product.url = url
        product.environment |= {
            "APP_URL": url,
            "KITI_RATE_LIMITS": "off",
            "JOB_SECRET_KEY": JOB_SECRET,
            "FLUTTERWAVE_SECRET_KEY": SECRET_KEY,
            "FLUTTERWAVE_WEBHOOK_SECRET_HASH": SECRET_HASH,
            "FLUTTERWAVE_BASE_URL": f"{sandbox_url}/flutterwave/v3",
            "STRIPE_SECRET_KEY": STRIPE_KEY,
            "STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
            "STRIPE_BASE_URL": f"{sandbox_url}/stripe",
        }
        await product.start()
        try:
            loaded = await product.run("demo", "load")
            assert loaded.code == 0, loaded.err
            async with product.database() as conn:
                yield World(Shop(product, "Lagos", "Abuja"), Driver(http, sandbox_url), conn)
        finally:
            if product.is_running:
                await product.stop()


@pytest.fixture(scope="module")
async def world() -> AsyncGenerator[World]:
    with own_folder() as folder:
        async with world_of(folder) as made:
            yield made


async def test_nothing_is_lost_or_doubled_whenever_a_process_is_killed(
    world: World, tmp_path: Path
) -> None:
    sys.stdout.write(f"seed {SEED}\n")
    await world.prepare_seats(400)
    killed = await world.run()
    await world.finish()
    bought = len(world.purchases)
    sys.stdout.write(f"{killed}, {bought} purchases, {world.answers} answers\n")
    assert min(killed.values()) >= KILLS // 4
    for purchase in world.purchases:
        await assert_right(world, purchase)
    assert await world.shop.audit() == []
    assert await world.conn.fetchval("SELECT count(*) FROM job_dead") == 0
    await assert_books(world.shop.product, tmp_path)


@pytest.mark.parametrize(("plan", "gateway"), [("cancel", "flutterwave"), ("short", "stripe")])
async def test_scenario_52_killed_at_each_step_it_ends_as_the_clean_run(
    world: World, plan: str, gateway: str
) -> None:
    """Every server and the worker are killed while each step is under way."""
    await world.prepare_seats(2)
    clean = await world.walk(plan, gateway, is_killed=False)
    killed = await world.walk(plan, gateway, is_killed=True)
    await world.finish()
    assert await world.on_file(killed) == await world.on_file(clean)
    assert await world.shop.audit() == []


async def assert_right(world: World, purchase: Purchase) -> None:
    """What was acknowledged holds; what the gateway has is what was kept."""
    booking = await world.shop.booking(purchase.held)
    status = booking["status"]
    known = await world.known(purchase)
    charges: list[Mapping[str, Any]] = [] if known is None else known["charges"]
    if "CANCELLED" in purchase.seen:
        assert status == "CANCELLED", purchase.seen
    elif "CONFIRMED" in purchase.seen:
        assert status in {"CONFIRMED", "CANCELLED"}
    if purchase.plan in {"pay", "twice", "late"} and (purchase.plan != "late" or charges):
        assert status == "CONFIRMED", (purchase.gateway, purchase.payment)
    assert status != "RELEASED" or purchase.plan == "release"
    assert len([t for t in booking["tickets"] if t["status"] == "VALID"]) == (status == "CONFIRMED")
    kept = await world.conn.fetchval(
        "SELECT CASE WHEN b.status = 'confirmed' THEN b.total_minor ELSE coalesce(("
        " SELECT sum(kept_minor) FROM cancellation AS c WHERE c.booking_id = b.booking_id), 0) END"
        " FROM booking AS b WHERE b.booking_id = $1::text::uuid",
        purchase.held["bookingId"],
    )
    came = sum(paid_minor(purchase.gateway, each) for each in charges)
    given = [
        refunded_minor(purchase.gateway, refund) for each in charges for refund in each["refunds"]
    ]
    assert came - sum(given) == kept, (purchase.plan, purchase.gateway, status, came, given)
    owed = await world.conn.fetchval(
        "SELECT count(*) FROM refund AS r JOIN payment AS p USING (payment_id)"
        " WHERE p.reference = $1 AND r.status = 'succeeded'",
        purchase.payment["transactionId"],
    )
    assert len(given) == owed


async def assert_books(product: Product, folder: Path) -> None:
    """The exported journal, added up by beancount."""
    exported = await product.run("ledger", "export")
    assert exported.code == 0, exported.err
    journal = folder / "kiti.beancount"
    journal.write_text(exported.out, encoding="utf-8")
    done = await asyncio.to_thread(
        subprocess.run,
        [Path(sys.executable).with_name("bean-check"), "--no-cache", journal],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
