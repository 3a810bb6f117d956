"""Refusals: the families of STYLE section 8, and how one becomes an RFC 9457 problem.

A refusal is part of the contract: a subclass of one of the families, in its slice's model. Its
class name gives the `type` slug and the `code`, the first line of its docstring the `title`, its
keyword arguments the extension members. A bug is any other exception: 500 `INTERNAL`.
"""

import re
from typing import ClassVar, Final

_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class DomainError(Exception):
    """Something was refused."""

    status: ClassVar[int] = 500
    family_code: ClassVar[str | None] = None

    def __init__(
        self, detail: str | None = None, *, retry_after_s: int | None = None, **extension: object
    ) -> None:
        super().__init__(detail or self.title())
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.extension = extension

    @classmethod
    def title(cls) -> str:
        """The first line of the docstring, without its full stop."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")

    @classmethod
    def slug(cls) -> str:
        """`SeatsUnavailable` is `seats-unavailable`."""
        return _WORDS.sub("-", cls.__name__).lower()

    @classmethod
    def code(cls) -> str:
        """Stable: the class name in upper snake case, but 401, 403 and 404 carry their family's."""
        return cls.family_code or _WORDS.sub("_", cls.__name__).upper()

    def problem(self, *, request_id: str, instance: str) -> dict[str, object]:
        """The members of the problem document."""
        out: dict[str, object] = {
            "type": f"/problems/{self.slug()}",
            "title": self.title(),
            "status": self.status,
            "detail": self.detail or self.title(),
            "instance": instance,
            "code": self.code(),
            "requestId": request_id,
        }
        out.update({_camel(name): value for name, value in self.extension.items()})
        return out


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


class BadRequest(DomainError):
    """The request cannot be read."""

    status = 400


class Unauthenticated(DomainError):
    """Who is calling is not known: log in, or send a valid token."""

    status = 401
    family_code = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """The caller may not do this."""

    status = 403
    family_code = "FORBIDDEN"


class NotFound(DomainError):
    """There is no such thing here, or it is not the caller's to know."""

    status = 404
    family_code = "NOT_FOUND"


class Conflict(DomainError):
    """The request is fine, but the state of things forbids it."""

    status = 409


class Invalid(DomainError):
    """The input breaks a rule."""

    status = 422


class TooMany(DomainError):
    """Slow down."""

    status = 429


class Unavailable(DomainError):
    """Kiti is away or full; it is safe to try again."""

    status = 503


class MalformedRequest(BadRequest):
    """The request is not HTTP as it must be."""


class RequestTimeout(DomainError):
    """The request did not come whole in its time."""

    status = 408


class HeadersTooLarge(DomainError):
    """The request's headers are too large or too many."""

    status = 431


class MalformedJson(BadRequest):
    """The body is not valid JSON."""


class BodyTooLarge(DomainError):
    """The body is larger than this call takes."""

    status = 413


class UnsupportedMediaType(DomainError):
    """The body must be sent as application/json."""

    status = 415


class MethodNotAllowed(DomainError):
    """This path does not take that method."""

    status = 405


class ValidationFailed(Invalid):
    """One or more fields are missing or wrong."""


class DatabaseUnavailable(Unavailable):
    """The database is away for the moment."""


class Overloaded(Unavailable):
    """Too many requests are waiting; try again shortly."""


class RateLimited(TooMany):
    """Too many requests in too short a time."""


class Internal(DomainError):
    """Something went wrong on our side; it has been recorded under this request's id."""

    status = 500
