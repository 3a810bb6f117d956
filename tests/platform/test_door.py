"""Clients that are slow, silent, too many or wrong, at a real socket; and the good one beside."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from kiti.platform.door import Door, DoorLimits
from kiti.platform.http import read_json
from kiti.platform.outer import OuterLayer, install_problems
from waiting import until

GOOD = b"GET /hello HTTP/1.1\r\nhost: here\r\n\r\n"
POST = b"POST /hello HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"


class Quick(Door):
    limits = DoorLimits(
        head_s=0.3, over_s=0.1, body_s=0.3, drain_s=0.3, head_bytes=2000, headers=20, connections=8
    )


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Site:
    """A server behind the door, and what its routes have seen."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.bodies: list[Any] = []
        self.written = asyncio.Event()
        self._clients: list[Client] = []

    def app(self) -> OuterLayer:
        app = FastAPI()
        install_problems(app)

        @app.get("/hello")
        async def hello() -> Response:
            return JSONResponse({"hello": "there"})

        @app.post("/hello")
        async def take(request: Request) -> Response:
            self.bodies.append((await read_json(request)).value)
            return JSONResponse({"taken": len(self.bodies)})

        @app.get("/much")
        async def much() -> Response:
            async def pieces() -> AsyncGenerator[bytes]:
                for _ in range(1000):
                    yield b"x" * 65536
                self.written.set()

            return StreamingResponse(pieces())

        return OuterLayer(app)

    async def open(self) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._clients.append(Client(reader, writer))
        return self._clients[-1]

    async def close(self) -> None:
        """Close every client."""
        for client in self._clients:
            client.close()
            with suppress(OSError):
                await client.writer.wait_closed()


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> "Client":
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
        return self

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")[:-2]
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body

    async def end(self) -> bytes:
        """What comes until the server closes; TimeoutError when it does not."""
        async with asyncio.timeout(10):
            with suppress(ConnectionResetError):
                return await self.reader.read()
        return b""

    async def problem(self, status: int, code: str) -> dict[str, Any]:
        """A refusal, after which the connection is closed."""
        got, headers, body = await self.answer()
        document = json.loads(body)
        assert (got, document["code"], document["status"]) == (status, code, status)
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert headers["x-request-id"] == document["requestId"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "date" in headers
        assert await self.end() == b""
        return document | {"headers": headers}

    def close(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def serving(door: type[asyncio.Protocol]) -> AsyncGenerator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        site = Site(listener.getsockname()[1])
        config = uvicorn.Config(
            site.app(), http=door, ws="none", lifespan="off", access_log=False, log_level="error"
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))

        async def is_up() -> bool:
            return server.started

        await until(is_up)
        try:
            yield site
        finally:
            await site.close()
            server.should_exit = True
            await running


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    async with serving(Quick) as up:
        yield up


async def assert_good(site: Site) -> None:
    """A good client is answered."""
    good = await (await site.open()).send(GOOD)
    async with asyncio.timeout(10):
        assert (await good.answer())[0] == 200
    good.close()


async def test_a_connection_that_says_nothing_is_closed(site: Site) -> None:
    silent = await site.open()
    assert await silent.end() == b""


async def test_a_head_that_does_not_end_is_refused(site: Site) -> None:
    slow = await (await site.open()).send(b"GET /hello HTTP/1.1\r\nhost: ")
    await slow.problem(408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize("drip", [b"x", b"x: y\r\n", b"\r\n"])
async def test_a_byte_now_and_then_moves_no_deadline(site: Site, drip: bytes) -> None:
    slow = await site.open()
    await slow.send(b"" if drip == b"\r\n" else b"GET /hello HTTP/1.1\r\nhost: here\r\nx")
    ended = asyncio.create_task(slow.end())
    while not ended.done():
        with suppress(ConnectionError):
            await slow.send(drip)
        await asyncio.wait((ended,), timeout=0.05)
    assert ended.result() == b"" or ended.result().startswith(b"HTTP/1.1 408 ")


async def test_line_ends_on_a_kept_connection_do_not_keep_it(site: Site) -> None:
    kept = await (await site.open()).send(GOOD)
    assert (await kept.answer())[0] == 200
    ended = asyncio.create_task(kept.end())
    while not ended.done():
        with suppress(ConnectionError):
            await kept.send(b"\r\n")
        await asyncio.wait((ended,), timeout=0.05)
    assert ended.result() == b""


async def test_a_body_that_does_not_end_is_refused_and_its_route_ends_quietly(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    slow = await (await site.open()).send(POST, b"content-length: 10\r\n\r\n{")
    await slow.problem(408, "REQUEST_TIMEOUT")
    gone = await (await site.open()).send(POST, b"content-length: 10\r\n\r\n{")
    gone.close()
    await assert_good(site)
    assert site.bodies == []
    said = capfd.readouterr()
    assert "request failed" not in said.out + said.err + caplog.text
    assert "Traceback" not in said.out + said.err + caplog.text


async def test_many_slow_clients_are_all_closed_and_a_good_one_is_answered() -> None:
    class Roomy(Quick):
        limits = DoorLimits(head_s=0.5, body_s=0.5)

    async with serving(Roomy) as site:
        heads = [await (await site.open()).send(b"GET /hello HT") for _ in range(100)]
        bodies = [
            await (await site.open()).send(POST, b"content-length: 10\r\n\r\n{") for _ in range(100)
        ]
        await assert_good(site)
        ends = await asyncio.gather(*(client.end() for client in (*heads, *bodies)))
        assert {end[:12] for end in ends} == {b"HTTP/1.1 408"}
        await assert_good(site)


async def test_twin_uvicorn_alone_waits_for_a_slow_client() -> None:
    async with serving(Door.__mro__[1]) as site:
        slow = await (await site.open()).send(b"GET /hello HTTP/1.1\r\nhost: ")
        ended = asyncio.create_task(slow.end())
        done, _ = await asyncio.wait((ended,), timeout=1.0)
        assert done == set()
        slow.close()
        await ended


async def test_a_client_that_does_not_read_its_answer_is_let_go(site: Site) -> None:
    greedy = await (await site.open()).send(b"GET /much HTTP/1.1\r\nhost: here\r\n\r\n")
    assert (await greedy.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    async with asyncio.timeout(10):
        await site.written.wait()  # to nobody: it was more than any buffer takes
    assert len(await greedy.end()) < 1000 * 65536


async def test_twin_uvicorn_alone_keeps_the_answer_for_ever() -> None:
    async with serving(Door.__mro__[1]) as site:
        await (await site.open()).send(b"GET /much HTTP/1.1\r\nhost: here\r\n\r\n")
        waiting = asyncio.create_task(site.written.wait())
        done, _ = await asyncio.wait((waiting,), timeout=1.0)
        assert done == set()
        await site.close()
        await waiting


@pytest.mark.parametrize(
    "head",
    [
        b"GET /hello HTTP/1.1\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: here\r\nhost: here\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: here\r\nHost: there\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: here/there\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: he re\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: here\r\n folded: x\r\n\r\n",
        b"GET /hello HTTP/9.9\r\nhost: here\r\n\r\n",
        b"GET /hello\r\n\r\n",
        b"HELLO\r\n\r\n",
        b"GET /hell\xf6 HTTP/1.1\r\nhost: here\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        POST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        POST + b"content-length: -1\r\n\r\n{}",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_as_a_problem(site: Site, head: bytes) -> None:
    client = await (await site.open()).send(head)
    await client.problem(400, "MALFORMED_REQUEST")
    assert site.bodies == []
    await assert_good(site)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /hello HTTP/1.0\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost:\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n",
        b"\r\nGET /hello HTTP/1.1\r\nHost: kiti.example\r\n\r\n",
    ],
)
async def test_what_is_a_request_is_answered(site: Site, head: bytes) -> None:
    assert (await (await (await site.open()).send(head)).answer())[0] == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /hello HTTP/1.1\r\nhost: here\r\nx: " + b"y" * 3000 + b"\r\n\r\n",
        b"GET /hello?" + b"y" * 3000 + b" HTTP/1.1\r\nhost: here\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: here\r\n" + b"x: y\r\n" * 30 + b"\r\n",
        b"GET /hello HTTP/1.1\r\nhost: here\r\nx: " + b"y" * 3000,
        b"GET /hello HTTP/1.1\r\nhost: here\r\nx: " + b"y" * 500_000,
    ],
)
async def test_a_head_too_large_is_refused(site: Site, head: bytes) -> None:
    client = await (await site.open()).send(head)
    await client.problem(431, "HEADERS_TOO_LARGE")


async def test_over_the_limit_of_connections_a_request_is_refused_and_told_when(
    site: Site,
) -> None:
    kept = [await (await site.open()).send(GOOD) for _ in range(Quick.limits.connections)]
    for one in kept:
        assert (await one.answer())[0] == 200
    over = await (await site.open()).send(GOOD)
    document = await over.problem(503, "OVERLOADED")
    assert document["headers"]["retry-after"] == "1"
    for one in kept:
        one.close()
    await until(lambda: is_answered(site))


async def is_answered(site: Site) -> bool:
    client = await (await site.open()).send(GOOD)
    status, _, _ = await client.answer()
    client.close()
    return status == 200


async def test_requests_one_after_the_other_on_one_connection(site: Site) -> None:
    client = await site.open()
    body = b"content-length: 2\r\n\r\n{}"
    await client.send(GOOD + POST + body + GOOD)  # pipelined
    answers = [await client.answer() for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 200]
    await client.send(POST + b"content-length: 2\r\n\r\n{", b"}")
    assert (await client.answer())[0] == 200
    assert site.bodies == [{}, {}]


async def test_a_method_that_the_path_does_not_take_is_told_which_it_takes(site: Site) -> None:
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{site.port}", trust_env=False
    ) as client:
        answer = await client.put("/hello")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, POST"
