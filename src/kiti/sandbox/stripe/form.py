"""Form-encoded bodies and queries with nested keys: `line_items[0][price_data][currency]=ngn`."""

import re
from collections.abc import Mapping
from typing import Final, TypeVar, cast
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError

from kiti.sandbox.stripe.model import Refused

_FIELDS_MAX: Final = 1000
_DEPTH_MAX: Final = 8
_KEY: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_Model = TypeVar("_Model", bound=BaseModel)


class Params(BaseModel):
    """What a call takes; everything else is an unknown parameter. `expand` is taken by all."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    expand: tuple[str, ...] = ()


def parse(encoded: str) -> dict[str, object]:
    """The nested object; all leaves are texts, and numbered keys make a list.

    Raises:
        Refused: not a form, too large or nested too deeply.
    """
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise Refused("The request body is not a form") from None
    out: dict[str, object] = {}
    for key, value in pairs:
        found = _KEY.match(key)
        parts = [found[1], *_PART.findall(found[2])] if found else []
        if not 1 <= len(parts) <= _DEPTH_MAX:
            raise Refused(f"Invalid parameter name: {key[:100]}", code="parameter_unknown")
        _put(out, parts, value)
    return cast("dict[str, object]", _listed(out))


def _put(into: dict[str, object], parts: list[str], value: str) -> None:
    """Descend, and set the leaf; an empty key takes the next number."""
    place = into
    for part in parts[:-1]:
        deeper = place.setdefault(part or str(len(place)), {})
        if not isinstance(deeper, dict):
            raise Refused(f"Invalid object: {parts[0]}", param=parts[0])
        place = cast("dict[str, object]", deeper)
    place[parts[-1] or str(len(place))] = value


def _listed(value: object) -> object:
    if not isinstance(value, dict):
        return value
    found = {key: _listed(each) for key, each in cast("dict[str, object]", value).items()}
    if found and all(key.isdecimal() for key in found):
        return [found[key] for key in sorted(found, key=int)]
    return found


def read(model: type[_Model], form: Mapping[str, object]) -> _Model:
    """The parameters, checked.

    Raises:
        Refused: one is missing, unknown or wrong; Stripe's words name it.
    """
    try:
        return model.model_validate(form)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False, include_context=False)
        name, *inner = (str(part) for part in first["loc"])
        param = name + "".join(f"[{part}]" for part in inner)
        if first["type"] == "extra_forbidden":
            raise Refused(
                f"Received unknown parameter: {param}", code="parameter_unknown", param=param
            ) from None
        if first["type"] == "missing":
            raise Refused(
                f"Missing required param: {param}.", code="parameter_missing", param=param
            ) from None
        code = "parameter_invalid_integer" if "int" in first["type"] else None
        raise Refused(f"Invalid {param}: {first['msg']}", code=code, param=param) from None
