"""The house rules of STYLE that no tool checks."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import pytest

import errors_page
from kiti.platform.migrate import migrations

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
TESTS = ROOT / "tests"
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
POSITIONAL_MAX = 5
BANNED_NAMES = {"utils", "helpers", "common", "base", "manager", "misc"}
QUERIES = {"fetch_optional", "fetch_one", "fetch_all", "fetch_value", "execute"}
DRIVER_CALLS = {"fetchrow", "fetchval", "executemany", "copy_records_to_table", "copy_to_table"}
SQL_WORD = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|LOCK|LISTEN|NOTIFY|SET)\s")
WRITES = re.compile(r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE|MERGE\s+INTO)\s+(\w+)")


def modules(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("kiti", cache_dir=None)


def slice_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_a_module_fits_in_the_head():
    long = {
        name_of(path): count
        for path in modules(SRC)
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MODULE_LINES_MAX
    }
    assert long == {}


def test_a_function_fits_on_a_screen():
    long = {
        f"{name_of(path)}:{node.lineno} {node.name}": lines
        for path in modules(SRC)
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_few_parameters_go_by_position():
    many = {
        f"{name_of(path)}:{node.lineno} {node.name}": len(names)
        for path in modules(SRC)
        for node in functions(path)
        if len(names := _positional(node)) > POSITIONAL_MAX
    }
    assert many == {}


def _positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    names = [argument.arg for argument in node.args.posonlyargs + node.args.args]
    return [name for name in names if name not in {"self", "cls"}]


def test_no_module_is_named_for_nothing():
    named = [name_of(path) for path in SRC.rglob("*") if path.stem in BANNED_NAMES]
    assert named == []


def test_a_store_is_imported_only_by_its_own_slice():
    strangers = [
        f"{importer} imports {module}"
        for module in graph().modules
        if module.rpartition(".")[2].startswith("store")
        for importer in graph().find_modules_that_directly_import(module)
        if slice_of(importer) != slice_of(module)
    ]
    assert strangers == []


def test_the_sandbox_imports_nothing_of_the_product():
    inside = {m for m in graph().modules if slice_of(m) == "kiti.sandbox"}
    outside = {
        f"{module} imports {imported}"
        for module in inside
        for imported in graph().find_modules_directly_imported_by(module)
        if imported not in inside
    }
    assert inside
    assert outside == set()


def test_sql_is_in_stores_alone():
    """Below `platform` lie the database itself, migrations and what every slice stands on."""
    elsewhere = [
        f"{name_of(path)}:{call.lineno}"
        for path in modules(SRC)
        if not path.name.startswith("store") and "platform" not in path.parts
        for call in calls(path)
        if _is_query(call)
    ]
    assert elsewhere == []


def _is_query(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in QUERIES
    if not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr in DRIVER_CALLS:
        return True
    text = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    is_sql = isinstance(text, str) and SQL_WORD.match(text) is not None
    return is_sql and call.func.attr in {"execute", "fetch", "cursor", "prepare"}


def test_a_table_is_written_by_one_slice():
    text = "\n".join(migration.sql for migration in migrations())
    tables = set(re.findall(r"CREATE TABLE(?: IF NOT EXISTS)? (\w+)", text))
    writers: dict[str, set[str]] = defaultdict(set)
    for path in modules(SRC):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for table in set(WRITES.findall(node.value)) & tables:
                    writers[table].add(path.relative_to(SRC / "kiti").parts[0])
    assert {table: names for table, names in writers.items() if len(names) > 1} == {}
    assert writers["stop"] == {"network"}


def test_no_test_sleeps():
    sleeps = [
        f"{name_of(path)}: {ast.unparse(node)}"
        for path in modules(TESTS)
        for node in ast.walk(tree(path))
        if _is_sleep(node)
    ]
    assert sleeps == []


def _is_sleep(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module in {"asyncio", "time"} and any(n.name == "sleep" for n in node.names)
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "sleep"
        and isinstance(node.value, ast.Name)
        and node.value.id in {"asyncio", "time"}
    )


def test_every_refusal_is_in_the_docs():
    written = errors_page.PAGE.read_text(encoding="utf-8").splitlines()
    meant = errors_page.page().splitlines()
    missing = [line for line in meant if line not in written]
    too_many = [line for line in written if line not in meant]
    assert (missing, too_many) == ([], []), f"run {name_of(Path(errors_page.__file__))}"
    assert written == meant


def test_a_code_says_one_thing():
    """But for 401, 403 and 404, which tell a stranger no more than their family."""
    codes: dict[str, list[str]] = defaultdict(list)
    for refusal in errors_page.refusals():
        if refusal.family_code is None:
            codes[refusal.code()].append(refusal.__qualname__)
    assert {code: names for code, names in codes.items() if len(names) > 1} == {}


def test_a_family_is_never_raised_itself():
    families = {family.__name__ for family in errors_page.FAMILIES} | {"DomainError"}
    raised = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules(SRC)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Raise)
        for raised in [node.exc.func if isinstance(node.exc, ast.Call) else node.exc]
        if isinstance(raised, ast.Name) and raised.id in families
    ]
    assert raised == []


def test_calls_go_down():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "is_query"),
    [
        ("await fetch_all(conn, Row, 'SELECT 1')", True),
        ("await execute(conn, SQL)", True),
        ("await conn.execute('DELETE FROM trip')", True),
        ("await conn.fetchval(sql)", True),
        ("await conn.fetch(' \\n WITH a AS (SELECT 1) SELECT 1')", True),
        ("await client.fetch('https://example.org/')", False),
        ("await plan.execute()", False),
    ],
)
def test_a_query_is_known_by_its_call(code: str, is_query: bool):  # noqa: FBT001
    [call] = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    assert _is_query(call) == is_query
