"""Links to copies of conversations: who opens them, what they show, when they end."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from assistants.conversations import organising, services, sharing
from assistants.conversations.models import Conversation, Message, Share, SharingPolicy
from assistants.profiles.models import Assistant
from core.errors import NotAllowed
from isolation import context
from tests.conversations.test_api import talk
from tests.gateway.test_accounts import new_key
from tests.pages.test_pages import browser
from tests.people import Actor, House, WatchedClient

CITATION = {
    "number": 1,
    "document": "01930000-0000-7000-8000-00000000cafe",
    "title": "Handbook.pdf",
    "page": 4,
    "start": 1,
    "end": 2,
    "text": "SECRET PASSAGE",
    "scores": {},
}


def conversation_of(actor: Actor, words: str = "") -> Conversation:
    """Two versions of one answer; the newest is active."""
    with actor.acting():
        row = Conversation.objects.create(
            owner=actor.user, title=f"Otters {words}", assistant=Assistant.objects.first(), vault={"PERSON_1": "SECRET NAME"}
        )
        question = Message.objects.create(conversation=row, owner=actor.user, role="user", content=f"How? {words}")
        for said in ("Version one.", f"It swims [1]. {words}"):
            Message.objects.create(
                conversation=row, owner=actor.user, parent=question, role="assistant", content=said, citations=[CITATION]
            )
    return row


def post(actor: Actor, row: Conversation, **body: Any) -> Any:
    return actor.api.post(f"/api/v1/conversations/{row.public_id}/share/", body, content_type="application/json")


def visitor(house: House) -> Client:
    return Client(headers={"host": house.host}, raise_request_exception=False)


def allow(house: House, allowed: bool = True) -> None:
    admin = house.person("admin")
    with admin.acting():
        sharing.set_public_links(actor=admin.user, allowed=allowed)


@pytest.fixture
def public(acme: House) -> Iterator[House]:
    allow(acme)
    yield acme
    allow(acme, False)


def text_of(page: Any) -> str:
    """Without what differs from page to page of the same site."""
    return re.sub(r'data-csrf="[^"]*"|nonce="[^"]*"', "", page.content.decode())


def test_a_link_is_for_signed_in_people_of_the_tenant(acme: House, globex: House) -> None:
    member = acme.person("member")
    made = post(member, conversation_of(member, acme.canary))
    share = made.json()
    path = f"/share/{share['token']}/"

    assert made.status_code == 201 and share["audience"] == "tenant" and share["state"] == "open"
    assert len(share["token"]) >= 32  # 192 bits in base64.
    assert share["url"].endswith(f"{acme.host}{path}")
    for reader in (acme.person("member2"), acme.person("viewer"), member):
        page = reader.api.get(path)
        assert page.status_code == 200 and acme.canary in page.content.decode()
    anonymous = visitor(acme).get(path)
    assert (anonymous.status_code, anonymous.headers["Location"]) == (302, f"/login/?next={path}")
    assert globex.person("member").api.get(path).status_code == 404  # At globex the token is none.
    assert visitor(globex).get(path).status_code == 404
    stranger = Client(headers={"host": globex.host, "authorization": f"Bearer {member.token}"})
    assert stranger.get(path).status_code == 401


def test_case_61_a_public_copy_says_nothing_but_itself(public: House) -> None:
    member = public.person("member")
    row = conversation_of(member)
    path = f"/share/{post(member, row, audience='public').json()['token']}/"

    page = visitor(public).get(path)
    text = page.content.decode()

    assert page.status_code == 200
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store, max-age=0"
    assert "It swims" in text and "Handbook.pdf" in text and public.name in text
    user = member.user
    private = (
        "Version one",
        "SECRET",
        "cafe",
        str(row.public_id),
        user.email,
        user.last_name or user.email,
        "/documents/",
        "/c/",
    )
    assert [each for each in private if each in text] == []
    named = visitor(public).get(f"/share/{post(member, row, audience='public', named=True).json()['token']}/")
    assert user.get_full_name() in named.content.decode()
    gone = visitor(public).get("/share/unknown/")
    assert gone.headers["Referrer-Policy"] == "no-referrer" and gone.headers["X-Robots-Tag"] == "noindex, nofollow"


def test_a_copy_does_not_move_and_goes_with_its_conversation(acme: House) -> None:
    member, reader = acme.person("member"), acme.person("member2")
    row = conversation_of(member)
    path = f"/share/{post(member, row).json()['token']}/"
    before = text_of(reader.api.get(path))
    with member.acting():
        last = Message.objects.filter(conversation=row).latest("pk")
        Message.objects.filter(conversation=row).update(content="changed since")
        Message.objects.create(conversation=row, owner=member.user, parent=last, role="user", content="written later")
        organising.organise(user=member.user, conversation=row, changes={"title": "Renamed"})

    assert text_of(reader.api.get(path)) == before
    assert member.api.delete(f"/api/v1/conversations/{row.public_id}/").status_code == 204
    assert reader.api.get(path).status_code == 404
    assert member.api.get("/api/v1/shares/").json()["results"] == []


def test_ended_unknown_and_revoked_links_are_one_page_at_once(public: House) -> None:
    member, reader = public.person("member"), visitor(public)
    row = conversation_of(member)
    revoked, expired = (post(member, row, audience="public", days=1).json() for _ in range(2))
    paths = [f"/share/{share['token']}/" for share in (revoked, expired)]
    assert [reader.get(path).status_code for path in paths] == [200, 200]

    assert member.api.delete(f"/api/v1/shares/{revoked['id']}/").status_code == 204
    with member.acting():
        Share.objects.filter(public_id=expired["id"]).update(expires_at=timezone.now())

    pages = [reader.get(path) for path in (*paths, "/share/unknown/", f"/share/{'x' * 300}/")]
    assert [page.status_code for page in pages] == [404] * 4
    assert len({text_of(page) for page in pages}) == 1
    [left] = member.api.get("/api/v1/shares/").json()["results"]
    assert (left["id"], left["state"], left["opened"]) == (expired["id"], "expired", 1)


def test_the_tenants_rule_opens_and_ends_public_links(acme: House, globex: House) -> None:
    member, reader = acme.person("member"), visitor(acme)
    row = conversation_of(member)
    refused = post(member, row, audience="public")
    assert (refused.status_code, refused.json()["code"]) == (403, "public_links_off")

    allow(acme)
    share = post(member, row, audience="public").json()
    inside = post(member, row).json()
    path = f"/share/{share['token']}/"
    assert reader.get(path).status_code == 200
    elsewhere = post(globex.person("member"), conversation_of(globex.person("member")), audience="public")
    assert elsewhere.status_code == 403  # One tenant's rule is not another's.
    allow(acme, False)

    assert reader.get(path).status_code == 404
    assert acme.person("member2").api.get(path).status_code == 404
    assert acme.person("member2").api.get(f"/share/{inside['token']}/").status_code == 200
    allow(acme)
    assert reader.get(path).status_code == 404  # For good.
    states = {each["id"]: each["state"] for each in member.api.get("/api/v1/shares/").json()["results"]}
    assert states == {share["id"]: "closed", inside["id"]: "open"}
    allow(acme, False)
    with acme.person("manager").acting():
        with pytest.raises(NotAllowed):
            sharing.set_public_links(actor=acme.person("manager").user, allowed=True)
        assert SharingPolicy.objects.update(public_links=True) == 0  # The database says no, too.


def test_who_was_switched_off_shares_nothing(public: House, owner: psycopg.Connection) -> None:
    member = public.person("member")
    path = f"/share/{post(member, conversation_of(member), audience='public').json()['token']}/"
    assert visitor(public).get(path).status_code == 200
    switch = f"UPDATE {public.schema}.accounts_user SET is_active = %s WHERE id = %s"

    owner.execute(switch, (False, member.user.pk))
    try:
        assert visitor(public).get(path).status_code == 404
    finally:
        owner.execute(switch, (True, member.user.pk))


def test_the_console_turns_public_links_on_and_off(acme: House) -> None:
    admin = browser(acme.person("admin"))
    with acme.person("admin").acting():
        page = f"/admin/conversations/sharingpolicy/{SharingPolicy.objects.get().pk}/change/"

    assert admin.get("/admin/conversations/sharingpolicy/").status_code == 200
    assert admin.post(page, {"public_links": "on"}).status_code == 302
    with acme.person("admin").acting():
        found = SharingPolicy.objects.get()
        assert found.public_links and found.public_since
    assert admin.post(page, {}).status_code == 302
    assert browser(acme.person("manager")).get(page).status_code == 403


def test_links_are_their_owners(acme: House, globex: House, django_assert_num_queries: Any) -> None:
    member = acme.person("member")
    row = conversation_of(member)
    share = post(member, row).json()
    post(member, row, days=7)
    for stranger in (acme.person("member2"), acme.person("admin"), globex.person("member")):
        assert stranger.api.get("/api/v1/shares/").json()["results"] == []
        assert stranger.api.get(f"/api/v1/conversations/{row.public_id}/share/").status_code == 404
        assert post(stranger, row).status_code == 404
        assert stranger.api.delete(f"/api/v1/shares/{share['id']}/").status_code == 404
        with stranger.acting():
            assert not Share.objects.exists()

    with django_assert_num_queries(1):  # The links with their conversations and the tenant's rule.
        listed = member.api.get("/api/v1/shares/").json()["results"]
    with django_assert_num_queries(2):  # The conversation; its links.
        own = member.api.get(f"/api/v1/conversations/{row.public_id}/share/").json()["results"]

    assert [each["id"] for each in listed] == [each["id"] for each in own]
    assert own[1] == {**share, "opened": 0}
    assert share["token"] == own[1]["token"]  # Its owner sees the link again.


def test_the_database_shows_one_row_to_whoever_has_the_token(public: House, owner: psycopg.Connection) -> None:
    member = public.person("member")
    share = post(member, conversation_of(member), audience="public").json()
    (stored,) = owner.execute(f"SELECT string_agg(s::text, '') FROM {public.schema}.conversations_share s").fetchone()  # type: ignore[misc]
    assert share["token"] not in stored

    for caps in (context.person(public.schema, 0), public.person("member2").context, public.person("admin").context):
        with context.use(caps), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM conversations_share")
            assert cursor.fetchone() == (0,)
            cursor.execute("SELECT count(*) FROM open_share(%s)", [sharing.digest_of(share["token"])])
            assert cursor.fetchone() == (1,)
            for wrong in (share["token"], "%", "", sharing.digest_of("x")):
                cursor.execute("SELECT count(*) FROM open_share(%s)", [wrong])
                assert cursor.fetchone() == (0,)


def test_nobody_shares_anothers_conversation_in_the_database(acme: House) -> None:
    member, member2 = acme.person("member"), acme.person("member2")
    theirs = conversation_of(member2)
    fields = {"digest": "0" * 64, "token": "x", "title": "x", "messages": [], "expires_at": timezone.now() + timedelta(days=1)}
    for claimed in (member.user, member2.user):
        with member.acting(), pytest.raises(Exception, match=r"foreign key|row-level security"):
            Share.objects.create(conversation_id=theirs.pk, owner=claimed, **fields)
    with member2.acting():
        assert Share.objects.create(conversation=theirs, owner=member2.user, **fields).pk


def test_openings_are_counted_and_noted_without_a_word(public: House, owner: psycopg.Connection) -> None:
    member = public.person("member")
    share = post(member, conversation_of(member, public.canary), audience="public").json()
    path = f"/share/{share['token']}/"
    reader = WatchedClient(member, headers={"host": public.host})  # Nobody signed in.
    for _ in range(3):
        reader.get(path)
    member.api.get(path)  # The owner's own look does not count.

    assert member.api.get("/api/v1/shares/").json()["results"][0]["opened"] == 3
    member.api.delete(f"/api/v1/shares/{share['id']}/")
    events = owner.execute(
        f"SELECT action, target, details FROM {public.schema}.audit_auditevent WHERE target = %s ORDER BY seq",
        (f"share:{share['id']}",),
    ).fetchall()
    assert [(action, details) for action, _target, details in events] == [
        ("share.created", '{"audience":"public","days":30,"named":false}'),
        ("share.opened_publicly", '{"opened":1}'),
        ("share.revoked", '{"audience":"public","opened":3}'),
    ]


def test_a_link_needs_something_to_show_and_an_end(acme: House) -> None:
    member = acme.person("member")
    empty = talk(member, 0)
    row = conversation_of(member)
    year = (timezone.now() + timedelta(days=400)).isoformat()
    past = (timezone.now() - timedelta(days=1)).isoformat()

    assert post(member, empty).json()["code"] == "nothing_to_share"
    assert [post(member, row, expires_at=when).json()["code"] for when in (year, past)] == ["bad_expiry"] * 2
    assert post(member, row, days=0).json()["code"] == "invalid"
    assert post(member, row, audience="everybody").json()["code"] == "invalid"
    with member.acting():
        services.start_run(owner=member.user, conversation=row.public_id, content="More?")
    assert post(member, row).json()["code"] == "run_in_progress"


def test_pages_share_and_revoke_without_a_script(public: House, django_assert_max_num_queries: Any) -> None:
    member = public.person("member")
    row = conversation_of(member)
    client = browser(member)
    page = f"/c/{row.public_id}/share/"
    assert "#globe" not in client.get(f"/c/{row.public_id}/").content.decode()

    made = client.post(page, {"audience": "public", "days": "7", "named": "on"}, follow=True)
    with member.acting():
        share = Share.objects.get()
        token = sharing.token_of(share)
    assert made.status_code == 200 and f"/share/{token}/" in made.content.decode()
    assert (share.audience, (share.expires_at - share.created_at).days in {6, 7}, share.shared_by) == (
        "public",
        True,
        member.user.get_full_name(),
    )
    assert "#globe" in client.get(f"/c/{row.public_id}/").content.decode()
    assert "<html" not in client.get(page + "?part=1").content.decode()
    with django_assert_max_num_queries(4):
        assert str(row.public_id) in client.get("/settings/conversations/").content.decode()
    client.post(f"/settings/shares/{share.public_id}/revoke/", {"back": "conversation"})
    assert visitor(public).get(f"/share/{token}/").status_code == 404
    assert "#globe" not in client.get(f"/c/{row.public_id}/").content.decode()


def test_pages_import_and_say_what_was_left_out(acme: House) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    member = acme.person("member")
    client = browser(member)
    body = b'[{"id": "1", "title": "T", "chat": {"messages": [{"role": "user", "content": "Hi", "files": [{"type": "image"}]}]}}]'

    def bring(content: bytes) -> str:
        sent = client.post("/settings/conversations/import/", {"file": SimpleUploadedFile("a.json", content)}, follow=True)
        assert sent.status_code == 200
        return str(sent.content.decode())

    page = bring(body)
    assert "une image" in page or "an image" in page
    assert "415" not in bring(b"nonsense")
    settings = client.get("/settings/").content.decode()
    assert "/api/v1/conversations/export/" in settings and "/settings/conversations/" in settings
    with member.acting():
        assert Conversation.objects.get().title == "T"
    assert client.get("/api/v1/conversations/export/?format=md").status_code == 200  # The link works with the page's session.


def test_case_45_rotation_seals_the_tokens_of_links_again(acme: House, globex: House, settings: Any) -> None:
    first, second = new_key("k1"), new_key("k2")
    settings.CLOISON_SECRETS_KEYS = first
    people = (acme.person("member"), acme.person("member2"), globex.person("member"))
    links = [post(one, conversation_of(one)).json() for one in people]
    told = io.StringIO()

    settings.CLOISON_SECRETS_KEYS = f"{second},{first}"
    call_command("rotate_secrets", stdout=told)
    settings.CLOISON_SECRETS_KEYS = second

    assert told.getvalue().startswith("3 sealed again under the key k2")
    for one, link in zip(people, links, strict=True):
        assert [row["token"] for row in one.api.get("/api/v1/shares/").json()["results"]] == [link["token"]]
        assert browser(one).get(f"/share/{link['token']}/").status_code == 200
    settings.CLOISON_SECRETS_KEYS = new_key("k3")  # All keys lost: the links open, and are no longer shown.
    call_command("rotate_secrets", stdout=told)
    assert "\n0 sealed again" in told.getvalue()
    assert people[0].api.get("/api/v1/shares/").json()["results"][0]["token"] is None
    assert browser(people[0]).get(f"/share/{links[0]['token']}/").status_code == 200
