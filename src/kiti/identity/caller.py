"""Who is calling: the one place where a request becomes a caller, or a refusal."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from starlette.requests import Request

from kiti.config import ConfigurationError, Settings
from kiti.identity import service
from kiti.identity.cookies import Cookies
from kiti.identity.model import AccountId, BadToken, CsrfFailed, Role, SessionId
from kiti.identity.tokens import Claims, Tokens
from kiti.platform.clock import utc_now
from kiti.platform.db import Database
from kiti.platform.errors import Forbidden, Unauthenticated

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
API_KEY_PREFIX: Final = "kiti_"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, and by what.

    `id` is an account's or a guest's. `roles` are those of the account when the token was made, at
    most 15 minutes ago; a guest has none, and by `proxy` an account is a passenger only.
    `session_id` is None but for an account's own token; `expires_at` is the token's end, None by
    `proxy`.
    """

    kind: Literal["account", "guest"]
    id: UUID
    roles: frozenset[Role]
    via: Literal["bearer", "cookie", "proxy"]
    session_id: SessionId | None
    expires_at: datetime | None

    @property
    def form_binding(self) -> str:
        """What the tokens of this caller's forms are bound to: it outlives an access token."""
        return f"{self.kind}:{self.session_id or self.id}"

    @property
    def scope(self) -> str:
        """Whose idempotency keys are this caller's own."""
        return f"{self.kind}:{self.id}"

    def require_account(self) -> AccountId:
        """The account's id.

        Raises:
            Forbidden: the caller is a guest.
        """
        if self.kind != "account":
            raise Forbidden("this needs an account")
        return AccountId(self.id)

    def require_role(self, *roles: Role) -> None:
        """Refuse a caller who has none of these roles.

        Raises:
            Forbidden: none of them.
        """
        if self.roles.isdisjoint(roles):
            raise Forbidden


class Callers:
    """Decides who is calling, by the order: Authorization, a trusted proxy's x-user-id, cookies."""

    def __init__(
        self,
        db: Database,
        *,
        settings: Settings,
        tokens: Tokens,
        cookies: Cookies,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._cookies = cookies
        self._clock = clock
        self._origin = origin_of(settings.app_url)
        self._proxies = networks(settings.trusted_identity_proxies)

    async def identify(self, request: Request, *, form_token: str | None = None) -> Caller | None:
        """Who is calling; None only when no credential of any kind came.

        A page passes what its form carried as `form_token`; it then stands in for the Origin.

        Raises:
            Unauthenticated: a credential came that is not good. Never a guest instead.
            CsrfFailed: a cookie's POST, PUT, PATCH or DELETE that may come from another site.
        """
        authorization = request.headers.getlist("authorization")
        if authorization:
            return self._by_authorization(authorization)
        user_ids = request.headers.getlist("x-user-id")
        if user_ids and self._is_trusted(request):
            return await self._by_proxy(user_ids)
        caller = self._by_cookie(request)
        if caller is not None and request.method not in SAFE_METHODS:
            if form_token is None:
                self.require_origin(request)
            elif not self._tokens.is_csrf(form_token, caller.form_binding):
                raise CsrfFailed
        return caller

    async def require(self, request: Request, *, form_token: str | None = None) -> Caller:
        """Who is calling, as `identify`.

        Raises:
            Unauthenticated: nobody, or somebody with a bad credential.
            CsrfFailed: as `identify`.
        """
        caller = await self.identify(request, form_token=form_token)
        if caller is None:
            raise Unauthenticated
        return caller

    def require_origin(self, request: Request) -> None:
        """Refuse a request that does not say it comes from APP_URL.

        Raises:
            CsrfFailed: no Origin, another, or more than one.
        """
        if self._origin is None or request.headers.getlist("origin") != [self._origin]:
            raise CsrfFailed

    def refuse_other_origin(self, request: Request) -> None:
        """Refuse a request that says it comes from another site; a program says nothing, and may.

        Raises:
            CsrfFailed: an Origin that is not APP_URL's.
        """
        if "origin" in request.headers:
            self.require_origin(request)

    def _by_authorization(self, values: list[str]) -> Caller:
        scheme, _, token = values[0].partition(" ")
        token = token.strip()
        if len(values) != 1 or scheme.lower() != "bearer" or not token:
            raise BadToken
        if token.startswith(API_KEY_PREFIX):
            raise BadToken("there are no API keys yet")
        return _caller(self._tokens.verify(token, now=self._clock()), via="bearer")

    def _by_cookie(self, request: Request) -> Caller | None:
        """An account's cookies stand before a guest's: whoever had one must not become a guest."""
        token = self._cookies.read(request, "auth-token")
        if token is not None:
            return self._of_kind("access", token)
        if self._cookies.read(request, "refresh-token") is not None:
            raise Unauthenticated("the access token is gone: refresh")
        token = self._cookies.read(request, "guest-token")
        return None if token is None else self._of_kind("guest", token)

    def _of_kind(self, kind: Literal["access", "guest"], token: str) -> Caller:
        claims = self._tokens.verify(token, now=self._clock())
        if claims.kind != kind:
            raise BadToken
        return _caller(claims, via="cookie")

    async def _by_proxy(self, user_ids: list[str]) -> Caller:
        """A proxy answers for what it names; two names, or nobody's, are a fault of its."""
        try:
            user_id = UUID(user_ids[0])
        except ValueError:
            raise Unauthenticated from None
        if len(user_ids) != 1:
            raise Unauthenticated
        async with self._db.connection() as conn:
            account = await service.find_account(conn, user_id)
        if account is None or account.status != "active":
            raise Unauthenticated
        return Caller(
            kind="account",
            id=user_id,
            roles=frozenset({Role.PASSENGER}),
            via="proxy",
            session_id=None,
            expires_at=None,
        )

    def _is_trusted(self, request: Request) -> bool:
        """Whether the socket's peer, not what any header says of it, is a trusted proxy."""
        if not self._proxies or request.client is None:
            return False
        try:
            peer = ip_address(request.client.host)
        except ValueError:
            return False
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._proxies)


def _caller(claims: Claims, *, via: Literal["bearer", "cookie"]) -> Caller:
    return Caller(
        kind="account" if claims.kind == "access" else "guest",
        id=claims.subject,
        roles=claims.roles,
        via=via,
        session_id=claims.session_id,
        expires_at=claims.expires_at,
    )


def origin_of(url: str) -> str | None:
    """The origin of a URL as browsers write it: no default port, no path. None when it has none."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = 443 if parts.scheme == "https" else 80
    port = "" if parts.port in {None, default} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def networks(setting: str) -> list[IPv4Network | IPv6Network]:
    """The addresses and networks of TRUSTED_IDENTITY_PROXIES, split by commas or spaces.

    Raises:
        ConfigurationError: one of them is neither.
    """
    try:
        return [ip_network(part) for part in setting.replace(",", " ").split()]
    except ValueError:
        raise ConfigurationError(
            "TRUSTED_IDENTITY_PROXIES is not a list of addresses and networks"
        ) from None
