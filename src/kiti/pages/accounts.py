"""Accounts: register, log in, log out. Nobody needs one to travel."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.identity import service
from kiti.identity.cookies import ALL
from kiti.identity.model import PASSWORD_LENGTH_MIN, BadCredentials
from kiti.identity.service import OpenSession
from kiti.pages.forms import Fault, Form, faults_of, own_path
from kiti.pages.front import Front
from kiti.pages.searching import GET
from kiti.pages.visits import Visit
from kiti.platform.errors import ValidationFailed

AFTER: Final = "/bookings"
_POINTERS: Final = {
    "#/email": "email",
    "#/name": "name",
    "#/phone": "phone",
    "#/password": "password",
}


def add_accounts(routes: APIRouter, front: Front) -> None:
    """`/login`, `/register` and `POST /logout`."""

    @routes.api_route("/login", methods=GET)
    async def login_form(request: Request) -> Response:
        visit = await front.visits.enter(request)
        following = own_path(request.query_params.get("next", ""), default=AFTER)
        if visit.is_logged_in:
            return front.shell.go(visit, following)
        return _login(front, visit, following, email="", faults=[])

    @routes.post("/login")
    async def login(request: Request) -> Response:
        visit, form = await front.visits.submit(request)
        following = own_path(form.text("next"), default=AFTER)
        try:
            session = await service.login(
                front.db,
                front.identity.passwords,
                email=form.text("email"),
                password=_password(form),
            )
        except BadCredentials as refusal:
            faults = [Fault("email", refusal.title())]
            return _login(front, visit, following, email=form.text("email"), faults=faults)
        return await _entered(front, request, visit, session, following)

    @routes.api_route("/register", methods=GET)
    async def register_form(request: Request) -> Response:
        visit = await front.visits.enter(request)
        following = own_path(request.query_params.get("next", ""), default=AFTER)
        if visit.is_logged_in:
            return front.shell.go(visit, following)
        return _register(front, visit, following, Form(), faults=[])

    @routes.post("/register")
    async def register(request: Request) -> Response:
        visit, form = await front.visits.submit(request)
        following = own_path(form.text("next"), default=AFTER)
        try:
            new = await service.prepare_account(
                front.identity.passwords,
                email=form.text("email"),
                name=form.text("name"),
                password=_password(form),
                phone=form.maybe("phone"),
                locale=front.shell.words.language,
            )
            session = await service.register(front.db, new)
        except ValidationFailed as refusal:
            return _register(front, visit, following, form, faults=faults_of(refusal, _POINTERS))
        return await _entered(front, request, visit, session, following)

    @routes.post("/logout")
    async def logout(request: Request) -> Response:
        visit, _ = await front.visits.submit(request)
        if visit.caller is not None and visit.caller.session_id is not None:
            await service.end_session(front.db, visit.caller.session_id)
        visit.caller = visit.guest = visit.opened = None
        visit.dead.update(ALL)
        return front.shell.go(visit, "/")


def _password(form: Form) -> str:
    """As it was typed: spaces count, and only what is longer than any password is cut."""
    return next(iter(form.texts("password")), "")


async def _entered(
    front: Front, request: Request, visit: Visit, session: OpenSession, following: str
) -> Response:
    """Go on logged in; the session that this browser had before it ends."""
    before = front.identity.cookies.read(request, "refresh-token")
    if before is not None:
        await service.end_family(front.db, before)
    visit.opened = session
    return front.shell.go(visit, following)


def _login(
    front: Front, visit: Visit, following: str, *, email: str, faults: list[Fault]
) -> Response:
    return front.shell.show(
        visit,
        "login.html",
        status=401 if faults else 200,
        following=following,
        email=email,
        faults=faults,
    )


def _register(
    front: Front, visit: Visit, following: str, form: Form, *, faults: list[Fault]
) -> Response:
    return front.shell.show(
        visit,
        "register.html",
        status=422 if faults else 200,
        following=following,
        form=form,
        password_min=PASSWORD_LENGTH_MIN,
        faults=faults,
    )
