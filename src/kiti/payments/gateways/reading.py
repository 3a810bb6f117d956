"""Reading what gateways send: JSON of a stranger, of which anything may be missing or odd."""

import hashlib
import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast
from urllib.parse import urlsplit
from uuid import UUID

URL_LENGTH_MAX: Final = 2000
DIGITS_MAX: Final = 100
_DEPTH_MAX: Final = 20


def decode(raw: bytes) -> Any:  # noqa: ANN401  # JSON of a stranger: any value
    """JSON with its fractions as Decimal; a number that is out of all reason stays a text.

    Raises:
        ValueError: it is none, is nested too deeply, or has NaN or Infinity.
    """
    try:
        return json.loads(
            raw, parse_float=_fraction, parse_int=_whole, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _fraction(digits: str) -> Decimal | str:
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent that no Decimal can have
        return digits


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= DIGITS_MAX else digits


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def as_object(value: object) -> dict[str, Any]:
    """The object itself; an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_text(value: object, *, length_max: int = 100) -> str | None:
    """A text or whole number as text; None for anything else, empty or too long."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    return text if 0 < len(text) <= length_max and text.isprintable() else None


def as_uuid(value: object) -> UUID | None:
    """An id of ours; None for anything else."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def as_link(value: object, *, is_https_only: bool) -> str | None:
    """An address that a browser may be sent to; None for anything else."""
    if not isinstance(value, str) or len(value) > URL_LENGTH_MAX or not value.isprintable():
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    schemes = {"https"} if is_https_only else {"https", "http"}
    return value if parts.scheme in schemes and parts.hostname else None


def digest_key(raw: bytes) -> str:
    """A name for news that has none: of its very bytes."""
    return "raw:" + hashlib.sha256(raw).hexdigest()


def kept(value: object, *, without: frozenset[str]) -> bytes:
    """The body as it may be kept: without what `without` names, at any depth."""
    text = json.dumps(
        _without(value, without, 0), separators=(",", ":"), ensure_ascii=False, default=str
    )
    return text.encode(errors="replace")  # half a surrogate pair is a question mark


def _without(value: object, names: frozenset[str], depth: int) -> object:
    if depth > _DEPTH_MAX:
        return None
    if isinstance(value, dict):
        found = cast("dict[str, object]", value)
        return {k: _without(v, names, depth + 1) for k, v in found.items() if k not in names}
    if isinstance(value, list):
        return [_without(item, names, depth + 1) for item in cast("list[object]", value)]
    return value
