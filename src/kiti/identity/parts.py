"""Identity put together: what routes and pages need of it, made once from the settings."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from kiti.config import Settings
from kiti.identity.caller import Callers
from kiti.identity.cookies import Cookies
from kiti.identity.passwords import Passwords
from kiti.identity.tokens import Tokens
from kiti.platform.clock import utc_now
from kiti.platform.db import Database


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts that belong to one server. Close `passwords` when it ends."""

    db: Database
    passwords: Passwords
    tokens: Tokens
    cookies: Cookies
    callers: Callers
    clock: Callable[[], datetime]

    @classmethod
    def of(
        cls, db: Database, settings: Settings, *, clock: Callable[[], datetime] = utc_now
    ) -> Self:
        """With the secrets, origin and trusted proxies of these settings.

        Raises:
            ConfigurationError: JWT_SECRET is missing, or a list of addresses cannot be read.
        """
        tokens = Tokens.of(settings)
        cookies = Cookies.of(settings)
        callers = Callers(db, settings=settings, tokens=tokens, cookies=cookies, clock=clock)
        return cls(db, Passwords.of(settings), tokens, cookies, callers, clock)
