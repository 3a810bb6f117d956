"""Identity on the wire. Registration's fields are judged by the model's rules, one by one."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from kiti.identity.model import (
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    normalise_email,
    normalise_name,
    normalise_password,
    normalise_phone,
)
from kiti.platform.http import Wire


def _rule(rule: Callable[[str], str]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            return rule(text)
        except ValueError as error:
            raise PydanticCustomError("rule", "{fault}", {"fault": str(error)}) from None

    return AfterValidator(check)


Email = Annotated[
    str, Field(max_length=320, examples=["amina@example.com"]), _rule(normalise_email)
]
Name = Annotated[str, Field(max_length=400, examples=["Amina Bello"]), _rule(normalise_name)]
Phone = Annotated[str, Field(max_length=40, examples=["+2348031234567"]), _rule(normalise_phone)]
NewPassword = Annotated[
    str,
    Field(json_schema_extra={"minLength": PASSWORD_LENGTH_MIN, "maxLength": PASSWORD_LENGTH_MAX}),
    _rule(normalise_password),
]


class RegisterIn(Wire):
    """A new passenger."""

    email: Email
    password: NewPassword
    name: Name
    phone: Phone | None = None


class LoginIn(Wire):
    """What a login is judged by; nothing here tells which of the two is wrong."""

    email: Annotated[str, Field(max_length=1024)]
    password: Annotated[str, Field(max_length=1024)]


class RefreshIn(Wire):
    """The refresh token, when it is not in a cookie."""

    refresh_token: Annotated[str, Field(max_length=1024)] | None = None


class UserOut(Wire):
    """An account as its owner sees it."""

    id: str
    email: str
    name: str
    roles: list[str]


class SessionOut(Wire):
    """A session begun or refreshed. `expiresIn` is the access token's life in seconds.

    The tokens are left out for a browser, which has them in cookies.
    """

    user: UserOut
    access_token: str | None = None
    expires_in: int
    refresh_token: str | None = None
