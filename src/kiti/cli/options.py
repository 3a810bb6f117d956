"""What the commands share: the settings, and the kinds of arguments."""

import sys
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from cyclopts import Parameter, Token, validators

from kiti.config import Settings, load_settings
from kiti.platform.log import configure_logging


def settings() -> Settings:
    """The settings; what is odd about them is said on stderr.

    Raises:
        ConfigurationError: one is missing, unknown or cannot be read.
    """
    found, warnings = load_settings()
    for warning in warnings:
        sys.stderr.write(f"kiti: {warning}\n")
    configure_logging(is_plain=sys.stderr.isatty())
    return found


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    """A whole number as written: `1.5` minor units is a mistake, not 2."""
    text = tokens[0].value
    if text.startswith("-") and text[1:].isdigit():
        raise ValueError("must not be below 0")
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text} is not a whole number")
    return int(text)


def _trip_id(_type: object, tokens: Sequence[Token]) -> UUID:
    text = tokens[0].value
    try:
        return UUID(text)
    except ValueError:
        raise ValueError(f"{text} is no trip id: see `kiti trip list`") from None


def _is_said(_type: object, text: str) -> None:
    if not text.strip():
        raise ValueError("a name, not nothing")


Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))]
Flag = Annotated[bool, Parameter(negative=())]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print the report as JSON.")]
MinorUnits = Annotated[int | None, Parameter(converter=_whole)]
TripId = Annotated[UUID, Parameter(converter=_trip_id)]
Who = Annotated[str, Parameter(validator=_is_said)]
