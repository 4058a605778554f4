"""The walls put to the test: the catalogue against what was built, and attacks with the web's own login.

Plain data out; the command prints it. Everything runs in transactions that are rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from isolation import context, guard, lints, stated
from isolation.said import say as _

TENANT = re.compile(r"t_[0-9a-f]{12}")
NOBODYS = "t_000000000000"  # A well-formed schema name that no tenant has: the name of the attackers' own house.


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `outcome` says what was seen; `held` is False for a hole."""

    section: str
    what: str
    where: str
    outcome: str
    held: bool


@dataclass(frozen=True, slots=True)
class Report:
    findings: tuple[Finding, ...]
    server: str = ""  # PostgreSQL's version

    @property
    def holes(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if not each.held)


ROLES = """
    SELECT rolname FROM pg_roles
    WHERE (rolname = ANY (%(logins)s) OR rolname = ANY (%(roles)s) OR rolname ~ '^t_[0-9a-f]{12}$')
      AND (rolsuper OR (rolbypassrls AND rolname <> %(backup)s) OR (rolcanlogin AND rolname <> ALL (%(logins)s)))"""
INHERITED = """
    SELECT m.rolname || ' by ' || l.rolname FROM pg_auth_members a
    JOIN pg_roles l ON l.oid = a.member JOIN pg_roles m ON m.oid = a.roleid
    WHERE l.rolname = %(app)s AND (a.inherit_option OR a.admin_option)"""
OWNED = """
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_roles r ON r.oid = c.relowner
    WHERE (n.nspname IN ('public', 'guard') OR n.nspname ~ '^t_[0-9a-f]{12}$') AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
      AND r.rolname NOT IN (%(owner)s, %(guard)s)"""
TRIGGER = """
    SELECT t.evtname FROM pg_event_trigger t JOIN pg_proc p ON p.oid = t.evtfoid
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE t.evtname = 'cloison_lock_new_table' AND t.evtenabled IN ('O', 'A') AND n.nspname = 'guard'
      AND p.proname = 'lock_new_table'"""
FUNCTIONS = """
    SELECT p.proname, p.prosrc, p.prosecdef, coalesce(p.proconfig::text, ''), r.rolname
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
    WHERE n.nspname = 'guard'"""
WRITTEN = re.compile(r"REPLACE FUNCTION guard\.(\w+)\(([^$]*?)AS\s+\$\$(.*?)\$\$", re.DOTALL)


Tell = Callable[[str, int], None]
"""Is told each section as it begins, and how many percent of the test are behind."""


def _silent(section: str, percent: int) -> None:
    """Tells nobody."""


def parameters() -> dict[str, Any]:
    """How psycopg reaches the database with this process's own login, outside Django."""
    found = dict(connection.get_connection_params())
    for name in ("cursor_factory", "context", "prepare_threshold"):
        found.pop(name, None)
    return found


def verify(schemas: Iterable[str], *, everybody: bool = True, tell: Tell = _silent, migrator: str = "") -> Report:
    """Test the platform and each of `schemas`, as the login of this process: the web's.

    With `everybody` false, a hole that is only another tenant's is left out: its schema's name is not the reader's.
    `migrator` is the URL of the login that may make tables: with it PostgreSQL itself prints each policy as the
    migrations state it, and what it printed for the real one must be the same to the letter.
    """
    wanted = list(schemas)
    seen = Seen(None if everybody else frozenset(wanted))
    found: list[Finding] = []
    with psycopg.connect(**parameters(), connect_timeout=10, autocommit=True) as link, link.cursor() as cursor:
        tell(_("Logins and roles"), 0)
        found += _roles(cursor, seen)
        tell(_("The guard"), 10)
        found += _guard(cursor)
        tell(_("Tables, views, functions, grants"), 15)
        found += _catalogue(cursor, seen)
        for number, schema in enumerate([context.PUBLIC, *wanted]):
            tell(_("Policies against the migrations"), 25 + 35 * number // (len(wanted) + 1))
            found += _policies(cursor, schema, migrator)
        for number, schema in enumerate(wanted):
            tell(_("Attacks with the web's own login"), 60 + 40 * number // len(wanted))
            found += _attacks(link, schema)
        number = link.info.server_version
    return Report(tuple(found), f"{number // 10_000}.{number % 10_000}")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a report may name: everything, or (`only`) nothing that is another tenant's."""

    only: frozenset[str] | None

    def allowed(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if self.only is None or not set(TENANT.findall(name)) - self.only]


def _listed(section: str, what: str, names: list[str]) -> list[Finding]:
    """A hole for each name, or one finding that there is none."""
    if names:
        return [Finding(section, what, name, _("found"), held=False) for name in names]
    return [Finding(section, what, "", _("none"), held=True)]


def _roles(cursor: Any, seen: Seen) -> list[Finding]:
    section = _("Logins and roles")
    names = {
        "app": guard.APP_LOGIN,
        "owner": context.OWNER_ROLE,
        "guard": guard.GUARD_ROLE,
        "backup": guard.BACKUP_LOGIN,
        "logins": [guard.APP_LOGIN, context.MIGRATOR_ROLE, guard.BACKUP_LOGIN],
        "roles": [context.OWNER_ROLE, guard.GUARD_ROLE, context.GATEWAY_ROLE, context.PLATFORM_ROLE, context.SERVICE_ROLE],
    }
    found = _listed(section, _("a fault of the web's login"), lints.login_faults(cursor))
    for what, query in (
        (_("a role with a right it must not have"), ROLES),
        (_("a role that the web's login inherits or hands on"), INHERITED),
        (_("a table with a wrong owner"), OWNED),
    ):
        cursor.execute(query, names)
        found += _listed(section, what, seen.allowed(name for (name,) in cursor.fetchall()))
    return found


def _guard(cursor: Any) -> list[Finding]:
    """The guard's functions word for word as this version installs them, and its event trigger in force."""
    section = _("The guard")
    cursor.execute(FUNCTIONS)
    present = {name: (source, definer, settings, owner) for name, source, definer, settings, owner in cursor.fetchall()}
    wrong: list[str] = []
    for name, head, source in WRITTEN.findall(guard.DATABASE):
        have = present.pop(name, None)
        if (
            have is None
            or have[0] != source
            or have[1] != ("SECURITY DEFINER" in head)
            or (have[1] and have[3] != guard.GUARD_ROLE)
            or ("SET search_path" in head and "search_path=pg_catalog" not in have[2])
        ):
            wrong.append(f"guard.{name}")
    found = _listed(section, _("a guard function that was changed or is missing"), wrong)
    found += _listed(
        section, _("a guard function that this version does not install"), [f"guard.{name}" for name in sorted(present)]
    )
    cursor.execute(TRIGGER)
    missing = [] if cursor.fetchone() else ["cloison_lock_new_table"]
    return found + _listed(section, _("an event trigger that is off"), missing)


def _catalogue(cursor: Any, seen: Seen) -> list[Finding]:
    section = _("Tables, views, functions, grants")
    by_what: dict[str, list[str]] = {what: [] for what in lints.QUERIES}
    for hole in lints.holes(cursor):
        by_what[hole.what] += seen.allowed([hole.where])
    return [finding for what, names in by_what.items() for finding in _listed(section, _(what), names)]


def _policies(cursor: Any, schema: str, migrator: str) -> list[Finding]:
    section = _("Policies of %(schema)s against the migrations") % {"schema": schema}
    printed: stated.Printed | None = None
    found: list[Finding] = []
    if migrator:
        try:
            printed = stated.printed(migrator, schema)
        except psycopg.Error as error:
            why = str(error).splitlines()[0]
            found.append(Finding(section, _("the migrations' policies cannot be made on copies"), schema, why, held=False))
    found += _listed(
        section,
        _("a function that was changed, is missing or that no migration makes"),
        list(stated.changed_functions(cursor, schema)),
    )
    wrong = list(stated.differences(cursor, schema, printed))
    if not wrong:
        return found + _listed(section, _("a policy that differs"), [])
    return found + [Finding(section, _(what), where, _("found"), held=False) for what, where in wrong]


def _attacks(link: psycopg.Connection, schema: str) -> list[Finding]:
    section = _("Attacks with the web's own login on %(schema)s") % {"schema": schema}
    with link.cursor() as cursor:
        cursor.execute(stated.TABLES, (schema,))
        tables = [name for (name,) in cursor.fetchall()]
    if "accounts_user" not in tables:
        return [Finding(section, _("the tenant's own people can be read"), schema, _("no tables"), held=False)]
    counting = sql.SQL("SELECT sum(n) FROM ({}) AS counts").format(
        sql.SQL(" UNION ALL ").join(sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier(schema, t)) for t in tables)
    )
    users = sql.Identifier(schema, "accounts_user")
    migrator = sql.Identifier(context.MIGRATOR_ROLE)
    elsewhere = context.person(NOBODYS, 1, frozenset({"service", "auth"})).signed()[:2]
    forged = (f"{schema}|1|service,auth|9999999999", "0" * 64)

    def reads(role: str | None, signed: tuple[str, str] | None = None) -> Callable[[Any], int]:
        return lambda cursor: _count(cursor, role, signed, counting)

    def does(statement: sql.Composable, role: str | None = None) -> Callable[[Any], int]:
        return lambda cursor: _do(cursor, role, statement)

    tries: list[tuple[str, Callable[[Any], int]]] = [
        (_("read every table without a role"), reads(None)),
        (_("read every table with the tenant's role and no context"), reads(schema)),
        (_("read every table with a forged signature"), reads(schema, forged)),
        (_("read every table with another house's signed context"), reads(schema, elsewhere)),
        (_("the same with the service role"), reads(context.SERVICE_ROLE, elsewhere)),
        (_("become the owner of the tables"), reads(context.OWNER_ROLE)),
        (_("become the guard and read its key"), does(sql.SQL("SELECT 1 FROM guard.key"), guard.GUARD_ROLE)),
        (_("read the guard's key"), does(sql.SQL("SELECT 1 FROM guard.key"))),
        (
            _("change the session's login"),
            does(sql.SQL("SET SESSION AUTHORIZATION {}").format(migrator)),
        ),
        (_("switch row level security off"), does(sql.SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY").format(users), schema)),
        (_("write a policy"), does(sql.SQL("CREATE POLICY open ON {} USING (true)").format(users), schema)),
        (_("empty a table"), does(sql.SQL("TRUNCATE {} CASCADE").format(users), schema)),
        (_("make a temporary table"), does(sql.SQL("CREATE TEMP TABLE accounts_user (id int)"))),
        (_("make a function"), does(sql.SQL("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"))),
        (_("run a program on the server"), does(sql.SQL("COPY (SELECT 1) TO PROGRAM 'true'"))),
        (_("read a file of the server"), does(sql.SQL("SELECT pg_read_file('postgresql.conf')"))),
    ]
    found = [_attempt(link, section, what, schema, attack) for what, attack in tries]
    return [*found, _control(link, section, schema)]


def _as(cursor: Any, role: str | None, signed: tuple[str, str] | None) -> None:
    if role:
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
    if signed:
        cursor.execute("SELECT set_config('app.ctx', %s, true), set_config('app.sig', %s, true)", signed)


def _count(cursor: Any, role: str | None, signed: tuple[str, str] | None, counting: sql.Composable) -> int:
    _as(cursor, role, signed)
    cursor.execute(counting)
    return int(cursor.fetchone()[0] or 0)


def _do(cursor: Any, role: str | None, statement: sql.Composable) -> int:
    """1 where the server let the statement through: none of them may be."""
    _as(cursor, role, None)
    cursor.execute(statement)
    return 1


def _attempt(link: psycopg.Connection, section: str, what: str, schema: str, attack: Callable[[Any], int]) -> Finding:
    try:
        with link.transaction(force_rollback=True), link.cursor() as cursor:
            got = attack(cursor)
    except psycopg.errors.InsufficientPrivilege as error:
        return Finding(section, what, schema, _("refused: %(why)s") % {"why": error.diag.message_primary or ""}, held=True)
    except psycopg.Error as error:  # Not the refusal that was meant: an attack that did not run proves nothing.
        return Finding(section, what, schema, _("failed: %(why)s") % {"why": str(error).splitlines()[0]}, held=False)
    return Finding(section, what, schema, _("nothing came back") if not got else _("%(n)s came back") % {"n": got}, held=not got)


def _control(link: psycopg.Connection, section: str, schema: str) -> Finding:
    """The rightful question is answered, so the attacks above failed at the walls and not for want of rows."""
    here = context.auth(schema)
    counting = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, "accounts_user"))
    try:
        with link.transaction(force_rollback=True), link.cursor() as cursor:
            got = _count(cursor, here.role, here.signed()[:2], counting)
    except psycopg.Error as error:
        got, why = 0, str(error).splitlines()[0]
    else:
        why = _("%(n)s came back") % {"n": got}
    return Finding(section, _("positive control: sign-in reads the tenant's own people"), schema, why, held=got > 0)
