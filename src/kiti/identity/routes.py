"""Identity over HTTP: /api/auth."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.identity import service
from kiti.identity.cookies import ALL, OF_SESSION, takes_cookies_only
from kiti.identity.model import ACCESS_TTL, Account, Role, SessionEnded
from kiti.identity.parts import Identity
from kiti.identity.schemas import LoginIn, RefreshIn, RegisterIn, SessionOut, UserOut
from kiti.identity.service import OpenSession
from kiti.platform.errors import Unauthenticated
from kiti.platform.http import (
    Body,
    answer,
    parse,
    private,
    problem_response,
    read_json,
    refuses,
    takes,
)


def router(identity: Identity) -> APIRouter:
    """The calls of /api/auth."""
    routes = APIRouter(prefix="/api/auth", tags=["auth"])
    _add_ways_in(routes, identity)
    _add_ways_out(routes, identity)

    @routes.get("/me", response_model=UserOut, responses=refuses(401, 403, 503))
    async def me(request: Request) -> Response:
        """The account that is calling."""
        caller = await identity.callers.require(request)
        account_id = caller.require_account()
        async with identity.db.connection() as conn:
            account = await service.find_account(conn, account_id)
            grants = await service.list_grants(conn, account_id)
        if account is None or account.status != "active":
            raise Unauthenticated
        return private(answer(_user(account, frozenset(Role(grant.role) for grant in grants))))

    return routes


def _add_ways_in(routes: APIRouter, identity: Identity) -> None:
    @routes.post(
        "/register",
        status_code=201,
        response_model=SessionOut,
        openapi_extra=takes(RegisterIn),
        responses=refuses(400, 403, 413, 415, 422, 503),
    )
    async def register(request: Request) -> Response:
        """Make a passenger's account and log it in."""
        body = await read_json(request)
        identity.callers.refuse_other_origin(request)
        fields = parse(RegisterIn, body)
        new = await service.prepare_account(identity.passwords, **fields.model_dump())
        session = await service.register(identity.db, new)
        return await _entered(request, session, identity, status=201)

    @routes.post(
        "/login",
        response_model=SessionOut,
        openapi_extra=takes(LoginIn),
        responses=refuses(400, 401, 403, 413, 415, 422, 503),
    )
    async def login(request: Request) -> Response:
        """Begin a new session."""
        body = await read_json(request)
        identity.callers.refuse_other_origin(request)
        fields = parse(LoginIn, body)
        session = await service.login(identity.db, identity.passwords, **fields.model_dump())
        return await _entered(request, session, identity, status=200)

    @routes.post(
        "/refresh",
        response_model=SessionOut,
        openapi_extra={"requestBody": takes(RefreshIn)["requestBody"] | {"required": False}},
        responses=refuses(400, 401, 403, 413, 415, 422, 503),
    )
    async def refresh(request: Request) -> Response:
        """Exchange the refresh token, of the body or else of the cookie, for the next one."""
        body = await read_json(request) if _has_body(request) else Body(b"{}", {})
        if not body.has("refreshToken"):
            return await _refresh_by_cookie(request, identity, body)
        identity.callers.refuse_other_origin(request)
        given = parse(RefreshIn, body).refresh_token or ""
        return _opened(request, await service.refresh(identity.db, given), identity, status=200)


def _add_ways_out(routes: APIRouter, identity: Identity) -> None:
    @routes.post("/logout", status_code=204, responses=refuses(401, 403, 503))
    async def logout(request: Request) -> Response:
        """End this session. A browser is left without any token, a guest's too."""
        await _log_out(request, identity)
        return _left(identity)

    @routes.post("/logout-all", status_code=204, responses=refuses(401, 403, 503))
    async def logout_all(request: Request) -> Response:
        """End every session of the account."""
        caller = await identity.callers.require(request)
        await service.end_sessions(identity.db, caller.require_account())
        return _left(identity)


def _has_body(request: Request) -> bool:
    headers = request.headers
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _entered(
    request: Request, session: OpenSession, identity: Identity, *, status: int
) -> Response:
    """The answer to a login; the session that this browser had before it ends."""
    before = identity.cookies.read(request, "refresh-token")
    if before is not None and takes_cookies_only(request):
        await service.end_family(identity.db, before)
    return _opened(request, session, identity, status=status)


def _opened(request: Request, session: OpenSession, identity: Identity, *, status: int) -> Response:
    """A session's tokens: in cookies, and in the body too unless a browser asks."""
    now = identity.clock()
    access_token = identity.tokens.issue_access(
        session.account.account_id, session_id=session.session_id, roles=session.roles, now=now
    )
    out = {
        "user": _user(session.account, session.roles),
        "expires_in": int(ACCESS_TTL.total_seconds()),
    }
    if not takes_cookies_only(request):
        out |= {"access_token": access_token, "refresh_token": session.refresh_token}
    response = private(answer(SessionOut.model_validate(out), status))
    identity.cookies.set_session(
        response,
        access_token=access_token,
        refresh_token=session.refresh_token,
        expires_at=session.expires_at,
        now=now,
    )
    return response


async def _refresh_by_cookie(request: Request, identity: Identity, body: Body) -> Response:
    cookie = identity.cookies.read(request, "refresh-token")
    if cookie is None:
        raise Unauthenticated
    identity.callers.require_origin(request)
    parse(RefreshIn, body)
    try:
        session = await service.refresh(identity.db, cookie)
    except SessionEnded as refusal:
        # With dead cookies left to it, the browser could not even book as a guest.
        response = problem_response(
            refusal, request_id=request.state.request_id, instance=request.url.path
        )
        identity.cookies.clear(response, *OF_SESSION)
        return private(response)
    return _opened(request, session, identity, status=200)


async def _log_out(request: Request, identity: Identity) -> None:
    """End the session that the cookies or the token name, the access token expired or not."""
    refresh_token = identity.cookies.read(request, "refresh-token")
    if "authorization" not in request.headers and refresh_token is not None:
        identity.callers.require_origin(request)
        if await service.end_family(identity.db, refresh_token):
            return
    caller = await identity.callers.require(request)
    if caller.session_id is not None:
        await service.end_session(identity.db, caller.session_id)


def _user(account: Account, roles: frozenset[Role]) -> UserOut:
    return UserOut(
        id=str(account.account_id), email=account.email, name=account.name, roles=sorted(roles)
    )


def _left(identity: Identity) -> Response:
    response = private(Response(status_code=204))
    identity.cookies.clear(response, *ALL)
    return response
