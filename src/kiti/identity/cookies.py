"""The cookies that carry tokens: names, flags, and how they are set and cleared."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Self

from starlette.requests import Request
from starlette.responses import Response

from kiti.config import Settings
from kiti.identity.model import ACCESS_TTL

Cookie = Literal["auth-token", "refresh-token", "guest-token"]
ALL: Final[tuple[Cookie, ...]] = ("auth-token", "refresh-token", "guest-token")
OF_SESSION: Final[tuple[Cookie, ...]] = ("auth-token", "refresh-token")


@dataclass(frozen=True, slots=True)
class Cookies:
    """HttpOnly, SameSite=Lax, Path=/; with `is_secure` also Secure, under the prefix `__Host-`."""

    is_secure: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Secure in production, where there is https; plain on a laptop."""
        return cls(is_secure=settings.is_production)

    def name(self, cookie: Cookie) -> str:
        """The cookie's name in the browser. In production one without the prefix counts nothing."""
        return f"__Host-{cookie}" if self.is_secure else cookie

    def read(self, request: Request, cookie: Cookie) -> str | None:
        """The cookie's value; None when it did not come."""
        return request.cookies.get(self.name(cookie))

    def set_session(
        self,
        response: Response,
        *,
        access_token: str,
        refresh_token: str,
        expires_at: datetime,
        now: datetime,
    ) -> None:
        """Give the browser a session's tokens; `expires_at` is the session's end."""
        self._set(response, "auth-token", access_token, int(ACCESS_TTL.total_seconds()))
        self._set(response, "refresh-token", refresh_token, _seconds(expires_at, now))

    def set_guest(
        self, response: Response, *, token: str, valid_until: datetime, now: datetime
    ) -> None:
        """Give the browser a guest's token."""
        self._set(response, "guest-token", token, _seconds(valid_until, now))

    def clear(self, response: Response, *cookies: Cookie) -> None:
        """Take these cookies from the browser."""
        for cookie in cookies:
            self._set(response, cookie, "", 0)

    def _set(self, response: Response, cookie: Cookie, value: str, max_age_s: int) -> None:
        response.set_cookie(
            self.name(cookie),
            value,
            max_age=max_age_s,
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )


def takes_cookies_only(request: Request) -> bool:
    """Whether a browser is asking: it gets tokens in cookies, where no script can read them."""
    return "origin" in request.headers


def _seconds(until: datetime, now: datetime) -> int:
    return max(0, int((until - now).total_seconds()))
