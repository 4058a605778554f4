"""Pages from the outside: who may see them, what they refuse, and what one costs in queries."""

from __future__ import annotations

import pytest
from django.test import Client

from assistants.conversations import services
from tests.people import PASSWORD, Actor, House

PATHS = ["/", "/conversations/", "/conversations/bin/", "/documents/", "/documents/?folder=none", "/search/", "/settings/"]


def browser(actor: Actor) -> Client:
    """A client with that person's session."""
    client = Client(headers={"host": actor.house.host}, raise_request_exception=False)
    answer = client.post("/login/", {"email": actor.email, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return client


def conversation_of(actor: Actor) -> str:
    with actor.acting():
        row = services.create_conversation(owner=actor.user, title=actor.house.canary)
    return f"/c/{row.public_id}/"


@pytest.mark.parametrize("path", PATHS)
def test_a_visitor_is_sent_to_the_door(acme: House, path: str) -> None:
    answer = Client(headers={"host": acme.host}).get(path)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/?next=")


@pytest.mark.parametrize("path", PATHS)
def test_a_member_opens_every_page(acme: House, path: str) -> None:
    answer = browser(acme.person("member")).get(path)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store, max-age=0"


def test_a_wrong_password_says_so_and_nothing_more(acme: House) -> None:
    answer = Client(headers={"host": acme.host}).post("/login/", {"email": "member@acme.test", "password": "wrong"})
    unknown = Client(headers={"host": acme.host}).post("/login/", {"email": "nobody@acme.test", "password": "wrong"})

    assert answer.status_code == unknown.status_code == 401
    assert "Courriel ou mot de passe incorrect." in answer.content.decode()
    assert "Courriel ou mot de passe incorrect." in unknown.content.decode()


def test_sign_in_leads_to_no_other_host(acme: House) -> None:
    for wanted in ("https://evil.test/", "//evil.test/", "/\\evil.test", "javascript:1"):
        answer = Client(headers={"host": acme.host}).post(
            "/login/", {"email": "member@acme.test", "password": PASSWORD, "next": wanted}
        )

        assert answer.headers["Location"] == "/"


def test_a_conversation_is_its_owners_alone(acme: House, globex: House) -> None:
    owner = acme.person("member")
    path = conversation_of(owner)

    assert browser(owner).get(path).status_code == 200
    for stranger in (acme.person("admin"), acme.person("member2"), globex.person("member")):
        answer = browser(stranger).get(path)
        assert answer.status_code == 404
        assert acme.canary not in answer.content.decode()


def test_a_form_without_its_token_is_refused(acme: House) -> None:
    client = Client(headers={"host": acme.host}, enforce_csrf_checks=True)

    answer = client.post("/login/", {"email": "member@acme.test", "password": PASSWORD})

    assert answer.status_code == 403


def test_signing_out_clears_the_browser(acme: House) -> None:
    client = browser(acme.person("member"))

    answer = client.post("/logout/")

    assert answer.headers["Clear-Site-Data"] == '"cache","cookies","storage"'
    assert client.get("/").status_code == 302


def test_a_person_changes_name_and_language_and_no_role(acme: House) -> None:
    actor = acme.person("viewer")
    client = browser(actor)
    was = actor.user

    client.post(
        "/settings/", {"first_name": "Zoé", "last_name": was.last_name, "language": "en", "role": "admin", "theme": "dark"}
    )

    page = client.get("/settings/").content.decode()
    assert 'value="Zoé"' in page
    assert 'data-theme="dark"' in page
    assert "Viewer" in page
    client.post("/settings/", {"first_name": was.first_name, "last_name": was.last_name, "language": was.language})


def test_the_console_is_for_who_administers_or_audits(acme: House) -> None:
    for local, status in (("admin", 200), ("manager", 200), ("auditor", 200), ("member", 403), ("viewer", 403)):
        client = browser(acme.person(local))

        assert client.get("/admin/", follow=True).status_code == status


def test_the_console_names_no_conversation(acme: House) -> None:
    path = conversation_of(acme.person("member"))
    client = browser(acme.person("admin"))

    for page in (
        "/admin/",
        "/admin/accounts/user/",
        "/admin/documents/document/",
        f"/admin/accounts/user/{acme.person('member').user.pk}/change/",
    ):
        answer = client.get(page)
        assert answer.status_code == 200
        assert acme.canary not in answer.content.decode()
        assert path.split("/")[2] not in answer.content.decode()


def test_the_operators_front_names_the_tenants_in_demo_mode(acme: House, settings: object) -> None:
    settings.CLOISON_DEMO = True  # type: ignore[attr-defined]

    page = Client(headers={"host": "localhost"}).get("/").content.decode()

    assert "acme.localhost" in page
    assert "globex.localhost" in page
    assert "member@acme.test" in page


def test_the_operators_console_leads_to_its_own_sign_in(acme: House) -> None:
    client = Client(headers={"host": "localhost"})

    answer = client.get("/admin/tenants/tenant/", follow=True)

    assert answer.redirect_chain == [("/admin/login/?next=/admin/tenants/tenant/", 302)]
    assert answer.status_code == 200


def test_what_a_section_of_the_settings_says_is_in_sight(acme: House) -> None:
    page = browser(acme.person("member")).get("/settings/").content.decode()

    assert 'action="/settings/password/#securite"' in page
    assert 'action="/settings/keys/#cles"' in page


def test_signing_out_of_the_console_ends_at_the_door(acme: House) -> None:
    client = browser(acme.person("admin"))

    answer = client.post("/admin/logout/", follow=True)

    assert answer.redirect_chain[-1][0].startswith("/login/")
    assert client.get("/admin/").status_code == 302


def test_a_language_is_chosen_not_typed(acme: House) -> None:
    page = browser(acme.person("admin")).get(f"/admin/accounts/user/{acme.person('member').user.pk}/change/").content.decode()

    assert '<select name="language"' in page
