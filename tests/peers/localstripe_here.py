"""Runs localstripe on this machine alone, in its own environment: it would listen everywhere."""

import logging
import sys

from aiohttp import web  # pyright: ignore[reportMissingImports]  # localstripe's environment has it
from localstripe.server import app  # pyright: ignore[reportMissingImports]  # the same

logging.basicConfig(level=logging.WARNING)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))  # pyright: ignore[reportUnknownMemberType]
