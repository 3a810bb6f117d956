"""Passwords: argon2id in a few threads of its own, so that the event loop never waits for it."""

import asyncio
import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from kiti.config import Settings
from kiti.identity.model import DEMO_PASSWORD, normalise_password
from kiti.platform.errors import Overloaded

Result = TypeVar("Result")

# OWASP's first choice for argon2id: 19 MiB, two passes, one lane; about 30 ms of one core. A hash
# made with other figures is made anew at the next login.
TIME_COST: Final = 2
MEMORY_KIB: Final = 19 * 1024
LANES: Final = 1
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32

# At most 2 x 19 MiB at once, and about half a second of waiting; past it, 503.
THREADS: Final = 2
WAITING_MAX: Final = 32


class Passwords:
    """Hashes and verifies passwords; `refused` are never let in, whoever's hash they match."""

    def __init__(
        self,
        *,
        refused: frozenset[str] = frozenset(),
        time_cost: int = TIME_COST,
        memory_kib: int = MEMORY_KIB,
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost, memory_kib, LANES, HASH_BYTES, SALT_BYTES, type=Type.ID
        )
        self._refused = refused
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="kiti-password")
        self._waiting = 0
        # Verified when there is no account: the same work, and nothing matches random bytes.
        self._nobody = (
            f"$argon2id$v=19$m={memory_kib},t={time_cost},p={LANES}"
            f"${_base64(SALT_BYTES)}${_base64(HASH_BYTES)}"
        )

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As these settings want it: production refuses the demo accounts' public password."""
        return cls(refused=frozenset({DEMO_PASSWORD} if settings.is_production else ()))

    def close(self) -> None:
        """End the threads once their work is done."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def check_new(self, password: str) -> str:
        """The password as it will be hashed.

        Raises:
            ValueError: it is too short, too long or public.
        """
        checked = normalise_password(password)
        if checked in self._refused:
            raise ValueError("known to everybody")
        return checked

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password from `check_new`.

        Raises:
            Overloaded: too many are waiting for a thread.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is the hash's; takes as long, and is False, when there is no hash.

        Raises:
            Overloaded: too many are waiting for a thread.
        """
        try:
            checked = normalise_password(password)
        except ValueError:
            checked = ""  # no account's password; the same work all the same
        matches = await self._run(lambda: self._matches(checked, password_hash or self._nobody))
        return matches and checked not in self._refused

    async def rehash(self, password: str, password_hash: str) -> str | None:
        """A new hash of a password just verified; None when the old one has today's figures."""
        if not self._hasher.check_needs_rehash(password_hash):
            return None
        return await self.hash(normalise_password(password))

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= THREADS + WAITING_MAX:
            raise Overloaded(retry_after_s=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def random_password() -> str:
    """A password nobody chose: 22 letters and digits, 128 bits."""
    return secrets.token_urlsafe(16)


def _base64(length: int) -> str:
    """Random bytes as argon2 writes them: without padding."""
    return base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
