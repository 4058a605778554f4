"""Migration operations for the walls: policies and schema-aware SQL.

The texts may hold `{schema}` (the schema being migrated), `{here}`, `{uid}`, `{principals}` and `{can_NAME}`: guard calls
wrapped in `(SELECT …)`, so that they run once per query and not once per row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from django.db import transaction
from django.db.migrations.operations.base import Operation

from isolation.context import GATEWAY_ROLE, OWNER_ROLE, PLATFORM_ROLE, PUBLIC, SERVICE_ROLE
from isolation.guard import AUDIT_ROLE, SEARCH_ROLE

PolicyRole = Literal["person", "service", "search", "audit", "gateway", "migrate"]

PLACEHOLDER = re.compile(r"\{(schema|here|uid|principals|can_[a-z]+)\}")


def fill(text: str, schema: str) -> str:
    """Put the schema's name and its guard calls into a text of SQL; other braces stay as they are."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name == "schema":
            return schema
        if name.startswith("can_"):
            return f"(SELECT guard.can('{schema}', '{name[4:]}'))"
        return f"(SELECT guard.{name}('{schema}'))"

    return PLACEHOLDER.sub(value, text)


def role_of(kind: PolicyRole, schema: str) -> str:
    """The database role that a policy's kind means in a schema."""
    person = PLATFORM_ROLE if schema == PUBLIC else schema
    roles = {"person": person, "service": SERVICE_ROLE, "search": SEARCH_ROLE, "audit": AUDIT_ROLE, "gateway": GATEWAY_ROLE}
    return roles.get(kind, OWNER_ROLE)


class Policy(Operation):
    """CREATE POLICY on a model's table, for one kind of role.

    `model` is "app.Model", or a model of the migration's own app. `check` defaults to `using` (PostgreSQL's rule).
    `only` limits the operation to tenants' schemas ("tenant") or the public one ("public"). `was` holds the arguments of
    the policy of this name that an earlier migration made and this one takes the place of (`using`, `check`, `command`).
    """

    reversible = True
    reduces_to_sql = True

    def __init__(
        self,
        model: str,
        name: str,
        using: str,
        check: str | None = None,
        command: Literal["ALL", "SELECT", "INSERT", "UPDATE", "DELETE"] = "ALL",
        role: PolicyRole = "person",
        only: Literal["tenant", "public"] | None = None,
        was: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.name, self.using, self.check = model, name, using, check
        self.command, self.role, self.only, self.was = command, role, only, was

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        kwargs: dict[str, Any] = {"model": self.model, "name": self.name, "using": self.using}
        for key, default in (("check", None), ("command", "ALL"), ("role", "person"), ("only", None), ("was", None)):
            if getattr(self, key) != default:
                kwargs[key] = getattr(self, key)
        return self.__class__.__name__, [], kwargs

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Policies are not part of Django's state."""

    def _table(self, app_label: str, state: Any, schema_editor: Any) -> str | None:
        """The quoted table, or None where this schema does not have it."""
        label, _, name = self.model.rpartition(".")
        model = state.apps.get_model(label or app_label, name)
        schema = schema_editor.connection.schema_name
        if self.only and (self.only == "public") != (schema == PUBLIC):
            return None
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return None
        return f'{schema}."{model._meta.db_table}"'

    def _create(self, table: str, schema: str) -> str:
        parts = [f'CREATE POLICY "{self.name}" ON {table} FOR {self.command} TO {role_of(self.role, schema)}']
        if self.command != "INSERT":
            parts.append(f"USING ({fill(self.using, schema)})")
        if self.command in {"INSERT"} or self.check is not None:
            parts.append(f"WITH CHECK ({fill(self.check or self.using, schema)})")
        return " ".join(parts)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema = schema_editor.connection.schema_name
        if table := self._table(app_label, to_state, schema_editor):
            if self.was is not None:
                schema_editor.execute(f'DROP POLICY "{self.name}" ON {table}', params=None)
            schema_editor.execute(self._create(table, schema), params=None)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if table := self._table(app_label, from_state, schema_editor):
            schema_editor.execute(f'DROP POLICY IF EXISTS "{self.name}" ON {table}', params=None)
            if self.was is not None:
                before = Policy(self.model, self.name, role=self.role, only=self.only, **self.was)
                schema_editor.execute(before._create(table, schema_editor.connection.schema_name), params=None)

    def describe(self) -> str:
        return f"Policy {self.name} on {self.model}"


class DropPolicy(Policy):
    """The end of a policy that an earlier migration made; the arguments are that policy's."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        super().database_backwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        super().database_forwards(app_label, schema_editor, to_state, from_state)

    def describe(self) -> str:
        return f"No policy {self.name} on {self.model}"


class TenantSQL(Operation):
    """SQL with the placeholders above, in tenants' schemas, the public one (`only`), or both."""

    reversible = True
    reduces_to_sql = True

    def __init__(self, forward: str, reverse: str, only: Literal["tenant", "public"] | None = "tenant") -> None:
        self.forward, self.reverse, self.only = forward, reverse, only

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, [], {"forward": self.forward, "reverse": self.reverse, "only": self.only}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """SQL is not part of Django's state."""

    def _run(self, app_label: str, schema_editor: Any, text: str) -> None:
        schema = schema_editor.connection.schema_name
        if self.only and (self.only == "public") != (schema == PUBLIC):
            return
        from django.db import router

        if text and router.allow_migrate(schema_editor.connection.alias, app_label):
            schema_editor.execute(fill(text, schema), params=None)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._run(app_label, schema_editor, self.forward)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._run(app_label, schema_editor, self.reverse)

    def describe(self) -> str:
        return "SQL in the tenant's schema"


KEEP = """
CREATE FUNCTION {schema}.keep_THING_readers() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE parent bigint := coalesce(NEW.THING_id, OLD.THING_id);
BEGIN
  PERFORM 1 FROM {schema}.TABLE p WHERE p.id = parent FOR UPDATE;  -- Two grants at once: the second sees the first.
  UPDATE {schema}.TABLE p SET COLUMNS WHERE p.id = parent;
  IF NOT FOUND AND TG_OP = 'INSERT' THEN
    RAISE EXCEPTION 'a grant outside its tenant''s context opens nothing' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER keep_readers AFTER INSERT OR DELETE ON {schema}.TABLEgrant
  FOR EACH ROW EXECUTE FUNCTION {schema}.keep_THING_readers();
GRANT UPDATE (NAMES) ON {schema}.TABLE TO cloison_search;
GRANT CREATE ON SCHEMA {schema} TO cloison_search;
ALTER FUNCTION {schema}.keep_THING_readers() OWNER TO cloison_search;
REVOKE CREATE ON SCHEMA {schema} FROM cloison_search;
"""
UNKEEP = """
DROP TRIGGER keep_readers ON {schema}.TABLEgrant;
REVOKE UPDATE (NAMES) ON {schema}.TABLE FROM cloison_search;
SET LOCAL ROLE cloison_search;
DROP FUNCTION {schema}.keep_THING_readers();
SET LOCAL ROLE cloison_owner;
"""
LISTED = "ARRAY(SELECT g.principal FROM {schema}.TABLEgrant g WHERE g.THING_id = parentCONDITION ORDER BY 1)"


def keeps_grants(table: str, columns: dict[str, str]) -> TenantSQL:
    """A trigger that repeats on each row of `table` ("app_thing") the principals of its grants ("app_thinggrant").

    `columns` are arrays of texts: name → a further condition on the grant `g`, or "". The function runs as
    cloison_search, so the thing needs that role's SELECT and UPDATE policies and its grants the SELECT one.
    """
    thing = table.rpartition("_")[2]
    setting = ", ".join(
        f"{name} = {LISTED.replace('CONDITION', f' AND {condition}' if condition else '')}" for name, condition in columns.items()
    )
    made, undone = (
        text.replace("COLUMNS", setting).replace("NAMES", ", ".join(columns)).replace("TABLE", table).replace("THING", thing)
        for text in (KEEP, UNKEEP)
    )
    return TenantSQL(made, undone)


class RowsMissed(RuntimeError):
    """A data migration did not reach every row that it meant."""


class UpdateRows(Operation):
    """Change rows of a model, and fail unless every row that is meant was reached.

    Row security hides rows from the table's owner, too: a data migration without the `migrate` capability touches
    nothing and says nothing. So the rows are counted with the table's security lifted for its owner, inside the
    migration's transaction, and changed with it in force.

    `where` selects rows as `filter()` does; `to` are the new values, or a function that is given the rows and returns
    how many it changed. `back` undoes it; without, undoing changes nothing.
    """

    reversible = True
    reduces_to_sql = False

    def __init__(
        self,
        model: str,
        where: Mapping[str, Any],
        to: Mapping[str, Any] | Callable[[Any], int],
        back: Callable[[Any], int] | None = None,
        only: Literal["tenant", "public"] | None = None,
    ) -> None:
        self.model, self.where, self.to, self.back, self.only = model, where, to, back, only

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        kwargs = {"model": self.model, "where": self.where, "to": self.to, "back": self.back, "only": self.only}
        return self.__class__.__name__, [], {name: value for name, value in kwargs.items() if value is not None}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Rows are not part of Django's state."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        connection = schema_editor.connection
        label, _, name = self.model.rpartition(".")
        model = to_state.apps.get_model(label or app_label, name)
        if self.only and (self.only == "public") != (connection.schema_name == PUBLIC):
            return
        if not self.allow_migrate_model(connection.alias, model):
            return
        rows = model._default_manager.using(connection.alias).filter(**self.where)
        table = f'{connection.schema_name}."{model._meta.db_table}"'
        with transaction.atomic(connection.alias):
            schema_editor.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY", params=None)
            meant = rows.count()
            schema_editor.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY", params=None)
            reached = self.to(rows) if callable(self.to) else rows.update(**self.to)
            if reached < meant:
                raise RowsMissed(f"{self.describe()}: {reached} of {meant} rows in {connection.schema_name}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if self.back:
            undo = UpdateRows(self.model, {}, self.back, only=self.only)
            undo.database_forwards(app_label, schema_editor, to_state, from_state)

    def describe(self) -> str:
        return f"Change rows of {self.model}"
