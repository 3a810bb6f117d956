"""Holding and paying over real HTTP, with the simulated gateway behind it."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from uuid import UUID, uuid4

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from kiti.app.checks import find_breaches
from kiti.app.child_web import KEEP_ALIVE_S
from kiti.booking import routes as booking_routes
from kiti.booking.counter import Counter
from kiti.booking.sales import Sales
from kiti.booking.ticket_view import TicketDesk
from kiti.booking.tickets import TicketSigner
from kiti.checkout import (
    routes_bookings,
    routes_exchange,
    routes_house,
    routes_offers,
    routes_payments,
)
from kiti.checkout.desk import Desk
from kiti.checkout.jobs import handlers, named_jobs
from kiti.checkout.till import Till
from kiti.config import Settings
from kiti.fares.model import NewFareTable
from kiti.fares.service import FareTables
from kiti.identity.model import AccountId, Grant, Role, SessionId
from kiti.identity.parts import Identity
from kiti.identity.passwords import Passwords
from kiti.identity.service import create_account, prepare_account
from kiti.jobs import routes as jobs_routes
from kiti.jobs.worker import Worker, WorkerLimits
from kiti.network.catalogue import Catalogue
from kiti.network.model import TripSheet
from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.payments.gateways.port import Gateway
from kiti.payments.gateways.registry import Gateways
from kiti.payments.gateways.stripe import Stripe, StripeKeys
from kiti.payments.routes import webhook_routes
from kiti.platform.audit import Finding
from kiti.platform.clock import utc_now
from kiti.platform.db import Database, connect
from kiti.platform.outer import OuterLayer, install_problems
from kiti.platform.sealing import Seal
from kiti.sandbox import SandboxSettings, serving
from make import make_stops
from sandbox_driver import SECRET_HASH, SECRET_KEY, Driver
from search_site import make_open_trip
from waiting import until

JOB_SECRET = "a job secret of the tests, long enough"
# Programs: each goes by its Bearer token.
NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])
STRIPE_KEY = "sk_test_of_the_site"
STRIPE_SECRET = "whsec_of_the_site"
KEY_32 = base64.b64encode(bytes(range(32))).decode()


@dataclass
class Passenger:
    """A guest who has held seats, by a Bearer token of their own."""

    site: "Site"
    booking: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.booking['guestToken']}"}

    @property
    def booking_id(self) -> UUID:
        return UUID(self.booking["bookingId"])

    @property
    def total(self) -> int:
        return self.booking["total"]["amount"]

    @property
    def major(self) -> float:
        """The total as the gateway writes it; the shortest digits of two decimals are exact."""
        return self.total / 100

    def body(self, **changes: object) -> dict[str, Any]:
        """What begins to pay by card under a new key; `...` leaves a field out."""
        body: dict[str, Any] = {
            "bookingId": self.booking["bookingId"],
            "amount": self.total,
            "paymentMethod": "CARD",
            "idempotencyKey": str(uuid4()),
        }
        return {name: value for name, value in (body | changes).items() if value is not ...}

    async def initiate(self, **changes: object) -> httpx2.Response:
        return await self.site.client.post(
            "/api/payments/initiate", json=self.body(**changes), headers=self.headers
        )

    async def open(self, **changes: object) -> dict[str, Any]:
        """An attempt that is open; what initiate answered."""
        answer = await self.initiate(**changes)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def status(self, payment: dict[str, Any]) -> dict[str, Any]:
        answer = await self.site.client.get(
            "/api/payments/status",
            params={"transactionId": payment["transactionId"]},
            headers=self.headers,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def read(self) -> dict[str, Any]:
        """The booking."""
        path = f"/api/bookings/{self.booking['bookingId']}"
        answer = await self.site.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class Site:
    """The server, what it is made of, and the sandbox that it pays through."""

    url: str
    dsn: str
    db: Database
    till: Till
    client: httpx2.AsyncClient
    sandbox: Driver
    identity: Identity

    async def account(self, role: Role, operator_id: UUID | None = None) -> dict[str, str]:
        """The headers of a new account with this role."""
        new = await prepare_account(
            self.identity.passwords,
            email=f"{uuid4().hex}@example.com",
            name="Ada",
            password="a long walk home",
            grants=[Grant(role, operator_id)],
        )
        async with self.db.transaction() as conn:
            account = await create_account(conn, new)
        token = self.identity.tokens.issue_access(
            AccountId(account.account_id),
            session_id=SessionId(uuid4()),
            roles=frozenset({role}),
            now=utc_now(),
        )
        return {"authorization": f"Bearer {token}"}

    async def trip(self, *, fares: NewFareTable | None = None) -> TripSheet:
        """A trip over three legs, on sale."""
        async with self.db.transaction() as conn:
            stops = await make_stops(conn)
        return await make_open_trip(self.db, stops, fares=fares)

    async def passenger(
        self, sheet: TripSheet | None = None, seats: tuple[str, ...] = ("2A",), **more: object
    ) -> Passenger:
        """A guest with a hold, on a trip of its own unless one is given."""
        sheet = sheet or await self.trip()
        body = {"tripId": str(sheet.trip_id), "seatNumbers": list(seats), **more}
        answer = await self.client.post("/api/bookings/reserve", json=body)
        assert answer.status_code == 201, answer.text
        return Passenger(self, answer.json())

    async def work(self) -> None:
        """Run a worker until nothing is due."""
        stopping = asyncio.Event()
        worker = Worker(
            self.db, dsn=self.dsn, handlers=handlers(self.till), limits=WorkerLimits(poll_s=0.05)
        )
        running = asyncio.create_task(worker.run(stopping))
        try:
            await until(self._is_idle)
        finally:
            stopping.set()
            await running

    async def _is_idle(self) -> bool:
        return not await self.value(
            "SELECT count(*) FROM job WHERE run_at <= clock_timestamp() OR lease_id IS NOT NULL"
        )

    async def job(self, name: str) -> dict[str, Any]:
        """Run a named job by hand, over HTTP."""
        answer = await self.client.post(f"/api/jobs/{name}", headers={"x-job-secret": JOB_SECRET})
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "DONE", answer.text
        return answer.json()

    async def value(self, sql: str, *args: object) -> Any:  # noqa: ANN401  # whatever it selects
        async with self.db.connection() as conn:
            return await conn.fetchval(sql, *args)

    async def rows(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        async with self.db.connection() as conn:
            return [tuple(row) for row in await conn.fetch(sql, *args)]

    async def pay(self, payment: dict[str, Any], action: str = "pay", **more: str) -> None:
        """What the payer does at the gateway's page."""
        answer = await self.sandbox.submit(payment["redirectUrl"], action, **more)
        assert answer.status_code == 303, answer.text

    async def webhook(self, payment: dict[str, Any], n: int = 1) -> None:
        """Wait until so many webhooks of this payment were taken."""

        async def are_taken() -> bool:
            kept = await self.sandbox.webhooks(payment["transactionId"])
            return [each["state"] for each in kept].count("delivered") >= n

        await until(are_taken)

    async def post_webhook(
        self,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """A webhook as the gateway would send it; by default with the hash of v3."""
        signed = {"verif-hash": SECRET_HASH} if headers is None else headers
        return await self.client.post(
            "/api/payments/webhook/flutterwave",
            content=json.dumps(body).encode() if raw is None else raw,
            headers={"content-type": "application/json", **signed},
        )

    async def money_unannounced(self, payment: dict[str, Any], **order: object) -> int:
        """Money that comes under this reference, whatever page it was paid at; its id."""
        answer = await self.sandbox.control(
            "POST", "/flutterwave/charges", json={"tx_ref": payment["transactionId"], **order}
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def hidden_link(self, payment: dict[str, Any]) -> dict[str, Any]:
        """The payment with the link that the gateway made and we never heard of."""
        known = await self.sandbox.payment(payment["transactionId"])
        return payment | {"redirectUrl": self.sandbox.url + known["path"]}

    async def calls(self, call: str) -> int:
        """How often the gateway was called so."""
        counts = (await self.sandbox.control("GET", "/calls")).json()
        return counts["flutterwave"].get(call, 0)

    async def refunds_at_gateway(self, payment: dict[str, Any]) -> list[dict[str, Any]]:
        """All refunds that the gateway made for this payment's transactions."""
        answer = await self.sandbox.control(
            "GET", "/payments", params={"reference": payment["transactionId"]}
        )
        charges = [charge for item in answer.json()["items"] for charge in item["charges"]]
        return [refund for charge in charges for refund in charge["refunds"]]

    async def breaches(self) -> list[Finding]:
        """As `kiti audit` finds them."""
        async with self.db.connection() as conn:
            return await find_breaches(conn)


class _Server(uvicorn.Server):
    """A server inside the test's own loop, which leaves the signals alone."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def _serving(app: ASGIApp, listener: socket.socket) -> AsyncGenerator[None]:
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))

    async def is_up() -> bool:
        if running.done():
            running.result()
        return server.started

    await until(is_up)
    yield
    server.should_exit = True
    await running


def _app(db: Database, settings: Settings, identity: Identity, till: Till) -> ASGIApp:
    """The routes that hold and pay, as the application puts them together."""
    app = FastAPI()
    catalogue = Catalogue()
    counter = Counter(
        db=db,
        identity=identity,
        sales=Sales(catalogue, FareTables(), settings),
        tickets=TicketDesk(catalogue, TicketSigner(settings.kiti_ticket_key)),
        hold_minutes_max=settings.kiti_hold_minutes_max,
    )
    desk = Desk(db, identity, catalogue, Seal(settings.kiti_privacy_key))
    install_problems(app)
    app.include_router(booking_routes.router(counter))
    app.include_router(routes_bookings.router(desk))
    app.include_router(routes_offers.router(desk))
    app.include_router(routes_exchange.router(desk))
    app.include_router(routes_payments.router(db, identity.callers, till))
    app.include_router(routes_house.router(db, identity.callers))
    app.include_router(webhook_routes(db, till.gateways), prefix="/api")
    app.include_router(jobs_routes.router(db, settings, named_jobs(till)))
    return OuterLayer(app)


@asynccontextmanager
async def open_site(dsn: str, *, has_stripe: bool = False) -> AsyncGenerator[Site]:
    """The application on this database, and its sandbox, each at a free port.

    Flutterwave is on; with `has_stripe` Stripe too, as the second.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # no wait for delayed ACKs
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    sandbox_settings = SandboxSettings(
        app_url=url,
        flutterwave_secret_key=SECRET_KEY,
        flutterwave_webhook_secret_hash=SECRET_HASH,
        stripe_secret_key=STRIPE_KEY if has_stripe else "",
        stripe_webhook_secret=STRIPE_SECRET if has_stripe else "",
    )
    db = await connect(dsn, size=24)
    async with (
        serving(sandbox_settings) as sandbox_url,
        gateway_client() as gateway_http,
        httpx2.AsyncClient(trust_env=False) as sandbox_http,
        httpx2.AsyncClient(
            base_url=url, trust_env=False, timeout=30, cookies=CookieJar(NO_COOKIES)
        ) as client,
    ):
        sandbox = Driver(sandbox_http, sandbox_url)
        settings = Settings(
            app_env="test",
            app_url=url,
            jwt_secret="a secret of the tests, long enough for HS256",
            job_secret_key=JOB_SECRET,
            flutterwave_secret_key=SECRET_KEY,
            flutterwave_webhook_secret_hash=SECRET_HASH,
            flutterwave_base_url=sandbox.api,
            kiti_ticket_key=KEY_32,
            kiti_privacy_key=KEY_32,
        )
        cheap = Passwords(refused=Passwords.of(settings)._refused, time_cost=1, memory_kib=64)
        identity = replace(Identity.of(db, settings), passwords=cheap)
        keys = FlutterwaveKeys(SECRET_KEY, SECRET_HASH)
        gateways: list[Gateway] = [Flutterwave(gateway_http, base_url=sandbox.api, keys=keys)]
        if has_stripe:
            stripe_url = f"{sandbox_url}/stripe"
            stripe_keys = StripeKeys(STRIPE_KEY, STRIPE_SECRET)
            gateways.append(Stripe(gateway_http, base_url=stripe_url, keys=stripe_keys))
        till = Till.of(settings, Gateways(gateways))
        async with _serving(_app(db, settings, identity, till), listener):
            yield Site(url, dsn, db, till, client, sandbox, identity)
        cheap.close()
    await db.close()
