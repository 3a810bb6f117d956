"""The product as its users run it: commands as processes, a data folder of their own, real HTTP."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import asyncpg
import httpx2

from embedded_commands import children_of
from kiti.config import Settings
from kiti.platform.postgres import embedded
from waiting import until

START_S = 90.0  # a machine that is busy with other tests, and a database that is made first
STOP_S = 40.0
COMMAND_S = 120.0
# Programs: each goes by its Bearer token.
NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])
# Two hundred callers at once, each by a connection of its own.
MANY = httpx2.Limits(max_connections=256, max_keepalive_connections=256)

_ADDRESS = re.compile(r"Kiti (?:runs on|serves) (https?://[\w.:]+)")
_SANDBOX = re.compile(r"^sandbox: (http://[\w.:]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended, and what it said."""

    code: int
    out: str
    err: str


@contextmanager
def own_folder() -> Generator[Path]:
    """A new folder that the database's user can enter, which pytest's own does not let it."""
    folder = Path(tempfile.mkdtemp(prefix="kiti-journey-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def environment(data_dir: Path | None = None, **settings: str) -> dict[str, str]:
    """This process's environment without any setting of Kiti's, and without proxies."""
    settings_known = {name.upper() for name in Settings.model_fields}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in settings_known
        and not name.startswith("KITI_")
        and not name.lower().endswith("_proxy")
    }
    return kept | ({} if data_dir is None else {"KITI_DATA_DIR": str(data_dir)}) | settings


def run_kiti(
    *arguments: str | Path, cwd: Path, environment: Mapping[str, str], typed: str = ""
) -> Ran:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "kiti", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Product:
    """A long-running command of Kiti, from its start to its end; it may be started again."""

    def __init__(self, folder: Path, *command: str, **settings: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.environment = environment(self.data_dir, **settings)
        # Told its public address, it does not tell where it listens.
        self.url = f"http://127.0.0.1:{_free_port()}" if "APP_URL" in settings else ""
        self.said = folder / "out"
        self._log = folder / "err"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx2.AsyncClient | None = None

    @property
    def client(self) -> httpx2.AsyncClient:
        """A program that calls the server; it keeps no cookies."""
        assert self._client is not None, "not started"
        return self._client

    @property
    def pid(self) -> int:
        """The command that was started."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the command has not ended."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it, at the same port as before if it ran before, and wait until it is ready."""
        self._process = self._spawn(httpx2.URL(self.url).port or 0)
        try:
            await until(self._has_told_address, seconds=START_S)
            await self.connect()
            await until(self.is_ready, seconds=START_S)
        except (TimeoutError, AssertionError) as error:
            raise AssertionError(f"it did not start:\n{self.log()[-4000:]}") from error

    async def connect(self) -> None:
        """Call by new connections: a killed process leaves dead ones behind."""
        before, self._client = self._client, self.new_client(cookies=CookieJar(NO_COOKIES))
        if before is not None:
            await before.aclose()

    def _spawn(self, port: int) -> "subprocess.Popen[bytes]":
        with self.said.open("wb") as out, self._log.open("wb") as err:
            return subprocess.Popen(
                [sys.executable, "-m", "kiti", *self._command, "--port", str(port)],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # a terminal's group of processes
            )

    def new_client(self, *, cookies: CookieJar | None = None) -> httpx2.AsyncClient:
        """A client that keeps its cookies, unless given a jar that does not."""
        return httpx2.AsyncClient(
            base_url=self.url, trust_env=False, timeout=30, limits=MANY, cookies=cookies
        )

    async def _has_told_address(self) -> bool:
        assert self.is_running, "it has ended"
        found = _ADDRESS.search(self.said.read_text("utf-8") + self.log())
        if found is not None and not self.url:
            self.url = found[1]
        return found is not None

    async def is_ready(self) -> bool:
        """Whether the server says that it can serve, and the sandbox that it listens."""
        if self._command == ("demo",) and not self.sandbox_url:
            return False
        with suppress(httpx2.TransportError):
            return (await self.client.get("/readyz")).status_code == 200
        return False

    @property
    def sandbox_url(self) -> str:
        """Where the simulated gateways are; empty until they listen."""
        found = _SANDBOX.search(self.said.read_text("utf-8"))
        return found[1] if found else ""

    def log(self) -> str:
        """What it has said on stderr since its start."""
        return self._log.read_text("utf-8", errors="replace")

    def children(self, words: str) -> list[int]:
        """Its child processes whose command line has these words."""
        found: list[int] = []
        for pid in children_of(self.pid):
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if words in line:
                    found.append(pid)
        return found

    async def stop(self) -> int:
        """Press Ctrl-C; the exit code."""
        assert self._process is not None, "not started"
        os.killpg(self._process.pid, signal.SIGINT)  # as a terminal does
        code = await asyncio.to_thread(self._process.wait, STOP_S)
        await self._forget_client()
        return code

    async def kill(self) -> None:
        """End the command by SIGKILL; its children are the kernel's affair."""
        assert self._process is not None, "not started"
        self._process.kill()
        await asyncio.to_thread(self._process.wait, STOP_S)

    async def _forget_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def run(self, *arguments: str | Path, **settings: str) -> Ran:
        """A second command on the same data folder, to its end."""
        known = self.environment | settings
        return await asyncio.to_thread(run_kiti, *arguments, cwd=self.folder, environment=known)

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[asyncpg.Connection]:
        """A connection to the embedded database, through its socket."""
        with embedded(self.data_dir) as attached:
            conn = await asyncpg.connect(attached.dsn, timeout=10)
            try:
                yield conn
            finally:
                await conn.close()

    async def value(self, sql: str, *args: object) -> object:
        """The first value of one statement."""
        async with self.database() as conn:
            return await conn.fetchval(sql, *args)

    async def let_expire(self, booking_id: str) -> None:
        """Move a hold's end to this instant: the clock of the database cannot be moved."""
        async with self.database() as conn:
            done = await conn.execute(
                "UPDATE booking SET expires_at = clock_timestamp() "
                "WHERE booking_id = $1::text::uuid AND status = 'held'",
                booking_id,
            )
        assert done == "UPDATE 1", done


@asynccontextmanager
async def running(folder: Path, *command: str, **settings: str) -> AsyncGenerator[Product]:
    """The command, started and stopped as a user does it; it must end well."""
    product = Product(folder, *command, **settings)
    try:
        await product.start()
        yield product
    finally:
        if product.is_running:
            code = await product.stop()
            assert code == 0, f"exit code {code}:\n{product.log()[-4000:]}"
