"""The sandbox as a program: its ASGI app, and a server that can cut a caller off."""

import asyncio
import re
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kiti.sandbox.control import Control
from kiti.sandbox.core import Core, Gateway
from kiti.sandbox.flutterwave.gateway import FlutterwaveGateway
from kiti.sandbox.replies import CUT, json_reply
from kiti.sandbox.settings import SandboxSettings
from kiti.sandbox.stripe.gateway import StripeGateway
from kiti.sandbox.stripe.wire import unknown_call

PORT: Final = 8001
_SLASHES: Final = re.compile("/{2,}")


def create_app(settings: SandboxSettings) -> ASGIApp:
    """All simulated gateways and their controls, with state of their own."""
    return _build(settings)[0]


def _build(settings: SandboxSettings) -> tuple[ASGIApp, list[Gateway]]:
    core = Core.make(settings)
    gateways: list[Gateway] = [FlutterwaveGateway(core), StripeGateway(core)]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await core.deliveries.close()
        core.clock.close()

    routes = [route for gateway in gateways for route in gateway.routes()]
    routes += [*Control(core, gateways).routes(), Route("/healthz", _healthz, methods=["GET"])]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={404: _not_found, 405: _not_found},
    )
    app.router.redirect_slashes = False
    return _OneSlash(app), gateways


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _not_found(request: Request, _: Exception) -> Response:
    if request.url.path.startswith("/stripe/"):
        return json_reply(unknown_call(request.method, request.url.path), 404)
    message = f"Cannot {request.method} {request.url.path}"
    return json_reply({"status": "error", "message": message, "data": None}, 404)


class _OneSlash:
    """Reads `//v3/…` as `/v3/…`: the official Node SDK doubles the slash on some calls."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "//" in scope["path"]:
            scope["path"] = _SLASHES.sub("/", scope["path"])
        await self._app(scope, receive, send)


class _Protocol(HttpToolsProtocol):
    """HTTP that tells the app how to end the connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[CUT] = self.transport.abort  # pyright: ignore[reportGeneralTypeIssues]


class _Server(uvicorn.Server):
    """A server inside another program: it says when it is up, and leaves the signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # Accepted sockets inherit it. The event loop would set it, but only on sockets that name their
    # protocol; without it every answer on a kept connection waits 40 ms for a delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _address(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(
    settings: SandboxSettings, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[str]:
    """The sandbox in the caller's own event loop; yields its base URL. Port 0 is any free one.

    Raises:
        OSError: the port cannot be had.
    """
    listener = _listen(host, port)
    server = _Server(_config(create_app(settings)))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    up = asyncio.create_task(server.up.wait())
    try:
        await asyncio.wait({running, up}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield _address(host, listener)
    finally:
        up.cancel()
        server.should_exit = True
        await running


def run(host: str = "127.0.0.1", port: int = PORT, settings: SandboxSettings | None = None) -> None:
    """Serve until interrupted; says on stdout where, and which gateways are on.

    Raises:
        OSError: the port cannot be had.
    """
    settings = settings or SandboxSettings()
    listener = _listen(host, port)
    app, gateways = _build(settings)
    lines = [
        f"sandbox: {_address(host, listener)}",
        f"webhooks go to {settings.app_url}",
        *(gateway.summary() for gateway in gateways),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(_config(app)).run(sockets=[listener])
