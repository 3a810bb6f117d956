"""The way in to the simulated Stripe: key, parameters, idempotency, faults, errors, lists."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kiti.sandbox.core import Core, misbehave
from kiti.sandbox.faults import Call, Fault
from kiti.sandbox.replies import BodyRefused, json_reply, read_body, to_json
from kiti.sandbox.stripe import wire
from kiti.sandbox.stripe.account import Account, missing
from kiti.sandbox.stripe.form import Params, parse, read
from kiti.sandbox.stripe.idempotency import Idempotency, Kept, fingerprint
from kiti.sandbox.stripe.model import Refused
from kiti.sandbox.stripe.notices import NAME
from kiti.sandbox.stripe.terms import ListParams
from kiti.sandbox.stripe.wire import Shown

PREFIX: Final = "/stripe/v1"
_Params = TypeVar("_Params", bound=Params)
_Item = TypeVar("_Item")
Effect = Callable[[Fault | None], Shown]
Handler = Callable[["Asked"], Awaitable[Response]]
_FAILURE: Final = Refused("An unknown error occurred.", status=500, kind="api_error")


class Asked:
    """One authorised call. `raw` is its body or, for a GET, its query."""

    def __init__(self, request: Request, raw: bytes, request_id: str) -> None:
        self.request = request
        self.raw = raw
        self.request_id = request_id

    def read(self, model: type[_Params]) -> _Params:
        """Its parameters.

        Raises:
            Refused: they will not do.
        """
        try:
            return read(model, parse(self.raw.decode()))
        except UnicodeDecodeError:
            raise Refused("The request is not UTF-8") from None

    @property
    def path_id(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["id"])

    @property
    def key(self) -> str | None:
        """The idempotency key; None on a GET."""
        return self.request.headers.get("idempotency-key") if self.is_post else None

    @property
    def is_post(self) -> bool:
        """Whether it may change something."""
        return self.request.method == "POST"

    @property
    def origin(self) -> str:
        """The address by which the caller reached the sandbox."""
        return str(self.request.base_url).rstrip("/")


class Front:
    """What all calls share. `idempotency` is the account's."""

    def __init__(self, core: Core, account: Account) -> None:
        self.core = core
        self.account = account
        self.idempotency = Idempotency()

    def route(self, method: str, path: str, call: str, handler: Handler) -> Route:
        """The handler behind its counter, the secret key and Stripe's way to refuse."""

        async def endpoint(request: Request) -> Response:
            self.core.calls[NAME, call] += 1
            request_id = f"req_{secrets.token_hex(7)}"
            try:
                self._authorize(request)
                raw = await read_body(request) if method == "POST" else request.url.query.encode()
                answer = await handler(Asked(request, raw, request_id))
            except Refused as refused:
                answer = json_reply(wire.error(refused, request_id), refused.status)
            except BodyRefused as refused:
                too_large = Refused(str(refused), status=413)
                answer = json_reply(wire.error(too_large, request_id), 413)
            answer.headers.setdefault("request-id", request_id)
            answer.headers["stripe-version"] = self.account.options.api_version
            return answer

        return Route(PREFIX + path, endpoint, methods=[method])

    def _authorize(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        if not given:
            raise Refused("You did not provide an API key.", status=401)
        secret = self.core.settings.stripe_secret_key
        if not secret or not hmac.compare_digest(given.strip().encode(), secret.encode()):
            raise Refused("Invalid API Key provided: ****", status=401)

    async def run(
        self, asked: Asked, call: Call | None, reference: str | None, effect: Effect
    ) -> Response:
        """Carry the call out once for its key, bent by a fault if one waits for such a call.

        Whoever comes here has passed validation: from now on the answer is kept, an error too.

        Raises:
            Refused: the key was used otherwise, or is in use.
        """
        key, core = asked.key, self.core
        kept = None
        if key is not None:
            seen = fingerprint(asked.request.method, asked.request.url.path, asked.raw)
            kept = self.idempotency.begin(key, seen, core.clock.now())
        else:
            seen = b""
        try:
            fault = core.faults.take(NAME, call, reference) if call is not None else None

            def act() -> Response:
                return _replayed(kept) if kept else self._first(asked, seen, fault, effect)

            failure = json_reply(wire.error(_FAILURE, asked.request_id), 500)
            return await misbehave(
                core, (NAME, call or "verify"), fault, effect=act, failure=failure
            )
        finally:
            if key is not None:
                self.idempotency.end(key)

    def _first(self, asked: Asked, seen: bytes, fault: Fault | None, effect: Effect) -> Response:
        try:
            shown, status = effect(fault), 200
        except Refused as refused:
            shown, status = wire.error(refused, asked.request_id), refused.status
        if fault is not None and fault.kind == "error_after":
            shown, status = wire.error(_FAILURE, asked.request_id), 500
        body = to_json(shown)
        if asked.key is not None:
            now = self.core.clock.now()
            self.idempotency.keep(asked.key, Kept(seen, now, asked.request_id, status, body))
        answer = Response(body, status, media_type="application/json")
        if asked.key is not None:
            answer.headers["idempotency-key"] = asked.key
            answer.headers["original-request"] = asked.request_id
        return answer

    def listed(
        self,
        items: Iterable[_Item],
        *,
        params: ListParams,
        show: Callable[[_Item], Shown],
        path: str,
    ) -> Response:
        """One page of those that fit, which come newest first.

        Raises:
            Refused: the page starts after what is not among them.
        """
        rows = [show(item) for item in items]
        ids = [row["id"] for row in rows]
        start, end = 0, len(rows)
        for edge in (params.starting_after, params.ending_before):
            if edge is not None and edge not in ids:
                raise missing("object", edge, param="starting_after")
        if params.starting_after is not None:
            start = ids.index(params.starting_after) + 1
        if params.ending_before is not None:
            end = ids.index(params.ending_before)
            start = max(start, end - params.limit)
        page = rows[start : min(end, start + params.limit)]
        has_more = start + len(page) < len(rows) if params.ending_before is None else start > 0
        shown: Shown = {"object": "list", "url": f"/v1{path}", "has_more": has_more, "data": page}
        return json_reply(wire.expanded(self.account, shown, params.expand))


def _replayed(kept: Kept) -> Response:
    headers = {
        "idempotent-replayed": "true",
        "original-request": kept.request_id,
        "request-id": kept.request_id,
    }
    return Response(kept.body, kept.status, headers=headers, media_type="application/json")
