"""Providers' accounts: who connects them, where their keys are not, and what a turn asks the database."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis
from celery import current_app
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core import sealing
from core.errors import NotAllowed
from core.outgoing import AddressNotAllowed
from gateway import catalogue, provider_accounts, secrets, snapshots
from gateway.models import CatalogueModel, ProviderAccount, ProviderSecret
from isolation import context
from tests.gateway.conftest import Provider
from tests.people import PASSWORD, Actor, House

KEY = "sk-CANARY-provider-key-0123456789-wxyz"


@pytest.fixture(autouse=True)
def fresh(owner: psycopg.Connection) -> Iterator[None]:
    catalogue.forget()
    yield
    owner.execute("TRUNCATE public.gateway_provideraccount, public.gateway_providersecret, public.gateway_cataloguemodel")
    catalogue.forget()


@pytest.fixture
def operator(houses: dict[str, House]) -> Client:
    client = Client(headers={"host": "localhost"}, raise_request_exception=False)
    sent = {"username": "operator@cloison.test", "password": PASSWORD, "next": "/admin/"}
    assert client.post("/admin/login/", sent).status_code == 302
    return client


@pytest.fixture
def console(acme: House) -> Client:
    """Acme's administrator in Acme's console."""
    client = Client(headers={"host": acme.host}, raise_request_exception=False)
    answer = client.post("/login/", {"email": acme.person("admin").email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def as_operator() -> Any:
    with context.use(context.auth("public")):
        user = User.objects.get(email="operator@cloison.test")
    return user, context.use(user.context("public"))


def connect(actor: Actor, base: str = "https://93.184.215.14/v1", key: str | None = KEY, **more: Any) -> ProviderAccount:
    account = ProviderAccount(**{"name": "Far away", "base": base, **more})
    with actor.acting():
        return provider_accounts.save_account(actor=actor.user, account=account, key=key)


def form(**more: Any) -> dict[str, Any]:
    management = {f"models-{name}_FORMS": 0 for name in ("TOTAL", "INITIAL")}
    base = {"name": "Far away", "wire": "openai", "base": "https://93.184.215.14/v1", "locality": "cloud", "enabled": "on"}
    return {**management, **base, **more}


def test_an_administrator_connects_a_provider_and_nobody_else_does(acme: House, globex: House) -> None:
    account = connect(acme.person("admin"))

    assert account.key_hint == "…wxyz"
    for local in ("manager", "member", "viewer", "auditor"):
        with pytest.raises(NotAllowed):
            connect(acme.person(local), name="Another")
        with acme.person(local).acting():
            assert not ProviderAccount.objects.exists()
    with globex.person("admin").acting():
        assert not ProviderAccount.objects.exists()
        assert all("far-away" not in model.id for model in catalogue.available())
    with acme.person("member").acting():
        assert [provider.name for provider in catalogue.providers()] == ["own-far-away"]


def test_case_42_an_account_is_refused_a_private_address(acme: House, settings: Any) -> None:
    admin = acme.person("admin")
    for base in ("http://127.0.0.1:11434/v1", "http://169.254.169.254/", "http://10.0.0.1/v1", "http://localhost/v1"):
        with pytest.raises(AddressNotAllowed):
            connect(admin, base, local_network=True)  # An organisation cannot permit it to itself,
    with admin.acting(), pytest.raises(DatabaseError), transaction.atomic():
        ProviderAccount.objects.create(name="x", slug="x", base="http://127.0.0.1/v1", local_network=True)  # nor by SQL.

    settings.CLOISON_ALLOW_LOCAL_PROVIDERS = True
    assert connect(admin, "http://127.0.0.1:11434/v1").pk
    with pytest.raises(AddressNotAllowed):
        connect(admin, "http://169.254.169.254/", name="Never")


async def test_case_42_the_address_is_checked_again_when_it_is_used(acme: House, provider: Provider) -> None:
    """The row was written past the check, as a name that has changed since would be."""
    from gateway.clients.openai import OpenAIClient
    from gateway.types import ChatMessage, ChatRequest, ProviderRejected
    from gateway.types import Provider as Account

    account = Account("own-x", provider.base, KEY, "cloud", (), local_network=False)
    answer = await provider_accounts.ask(account)
    assert answer.code == "provider_rejected"
    client = OpenAIClient(account.base, account.key, local_network=account.local_network)
    with pytest.raises(ProviderRejected) as refused:
        await anext(client.stream(ChatRequest("sim", (ChatMessage("user", "x"),))))

    assert refused.value.extra["reason"] == "address_not_allowed"
    assert provider.stats()["requests"] == 0
    assert (await provider_accounts.ask(Account("own-x", provider.base, KEY, "cloud", ()))).works  # The control.


def everything(owner: psycopg.Connection) -> str:
    """All rows of all schemas, as text."""
    found = []
    for schema, table in owner.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public' OR schemaname LIKE 't\\_%'"
    ).fetchall():
        found += [str(row) for (row,) in owner.execute(f"SELECT t::text FROM {schema}.{table} t").fetchall()]
    return "\n".join(found)


def in_redis() -> bytes:
    found = b""
    for number in range(8):  # Cache, runs, queue, limits: all of them.
        client = redis.Redis.from_url(django_settings.REDIS.runs, db=number)
        for key in client.scan_iter():
            found += key + (client.dump(key) or b"")
        client.close()
    return found


def test_case_45_a_key_is_sealed_and_never_shown_again(
    acme: House, console: Client, owner: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    answer = console.post("/admin/gateway/provideraccount/add/", form(key=KEY), follow=True)
    with acme.person("admin").acting():
        account = ProviderAccount.objects.get()
        [provider] = catalogue.providers()
        shown = [repr(account), repr(provider), str(vars(account)), repr(provider_accounts.opened(account))]
    pages = [
        answer,
        *(console.get(f"/admin/gateway/provideraccount/{rest}") for rest in ("", f"{account.pk}/change/", "health/")),
    ]
    pages.append(acme.person("member").api.get("/api/v1/models/"))

    assert provider.key == KEY  # The control: it is there for the client.
    assert [page.status_code for page in pages] == [200] * len(pages)
    assert "…wxyz" in pages[2].content.decode()
    assert not any(KEY in page.content.decode() for page in pages)
    assert not any(KEY in text for text in shown)
    assert KEY not in everything(owner)
    assert KEY.encode() not in in_redis()
    assert KEY not in caplog.text
    row = owner.execute(f"SELECT sealed FROM {acme.schema}.gateway_providersecret").fetchone()
    assert row and row[0].startswith("v1.derived.")


def test_case_45_no_persons_context_reads_a_key_not_even_sealed(acme: House, globex: House) -> None:
    account = connect(acme.person("admin"))

    for house, local in ((acme, "admin"), (acme, "member"), (globex, "admin")):
        with house.person(local).acting():
            assert not ProviderSecret.objects.exists()
            assert not ProviderSecret.objects.update(sealed="x")
            with pytest.raises(DatabaseError), transaction.atomic():
                ProviderSecret.objects.create(account_id=account.pk + 1, sealed="x")
            with pytest.raises(DatabaseError), connection.cursor() as cursor:
                cursor.execute("SELECT sealed FROM public.gateway_providersecret")
    with context.use(context.service(acme.schema)):
        assert ProviderSecret.objects.count() == 1  # The control.


def test_case_45_a_moved_or_changed_secret_does_not_open() -> None:
    ring = sealing.keyring()
    sealed = ring.seal(KEY, secrets.place("t_a", 1))
    broken = f"{sealed[:-6]}{'A' if sealed[-6] != 'A' else 'B'}{sealed[-5:]}"

    assert ring.open(sealed, secrets.place("t_a", 1)) == KEY
    assert ring.seal(KEY, secrets.place("t_a", 1)) != sealed
    for text, place in (
        (sealed, "t_b|gateway.ProviderSecret|1"),
        (sealed, secrets.place("t_a", 2)),
        (broken, secrets.place("t_a", 1)),
    ):
        with pytest.raises(sealing.CannotUnseal):
            ring.open(text, place)
    assert KEY not in repr(ring) and "keys" not in repr(ring)


def new_key(name: str) -> str:
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


def test_case_45_rotation_seals_again_and_the_old_ciphertext_stops_opening(
    acme: House, owner: psycopg.Connection, settings: Any
) -> None:
    first, second = new_key("k1"), new_key("k2")
    settings.CLOISON_SECRETS_KEYS = first
    account = connect(acme.person("admin"))
    user, acting = as_operator()
    with acting:
        shared = ProviderAccount(name="For all", base="https://93.184.215.14/v1")
        provider_accounts.save_account(actor=user, account=shared, key=KEY + "-all")
    query = f"SELECT sealed FROM {acme.schema}.gateway_providersecret"
    old = str(owner.execute(query).fetchone()[0])  # type: ignore[index]
    told = io.StringIO()

    settings.CLOISON_SECRETS_KEYS = f"{second},{first}"
    call_command("rotate_secrets", stdout=told)
    settings.CLOISON_SECRETS_KEYS = second
    now = str(owner.execute(query).fetchone()[0])  # type: ignore[index]

    assert told.getvalue().startswith("2 sealed again under the key k2")
    assert old.startswith("v1.k1.") and now.startswith("v1.k2.")
    with pytest.raises(sealing.CannotUnseal):
        sealing.keyring().open(old, secrets.place(acme.schema, account.pk))
    with acme.person("member").acting():
        catalogue.forget()
        assert {provider.key for provider in catalogue.providers()} == {KEY, KEY + "-all"}
    call_command("rotate_secrets", stdout=told)  # Again: nothing left to do.
    assert "\n0 sealed again" in told.getvalue()
    settings.CLOISON_SECRETS_KEYS = new_key("k3")
    with pytest.raises(CommandError, match="2 cannot be read"):
        call_command("rotate_secrets", stdout=told)


def test_case_45_no_task_carries_a_key(acme: House) -> None:
    """Celery's arguments are ids: no task of ours takes a provider's key."""
    connect(acme.person("admin"))

    for name, task in current_app.tasks.items():
        if not name.startswith("celery."):
            names = set(task.run.__code__.co_varnames[: task.run.__code__.co_argcount])
            assert not names & {"key", "secret", "provider", "account", "headers"}, name


def test_a_key_stays_with_the_address_it_was_entered_for(acme: House) -> None:
    admin = acme.person("admin")
    account = connect(admin)
    account.base = "https://93.184.215.15/v1"

    with admin.acting(), pytest.raises(provider_accounts.KeyNeeded):
        provider_accounts.save_account(actor=admin.user, account=account)
    with admin.acting():
        provider_accounts.save_account(actor=admin.user, account=account, key="another-key-for-there")
        assert provider_accounts.opened(account).key == "another-key-for-there"
        provider_accounts.remove_account(actor=admin.user, account=account)
        assert not ProviderAccount.objects.exists()
    with context.use(context.service(acme.schema)):
        assert not ProviderSecret.objects.exists()


@pytest.mark.parametrize("name", ["OpenAI", "ollama", "builtin", "own-x", "Far  AWAY", "…"])
def test_a_providers_name_is_its_own(acme: House, name: str) -> None:
    connect(acme.person("admin"))

    with pytest.raises(provider_accounts.NameTaken):
        connect(acme.person("admin"), name=name)


def test_the_operators_account_serves_every_organisation(
    acme: House, globex: House, operator: Client, provider: Provider, houses: dict[str, House]
) -> None:
    sent = form(name="House", base=provider.base, locality="local", country="FR", local_network="on", key=KEY)
    answer = operator.post("/admin/gateway/provideraccount/add/", sent)
    assert answer.status_code == 302, answer.content.decode()
    page = str(answer.headers["location"])

    for house in (acme, globex):
        rows = house.person("member").api.get("/api/v1/models/").json()["results"]
        assert {row["id"] for row in rows} == {"house/sim", "house/sim-fast"}
        assert {(row["provider"], row["locality"], row["country"], row["health"]) for row in rows} == {
            ("house", "local", "FR", "ok")
        }
        assert rows[0]["input_price"] == "0"
        with house.person("admin").acting():
            assert not ProviderAccount.objects.exists()  # Not theirs to see.
    with acting_operator():
        account = ProviderAccount.objects.get()
    tried = operator.post(f"/admin/gateway/provideraccount/{account.pk}/test/", follow=True)
    assert "House answers in" in tried.content.decode()
    taken = operator.post(f"/admin/gateway/provideraccount/{account.pk}/models/", follow=True)
    assert "2 models added" in taken.content.decode()
    health = operator.post("/admin/gateway/provideraccount/health/")
    assert "house" in health.content.decode() and "answers" in health.content.decode()
    assert page


def acting_operator() -> Any:
    return as_operator()[1]


def test_rows_of_the_catalogue_name_price_and_hide_models(acme: House, globex: House, provider: Provider, settings: Any) -> None:
    settings.CLOISON_ALLOW_LOCAL_PROVIDERS = True
    admin = acme.person("admin")
    account = connect(admin, provider.base)
    with admin.acting():
        CatalogueModel.objects.create(
            account=account, name="sim", title="Our model", country="DE", context_window=1000, abilities=["text", "tools"],
            input_price="1.5", output_price="6", currency="USD",
        )  # fmt: skip
        CatalogueModel.objects.create(account=account, name="sim-fast", enabled=False)
        provider_accounts.models_changed(actor=admin.user, account=account)

    [row] = acme.person("member").api.get("/api/v1/models/").json()["results"]

    assert row == {
        "id": "own-far-away/sim",
        "name": "Our model",
        "provider": "own-far-away",
        "locality": "cloud",
        "country": "DE",
        "context_window": 1000,
        "abilities": ["text", "tools"],
        "input_price": "1.5",
        "output_price": "6",
        "currency": "USD",
        "health": "unknown",
        "unavailable": None,
    }
    assert "own-far-away" not in globex.person("member").api.get("/api/v1/models/").content.decode()


def test_a_warm_turn_asks_the_database_nothing(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    account = connect(acme.person("admin"))
    member = acme.person("member")
    with member.acting():
        catalogue.providers()
        with CaptureQueriesContext(connection) as warm:
            catalogue.providers()
            asyncio.run(snapshots.refresh())
        monkeypatch.setattr(snapshots, "FRESH", 0.0)
        snapshots.forget()
        catalogue.providers()
        with CaptureQueriesContext(connection) as again:  # Stale, but the version in Redis is the same.
            catalogue.providers()
        assert len(warm) == 0 and len(again) == 0
    with acme.person("admin").acting():
        account.enabled = False
        provider_accounts.save_account(actor=acme.person("admin").user, account=account)
    with member.acting():
        with CaptureQueriesContext(connection) as changed:
            assert catalogue.providers() == ()
        assert len(changed) >= 1


def test_each_console_shows_its_own(acme: House, console: Client, operator: Client, provider: Provider) -> None:
    made = operator.post("/admin/gateway/provideraccount/add/", form(name="House", base=provider.base, local_network="on"))

    assert made.status_code == 302
    assert "House" not in console.get("/admin/gateway/provideraccount/").content.decode()
    assert "House" in operator.get("/admin/gateway/provideraccount/").content.decode()
    assert "local_network" not in console.get("/admin/gateway/provideraccount/add/").content.decode()
    assert "local_network" in operator.get("/admin/gateway/provideraccount/add/").content.decode()
    assert console.get("/admin/gateway/provideraccount/found/").status_code in {302, 403, 404}
    refused = console.post("/admin/gateway/provideraccount/add/", form(base=provider.base), follow=True)
    assert "This address may not be used." in refused.content.decode() or "ne peut pas" in refused.content.decode()


def test_a_server_on_this_machine_is_connected_with_one_click(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.discovery import LocalServer

    async def found(**_ports: int) -> tuple[LocalServer, ...]:
        return (LocalServer("Ollama", "http://127.0.0.1:11434", "OLLAMA_API_BASE=http://127.0.0.1:11434", ("llama3.2:3b",)),)

    monkeypatch.setattr("gateway.discovery.local_servers", found)
    assert "http://127.0.0.1:11434" in operator.get("/admin/gateway/provideraccount/found/").content.decode()
    for _twice in range(2):
        answer = operator.post("/admin/gateway/provideraccount/found/", {"address": "http://127.0.0.1:11434"})
        assert answer.status_code == 302
    operator.post("/admin/gateway/provideraccount/found/", {"address": "http://10.0.0.1"})

    with acting_operator():
        account = ProviderAccount.objects.get()
    assert (account.locality, account.local_network, account.key_hint) == ("local", True, "")
    assert account.base == catalogue.ollama_base("http://127.0.0.1:11434")


def test_case_45_a_report_of_an_error_hides_the_key(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's reporter, which Sentry-like services build on, cleanses what is marked."""
    from django.views.debug import SafeExceptionReporterFilter

    def fail(*_given: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(ProviderAccount, "save", fail)
    with pytest.raises(RuntimeError) as failed:
        connect(acme.person("admin"))
    report = SafeExceptionReporterFilter()
    shown = []
    trace: Any = failed.tb
    while trace:
        if trace.tb_frame.f_code.co_filename.endswith("provider_accounts.py"):
            shown += [text for _name, text in report.get_traceback_frame_variables(None, trace.tb_frame)]
        trace = trace.tb_next

    assert shown
    assert not any(KEY in repr(value) for value in shown)


def test_what_was_typed_stays_when_an_address_is_refused(operator: Client) -> None:
    form = {
        "name": "Nowhere",
        "wire": "openai",
        "base": "http://127.0.0.1:9/v1",
        "key": "sk-typed-once",
        "locality": "cloud",
        "country": "FR",
        "models-TOTAL_FORMS": "0",
        "models-INITIAL_FORMS": "0",
    }

    page = operator.post("/admin/gateway/provideraccount/add/", form)

    text = page.content.decode()
    assert 'value="Nowhere"' in text
    assert "This address may not be used." in text
    assert "sk-typed-once" not in text
