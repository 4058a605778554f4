"""The guard: roles, the signed context's verification in SQL, and the trigger that locks new tables.

Installed once per database by a superuser (the embedded server's bootstrap, or `manage.py prepare_database`), and
again harmlessly after an upgrade. Everything later runs with logins that own nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from isolation.context import GATEWAY_ROLE, MIGRATOR_ROLE, OWNER_ROLE, PLATFORM_ROLE, SERVICE_ROLE

APP_LOGIN = "cloison_app"
BACKUP_LOGIN = "cloison_backup"
SEARCH_ROLE = "cloison_search"  # Owns the SECURITY DEFINER search functions.
AUDIT_ROLE = "cloison_audit"  # Owns the function that appends to the audit log; nobody else may insert there.
GUARD_ROLE = "cloison_guard"  # Owns the key and the functions that read it.


@dataclass(frozen=True, slots=True)
class Passwords:
    """The logins' passwords: the web's and worker's, the migrator's, the backup's."""

    app: str
    migrator: str
    backup: str


ROLES = f"""
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['{OWNER_ROLE}','{GUARD_ROLE}','{GATEWAY_ROLE}','{PLATFORM_ROLE}','{SERVICE_ROLE}',
                           '{SEARCH_ROLE}','{AUDIT_ROLE}'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', r); END IF;
  END LOOP;
  FOREACH r IN ARRAY ARRAY['{APP_LOGIN}','{MIGRATOR_ROLE}','{BACKUP_LOGIN}'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', r); END IF;
  END LOOP;
END $$;
ALTER ROLE {APP_LOGIN} NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION NOINHERIT;
ALTER ROLE {MIGRATOR_ROLE} NOSUPERUSER NOBYPASSRLS CREATEROLE NOCREATEDB NOREPLICATION NOINHERIT;
ALTER ROLE {BACKUP_LOGIN} NOSUPERUSER BYPASSRLS NOCREATEROLE NOCREATEDB NOINHERIT;
ALTER ROLE {APP_LOGIN} SET timezone = 'UTC';
ALTER ROLE {APP_LOGIN} SET statement_timeout = '30s';
ALTER ROLE {APP_LOGIN} SET lock_timeout = '5s';
ALTER ROLE {APP_LOGIN} SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE {APP_LOGIN} SET track_activities = off;
ALTER ROLE {APP_LOGIN} SET jit = off;
GRANT {OWNER_ROLE} TO {MIGRATOR_ROLE} WITH INHERIT FALSE, SET TRUE;
-- Membership lets the owner hand a function to the role that carries its rights.
GRANT {SEARCH_ROLE}, {AUDIT_ROLE} TO {OWNER_ROLE} WITH INHERIT FALSE, SET TRUE;
GRANT {SEARCH_ROLE}, {AUDIT_ROLE} TO {MIGRATOR_ROLE} WITH INHERIT FALSE, SET TRUE;
GRANT {GATEWAY_ROLE} TO {APP_LOGIN} WITH INHERIT FALSE, SET TRUE;
GRANT {PLATFORM_ROLE} TO {APP_LOGIN} WITH INHERIT FALSE, SET TRUE;
GRANT {SERVICE_ROLE} TO {APP_LOGIN} WITH INHERIT FALSE, SET TRUE;
GRANT {GATEWAY_ROLE} TO {MIGRATOR_ROLE} WITH INHERIT FALSE, SET TRUE;
GRANT {PLATFORM_ROLE} TO {MIGRATOR_ROLE} WITH INHERIT FALSE, SET TRUE;
GRANT {SERVICE_ROLE} TO {MIGRATOR_ROLE} WITH INHERIT FALSE, SET TRUE;
GRANT pg_read_all_data TO {BACKUP_LOGIN};
"""

# Without a query of its own, for which an executor would have to be started.
PRINCIPALS = """CASE WHEN split_part(ctx, '|', 2) <> '0' THEN string_to_array('user:' || split_part(ctx, '|', 2)
    || CASE split_part(ctx, '|', 3) WHEN '' THEN ''
       ELSE replace(replace(',' || split_part(ctx, '|', 3), ',', ',role:'), ',role:group:', ',group:') END, ',') END"""


def said(name: str, arguments: str, returns: str, value: str, otherwise: str = "NULL") -> str:
    """A guard function: `value` where the statement `ctx` (`tenant|uid|caps|exp`) is genuine, unexpired and of tenant `t`."""
    types = ", ".join(argument.split()[1] for argument in arguments.split(", "))
    return f"""CREATE OR REPLACE FUNCTION guard.{name}({arguments}) RETURNS {returns}
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ctx text := current_setting('app.ctx', true);
  k guard.key;
BEGIN
  IF starts_with(ctx, t || '|') IS NOT TRUE THEN RETURN {otherwise}; END IF;
  SELECT * INTO k FROM guard.key WHERE id = 1;
  IF encode(sha256(k.opad || sha256(k.ipad || convert_to(ctx, 'UTF8'))), 'hex') IS DISTINCT FROM current_setting('app.sig', true)
     OR split_part(ctx, '|', 4)::bigint < extract(epoch FROM clock_timestamp()) THEN RETURN {otherwise}; END IF;
  RETURN {value};
END $$;
ALTER FUNCTION guard.{name}({types}) OWNER TO {GUARD_ROLE};
GRANT EXECUTE ON FUNCTION guard.{name}({types}) TO PUBLIC;"""


DATABASE = f"""
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO {OWNER_ROLE};
GRANT USAGE ON SCHEMA public TO {GATEWAY_ROLE}, {PLATFORM_ROLE}, {SERVICE_ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {PLATFORM_ROLE}, {SERVICE_ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} IN SCHEMA public GRANT USAGE ON SEQUENCES TO {PLATFORM_ROLE}, {SERVICE_ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_terminate_backend(int, bigint), pg_cancel_backend(int),
  pg_stat_get_activity(int), pg_stat_get_backend_activity(int) FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS ext;
CREATE EXTENSION IF NOT EXISTS vector SCHEMA ext;
GRANT USAGE ON SCHEMA ext TO PUBLIC;
CREATE SCHEMA IF NOT EXISTS guard AUTHORIZATION {GUARD_ROLE};
GRANT USAGE ON SCHEMA guard TO PUBLIC;
CREATE TABLE IF NOT EXISTS guard.key (id int PRIMARY KEY, ipad bytea NOT NULL, opad bytea NOT NULL);
ALTER TABLE guard.key OWNER TO {GUARD_ROLE};
REVOKE ALL ON guard.key FROM PUBLIC;

-- HMAC-SHA256 (RFC 2104) from the built-in sha256(): the key is stored as its two padded halves. Each function verifies
-- the statement itself, in PL/pgSQL: SQL functions over a common one cost an executor's start more at every call.
CREATE OR REPLACE FUNCTION guard.ctx(OUT tenant text, OUT uid bigint, OUT caps text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ctx text := current_setting('app.ctx', true);
  k guard.key;
  p text[];
BEGIN
  IF coalesce(ctx, '') = '' THEN RETURN; END IF;
  SELECT * INTO k FROM guard.key WHERE id = 1;
  IF encode(sha256(k.opad || sha256(k.ipad || convert_to(ctx, 'UTF8'))), 'hex')
     IS DISTINCT FROM current_setting('app.sig', true) THEN RETURN; END IF;
  p := string_to_array(ctx, '|');
  IF p[4]::bigint < extract(epoch FROM clock_timestamp()) THEN RETURN; END IF;
  tenant := p[1]; uid := p[2]::bigint; caps := p[3];
END $$;
ALTER FUNCTION guard.ctx() OWNER TO {GUARD_ROLE};
{said("here", "t text", "boolean", "true", otherwise="false")}
{said("uid", "t text", "bigint", "nullif(split_part(ctx, '|', 2)::bigint, 0)")}
{said("can", "t text, cap text", "boolean", "cap = ANY (string_to_array(split_part(ctx, '|', 3), ','))", otherwise="false")}
{said("caps", "t text", "text[]", "string_to_array(split_part(ctx, '|', 3), ',')")}
-- What grants may name: user:7 (always the first), role:member, group:3.
{said("principals", "t text", "text[]", PRINCIPALS)}
GRANT EXECUTE ON FUNCTION guard.ctx() TO PUBLIC;

-- Row security keeps a condition out of an index unless its function is known to be leakproof, and the built-in one that
-- matches words is not marked so, though it tells nothing of what it looked at and raises nothing. The same function under
-- an operator of ours, @@@, with GIN's own support for it: words are found by index and under the policies at once.
CREATE OR REPLACE FUNCTION guard.holds(tsvector, tsquery) RETURNS boolean
  LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS $$ts_match_vq$$;
DO $$
BEGIN
  IF to_regoperator('guard.@@@(tsvector, tsquery)') IS NULL THEN
    CREATE OPERATOR guard.@@@ (LEFTARG = tsvector, RIGHTARG = tsquery, FUNCTION = guard.holds,
      RESTRICT = tsmatchsel, JOIN = tsmatchjoinsel);
    CREATE OPERATOR CLASS guard.words_ops FOR TYPE tsvector USING gin AS
      OPERATOR 1 guard.@@@ (tsvector, tsquery),
      FUNCTION 1 gin_cmp_tslexeme(text, text),
      FUNCTION 2 gin_extract_tsvector(tsvector, internal, internal),
      FUNCTION 3 gin_extract_tsquery(tsvector, internal, int2, internal, internal, internal, internal),
      FUNCTION 4 gin_tsquery_consistent(internal, int2, tsvector, int4, internal, internal, internal, internal),
      FUNCTION 5 gin_cmp_prefix(text, text, int2, internal),
      FUNCTION 6 gin_tsquery_triconsistent(internal, int2, tsvector, int4, internal, internal, internal),
      STORAGE text;
  END IF;
END $$;
GRANT EXECUTE ON FUNCTION guard.holds(tsvector, tsquery) TO PUBLIC;

-- A new table returns nothing to anybody until somebody writes its policy, and never anything outside its own schema's context.
CREATE OR REPLACE FUNCTION guard.lock_new_table() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE made record; s text;
BEGIN
  FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table'
              AND command_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO') LOOP
    s := made.schema_name;
    CONTINUE WHEN s <> 'public' AND s !~ '^t_[0-9a-f]{{12}}$';
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', made.object_identity);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', made.object_identity);
    EXECUTE format('CREATE POLICY gate ON %s AS RESTRICTIVE USING ((SELECT guard.here(%L)))', made.object_identity, s);
    EXECUTE format('CREATE POLICY migrate ON %s TO {OWNER_ROLE} USING ((SELECT guard.can(%L, ''migrate'')))',
                   made.object_identity, s);
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION guard.lock_new_table() FROM PUBLIC;
DROP EVENT TRIGGER IF EXISTS cloison_lock_new_table;
CREATE EVENT TRIGGER cloison_lock_new_table ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
  EXECUTE FUNCTION guard.lock_new_table();
"""


def install(connection: Any, *, key: bytes, passwords: Passwords) -> None:
    """Prepare the database that `connection` (psycopg, superuser, autocommit) is on. Safe to repeat.

    `key` is the 32-byte key that signs contexts; the database keeps only its HMAC pads.
    """
    database = connection.info.dbname
    connection.execute(ROLES)
    for login, password in (
        (APP_LOGIN, passwords.app),
        (MIGRATOR_ROLE, passwords.migrator),
        (BACKUP_LOGIN, passwords.backup),
    ):
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), sql.Literal(password)))
    connection.execute(DATABASE)
    name = sql.Identifier(database)
    connection.execute(sql.SQL("REVOKE TEMPORARY, CREATE ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(name, sql.Identifier(OWNER_ROLE)))
    padded = key.ljust(64, b"\0")
    connection.execute(
        "INSERT INTO guard.key (id, ipad, opad) VALUES (1, %s, %s)"
        " ON CONFLICT (id) DO UPDATE SET ipad = excluded.ipad, opad = excluded.opad",
        (bytes(b ^ 0x36 for b in padded), bytes(b ^ 0x5C for b in padded)),
    )
