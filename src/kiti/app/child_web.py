"""A web process: `python -m kiti.app.child_web FD`, a child of `kiti serve` or `kiti demo`.

Its settings are whole in the environment; the socket of that number is its parent's.
"""

import gc
import socket
import sys
from collections.abc import Callable
from typing import Final

import uvicorn
import uvloop
from starlette.types import ASGIApp

from kiti.app.parts import WEB_DEADLINES, Parts, open_parts
from kiti.app.web import create_app
from kiti.config import Settings, load_settings
from kiti.jobs.service import know_jobs
from kiti.platform.door import Door
from kiti.platform.log import configure_logging

GRACE_S: Final = 20
KEEP_ALIVE_S: Final = 75


def serve_web(
    settings: Settings,
    dsn: str,
    listener: socket.socket,
    *,
    create: Callable[[Parts], ASGIApp] = create_app,
) -> None:
    """Serve HTTP on the socket until told to stop; requests under way are finished.

    `create` makes the application of the process's parts: the product's, or a benchmark's.
    """

    async def main() -> None:
        async with open_parts(settings, dsn, deadlines=WEB_DEADLINES) as parts:
            async with parts.db.transaction() as conn:
                await know_jobs(conn, parts.jobs)  # so that health sees a worker that never ran
            config = uvicorn.Config(
                create(parts),
                http=Door,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="error",  # a client's broken request is no warning of ours
                server_header=False,
                proxy_headers=False,
                # Longer than clients and proxies keep theirs: else one reuses a connection in the
                # moment in which it is closed here, and its request is lost.
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
            gc.collect()
            gc.freeze()  # what is here by now stays: the collector need not look at it again
            await uvicorn.Server(config).serve(sockets=[listener])

    uvloop.run(main())


def main() -> None:
    """Serve on the socket that the command line names."""
    settings, _ = load_settings()
    configure_logging(is_plain=sys.stderr.isatty())
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        serve_web(settings, settings.database_url, listener)


if __name__ == "__main__":
    main()
