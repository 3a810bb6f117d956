"""Idempotency keys: the same key and body get the first answer again, byte for byte, for 24 hours.

Work that is one transaction runs under `once`: the claim, the effect and the answer are committed
together, and a second caller waits for the first. Work in phases (a gateway is called between two
transactions) claims the key with its intent under a lease and keeps the answer with its outcome;
a crash between them lets the next caller, or a job, go on where it stopped.

Only 2xx answers are kept: a refusal had no effect, and the same key runs again.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import asyncpg
from starlette.datastructures import Headers

from kiti.platform import store_idempotency as store
from kiti.platform.db import Conn, Database
from kiti.platform.errors import BadRequest, Conflict, Invalid
from kiti.platform.http import Answer, Body

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
KEPT_HOURS: Final = 24
UNSCOPED: Final = "key"
REPLAYED: Final = ("Idempotent-Replayed", "true")


class IdempotencyKeyMissing(BadRequest):
    """This call needs an idempotency key."""


class IdempotencyKeyInvalid(BadRequest):
    """The idempotency key is not 1 to 255 of A-Z, a-z, 0-9, _ and -."""


class IdempotencyKeyReused(Invalid):
    """This idempotency key was used with another body."""


class IdempotencyInProgress(Conflict):
    """The first call with this idempotency key is still under way."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A caller's key on a route, and the fingerprint of what it was sent with."""

    scope: str
    route: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """A first answer, and what it needs to be given again (the claims of a guest's token, say)."""

    answer: Answer
    context: dict[str, Any] | None


def read_key(headers: Headers, body: Body | None, *, required: bool) -> str | None:
    """The key of the header `Idempotency-Key` or the body's `idempotencyKey`.

    Raises:
        IdempotencyKeyMissing: none came and one is required.
        IdempotencyKeyInvalid: it is malformed, the header came twice, or it and the body differ.
    """
    given = headers.getlist("idempotency-key")
    if len(given) > 1:
        raise IdempotencyKeyInvalid("the header came more than once")
    header = given[0] if given else None
    value = body.value if body is not None else None
    field = value.get("idempotencyKey") if isinstance(value, dict) else None
    if field is not None and not isinstance(field, str):
        raise IdempotencyKeyInvalid
    if header is not None and field is not None and header != field:
        raise IdempotencyKeyInvalid("the header and the body carry different keys")
    key = header if header is not None else field
    if key is None:
        if required:
            raise IdempotencyKeyMissing
        return None
    if not _KEY.match(key):
        raise IdempotencyKeyInvalid
    return key


def claim_for(scope: str | None, *, route: str, path: str, key: str, body: Body | None) -> Claim:
    """The claim of `key` by a caller, on a route, with a body (as parsed) sent to `path`.

    Without a caller (`scope` None: a guest's first call) the key is scoped to itself and must be a
    UUIDv4, so that nobody meets another's by chance.

    Raises:
        IdempotencyKeyInvalid: no caller, and the key is no UUIDv4.
    """
    if scope is None:
        if not _is_uuid4(key):
            raise IdempotencyKeyInvalid("without a caller the key must be a UUIDv4")
        scope = UNSCOPED
    value = body.value if body is not None else None
    if isinstance(value, dict):
        value = {name: item for name, item in value.items() if name != "idempotencyKey"}
    canonical = json.dumps([path, value], sort_keys=True, separators=(",", ":"))
    return Claim(scope, route, key, hashlib.sha256(canonical.encode()).digest())


def _is_uuid4(key: str) -> bool:
    try:
        return UUID(key).version == 4
    except ValueError:
        return False


async def begin(conn: Conn, claim: Claim, *, lease_s: int | None = None) -> Kept | None:
    """Claim the key in the caller's transaction; the first answer when there is one already.

    Another transaction that holds the same key is waited for. `lease_s` is given by work in phases:
    the claim is committed without an answer, and may be taken over once the lease has run out.

    Raises:
        IdempotencyKeyReused: same key, other body.
        IdempotencyInProgress: the first call is still under way.
    """
    try:
        is_ours = await store.claim_key(conn, claim, kept_hours=KEPT_HOURS, lease_s=lease_s)
    except asyncpg.LockNotAvailableError:
        raise IdempotencyInProgress(retry_after_s=1) from None
    if is_ours:
        return None
    row = await store.find_key(conn, claim)
    if row is None:
        raise IdempotencyInProgress(retry_after_s=1)
    if row.fingerprint != claim.fingerprint:
        raise IdempotencyKeyReused
    if row.status is not None and row.body is not None:
        context = None if row.context is None else json.loads(row.context)
        return Kept(Answer(row.status, row.body), context)
    if lease_s is not None and await store.take_over_key(conn, claim, lease_s=lease_s):
        return None
    raise IdempotencyInProgress(retry_after_s=1)


async def find_unscoped(
    conn: Conn, claim: Claim, *, is_callers: Callable[[dict[str, Any]], bool]
) -> Kept | None:
    """The answer kept for the claim's key when that was sent without a caller; None: none is.

    `is_callers` says, by what was kept with the answer, whether the caller of now is who sent it.

    Raises:
        IdempotencyKeyReused: it is, with another body.
    """
    row = await store.find_key(conn, replace(claim, scope=UNSCOPED))
    if row is None or row.status is None or row.body is None or row.context is None:
        return None
    context = json.loads(row.context)
    if not is_callers(context):
        return None
    if row.fingerprint != claim.fingerprint:
        raise IdempotencyKeyReused
    return Kept(Answer(row.status, row.body), context)


async def keep(
    conn: Conn, claim: Claim, answer: Answer, *, context: dict[str, Any] | None = None
) -> None:
    """Keep the answer with the claim, in the transaction of the effect or of the outcome."""
    text = None if context is None else json.dumps(context)
    await store.keep_answer(conn, claim, status=answer.status, body=answer.body, context=text)


async def let_go(conn: Conn, claim: Claim) -> None:
    """Forget a claim whose work was refused after its intent: the same key may run again."""
    await store.forget_claim(conn, claim)


def replay(kept: Kept) -> Answer:
    """The first answer again, marked as such."""
    return Answer(kept.answer.status, kept.answer.body, (*kept.answer.headers, REPLAYED))


async def once(
    db: Database,
    claim: Claim | None,
    work: Callable[[Conn], Awaitable[Answer]],
    *,
    about: Hashable = None,
) -> Answer:
    """Run `work` in one transaction, at most once for the claim; without one, just run it.

    `about`: as `Database.run` takes it.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress: as `begin`; and what `work` refuses.
    """

    async def claimed(conn: Conn) -> Answer:
        if claim is None:
            return await work(conn)
        kept = await begin(conn, claim)
        if kept is not None:
            return replay(kept)
        out = await work(conn)
        if 200 <= out.status < 300:
            await keep(conn, claim, out)
        return out

    return await db.run(claimed, about=about)


async def cleanup_idempotency(db: Database) -> int:
    """Forget keys past their day, a batch at a time; how many went."""
    gone = 0
    while True:
        async with db.transaction() as conn:
            batch = await store.delete_due_keys(conn, limit=5000)
        gone += batch
        if batch == 0:
            return gone
