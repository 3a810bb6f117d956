"""Stripe's idempotency: the first answer once execution began, errors too, for 24 hours.

Other parameters under the same key are 400, a second call while the first runs is 409; what failed
validation is not kept. Source: docs.stripe.com/api/idempotent_requests.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kiti.sandbox.stripe.model import Refused

KEPT: Final = timedelta(hours=24)
KEY_LENGTH_MAX: Final = 255
_KEYS_MAX: Final = 200_000


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer kept. `request_id` is the first call's."""

    fingerprint: bytes
    at: datetime
    request_id: str
    status: int
    body: bytes


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """What tells two calls apart."""
    return hashlib.sha256(f"{method} {path}\n".encode() + body).digest()


class Idempotency:
    """The keys of one account."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._running: dict[str, bytes] = {}

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def knows(self, key: str) -> bool:
        """Whether there is an answer under this key."""
        return key in self._kept

    def begin(self, key: str, seen: bytes, now: datetime) -> Kept | None:
        """The answer of the first call under this key; None: this is it, and it is running now.

        Raises:
            Refused: the key is too long, was used for something else, or is in use.
        """
        if len(key) > KEY_LENGTH_MAX:
            raise Refused(f"Idempotency keys can be up to {KEY_LENGTH_MAX} characters")
        kept = self._kept.get(key)
        if kept is not None and now - kept.at >= KEPT:
            del self._kept[key]
            kept = None
        running = self._running.get(key)
        known = running if kept is None else kept.fingerprint
        if known is not None and known != seen:
            raise Refused(
                "Keys for idempotent requests can only be used with the same parameters they were "
                f"first used with. Try using a key other than '{key}' if you meant to execute a "
                "different request.",
                kind="idempotency_error",
            )
        if running is not None:
            raise Refused(
                "There is currently another in-progress request using this Idempotent Key "
                f"(that probably means you submitted twice): {key}",
                status=409,
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
        if kept is None:
            self._running[key] = seen
        return kept

    def keep(self, key: str, kept: Kept) -> None:
        """Execution began: this is the answer from now on."""
        self._kept[key] = kept
        while len(self._kept) > _KEYS_MAX:
            self._kept.popitem(last=False)

    def end(self, key: str) -> None:
        """The call is over, whatever came of it."""
        self._running.pop(key, None)
