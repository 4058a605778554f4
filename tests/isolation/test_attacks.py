"""What injected SQL can do through a vulnerable query of one tenant: nothing to another, nor to another's private rows.

Every attack runs as the web's own login, on pooled connections, in the context of Acme's member. Each is followed by
the rightful question of Globex on the same pool, which must be answered rightly.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction

from assistants.conversations.models import Conversation, Message
from isolation import context
from isolation.context import ContextSwitch
from tests.people import Actor, House


def talk(actor: Actor, text: str) -> Conversation:
    with actor.acting():
        conversation = Conversation.objects.create(owner=actor.user, title=text)
        Message.objects.create(conversation=conversation, owner=actor.user, role="user", content=text)
        return conversation


@pytest.fixture
def people(acme: House, globex: House) -> Iterator[tuple[Actor, Actor, Actor]]:
    """Acme's member and member2, Globex's member: each with a conversation that holds their canary."""
    member, member2, other = acme.person("member"), acme.person("member2"), globex.person("member")
    talk(member, f"own {acme.canary}")
    talk(member2, f"CANARY-M2 {acme.canary}")
    talk(other, f"foreign {globex.canary}")
    yield member, member2, other
    connections.close_all()


def vulnerable(actor: Actor, text: str) -> str:
    """The wrong query: text from outside becomes SQL. Returns all that came back, errors included, as text."""
    shown: list[str] = []
    with actor.acting():
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT title FROM conversations_conversation WHERE title LIKE '%{text}%'")
                while True:
                    if cursor.description:
                        shown.append(repr(cursor.fetchall()))
                    if not cursor.cursor.nextset():
                        break
        except (DatabaseError, psycopg.Error) as error:
            shown.append(str(error))
        finally:
            connection.close()
    return "\n".join(shown)


def attacks(member: Actor, other: Actor) -> dict[str, str]:
    mine, theirs, uid = member.house.schema, other.house.schema, other.user.pk
    table = f"{theirs}.conversations_conversation"
    forged = f"{theirs}|{uid}|admin|{int(time.time()) + 300}"
    with other.acting():
        statement, signature, _ = context.current().signed()
    stolen_user = statement.replace(f"|{uid}|", f"|{uid + 1}|")
    read = f"SELECT title FROM {table}"
    return {
        "union on a qualified name": f"' UNION SELECT title FROM {table} --",
        "reset role, take the other's": f"'; RESET ROLE; SET ROLE {theirs}; {read}; --",
        "set session authorization": f"'; SET SESSION AUTHORIZATION {theirs}; {read}; --",
        "role by set_config": f"'; SELECT set_config('role', '{theirs}', false); {read}; --",
        "service role": f"'; SET ROLE cloison_service; {read}; --",
        "owner role": f"'; SET ROLE cloison_owner; {read}; --",
        "search role": f"'; SET ROLE cloison_search; {read}; --",
        "search path": f"'; SET ROLE {theirs}; SET search_path = {theirs}; SELECT title FROM conversations_conversation; --",
        "forged context": f"'; SET ROLE {theirs}; SET app.ctx = '{forged}'; SET app.sig = '{'0' * 64}'; {read}; --",
        "forged context, empty signature": f"'; SET ROLE {theirs}; SET app.ctx = '{forged}'; SET app.sig = ''; {read}; --",
        "a signature for another statement": (
            f"'; SET ROLE {theirs}; SET app.ctx = '{stolen_user}'; SET app.sig = '{signature}'; {read}; --"
        ),
        "colleague by forged user id": (
            f"'; SET app.ctx = '{mine}|{member.user.pk + 1}|member|{int(time.time()) + 300}'; "
            f"SELECT title FROM conversations_conversation; --"
        ),
        "row security off": f"'; SET row_security = off; {read}; --",
        "row security off at home": "'; SET row_security = off; SELECT title FROM conversations_conversation; --",
        "guard key": "'; SELECT encode(ipad, 'hex') FROM guard.key; --",
        "replace the guard": "'; CREATE OR REPLACE FUNCTION guard.here(t text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; --",
        "drop a policy": f"'; DROP POLICY own ON {mine}.conversations_conversation; SELECT title FROM conversations_conversation; --",
        "disable row security": f"'; ALTER TABLE {mine}.conversations_conversation DISABLE ROW LEVEL SECURITY; --",
        "policy with a side door": f"'; CREATE POLICY open ON {table} USING (true); {read}; --",
        "temporary table": "'; CREATE TEMP TABLE conversations_conversation AS SELECT 'poison' AS title; --",
        "temporary view": "'; CREATE TEMP VIEW accounts_user AS SELECT 1; --",
        "a table of one's own": f"'; CREATE TABLE {mine}.loot AS {read}; --",
        "function of one's own": f"'; CREATE FUNCTION {mine}.f() RETURNS text LANGUAGE sql SECURITY DEFINER AS '{read}'; --",
        "gateway role, list of tenants": "'; SET ROLE cloison_gateway; SELECT schema_name FROM public.tenants_tenant; --",
        "platform role, operators": "'; SET ROLE cloison_platform; SELECT email FROM public.accounts_user; --",
        "other backends' queries": "'; SELECT query FROM pg_stat_activity WHERE query LIKE '%CANARY%'; --",
        "terminate backends": "'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity; --",
        "read a file": "'; SELECT pg_read_file('/etc/passwd'); --",
        "copy to a program": "'; COPY (SELECT 1) TO PROGRAM 'id'; --",
        "large object": "'; SELECT lo_import('/etc/passwd'); --",
        "truncate": f"'; TRUNCATE {table} CASCADE; --",
        "delete": f"'; SET ROLE {theirs}; DELETE FROM {table}; --",
        "update": f"'; SET ROLE {theirs}; UPDATE {table} SET title = 'changed'; --",
        "insert": f"'; SET ROLE {theirs}; INSERT INTO {table} (public_id, owner_id, title, created_at, active_at) "
        f"VALUES (gen_random_uuid(), {uid}, 'planted', now(), now()); --",
        "setval": f"'; SELECT setval('{theirs}.conversations_conversation_id_seq', 1); --",
        "password hashes of colleagues": "'; SELECT password FROM accounts_user WHERE email LIKE 'member2%'; --",
        "sessions": "'; SELECT session_data FROM django_session; --",
        "cursor with hold": f"'; SET ROLE {theirs}; DECLARE c CURSOR WITH HOLD FOR {read}; FETCH ALL FROM c; --",
        "cursor under one's role": f"'; DECLARE c SCROLL CURSOR WITH HOLD FOR {read}; FETCH ALL FROM c; --",
        "prepared statement": f"'; SET ROLE {theirs}; PREPARE p AS {read}; EXECUTE p; --",
        "anonymous block": f"'; DO $x$ BEGIN SET ROLE {theirs}; RAISE EXCEPTION '%', (SELECT string_agg(title, ',') FROM {table}); END $x$; --",
        "function shadowed in pg_temp": (
            f"'; CREATE FUNCTION pg_temp.here(t text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; {read}; --"
        ),
        "unique constraint as oracle": (
            f"'; SET ROLE {theirs}; INSERT INTO {table} SELECT * FROM {table} ON CONFLICT DO NOTHING RETURNING title; --"
        ),
        "copy out": f"'; SET ROLE {theirs}; COPY {table} (title) TO STDOUT; --",
        "statistics of columns": "'; SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE attname = 'title'; --",
        "sample of raw statistics": "'; SELECT stavalues1::text FROM pg_statistic; --",
        "plan of the other's table": f"'; SET ROLE {theirs}; EXPLAIN (ANALYZE, VERBOSE) {read}; --",
        "a sequence's last value": f"'; SELECT last_value FROM {theirs}.conversations_conversation_id_seq; --",
        "lock the other's rows": f"'; SET ROLE {theirs}; SELECT title FROM {table} FOR UPDATE; --",
        "merge": (
            f"'; SET ROLE {theirs}; MERGE INTO {table} t USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET title = 'x'; --"
        ),
        "whole database as XML": f"'; SELECT schema_to_xml('{theirs}', true, false, ''); --",
        "query in a string": f"'; SET ROLE {theirs}; SELECT query_to_xml('{read}', true, false, ''); --",
        "own role raised": "'; UPDATE accounts_user SET role = 'admin'; SELECT role FROM accounts_user; --",
    }


def attack_names() -> list[str]:

    house = House("Acme", "t_000000000000")
    actor: Any = Actor(house, "member")
    actor.__dict__["user"] = type("U", (), {"pk": 1, "context": lambda self, schema: context.person(schema, 1)})()
    return list(attacks(actor, actor))


@pytest.mark.parametrize("name", attack_names())
def test_case_9_injected_sql_reads_and_changes_nothing_of_others(
    name: str, people: tuple[Actor, Actor, Actor], owner: psycopg.Connection
) -> None:
    member, _member2, other = people
    schemas = (member.house.schema, other.house.schema)
    before = [owner.execute(f"SELECT * FROM {schema}.conversations_conversation ORDER BY id").fetchall() for schema in schemas]

    text = attacks(member, other)[name]

    came_back = vulnerable(member, text)

    assert other.house.canary not in came_back
    assert "CANARY-M2" not in came_back
    if other.house.schema not in text:  # An error may quote the attack's own words.
        assert other.house.schema not in came_back
    assert "operator@" not in came_back and "argon2" not in came_back and "('admin',)" not in came_back
    after = [owner.execute(f"SELECT * FROM {schema}.conversations_conversation ORDER BY id").fetchall() for schema in schemas]
    assert after == before
    # The next request on the pool is right.
    with other.acting():
        assert [c.title for c in Conversation.objects.all()] == [f"foreign {other.house.canary}"]
    with member.acting():
        assert [c.title for c in Conversation.objects.all()] == [f"own {member.house.canary}"]


def test_case_9_the_vulnerable_view_works_for_its_own_actor(people: tuple[Actor, Actor, Actor]) -> None:
    member, _member2, _other = people

    assert member.house.canary in vulnerable(member, "own")
    assert "CANARY" in vulnerable(member, "' UNION SELECT title FROM conversations_conversation --")


def test_a_missing_filter_returns_only_ones_own(people: tuple[Actor, Actor, Actor]) -> None:
    for actor in people:
        with actor.acting():
            titles = [conversation.title for conversation in Conversation.objects.all()]
            texts = [message.content for message in Message.objects.all()]

            assert len(titles) == len(texts) == 1
            assert actor.house.canary in titles[0]


def test_a_message_cannot_be_attached_to_anothers_conversation(
    people: tuple[Actor, Actor, Actor], owner: psycopg.Connection
) -> None:
    member, member2, _other = people
    theirs = owner.execute(
        f"SELECT id FROM {member.house.schema}.conversations_conversation WHERE owner_id = {member2.user.pk}"
    ).fetchone()
    assert theirs

    with member.acting():
        with pytest.raises(DatabaseError, match="row-level security"):
            Message.objects.create(conversation_id=theirs[0], owner=member2.user, role="user", content="planted")
        with pytest.raises(DatabaseError, match="foreign key"):
            Message.objects.create(conversation_id=theirs[0], owner=member.user, role="user", content="planted")


def test_the_tenant_cannot_change_inside_a_transaction(people: tuple[Actor, Actor, Actor]) -> None:
    member, _member2, other = people

    with member.acting(), transaction.atomic():
        Conversation.objects.count()
        with other.acting(), pytest.raises(ContextSwitch):
            Conversation.objects.count()


def test_a_rollback_forgets_the_context_with_the_transaction(people: tuple[Actor, Actor, Actor]) -> None:
    member, _member2, other = people
    with member.acting():
        Conversation.objects.count()

    with other.acting():
        with pytest.raises(RuntimeError), transaction.atomic():
            Conversation.objects.count()
            raise RuntimeError
        assert [c.title for c in Conversation.objects.all()] == [f"foreign {other.house.canary}"]
    with member.acting(), transaction.atomic():
        savepoint = transaction.savepoint()
        with member.house.person("member2").acting():
            assert Conversation.objects.get().title.startswith("CANARY-M2")
        transaction.savepoint_rollback(savepoint)
        assert Conversation.objects.get().title.startswith("own")


def test_an_expired_signature_opens_nothing(people: tuple[Actor, Actor, Actor], monkeypatch: pytest.MonkeyPatch) -> None:
    member, _member2, _other = people
    connections.close_all()

    monkeypatch.setattr(context, "LIFE", -1)
    with member.acting():
        assert Conversation.objects.count() == 0

    connections.close_all()
    monkeypatch.setattr(context, "LIFE", 300)
    with member.acting():
        assert Conversation.objects.count() == 1


def test_case_10_role_facts_of_the_webs_login(acme: House, owner: psycopg.Connection) -> None:
    facts = owner.execute(
        "SELECT rolsuper, rolbypassrls, rolinherit, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'cloison_app'"
    ).fetchone()

    assert facts == (False, False, False, False, False)
    owned = "SELECT count(*) FROM pg_class WHERE relowner = 'cloison_app'::regrole"
    may_create = "SELECT count(*) FROM pg_namespace WHERE has_schema_privilege('cloison_app', oid, 'CREATE')"
    temporary = "SELECT has_database_privilege('cloison_app', current_database(), 'TEMPORARY')::int"
    for question in (owned, may_create, temporary):
        assert owner.execute(question).fetchone() == (0,)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as link:
        tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (acme.schema,)).fetchall()
        for (table,) in tables:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                link.execute(f"SELECT 1 FROM {acme.schema}.{table}")
        assert len(tables) > 20


def test_interleaved_threads_stay_at_home(people: tuple[Actor, Actor, Actor]) -> None:
    member, member2, other = people

    def read(actor: Actor) -> list[str]:
        try:
            with actor.acting():
                return [conversation.title for conversation in Conversation.objects.all()]
        finally:
            connections.close_all()

    actors = [(member, member2, other)[number % 3] for number in range(300)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(read, actors))

    for actor, titles in zip(actors, answers, strict=True):
        assert len(titles) == 1
        assert actor.house.canary in titles[0]
        assert ("CANARY-M2" in titles[0]) == (actor.local == "member2")
