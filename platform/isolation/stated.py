"""The policies that the migrations state, beside those that the catalogue holds.

There is no second list: the operations of the migrations on disk are read, so a policy is expected because a
migration makes it, and one that no migration makes is a hole.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from django.apps import apps
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from isolation.context import OWNER_ROLE, PUBLIC
from isolation.operations import DropPolicy, Policy, TenantSQL, fill, role_of


@dataclass(frozen=True, slots=True)
class Stated:
    """One policy. `using` and `check` are SQL, empty where there is none; `role` empty is everybody."""

    table: str
    name: str
    command: str
    role: str
    permissive: bool
    using: str
    check: str


CATALOGUE = """
    SELECT c.relname, p.polname,
           CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                         WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
           coalesce((SELECT string_agg(r.rolname, ',' ORDER BY r.rolname) FROM pg_roles r WHERE r.oid = ANY (p.polroles)), ''),
           p.polpermissive, coalesce(pg_get_expr(p.polqual, p.polrelid), ''),
           coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s"""

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname = %s ORDER BY 1"""


def _operations() -> Iterator[tuple[str, Operation]]:
    """App label and operation of every migration on disk, in the order of the graph. Asks no database."""
    loader = MigrationLoader(None)
    seen: set[tuple[str, str]] = set()
    for leaf in loader.graph.leaf_nodes():
        for key in loader.graph.forwards_plan(leaf):
            if key not in seen:
                seen.add(key)
                yield from ((key[0], operation) for operation in loader.graph.nodes[key].operations)


def operations() -> list[tuple[str, Policy]]:
    """Table and operation of every `Policy`, in the order of the graph."""
    found: list[tuple[str, Policy]] = []
    for app_label, operation in _operations():
        if isinstance(operation, Policy):
            label, _, name = operation.model.rpartition(".")
            try:
                found.append((apps.get_model(label or app_label, name)._meta.db_table, operation))
            except LookupError:
                continue  # A later migration removed the model, and its table with it.
    return found


FUNCTION = re.compile(
    r"CREATE (?:OR REPLACE )?FUNCTION \{schema\}\.(?P<made>\w+)\((?P<head>[^$]*?)AS\s+\$\$(?P<body>.*?)\$\$"
    r"|DROP FUNCTION (?:IF EXISTS )?\{schema\}\.(?P<gone>\w+)",
    re.DOTALL,
)
FUNCTIONS = """
    SELECT p.proname, p.prosrc, p.prosecdef FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = %s"""


def functions(schema: str) -> dict[str, tuple[str, bool]]:
    """The functions that the migrations leave in `schema`: name → (body, whether it runs as its owner)."""
    found: dict[str, tuple[str, bool]] = {}
    for _label, operation in _operations():
        if not isinstance(operation, TenantSQL) or (operation.only and (operation.only == "public") != (schema == PUBLIC)):
            continue
        for match in FUNCTION.finditer(operation.forward):
            if match["gone"]:
                found.pop(match["gone"], None)
            else:
                found[match["made"]] = fill(match["body"], schema), "SECURITY DEFINER" in match["head"]
    return found


def changed_functions(cursor: Any, schema: str) -> Iterator[str]:
    """The functions of `schema` that are missing, changed, or that no migration makes. Policies call some of them."""
    cursor.execute(FUNCTIONS, (schema,))
    have = {name: (body, definer) for name, body, definer in cursor.fetchall()}
    wanted = functions(schema)
    yield from (f"{schema}.{name}" for name in sorted(wanted.keys() | have.keys()) if wanted.get(name) != have.get(name))


def expected(schema: str, tables: set[str], stated: list[tuple[str, Policy]]) -> dict[tuple[str, str], Stated]:
    """What `schema` must have on those of its `tables`: the trigger's two policies on each, and the migrations'."""
    found: dict[tuple[str, str], Stated] = {}
    for table in tables:
        found[table, "gate"] = Stated(table, "gate", "ALL", "", False, fill("{here}", schema), "")
        found[table, "migrate"] = Stated(table, "migrate", "ALL", OWNER_ROLE, True, fill("{can_migrate}", schema), "")
    for table, each in stated:
        if table not in tables or (each.only and (each.only == "public") != (schema == PUBLIC)):
            continue
        using = "" if each.command == "INSERT" else fill(each.using, schema)
        check = fill(each.check or each.using, schema) if each.command == "INSERT" or each.check is not None else ""
        role = role_of(each.role, schema)
        if isinstance(each, DropPolicy):
            del found[table, each.name]
            continue
        found[table, each.name] = Stated(table, each.name, each.command, role, True, using, check)
    return found


# What decides beside words. `IN (…)` and LIKE are printed as other operators, so they are counted as those.
OPERATOR = re.compile(r"<>|!=|<=|>=|~~\*?|!~~\*?|[=<>]")
LIST = re.compile(r"\b(not\s+)?in\s*\((?!\s*select\b)")


def comparisons(text: str) -> Counter[str]:
    """How often each comparison stands in an expression, however it is spelt."""
    low = re.sub(r"'[^']*'", " ", text.lower())
    low = LIST.sub(lambda match: " <> " if match[1] else " = ", low)
    low = re.sub(r"\bnot\s+like\b", " !~~ ", low)
    low = re.sub(r"\blike\b", " ~~ ", low)
    low = re.sub(r"\bbetween\b", " >= <= ", low)
    return Counter("<>" if found == "!=" else found for found in OPERATOR.findall(low))


NOISE = re.compile(r'::[a-z_]+(?: varying)?(?:\[\])?|["()\[\],]')
WORD = re.compile(r"[a-z_][a-z0-9_]*")
DECIDES = ("or", "and", "true", "false", "exists", "here", "uid", "can")


INTERVAL = re.compile(r"interval '(\d+) (second|minute|hour)s?'")
SECONDS = {"second": 1, "minute": 60, "hour": 3600}


def _printed(interval: re.Match[str]) -> str:
    """An interval as PostgreSQL prints it."""
    total = int(interval[1]) * SECONDS[interval[2]]
    return f"'{total // 3600:02}:{total % 3600 // 60:02}:{total % 60:02}'"


def essence(text: str) -> tuple[Counter[str], Counter[str], set[str]]:
    """What PostgreSQL keeps of an expression when it prints it its own way: literals, deciding words, all words."""
    low = INTERVAL.sub(_printed, text.lower())
    literals = Counter(re.findall(r"'([^']*)'", low))
    words = WORD.findall(NOISE.sub(" ", re.sub(r"'[^']*'", " ", re.sub(r"\bas (uid|can|here)\b", " ", low))))
    return literals, Counter(word for word in words if word in DECIDES), set(words)


def same(wanted: str, found: str) -> bool:
    """Whether PostgreSQL's print of a policy can come from the text in the migration.

    Literals, comparisons and the words that decide must occur equally often and no name may be missing; brackets,
    which PostgreSQL rewrites, are not compared (`printed` does that, where there is a login that may make tables).
    """
    if bool(wanted) != bool(found):
        return False
    literals, decides, words = essence(wanted)
    printed_literals, printed_decides, printed_words = essence(found)
    rewritten = {"in", "as", "between", "coalesce", "text", "is", "not", "distinct", "from", "join", "on", "inner"}
    return (
        literals == printed_literals
        and decides == printed_decides
        and comparisons(wanted) == comparisons(found)
        and words - rewritten <= printed_words
    )


Printed = dict[tuple[str, str], Stated]


def printed(url: str, schema: str) -> Printed:
    """The policies that `schema` must have, as PostgreSQL prints them: made on empty copies and rolled back.

    `url` is the migrator's. The copies have the tables' names and columns in a schema of their own.
    """
    made = operations()
    scratch = f"scratch_{secrets.token_hex(6)}"
    with psycopg.connect(url, connect_timeout=10) as link, link.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {OWNER_ROLE}; SET LOCAL search_path = pg_catalog")
        cursor.execute(TABLES, (schema,))
        tables = {name for (name,) in cursor.fetchall()}
        cursor.execute(f"CREATE SCHEMA {scratch}")
        for table in tables:
            cursor.execute(f'CREATE TABLE {scratch}."{table}" (LIKE {schema}."{table}")')
        for each in expected(schema, tables, made).values():
            kind = "PERMISSIVE" if each.permissive else "RESTRICTIVE"
            cursor.execute(
                f'CREATE POLICY "{each.name}" ON {scratch}."{each.table}" AS {kind} FOR {each.command}'
                f" TO {each.role or 'PUBLIC'}"
                + (f" USING ({each.using})" if each.using else "")
                + (f" WITH CHECK ({each.check})" if each.check else "")
            )
        cursor.execute(CATALOGUE, (scratch,))
        found = {(row[0], row[1]): Stated(*row) for row in cursor.fetchall()}
        link.rollback()
    return found


def differences(cursor: Any, schema: str, exactly: Printed | None = None) -> Iterator[tuple[str, str]]:
    """Each policy that is missing, changed or stated nowhere: (what, where). `exactly` is what `printed` gave."""
    cursor.execute("SET search_path = pg_catalog")
    cursor.execute(TABLES, (schema,))
    tables = {name for (name,) in cursor.fetchall()}
    cursor.execute(CATALOGUE, (schema,))
    found = {(row[0], row[1]): Stated(*row) for row in cursor.fetchall()}
    wanted = expected(schema, tables, operations())
    for key in sorted(wanted.keys() | found.keys()):
        where = f"{schema}.{key[0]}: {key[1]}"
        want, have = wanted.get(key), found.get(key)
        if have is None:
            yield "a policy is missing", where
        elif want is None:
            yield "a policy that no migration states", where
        elif exactly is not None:
            if have != exactly.get(key):
                yield "a policy was changed", where
        elif (want.command, want.role, want.permissive) != (have.command, have.role, have.permissive) or not (
            same(want.using, have.using) and same(want.check, have.check)
        ):
            yield "a policy was changed", where
