"""A peer as a process of its own, started from the folder where `make peers` put it."""

import os
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from waiting import until

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv" / "peers"
START_S = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def peer(*command: str | Path, log: Path, settings: Mapping[str, str]) -> Generator[None]:
    """The command, until the block ends."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(log.parent), **settings}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in command],
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()


async def listens(url: str) -> None:
    """Wait until somebody answers there, whatever it is."""
    async with httpx2.AsyncClient(trust_env=False) as client:

        async def answers() -> bool:
            with suppress(httpx2.TransportError):
                await client.get(url)
                return True
            return False

        await until(answers, seconds=START_S)
