"""Liveness and readiness: `/healthz` says the process runs, `/readyz` that it can serve."""

import asyncio

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from kiti.platform.db import Database
from kiti.platform.errors import DatabaseUnavailable
from kiti.platform.migrate import SchemaDrift, missing_migrations

READY_S = 1.0


def router(db: Database) -> APIRouter:
    """`GET /healthz`, which never touches the database, and `GET /readyz`."""
    routes = APIRouter(tags=["health"])

    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz")
    async def healthz() -> Response:
        """The process runs."""
        return JSONResponse({"status": "ok"})

    @routes.head("/readyz", include_in_schema=False)
    @routes.get("/readyz", responses={503: {"description": "Not ready"}})
    async def readyz() -> Response:
        """The database answers and its schema is this release's."""
        fault = await _fault(db)
        if fault is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": fault}, 503, {"Retry-After": "1"})

    return routes


async def _fault(db: Database) -> str | None:
    try:
        async with asyncio.timeout(READY_S), db.connection() as conn:
            missing = await missing_migrations(conn)
    except (DatabaseUnavailable, TimeoutError):
        return "the database does not answer"
    except SchemaDrift:
        return "the schema is another release's"
    return f"the schema is behind by {len(missing)}: run kiti migrate" if missing else None
