"""Lists by key: the cursor of the next page says after which row it begins.

A cursor is opaque to clients and holds nothing they may not know, so it is not signed; what comes
back is checked like any other input.
"""

import base64
import binascii
import json
from typing import Any

from kiti.platform.errors import ValidationFailed

LIMIT_DEFAULT = 20
LIMIT_MAX = 100
CURSOR_LENGTH_MAX = 1000
_INTEGER_MAX = 2**63 - 1


def encode_cursor(tag: str, *parts: str | int) -> str:
    """The cursor of the list and order called `tag`, after the row whose key is `parts`."""
    text = json.dumps([tag, *parts], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, tag: str, *kinds: type) -> list[Any]:
    """The key in a cursor: one part for each of `kinds` (`str` or `int` of 64 bits).

    Raises:
        ValidationFailed: it is none of ours, or of another list or order.
    """
    parts = _parts(cursor)
    if (
        not isinstance(parts, list)
        or len(parts) != len(kinds) + 1
        or parts[0] != tag
        or not all(_fits(part, kind) for part, kind in zip(parts[1:], kinds, strict=True))
    ):
        raise wrong_cursor()
    return parts[1:]


def wrong_cursor() -> ValidationFailed:
    """The refusal of a cursor that this list did not give."""
    message = "not a cursor of this list; begin again without one"
    return ValidationFailed(errors=[{"pointer": "#/cursor", "message": message}])


def _parts(cursor: str) -> Any:  # noqa: ANN401  # JSON of a stranger: any value
    try:
        raw = cursor[:CURSOR_LENGTH_MAX].encode("ascii")
        return json.loads(base64.b64decode(raw + b"=" * (-len(raw) % 4), b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None


def _fits(part: object, kind: type) -> bool:
    """Whether a part is of its kind and something that PostgreSQL can hold."""
    if kind is int:
        return type(part) is int and abs(part) <= _INTEGER_MAX
    return isinstance(part, str) and "\0" not in part and part.isprintable()
