"""The API's documentation: the OpenAPI document, and a page that reads it without a network."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from kiti.platform.http import complete_openapi

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kiti API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="docs">
<noscript><p>This page needs JavaScript. The document it shows is
<a href="/openapi.json">/openapi.json</a>.</p></noscript>
</div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true});
"""


def add_docs(app: FastAPI, *, title: str, version: str) -> None:
    """Add `/openapi.json` (3.1) and `/docs`, with assets from an installed package."""
    document: dict[str, object] = {}

    def openapi() -> dict[str, object]:
        if not document:
            document.update(
                complete_openapi(get_openapi(title=title, version=version, routes=app.routes))
            )
        return document

    app.openapi = openapi  # FastAPI's own way to replace it

    @app.get("/openapi.json", include_in_schema=False)
    async def read_document() -> Response:
        return JSONResponse(openapi())

    @app.get("/docs", include_in_schema=False)
    async def read_docs() -> Response:
        return HTMLResponse(_PAGE)

    @app.get("/docs/start.js", include_in_schema=False)
    async def read_start() -> Response:
        return Response(_START, media_type="text/javascript")

    app.mount("/docs/assets", StaticFiles(directory=_assets()))


def _assets() -> Path:
    """The folder of Swagger UI's files; importing the package would bring its servers along."""
    spec = find_spec("swagger_ui")
    assert spec is not None, "swagger-ui-py is a dependency"  # noqa: S101
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).parent / "static"
