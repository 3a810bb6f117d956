"""Who looks at a page: an account, a guest or nobody; and what their browser is given in return.

Beside what the API knows of callers, a page refreshes an access token that has expired, so that
nobody is thrown out after 15 minutes, and forgets cookies that are no good any more. A browser that
has nothing yet gets a random key, which the tokens of its forms are bound to.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from kiti.booking.model import Booking
from kiti.identity import service
from kiti.identity.caller import SAFE_METHODS, Caller
from kiti.identity.cookies import OF_SESSION, Cookie
from kiti.identity.model import CsrfFailed, SessionEnded
from kiti.identity.parts import Identity
from kiti.identity.service import OpenSession
from kiti.identity.tokens import GuestClaims
from kiti.pages.forms import Form, read_form
from kiti.platform.errors import Unauthenticated

BROWSER_KEY: Final = "browser-key"
_KEY_LENGTH_MAX: Final = 64


@dataclass(slots=True)
class Visit:
    """One request for a page, and what its answer must put right in the browser.

    `guest` is the guest that this browser has been beside an account, or is. `browser_key` is None
    until a form needs it. `opened` is a session begun or refreshed here, `dead` the cookies to
    forget.
    """

    caller: Caller | None
    guest: Caller | None
    browser_key: str | None
    opened: OpenSession | None = None
    met: GuestClaims | None = None
    dead: set[Cookie] = field(default_factory=set[Cookie])
    is_new_browser: bool = False

    @property
    def is_logged_in(self) -> bool:
        """Whether an account is looking."""
        return self.caller is not None and self.caller.kind == "account"

    @property
    def holders(self) -> tuple[UUID, ...]:
        """Whose bookings may be shown: the account's, and those made before logging in."""
        found = [who.id for who in (self.caller, self.guest) if who is not None]
        return tuple(dict.fromkeys(found))

    def owns(self, booking: Booking) -> bool:
        """Whether the booking may be shown and changed here."""
        return booking.holder_id in self.holders

    def binding(self) -> str:
        """What this visitor's form tokens are bound to."""
        if self.caller is not None:
            return self.caller.form_binding
        if self.browser_key is None:
            self.browser_key = secrets.token_urlsafe(16)
            self.is_new_browser = True
        return _browser(self.browser_key)


class Visits:
    """Lets visitors in, and sees to their cookies when they leave."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def enter(self, request: Request) -> Visit:
        """Who asks for a page. Whoever has only bad credentials is nobody here.

        Raises:
            Unauthenticated: `Authorization` or a trusted proxy names nobody.
        """
        return await self._enter(request, None)

    async def submit(self, request: Request) -> tuple[Visit, Form]:
        """Who sends a form, and the form, which carries a token of theirs.

        Raises:
            BodyTooLarge, UnsupportedMediaType, FormUnreadable.
            Unauthenticated: their session has ended.
            CsrfFailed: the token is not theirs.
        """
        form = await read_form(request)
        return await self._enter(request, form.text("csrf")), form

    def form_token(self, visit: Visit) -> str:
        """The token for this visitor's forms."""
        return self._identity.tokens.issue_csrf(visit.binding())

    def leave(self, visit: Visit, response: Response) -> None:
        """Give the browser what it is to keep, and take what it is to forget."""
        identity, now = self._identity, self._identity.clock()
        # First, for what is given anew after it counts.
        identity.cookies.clear(response, *sorted(visit.dead))
        if visit.opened is not None:
            session = visit.opened
            access_token = identity.tokens.issue_access(
                session.account.account_id,
                session_id=session.session_id,
                roles=session.roles,
                now=now,
            )
            identity.cookies.set_session(
                response,
                access_token=access_token,
                refresh_token=session.refresh_token,
                expires_at=session.expires_at,
                now=now,
            )
        if visit.met is not None and _is_longer(visit.met, visit.guest):
            token = identity.tokens.issue_guest(visit.met)
            identity.cookies.set_guest(
                response, token=token, valid_until=visit.met.valid_until, now=now
            )
        if visit.is_new_browser and visit.browser_key is not None:
            response.set_cookie(
                self._key_name(),
                visit.browser_key,
                path="/",
                secure=identity.cookies.is_secure,
                httponly=True,
                samesite="lax",
            )

    async def _enter(self, request: Request, form_token: str | None) -> Visit:
        visit = Visit(None, None, self._browser_key(request))
        # A refusal's page, too, must hand over a session that was refreshed on the way to it.
        request.state.visit = visit
        is_form = request.method not in SAFE_METHODS
        now = self._identity.clock()
        visit.guest = self._guest(request, visit, now)
        try:
            visit.caller = await self._identity.callers.identify(
                request, form_token=form_token if is_form else None
            )
        except CsrfFailed:
            has_session = any(self._identity.cookies.read(request, name) for name in OF_SESSION)
            if has_session or visit.guest is None or not self._is_browsers(visit, form_token):
                raise
            # The form was shown before this browser became a guest: a second click, say.
            visit.caller = visit.guest
            return visit
        except Unauthenticated:
            await self._renew(request, visit, is_form=is_form)
            if is_form and not self._is_theirs(visit, form_token):
                raise CsrfFailed from None
            return visit
        if is_form and visit.caller is None and not self._is_browsers(visit, form_token):
            raise CsrfFailed
        return visit

    async def _renew(self, request: Request, visit: Visit, *, is_form: bool) -> None:
        """Refresh the session whose access token is gone; else forget the cookies that are dead."""
        if "authorization" in request.headers:
            raise Unauthenticated
        token = self._identity.cookies.read(request, "refresh-token")
        if token is not None:
            try:
                session = await service.refresh(self._identity.db, token)
            except SessionEnded:
                visit.dead.update(OF_SESSION)
                if is_form:
                    raise
            else:
                visit.opened, visit.caller = session, _account(session)
                return
        elif self._identity.cookies.read(request, "auth-token") is not None:
            visit.dead.update(OF_SESSION)
        if is_form:
            raise SessionEnded
        visit.caller = visit.guest

    def _guest(self, request: Request, visit: Visit, now: datetime) -> Caller | None:
        """The guest of this browser's cookie; a cookie that is no good is to be forgotten."""
        token = self._identity.cookies.read(request, "guest-token")
        if token is None:
            return None
        try:
            claims = self._identity.tokens.verify(token, now=now)
        except Unauthenticated:
            claims = None
        if claims is None or claims.kind != "guest":
            visit.dead.add("guest-token")
            return None
        return Caller("guest", claims.subject, frozenset(), "cookie", None, claims.expires_at)

    def _is_theirs(self, visit: Visit, form_token: str | None) -> bool:
        return visit.caller is not None and self._identity.tokens.is_csrf(
            form_token or "", visit.caller.form_binding
        )

    def _is_browsers(self, visit: Visit, form_token: str | None) -> bool:
        return visit.browser_key is not None and self._identity.tokens.is_csrf(
            form_token or "", _browser(visit.browser_key)
        )

    def _browser_key(self, request: Request) -> str | None:
        key = request.cookies.get(self._key_name())
        return key if key and len(key) <= _KEY_LENGTH_MAX else None

    def _key_name(self) -> str:
        return f"__Host-{BROWSER_KEY}" if self._identity.cookies.is_secure else BROWSER_KEY


def _browser(key: str) -> str:
    return f"browser:{key}"


def _account(session: OpenSession) -> Caller:
    return Caller(
        kind="account",
        id=session.account.account_id,
        roles=session.roles,
        via="cookie",
        session_id=session.session_id,
        expires_at=session.expires_at,
    )


def _is_longer(met: GuestClaims, guest: Caller | None) -> bool:
    """Whether the new token is of more use than the one the browser has."""
    if guest is None or guest.id != met.guest_id or guest.expires_at is None:
        return True
    return met.valid_until > guest.expires_at
