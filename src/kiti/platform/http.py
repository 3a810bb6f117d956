"""HTTP as every route speaks it: wire models, bodies read in the contract's order, JSON answers.

The order of checks is the contract's: size and media type, JSON, who is calling, the idempotency
key, whose object it is, the fields, the state. So a route reads its body first (`read_json`) and
checks its fields (`parse`) only once it knows the caller.
"""

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from kiti.platform.errors import (
    BodyTooLarge,
    DomainError,
    MalformedJson,
    UnsupportedMediaType,
    ValidationFailed,
)
from kiti.platform.ids import find_id

BODY_BYTES_MAX = 64 * 1024
FAULTS_MAX = 20


class Wire(BaseModel):
    """A body as it is on the wire: camelCase, strict types, unknown fields refused."""

    # Our own code makes them by the fields' names; what comes from outside is read by `parse`.
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, extra="forbid", strict=True, frozen=True
    )


class MoneyOut(Wire):
    """An amount in minor units of its currency."""

    amount: int
    currency: str


class ProblemOut(Wire):
    """A refusal, RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    requestId: str  # noqa: N815  # written as on the wire: this model only documents


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is JSON: its bytes, and the value they mean."""

    raw: bytes
    value: Any

    def has(self, field: str) -> bool:
        """Whether it is an object that has this field, and not as null."""
        return isinstance(self.value, dict) and self.value.get(field) is not None

    def text(self, field: str) -> str | None:
        """The value of a field of the object, when there is one and it is a text."""
        found = self.value.get(field) if isinstance(self.value, dict) else None
        return found if isinstance(found, str) else None


async def read_bytes(request: Request, *, limit: int = BODY_BYTES_MAX) -> bytes:
    """The raw body, `limit` bytes at most.

    Raises:
        BodyTooLarge: it is longer, said or found.
    """
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limit:
        raise BodyTooLarge(limit_bytes=limit)
    parts = bytearray()
    async for chunk in request.stream():
        parts += chunk
        if len(parts) > limit:
            raise BodyTooLarge(limit_bytes=limit)
    return bytes(parts)


async def read_json(request: Request, *, limit: int = BODY_BYTES_MAX) -> Body:
    """The body as JSON (no NaN, no Infinity, no name twice), before the caller is known.

    Raises:
        BodyTooLarge, UnsupportedMediaType, MalformedJson.
    """
    raw = await read_raw_json(request, limit=limit)
    return Body(raw, _decoded(raw))


async def read_raw_json(request: Request, *, limit: int = BODY_BYTES_MAX) -> bytes:
    """The raw body that is said to be JSON.

    Raises:
        BodyTooLarge, UnsupportedMediaType.
    """
    raw = await read_bytes(request, limit=limit)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType
    return raw


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise MalformedJson("a name stands twice in one object")


_NAMES: Final = json.JSONDecoder(object_pairs_hook=_once_each)


def _decoded(raw: bytes) -> Any:  # noqa: ANN401
    """The value; a name that stands twice in an object is refused, for readers differ about it."""
    try:
        value = from_json(raw, allow_inf_nan=False)
        _NAMES.decode(raw.decode())
    except (ValueError, RecursionError):
        raise MalformedJson from None
    return value


def parse(model: type[Model], body: Body) -> Model:
    """The body as a `model`, its fields named as on the wire and no other way.

    Raises:
        ValidationFailed: with a JSON pointer for each field at fault.
    """
    try:
        return model.model_validate_json(body.raw, by_alias=True, by_name=False)
    except ValidationError as error:
        raise validation_failed(error) from None


def validation_failed(error: ValidationError) -> ValidationFailed:
    """The refusal for what Pydantic found, without the values."""
    return ValidationFailed(
        errors=[
            {"pointer": pointer(item["loc"]), "message": item["msg"].removeprefix("Value error, ")}
            for item in error.errors(include_url=False, include_input=False)[:FAULTS_MAX]
        ]
    )


# An id in a path: taken as text, so that a caller who may not know is told nothing of its form.
PathId = Annotated[str, Path(json_schema_extra={"format": "uuid"})]


def read_id(text: str, missing: type[DomainError]) -> UUID:
    """An id that stood in a path; what cannot be one names nothing.

    Raises:
        missing: it is no id.
    """
    found = find_id(text)
    if found is None:
        raise missing
    return found


def pointer(location: tuple[int | str, ...]) -> str:
    """`("seatNumbers", 0)` is `#/seatNumbers/0`, and nothing is `#`, the whole (RFC 6901)."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in location)
    return "".join(["#", *(f"/{step}" for step in steps)])


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer before it is sent: what an idempotency key keeps."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def response(self) -> Response:
        """The answer as a response."""
        out = Response(self.body, status_code=self.status, media_type="application/json")
        for name, value in self.headers:
            out.headers.append(name, value)
        return out


def encode(value: BaseModel | dict[str, Any]) -> bytes:
    """The JSON of a wire model; fields that were not given when it was made are left out."""
    if isinstance(value, BaseModel):
        return value.model_dump_json(by_alias=True, exclude_unset=True).encode()
    return to_json(value)


def answer(value: BaseModel | dict[str, Any], status: int = 200) -> Response:
    """The usual answer of a route."""
    return Answer(status, encode(value)).response()


def private(response: Response) -> Response:
    """An answer for its caller alone: nothing on the way keeps it."""
    response.headers["Cache-Control"] = "no-store"
    return response


def problem_response(error: DomainError, *, request_id: str, instance: str) -> Response:
    """A refusal as `application/problem+json`."""
    document = error.problem(request_id=request_id, instance=instance)
    out = Response(
        to_json(document), status_code=error.status, media_type="application/problem+json"
    )
    if error.retry_after_s is not None:
        out.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        out.headers["WWW-Authenticate"] = "Bearer"
    return out


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """For a route's `openapi_extra`: the body it reads by `read_json` and `parse`."""
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
                    "x-model": f"{model.__module__}:{model.__name__}",
                }
            },
        }
    }


def refuses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the statuses of its refusals, each a problem document."""
    return {
        status: {
            "description": "Refused",
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        for status in statuses
    }


def complete_openapi(document: dict[str, Any]) -> dict[str, Any]:
    """Put the schemas of `takes` and the problem document into the components."""
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = ProblemOut.model_json_schema()
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            where = content.get("application/json", {}).pop("x-model", None)
            if where is None:
                continue
            module, _, name = where.partition(":")
            model = getattr(sys.modules[module], name)
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
    return document
