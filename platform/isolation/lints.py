"""Reading the catalogue for holes in the walls. Runs as any login: pg_catalog is readable by all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

OURS = "(n.nspname = 'public' OR n.nspname ~ '^t_[0-9a-f]{12}$')"

# Each query returns the names of what is wrong.
QUERIES = {
    "row level security is off or not forced": f"""
        SELECT format('%s.%s', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND {OURS} AND NOT (c.relrowsecurity AND c.relforcerowsecurity)""",
    "no gate": f"""
        SELECT format('%s.%s', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND {OURS} AND NOT EXISTS (
          SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive AND p.polroles = '{{0}}' AND p.polcmd = '*'
            AND pg_get_expr(p.polqual, p.polrelid) LIKE '%guard.here(''' || n.nspname || '''%')""",
    "no policy, so nothing can be read": f"""
        SELECT format('%s.%s', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND {OURS} AND NOT EXISTS (
          SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive AND p.polname NOT IN ('gate', 'migrate'))
          AND c.relname NOT IN ('django_migrations')""",
    "a policy calls the guard once per row": f"""
        SELECT format('%s.%s: %s', n.nspname, c.relname, p.polname)
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {OURS} AND regexp_replace(
            coalesce(pg_get_expr(p.polqual, p.polrelid), '') || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), ''),
            '\\( SELECT guard\\.[a-z]+\\(', '', 'g') LIKE '%guard.%'""",
    "a policy names another schema": f"""
        SELECT format('%s.%s: %s', n.nspname, c.relname, p.polname)
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {OURS} AND EXISTS (
          SELECT 1 FROM regexp_matches(
            coalesce(pg_get_expr(p.polqual, p.polrelid), '') || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), ''),
            't_[0-9a-f]{{12}}', 'g') m WHERE m[1] <> n.nspname)""",
    "a view without security_invoker": f"""
        SELECT format('%s.%s', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'v' AND {OURS} AND NOT coalesce(c.reloptions::text LIKE '%security_invoker=%true%', false)""",
    "a materialised view": f"""
        SELECT format('%s.%s', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'm' AND {OURS}""",
    "a SECURITY DEFINER function without a pinned search path": f"""
        SELECT format('%s.%s', n.nspname, p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prosecdef AND ({OURS} OR n.nspname = 'guard') AND NOT coalesce(p.proconfig::text LIKE '%search_path=%', false)""",
    "an extension in the public schema": """
        SELECT e.extname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE n.nspname = 'public'""",
    "TRUNCATE granted": f"""
        SELECT format('%s.%s to %s', n.nspname, c.relname, coalesce(r.rolname, 'PUBLIC'))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE {OURS} AND a.privilege_type = 'TRUNCATE' AND coalesce(r.rolname, '') <> 'cloison_owner'""",
    "the web's login may take a role it must not": """
        WITH RECURSIVE reach(role, path) AS (
          SELECT a.roleid, m.rolname::text FROM pg_auth_members a
          JOIN pg_roles l ON l.oid = a.member JOIN pg_roles m ON m.oid = a.roleid WHERE l.rolname = 'cloison_app'
          UNION
          SELECT a.roleid, r.path || ', ' || m.rolname FROM reach r JOIN pg_auth_members a ON a.member = r.role
          JOIN pg_roles m ON m.oid = a.roleid WHERE length(r.path) < 500)
        SELECT format('%s by cloison_app through %s', m.rolname, r.path) FROM reach r JOIN pg_roles m ON m.oid = r.role
        WHERE m.rolname NOT IN ('cloison_gateway', 'cloison_platform', 'cloison_service')
          AND (m.rolname !~ '^t_[0-9a-f]{12}$' OR r.path LIKE '%, %')""",
    "a policy lets everybody through": f"""
        SELECT format('%s.%s: %s', n.nspname, c.relname, p.polname)
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {OURS} AND p.polpermissive
          AND coalesce(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) IN ('true', '(1 = 1)')""",
}

LOGIN = """
    SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole,
           EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid),
           has_database_privilege(r.oid, current_database(), 'TEMPORARY'),
           has_database_privilege(r.oid, current_database(), 'CREATE')
    FROM pg_roles r WHERE r.rolname = session_user"""


@dataclass(frozen=True, slots=True)
class Hole:
    """`what` is wrong, and `where`: a table, policy, function or role."""

    what: str
    where: str


def holes(cursor: Any) -> Iterator[Hole]:
    """Everything wrong in the catalogue, over all schemas."""
    for what, query in QUERIES.items():
        cursor.execute(query)
        for (where,) in cursor.fetchall():
            yield Hole(what, where)


def login_faults(cursor: Any) -> list[str]:
    """Why the connection's login must not serve the web: an empty list where it may."""
    cursor.execute(LOGIN)
    name, superuser, bypass, createrole, owns, temporary, create = cursor.fetchone()
    faults = {
        "is a superuser": superuser,
        "bypasses row level security": bypass,
        "creates roles": createrole,
        "owns tables": owns,
        "may create temporary tables": temporary,
        "may create schemas": create,
    }
    return [f"the login {name} {fault}" for fault, found in faults.items() if found]
