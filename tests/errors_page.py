"""docs/errors.md as the code has it. Run this file to write it again."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import kiti
from kiti.platform.errors import (
    BadRequest,
    Conflict,
    DomainError,
    Invalid,
    TooMany,
    Unavailable,
)

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
# These group others, and are never raised themselves; 401, 403 and 404 lend their code.
FAMILIES = {BadRequest, Conflict, Invalid, TooMany, Unavailable}
HEAD = """\
# Refusals

Every refusal is an `application/problem+json` document (RFC 9457) with `type`, `title`, `status`,
`detail`, `instance`, `code` and `requestId`; some add members of their own. `code` and `type` are
stable, the words are not. Safe to try again as it is: 503, 429 after `Retry-After`, and 409
`IDEMPOTENCY_IN_PROGRESS`.

| code | status | means | type |
|---|---|---|---|
"""


def refusals() -> list[type[DomainError]]:
    """Every refusal of the product, by status, code and type; families left out."""
    for module in pkgutil.walk_packages(kiti.__path__, "kiti."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    found = {c for c in _below(DomainError) if c.__module__.startswith("kiti.")} - FAMILIES
    return sorted(found, key=lambda c: (c.status, c.code(), c.slug()))


def _below(refusal: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in refusal.__subclasses__():
        yield child
        yield from _below(child)


def page() -> str:
    """The whole page."""
    return HEAD + "".join(
        f"| `{c.code()}` | {c.status} | {c.title()} | `/problems/{c.slug()}` |\n"
        for c in refusals()
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
