"""The reference that does nothing: routes in the product's own application, before its hot ones.

Run as `python -m bench.empty FD`: the product's server with two more routes. They pass the same
outer layer and front function; the POST also reads the same body, asks who is calling and checks
the same fields. Then they answer a constant.
"""

import socket
import sys
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp

from kiti.app.child_web import serve_web
from kiti.app.parts import Parts
from kiti.app.web import create_api
from kiti.booking.routes import RESERVE
from kiti.booking.schemas import ReserveIn
from kiti.config import load_settings
from kiti.platform.http import Answer, parse, read_json
from kiti.platform.log import configure_logging
from kiti.platform.outer import OuterLayer

PATH: Final = "/api/bench/empty"
POSTED: Final = Answer(201, b'{"empty":true}')
GOT: Final = Answer(200, b'{"empty":true}')


def create_app(parts: Parts) -> ASGIApp:
    """The product's application with the empty routes in it."""
    api = create_api(parts)
    routes = APIRouter(tags=["bench"])

    @routes.post(PATH, status_code=201)
    async def post(request: Request) -> Response:
        body = await read_json(request)
        await parts.identity.callers.require(request)
        parse(ReserveIn, body)
        return POSTED.response()

    @routes.get(PATH)
    async def get() -> Response:
        return GOT.response()

    # Just before the route it is compared with: a table of routes is searched from its top.
    scope = {"type": "http", "method": "POST", "path": RESERVE, "root_path": "", "headers": []}
    at = next(n for n, r in enumerate(api.routes) if r.matches(scope)[0] is Match.FULL)
    api.include_router(routes)
    api.router.routes.insert(at, api.router.routes.pop())
    return OuterLayer(api)


def main() -> None:
    """Serve on the socket that the command line names."""
    settings, _ = load_settings()
    configure_logging(is_plain=False)
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        serve_web(settings, settings.database_url, listener, create=create_app)


if __name__ == "__main__":
    main()
