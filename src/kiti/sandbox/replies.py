"""Requests read and replies given: JSON, and the reply that never comes."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

BODY_BYTES_MAX: Final = 256 * 1024
# Where the server puts the function that cuts the caller's connection.
CUT: Final = "kiti.sandbox.cut"


class BodyRefused(Exception):
    """The body is too large, or no JSON object; the message says which."""


async def read_body(request: Request) -> bytes:
    """The raw body.

    Raises:
        BodyRefused: it is larger than any call of a gateway.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise BodyRefused("Request body is too large")
        parts.append(part)
    return b"".join(parts)


async def read_object(request: Request) -> dict[str, object]:
    """The JSON object sent, with its fractions as Decimal; empty when nothing was sent.

    Raises:
        BodyRefused: too large, not JSON, or JSON but no object.
    """
    raw = await read_body(request)
    if not raw.strip():
        return {}
    try:
        found = cast(
            "object", json.loads(raw, parse_float=Decimal, parse_constant=_refuse_constant)
        )
    except (ValueError, RecursionError) as error:
        raise BodyRefused("Request body is not valid JSON") from error
    if not isinstance(found, dict):
        raise BodyRefused("Request body is not a JSON object")
    return cast("dict[str, object]", found)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _plain_number(value: object) -> int | float:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not written as JSON")


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=_plain_number)


def to_json(body: object) -> bytes:
    """JSON without spaces; a Decimal is a plain number, an integer when it is one."""
    return _ENCODER.encode(body).encode()


def json_reply(body: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(to_json(body), status_code=status, media_type="application/json")


class CutConnection(Response):
    """No answer at all: the caller sees its connection end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut, where the server lets us; else start an answer that never gets its body."""
        cut = cast("Callable[[], None] | None", scope.get(CUT))
        if cut is None:
            headers = [(b"content-length", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            return
        cut()
        while (await receive())["type"] != "http.disconnect":
            pass
