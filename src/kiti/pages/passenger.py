"""The passengers' pages put together: search, seats, booking, payment, tickets, account."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kiti.pages.accounts import add_accounts
from kiti.pages.assets import PREFIX
from kiti.pages.bookings import add_bookings
from kiti.pages.front import Front
from kiti.pages.giving_back import add_giving_back
from kiti.pages.paying import add_paying
from kiti.pages.refusals import refusal_page
from kiti.pages.searching import GET, add_search
from kiti.pages.seats import add_seats
from kiti.platform.errors import DomainError, NotFound


class NoSuchPage(NotFound):
    """There is no such page."""


def router(front: Front) -> APIRouter:
    """Every page of passengers, and the static files. None of them is part of the API."""
    routes = APIRouter(include_in_schema=False)
    add_search(routes, front)
    add_seats(routes, front)
    add_bookings(routes, front)
    add_paying(routes, front)
    add_giving_back(routes, front)
    add_accounts(routes, front)

    @routes.api_route(PREFIX + "{file}", methods=GET)
    async def static(request: Request, file: str) -> Response:
        found = front.shell.assets.answer(request, file)
        if found is None:
            raise NoSuchPage
        return found

    return routes


def refuser(front: Front) -> Callable[[Request, DomainError], Response]:
    """What shows a refusal to people, for every path that is not the API's."""
    return refusal_page(front.shell)
