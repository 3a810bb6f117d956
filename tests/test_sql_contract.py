"""Every statement of every store, prepared on the migrated schema, and its row class."""

import ast
import types
import typing
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import ModuleType
from uuid import UUID

import asyncpg
import pytest

from kiti.platform.db import SERVER_SETTINGS, Conn

SRC = Path(__file__).parents[1] / "src"
STORES = sorted(SRC.glob("kiti/**/store*.py"))
# Where each function has its statement; those of rows have the row class before it.
WITH_ROW = {"fetch_optional", "fetch_one", "fetch_all"}
WITHOUT_ROW = {"fetch_value", "execute"}
PYTHON = {
    "uuid": UUID, "text": str, "varchar": str, "bpchar": str, "name": str, "char": bytes,
    "bool": bool, "int2": int, "int4": int, "int8": int, "oid": int, "float4": float,
    "float8": float, "numeric": Decimal, "bytea": bytes, "json": str, "jsonb": str, "date": date,
    "time": time, "timestamptz": datetime, "interval": timedelta, "varbit": asyncpg.BitString,
    "bit": asyncpg.BitString, "inet": object, "void": types.NoneType,
}  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """A statement found in the source. `row` is None where no row class goes with it."""

    where: str
    function: str
    row: type | None
    sql: str


def statements(path: Path) -> Iterator[Statement]:
    """Every statement of a store, whose text must be a literal or a constant of its module."""
    name = ".".join(path.relative_to(SRC).with_suffix("").parts)
    module = import_module(name)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            where = f"{path.relative_to(SRC)}:{node.lineno}"
            if node.func.id in WITH_ROW:
                row = _value(module, node.args[1], where)
                assert isinstance(row, type), f"{where}: the row class must be named in full"
                yield Statement(where, node.func.id, row, _sql(module, node.args[2], where))
            elif node.func.id in WITHOUT_ROW:
                yield Statement(where, node.func.id, None, _sql(module, node.args[1], where))


def _value(module: ModuleType, node: ast.expr, where: str) -> object:
    """The value of a literal, a constant of the module or an attribute of something it imports."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() if hasattr(module, node.id):
            return getattr(module, node.id)
        case ast.Attribute():
            return getattr(_value(module, node.value, where), node.attr)
        case _:
            raise AssertionError(f"{where}: {ast.unparse(node)} is no literal, nor a constant")


def _sql(module: ModuleType, node: ast.expr, where: str) -> str:
    sql = _value(module, node, where)
    assert isinstance(sql, str), f"{where}: the statement must be a text"
    return sql


async def faults(conn: Conn, statement: Statement) -> list[str]:
    """What is wrong with a statement; nothing when it can be prepared and gives its rows."""
    try:
        columns = (await conn.prepare(statement.sql)).get_attributes()
    except asyncpg.PostgresError as error:
        return [f"{statement.where}: {error}"]
    if statement.function == "fetch_value" and len(columns) != 1:
        return [f"{statement.where}: {len(columns)} columns, where one value is wanted"]
    if statement.row is None:
        return []
    if not is_dataclass(statement.row):
        return [f"{statement.where}: {statement.row.__name__} is no dataclass"]
    return [f"{statement.where}: {fault}" for fault in _differences(columns, statement.row)]


def _differences(columns: Sequence[asyncpg.Attribute], row: type) -> Iterator[str]:
    names = [column.name for column in columns]
    wanted = {field.name for field in fields(row) if field.init}
    if len(set(names)) != len(names):
        yield f"a column stands twice: {names}"
    if set(names) != wanted:
        yield f"columns {sorted(set(names) - wanted)}, fields {sorted(wanted - set(names))} alone"
    hints = typing.get_type_hints(row)
    for column in columns:
        if column.name in hints and not _fits(column.type, hints[column.name]):
            yield f"{column.name} is {column.type.name}, the field {hints[column.name]}"


def _fits(column: asyncpg.Type, hint: object) -> bool:
    """Whether what asyncpg makes of a column is what the field says; None is not looked at."""
    got = list if column.kind == "array" else PYTHON[column.name]
    return any(
        kind is typing.Any or (isinstance(kind, type) and issubclass(got, kind))
        for kind in _kinds(hint)
    )


def _kinds(hint: object) -> Iterator[object]:
    origin = typing.get_origin(hint)
    if origin in {types.UnionType, typing.Union}:
        for part in typing.get_args(hint):
            yield from _kinds(part)
    elif origin is typing.Literal:
        yield from {type(value) for value in typing.get_args(hint)}
    elif isinstance(hint, typing.NewType):
        yield from _kinds(hint.__supertype__)
    else:
        yield origin or hint


@pytest.fixture
async def conn(dsn: str) -> AsyncGenerator[Conn]:
    connection = await asyncpg.connect(dsn, server_settings=SERVER_SETTINGS)
    yield connection
    await connection.close()


@pytest.mark.parametrize("path", STORES, ids=lambda path: str(path.relative_to(SRC / "kiti")))
async def test_statements_fit_the_schema_and_their_rows(conn: Conn, path: Path):
    found = list(statements(path))
    assert found, "a store without a statement"
    assert [fault for statement in found for fault in await faults(conn, statement)] == []


@dataclass(frozen=True)
class City:
    city_id: UUID
    name: str
    latitude: float | None


@pytest.mark.parametrize(
    ("function", "row", "sql", "fault"),
    [
        ("fetch_all", City, "SELECT city_id, name, latitude FROM city", None),
        ("fetch_all", City, "SELECT latitude, name, city_id FROM city", None),
        ("fetch_all", City, "SELECT city_id, name FROM city", "columns [], fields ['latitude']"),
        (
            "fetch_one",
            City,
            "SELECT city_id, name, latitude, longitude FROM city",
            "columns ['longitude'], fields []",
        ),
        ("fetch_one", City, "SELECT city_id, name, name, latitude FROM city", "stands twice"),
        (
            "fetch_one",
            City,
            "SELECT city_id, name, latitude::numeric FROM city",
            "latitude is numeric, the field float | None",
        ),
        ("fetch_one", City, "SELECT city_id, name, lattitude FROM city", "does not exist"),
        ("fetch_one", str, "SELECT name FROM city", "str is no dataclass"),
        ("fetch_value", None, "SELECT name FROM city", None),
        ("fetch_value", None, "SELECT name, country FROM city", "2 columns"),
        ("execute", None, "DELETE FROM city WHERE nam = $1", "does not exist"),
    ],
)
async def test_a_statement_that_drifted_is_found(
    conn: Conn, function: str, row: type | None, sql: str, fault: str | None
):
    found = await faults(conn, Statement("here", function, row, sql))
    if fault is None:
        assert found == []
    else:
        assert len(found) == 1
        assert fault in found[0]


def test_a_statement_that_is_put_together_is_refused():
    module = ModuleType("store_odd")
    call = ast.parse("fetch_all(conn, Row, 'SELECT ' + what)").body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    with pytest.raises(AssertionError, match="no literal"):
        _sql(module, call.value.args[2], "here")
