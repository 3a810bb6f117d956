"""The outer layer of every request: its id, its limits, its log line, and problems for what fails.

A plain ASGI function around the application (a middleware class of a framework costs several times
as much). It logs the route's pattern, never the path's ids, the query, a body or a header.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kiti.platform.clock import monotonic_s
from kiti.platform.errors import (
    DomainError,
    Internal,
    MethodNotAllowed,
    NotFound,
    Unavailable,
    ValidationFailed,
)
from kiti.platform.http import pointer, problem_response
from kiti.platform.ids import new_id

log: Final = structlog.get_logger("kiti.http")

METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
CLIENT_LEFT: Final = 499  # nginx's word for it, in the log alone
SECURITY_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]


class OuterLayer:
    """Wraps an ASGI application: request id in and out, one log line, 500 without a trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        began = monotonic_s()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *SECURITY_HEADERS,
                ]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            log.exception("request failed", request_id=request_id)
            if status == 0:
                response = problem_response(
                    Internal(), request_id=request_id, instance=scope["path"]
                )
                await response(scope, receive, sending)
        finally:
            route = scope.get("route")
            log.info(
                "request",
                request_id=request_id,
                method=scope["method"],
                route=getattr(route, "path", None),
                status=status,
                ms=round((monotonic_s() - began) * 1000, 1),
            )


def install_problems(
    app: FastAPI, *, as_page: Callable[[Request, DomainError], Response] | None = None
) -> None:
    """Render every refusal of the API as a problem document, FastAPI's own ones too.

    Outside /api, where people look, `as_page` renders it when given, bugs too.
    """

    async def refuse(request: Request, error: Exception) -> Response:
        refusal = _as_refusal(error)
        if isinstance(refusal, Unavailable):
            cause = type(refusal.__cause__).__name__
            log.warning("away", request_id=request.state.request_id, cause=cause)
        if as_page is not None and not _is_api(request.url.path):
            return as_page(request, refusal)
        return problem_response(
            refusal, request_id=request.state.request_id, instance=request.url.path
        )

    async def refuse_method(request: Request, error: Exception) -> Response:
        out = await refuse(request, error)
        if isinstance(error, HTTPException) and error.status_code == 405:
            out.headers["Allow"] = ", ".join(_methods(app, request.scope))
        return out

    for kind in (DomainError, RequestValidationError):
        app.add_exception_handler(kind, refuse)
    app.add_exception_handler(HTTPException, refuse_method)
    app.add_exception_handler(ClientDisconnect, _left)
    if as_page is not None:  # what it answers is sent, then the bug goes on to the outer layer
        app.add_exception_handler(Exception, refuse)


async def _left(request: Request, error: Exception) -> Response:
    """The client has gone before its request was whole: nobody hears, and nothing is wrong."""
    del request, error
    return Response(status_code=CLIENT_LEFT)


def _methods(app: FastAPI, scope: Scope) -> list[str]:
    """The methods that this path takes (RFC 9110 15.5.6)."""
    return [
        method
        for method in METHODS
        if any(r.matches({**scope, "method": method})[0] is Match.FULL for r in app.routes)
    ]


def _is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def _as_refusal(error: Exception) -> DomainError:
    if isinstance(error, DomainError):
        return error
    if isinstance(error, RequestValidationError):
        return ValidationFailed(errors=[_fault(item) for item in error.errors()])
    if isinstance(error, HTTPException) and error.status_code == 405:
        return MethodNotAllowed()
    return NotFound() if isinstance(error, HTTPException) else Internal()


def _fault(item: dict[str, Any]) -> dict[str, str]:
    """A fault in a path or query parameter: FastAPI puts where it stood first, then its name."""
    return {"pointer": pointer(tuple(item["loc"][1:])), "message": item["msg"]}
