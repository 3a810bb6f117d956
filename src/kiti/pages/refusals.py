"""Refusals as people read them: one page, whatever was refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from kiti.pages.shell import Shell
from kiti.platform.errors import DomainError

# For the browser's own eyes: what these name is nothing a passenger can mend.
_PLAIN: Final[dict[int, tuple[str, str]]] = {
    400: ("That did not work", "The form could not be read. Go back and try again."),
    401: ("Please log in", "Your session has ended, or this page needs you to log in first."),
    403: ("Please try that again", "You may not do this here."),
    404: ("We cannot find that", "There is no such page, or it is not yours to see."),
    405: ("We cannot find that", "There is nothing to see at this address."),
    413: ("That is too much", "The form was larger than we can take."),
    415: ("That did not work", "The form could not be read. Go back and try again."),
    422: ("Something in it is not right", "Go back and look at what was entered."),
    429: ("One moment, please", "That was too much at once. Wait a little and try again."),
    500: ("Something went wrong here", "The fault is ours, and it has been recorded."),
    503: ("We cannot answer just now", "Nothing was lost. Please try again in a moment."),
}
_ELSE: Final = ("That cannot be done now", "Go back and look at how it stands.")
_STALE: Final = (
    "This form is out of date: you may have logged in or out since it was shown. "
    "Go back, load the page again and repeat it."
)
# Their own words say more than their family's, and name nothing that is not the caller's.
_TELLING: Final = frozenset({409, 422, 429})


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal for people: a heading, and a sentence."""

    title: str
    text: str


def refusal_page(shell: Shell) -> Callable[[Request, DomainError], Response]:
    """What renders a refusal as a page, with the visitor's cookies put right as on any other."""

    def render(request: Request, refusal: DomainError) -> Response:
        visit = getattr(request.state, "visit", None)
        told = tell(shell, refusal)
        back = request.url.path if request.method == "GET" else "/"
        query = request.url.query if request.method == "GET" else ""
        response = shell.show(
            visit,
            "refusal.html",
            status=refusal.status,
            told=told,
            again=f"{back}?{query}" if query else back,
            login="/login?" + urlencode({"next": back}),
            wants_login=refusal.status == 401,
            may_repeat=refusal.status in {429, 503} and request.method == "GET",
            request_id=request.state.request_id if refusal.status == 500 else None,
        )
        if refusal.retry_after_s is not None:
            response.headers["Retry-After"] = str(refusal.retry_after_s)
        return response

    return render


def tell(shell: Shell, refusal: DomainError) -> Told:
    """A refusal in people's words."""
    title, text = _PLAIN.get(refusal.status, _ELSE)
    if refusal.code() == "CSRF_FAILED":
        text = _STALE
    elif refusal.status in _TELLING:
        text = refusal.detail or refusal.title()
    return Told(shell.words.gettext(title), shell.words.sentence(text))
