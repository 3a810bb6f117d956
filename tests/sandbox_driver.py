"""Plays the merchant and the customer of the simulated gateways, over real HTTP."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

SECRET_KEY = "FLWSECK_TEST-sandbox-tests-X"
SECRET_HASH = "the-hash-of-sandbox-tests"
DEADLINE_S = 10


@dataclass(frozen=True, slots=True)
class Arrived:
    """One webhook as the merchant's server got it."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.raw)


class Receiver:
    """A merchant's server that takes webhooks: answers with `answers` in turn, then with 200.

    While it `holds`, it takes them and answers nothing.
    """

    def __init__(self) -> None:
        self.url = ""
        self.answers: deque[int] = deque()
        self.holds = False
        self._seen: set[int] = set()
        self._arrived: asyncio.Queue[Arrived] = asyncio.Queue()
        self._connections: dict[asyncio.StreamWriter, asyncio.Event] = {}

    async def next(self) -> Arrived:
        """The next webhook, waited for."""
        return await asyncio.wait_for(self._arrived.get(), DEADLINE_S)

    def is_empty(self) -> bool:
        return self._arrived.empty()

    def connections(self) -> set[int]:
        """The connections over which something came since the last `forget`."""
        return self._seen

    def forget(self) -> None:
        self.answers.clear()
        self._seen.clear()
        while not self._arrived.empty():
            self._arrived.get_nowait()

    @classmethod
    @asynccontextmanager
    async def listening(cls) -> AsyncGenerator["Receiver"]:
        receiver = cls()
        server = await asyncio.start_server(receiver._serve, "127.0.0.1", 0)
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield receiver
        finally:
            server.close()
            for connection, is_over in tuple(receiver._connections.items()):
                connection.transport.abort()
                await is_over.wait()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_over = self._connections[writer] = asyncio.Event()
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}
                raw = await reader.readexactly(int(headers.get("content-length", "0")))
                self._arrived.put_nowait(Arrived(first.split(" ")[1], headers, raw))
                self._seen.add(id(writer))
                if self.holds:
                    continue
                status = self.answers.popleft() if self.answers else 200
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            del self._connections[writer]
            writer.close()
            is_over.set()


class Driver:
    """Calls of the merchant, the customer and the tester."""

    def __init__(self, client: httpx2.AsyncClient, url: str) -> None:
        self.client = client
        self.url = url
        self.api = f"{url}/flutterwave/v3"
        self._numbers = iter(range(1, 10_000))

    def body(self, **changes: object) -> dict[str, Any]:
        """A valid body of `POST /payments` under a new reference."""
        body: dict[str, Any] = {
            "tx_ref": f"BK-{next(self._numbers)}",
            "amount": 7500,
            "currency": "NGN",
            "redirect_url": "https://bus.example/pay/return?lang=en",
            "customer": {"email": "ada@kiti.example", "name": "Ada O", "phonenumber": "0801"},
            "payment_options": "card",
            "meta": {"booking_id": "b-1"},
            "customizations": {"title": "Acme Bus"},
        }
        return {name: value for name, value in (body | changes).items() if value is not ...}

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        params: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """A call of the merchant with the secret key."""
        headers = {"authorization": f"Bearer {SECRET_KEY}"}
        return await self.client.request(
            method, self.api + path, headers=headers, json=json, content=content, params=params
        )

    async def create(self, **changes: object) -> str:
        """A new payment; its hosted link."""
        answer = await self.call("POST", "/payments", json=self.body(**changes))
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["link"]

    async def submit(self, link: str, action: str, **more: str) -> httpx2.Response:
        """What the customer does on the hosted page."""
        return await self.client.post(link, data={"action": action, **more})

    async def paid(self, **changes: object) -> int:
        """A payment created and paid; the transaction's id."""
        answer = await self.submit(await self.create(**changes), "pay")
        assert answer.status_code == 303, answer.text
        return int(httpx2.URL(answer.headers["location"]).params["transaction_id"])

    async def verify(self, charge_id: int) -> dict[str, Any]:
        """The transaction's data."""
        answer = await self.call("GET", f"/transactions/{charge_id}/verify")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def by_reference(self, tx_ref: str) -> httpx2.Response:
        return await self.call(
            "GET", "/transactions/verify_by_reference", params={"tx_ref": tx_ref}
        )

    async def control(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """A call of the tester."""
        return await self.client.request(
            method, f"{self.url}/control{path}", json=json, params=params
        )

    async def fault(self, call: str, fault: str, **more: object) -> None:
        """The next call of this kind goes wrong."""
        order = {"gateway": "flutterwave", "call": call, "fault": fault, **more}
        answer = await self.control("POST", "/faults", json=order)
        assert answer.status_code == 201, answer.text

    async def advance(self, seconds: float) -> None:
        """Move the sandbox's clock."""
        answer = await self.control("POST", "/advance", json={"seconds": seconds})
        assert answer.status_code == 200, answer.text

    async def options(self, **options: object) -> None:
        """How the simulated Flutterwave account behaves."""
        answer = await self.control("PUT", "/flutterwave/options", json=options)
        assert answer.status_code == 200, answer.text

    async def payment(self, tx_ref: str) -> dict[str, Any]:
        """What the sandbox knows under this reference: its newest link."""
        answer = await self.control("GET", "/payments", params={"reference": tx_ref})
        return answer.json()["items"][0]

    async def webhooks(self, tx_ref: str) -> list[dict[str, Any]]:
        """The deliveries for this reference."""
        answer = await self.control("GET", "/webhooks", params={"reference": tx_ref})
        return answer.json()["items"]
