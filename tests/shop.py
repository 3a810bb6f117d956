"""What a program does at the product's front door: find trips, hold seats, read bookings, pay."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from identity_site import assert_problem
from kiti.platform.clock import utc_now
from product_process import Product
from waiting import until

PASSWORD = "a long walk to the station"
RESERVE = "/api/bookings/reserve"
DAYS_MAX = 40


def bearer(token: str | None) -> dict[str, str]:
    """The header of whoever has this token; nobody's when there is none."""
    return {} if token is None else {"authorization": f"Bearer {token}"}


def instant(text: str) -> datetime:
    """An instant of the API."""
    assert text.endswith("Z"), text
    return datetime.fromisoformat(text)


@dataclass
class Shop:
    """Sales at a running product, on trips from one place to another that nobody else uses."""

    product: Product
    origin: str
    destination: str
    _day: int = 1
    _calm: dict[str, Any] | None = None
    _trips: deque[dict[str, Any]] = field(default_factory=deque[dict[str, Any]])

    def day(self, ahead: int) -> str:
        """The date in so many days, as one types it."""
        return (utc_now().date() + timedelta(days=ahead)).isoformat()

    async def get(self, path: str, token: str | None = None, **params: str) -> httpx2.Response:
        return await self.product.client.get(path, params=params, headers=bearer(token))

    async def post(
        self, path: str, body: object, token: str | None = None, **headers: str
    ) -> httpx2.Response:
        """Headers are named with underscores for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.product.client.post(path, json=body, headers=bearer(token) | named)

    async def place(self, typed: str) -> dict[str, Any]:
        """The first place that is offered for what is typed."""
        answer = await self.get("/api/stops", q=typed)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"][0]

    async def search(
        self, origin_id: str, destination_id: str, date: str, **more: str
    ) -> list[dict[str, Any]]:
        """The trips found on that date."""
        found = {"from": origin_id, "to": destination_id, "date": date, "limit": "100"}
        answer = await self.get("/api/trips", **found, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    async def fresh_trip(self) -> dict[str, Any]:
        """A trip that was not given before, as the search shows it."""
        while not self._trips:
            assert self._day <= DAYS_MAX, "no trip is left"
            origin, destination = await self.place(self.origin), await self.place(self.destination)
            on = self.day(self._day)
            self._day += 1
            self._trips.extend(await self.search(origin["id"], destination["id"], on))
        return self._trips.popleft()

    async def search_again(self, trip: Mapping[str, Any]) -> dict[str, Any]:
        """The trip as the search shows it now."""
        ends = trip["from"]["stopId"], trip["to"]["stopId"]
        found = await self.search(*ends, trip["from"]["localTime"][:10])
        (again,) = [item for item in found if item["id"] == trip["id"]]
        return again

    async def a_trip(self) -> dict[str, Any]:
        """One trip on which nothing is held for longer than a test."""
        if self._calm is None:
            self._calm = await self.fresh_trip()
        return self._calm

    async def stops_of(self, trip: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The calls of a trip."""
        answer = await self.get(f"/api/trips/{trip['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()["stops"]

    async def reserve(
        self,
        trip: Mapping[str, Any],
        seats: Sequence[str] | None = None,
        *,
        token: str | None = None,
        key: str | None = None,
        **fields: object,
    ) -> httpx2.Response:
        """Ask for seats; `from_` stands for `from`."""
        body: dict[str, object] = {"tripId": trip["id"]}
        body |= {name.removesuffix("_"): value for name, value in fields.items()}
        if seats is not None:
            body["seatNumbers"] = list(seats)
        headers = {} if key is None else {"idempotency_key": key}
        return await self.post(RESERVE, body, token, **headers)

    async def hold(
        self,
        trip: Mapping[str, Any],
        seats: Sequence[str] | None = None,
        *,
        token: str | None = None,
        key: str | None = None,
        **fields: object,
    ) -> dict[str, Any]:
        """Seats that are held now."""
        answer = await self.reserve(trip, seats, token=token, key=key, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def refused(
        self,
        trip: Mapping[str, Any],
        seats: Sequence[str],
        *,
        token: str | None = None,
        key: str | None = None,
        **fields: object,
    ) -> list[str]:
        """Which of the seats are in the way of holding them."""
        answer = await self.reserve(trip, seats, token=token, key=key, **fields)
        return assert_problem(answer, 409, "SEATS_UNAVAILABLE")["unavailable"]

    async def statuses(self, trip: Mapping[str, Any], **params: str) -> dict[str, str]:
        """Each seat's status, by its number; `from_` stands for `from`."""
        named = {name.removesuffix("_"): value for name, value in params.items()}
        answer = await self.get(RESERVE, tripId=trip["id"], **named)
        assert answer.status_code == 200, answer.text
        return {seat["seatNumber"]: seat["status"] for seat in answer.json()["seats"]}

    async def booking(self, held: Mapping[str, Any], token: str | None = None) -> dict[str, Any]:
        """The booking as its holder reads it; a guest's own token unless another is given."""
        answer = await self.get(f"/api/bookings/{held['bookingId']}", token or held["guestToken"])
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def extend(
        self, held: Mapping[str, Any], minutes: object, token: str | None = None
    ) -> httpx2.Response:
        path = f"/api/bookings/{held['bookingId']}/extend"
        return await self.post(path, {"minutes": minutes}, token or held["guestToken"])

    async def release(self, held: Mapping[str, Any], token: str | None = None) -> httpx2.Response:
        return await self.product.client.delete(
            f"{RESERVE}/{held['bookingId']}", headers=bearer(token or held["guestToken"])
        )

    async def initiate(
        self, held: Mapping[str, Any], token: str | None = None, **changes: object
    ) -> httpx2.Response:
        body = {
            "bookingId": held["bookingId"],
            "amount": held["total"]["amount"],
            "paymentMethod": "CARD",
            "idempotencyKey": str(uuid4()),
        }
        return await self.post("/api/payments/initiate", body | changes, token)

    async def pay(self, held: Mapping[str, Any], token: str | None = None) -> dict[str, Any]:
        """Pay at the gateway's page; the payment."""
        token = token or held["guestToken"]
        answer = await self.initiate(held, token)
        assert answer.status_code == 201, answer.text
        payment = answer.json()
        paid = await self.product.client.post(payment["redirectUrl"], data={"action": "pay"})
        assert paid.status_code == 303, paid.text
        return payment

    async def buy(self, held: Mapping[str, Any], token: str | None = None) -> dict[str, Any]:
        """Pay, wait for the ticket without asking for the payment; the booking."""
        await self.pay(held, token)
        return await self.confirmed(held, token)

    async def confirmed(self, held: Mapping[str, Any], token: str | None = None) -> dict[str, Any]:
        """The booking, once it is confirmed."""

        async def is_confirmed() -> bool:
            return (await self.booking(held, token))["status"] == "CONFIRMED"

        await until(is_confirmed, seconds=60)
        return await self.booking(held, token)

    async def register(self) -> dict[str, Any]:
        """A new passenger's session."""
        email = f"{uuid4().hex}@kiti.example"
        body = {"email": email, "password": PASSWORD, "name": "Ada Obi"}
        answer = await self.post("/api/auth/register", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def audit(self) -> list[dict[str, str]]:
        """What `kiti audit` finds; nothing when every invariant holds."""
        done = await self.product.run("audit", "--json")
        found = httpx2.Response(200, text=done.out).json()
        assert done.code == (0 if found["holds"] else 1), done.err
        return found["findings"]
