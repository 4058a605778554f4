"""A child proves its parent: nothing can be hung on somebody else's object, whatever the query, though foreign keys see every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import User
from assistants.conversations.models import Conversation, Message
from documents import services
from documents.models import Document, DocumentGrant, DocumentText, Folder, FolderGrant
from tests.documents.test_search_walls import add
from tests.people import Actor, House

Keys = dict[str, int]


def things(actor: Actor, name: str) -> Keys:
    """Keys of a folder, a document read in, its chunk, a conversation and its two messages."""
    with actor.acting():
        folder = services.create_folder(owner=actor.user, name=name)
        document = add(actor, f"{name}: the heron waits.", f"{name}.txt", folder)
        conversation = Conversation.objects.create(owner=actor.user, title=name)
        question = Message.objects.create(conversation=conversation, owner=actor.user, role="user", content=name)
        answer = Message.objects.create(
            conversation=conversation, owner=actor.user, parent=question, role="assistant", content=name
        )
        return {
            "folder": folder.pk,
            "document": document.pk,
            "chunk": document.embeddings.get().pk,
            "conversation": conversation.pk,
            "question": question.pk,
            "answer": answer.pk,
            "owner": actor.user.pk,
        }


@pytest.fixture
def both(acme: House) -> Iterator[tuple[Actor, Keys, Keys]]:
    member = acme.person("member")
    yield member, things(member, "mine"), things(acme.person("member2"), "theirs")


DOCUMENT = (
    "INSERT INTO documents_document (public_id, owner_id, folder_id, title, kind, content_type, size, sha256, path, status,"
    " error_code, progress, pages_done, pages_total, chunk_count, language, truncated, attempts, touched_at, created_at, readers)"
    " VALUES (gen_random_uuid(), {owner}, {folder}, 't', 'txt', 'text/plain', 1, 'x', 'p', 'ready',"
    " '', 100, 0, 0, 0, 'en', false, 1, now(), now(), '{{}}')"
)
CHUNK = (
    'INSERT INTO documents_embedding (document_id, owner_id, folder_id, position, start, "end", text, heading, language, pages, boxes)'
    " VALUES ({document}, {owner}, {folder}, 99, 0, 1, 'planted', '', 'en', '{{}}', '[]')"
)
VECTOR = (
    "INSERT INTO documents_vector (embedding_id, document_id, owner_id, folder_id, model_id, vector)"
    " SELECT {chunk}, {document}, {owner}, {folder}, model_id, vector FROM documents_vector LIMIT 1"
)
FOLDER_GRANT = (
    "INSERT INTO documents_foldergrant (public_id, principal, access, created_at, folder_id)"
    " VALUES (gen_random_uuid(), 'user:{me}', 'write', now(), {folder})"
)
DOCUMENT_GRANT = (
    "INSERT INTO documents_documentgrant (public_id, principal, access, created_at, document_id)"
    " VALUES (gen_random_uuid(), 'user:{me}', 'read', now(), {document})"
)
MESSAGE = (
    "INSERT INTO conversations_message (public_id, conversation_id, parent_id, owner_id, role, content, citations, created_at)"
    " VALUES (gen_random_uuid(), {conversation}, {parent}, {owner}, 'user', 'planted', '[]', now())"
)
RUN = (
    "INSERT INTO conversations_run (public_id, conversation_id, owner_id, question_id, answer_id, status, request, host, routing,"
    " usage, error_code, body, created_at)"
    " VALUES (gen_random_uuid(), {conversation}, {me}, {question}, {answer}, 'queued', '{{}}', '', '{{}}', '{{}}', '', '', now())"
)
FEEDBACK = (
    "INSERT INTO conversations_feedback (message_id, owner_id, rating, reason, comment, given_at)"
    " VALUES ({answer}, {owner}, 'up', '', '', now())"
)
POSTING = (
    "INSERT INTO documents_posting (document_id, term, number, chunks, impacts)"
    " VALUES ({document}, 'en:planted', 0, ARRAY[{chunk}]::bigint[], ARRAY[1]::smallint[])"
)
TEXT = "INSERT INTO documents_documenttext (document_id, text) VALUES ({document}, 'planted')"

# name: (statement, which of its words are theirs); the same with one's own words is the control.
ATTACHED: dict[str, tuple[str, tuple[str, ...]]] = {
    "a grant of their folder": (FOLDER_GRANT, ("folder",)),
    "a grant of their document": (DOCUMENT_GRANT, ("document",)),
    "a document in their folder": (DOCUMENT, ("folder",)),
    "a document of theirs": (DOCUMENT, ("owner",)),
    "a chunk in their document": (CHUNK, ("document",)),
    "a chunk in their document and name": (CHUNK, ("document", "owner", "folder")),
    "a chunk that lies about its folder": (CHUNK, ("folder",)),
    "a vector of their document": (VECTOR, ("document",)),
    "a vector of their chunk": (VECTOR, ("chunk",)),
    "a vector that lies about its folder": (VECTOR, ("folder",)),
    "a posting of their document": (POSTING, ("document",)),
    "a message in their conversation": (MESSAGE, ("conversation", "parent")),
    "a message in their conversation and name": (MESSAGE, ("conversation", "parent", "owner")),
    "a message in their name": (MESSAGE, ("owner",)),
    "a message under one of theirs": (MESSAGE, ("parent",)),
    "a run in their conversation": (RUN, ("conversation", "question", "answer")),
    "a run about their question": (RUN, ("question",)),
    "a run that fills their answer": (RUN, ("answer",)),
    "an opinion of their answer": (FEEDBACK, ("answer",)),
    "an opinion in their name": (FEEDBACK, ("owner",)),
}


def filled(statement: str, mine: Keys, theirs: Keys, words: tuple[str, ...]) -> str:
    values = {**mine, "parent": mine["question"], "me": mine["owner"]}
    values |= {word: (theirs["question"] if word == "parent" else theirs[word]) for word in words}
    return statement.format(**values)


@pytest.mark.parametrize("name", ATTACHED)
def test_nothing_is_attached_to_anothers_object(both: tuple[Actor, Keys, Keys], name: str) -> None:
    member, mine, theirs = both
    statement, words = ATTACHED[name]

    with member.acting():
        with pytest.raises(DatabaseError) as refused, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(filled(statement, mine, theirs, words))
        assert "row-level security" in str(refused.value) or "foreign key" in str(refused.value)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(filled(statement, mine, theirs, ()))
            assert cursor.rowcount == 1


def test_a_text_is_not_written_for_anothers_document(both: tuple[Actor, Keys, Keys]) -> None:
    member, mine, theirs = both

    with member.acting():
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TEXT.format(document=theirs["document"]))
        assert DocumentText.objects.filter(pk=theirs["document"]).update(text="planted") == 0
        assert DocumentText.objects.filter(pk=mine["document"]).update(text="mine: the heron waits.") == 1


CHANGES: dict[str, Callable[[Keys, Keys], Any]] = {
    "move mine into theirs": lambda m, t: Document.objects.filter(pk=m["document"]).update(folder_id=t["folder"]),
    "give mine away": lambda m, t: Document.objects.filter(pk=m["document"]).update(owner_id=t["owner"]),
    "open their folder": lambda m, t: Folder.objects.filter(pk=t["folder"]).update(visibility="tenant"),
    "name me in their folder": lambda m, t: Folder.objects.filter(pk=t["folder"]).update(readers=[f"user:{m['owner']}"]),
    "name me in their document": lambda m, t: Document.objects.filter(pk=t["document"]).update(readers=[f"user:{m['owner']}"]),
    "hang my message on theirs": lambda m, t: Message.objects.filter(pk=m["answer"]).update(parent_id=t["question"]),
    "go on with their answer": lambda m, t: Message.objects.filter(pk=m["answer"]).update(continues_id=t["answer"]),
    "stand beside their answer": lambda m, t: Message.objects.filter(pk=m["answer"]).update(beside_id=t["answer"]),
    "end my branch with theirs": lambda m, t: Conversation.objects.filter(pk=m["conversation"]).update(leaf_id=t["answer"]),
    "move my message": lambda m, t: Message.objects.filter(pk=m["answer"]).update(conversation_id=t["conversation"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_no_change_reaches_over(both: tuple[Actor, Keys, Keys], owner: psycopg.Connection, name: str) -> None:
    member, mine, theirs = both
    schema = member.house.schema
    tables = ("documents_folder", "documents_document", "conversations_message", "conversations_conversation")
    before = [owner.execute(f"SELECT * FROM {schema}.{table} ORDER BY id").fetchall() for table in tables]

    with member.acting():
        try:
            with transaction.atomic():
                CHANGES[name](mine, theirs)  # Foreign keys refuse at the commit.
        except DatabaseError as error:
            assert any(word in str(error) for word in ("row-level security", "foreign key", "stays in its folder"))

    assert [owner.execute(f"SELECT * FROM {schema}.{table} ORDER BY id").fetchall() for table in tables] == before


def test_a_reader_by_grant_writes_nothing(both: tuple[Actor, Keys, Keys], acme: House) -> None:
    member, _mine, theirs = both
    friend = acme.person("member2")
    with friend.acting():
        FolderGrant.objects.create(folder_id=theirs["folder"], principal=f"user:{member.user.pk}", access="read")
        DocumentGrant.objects.create(document_id=theirs["document"], principal=f"user:{member.user.pk}")

    with member.acting():
        assert Document.objects.filter(pk=theirs["document"]).exists()  # The control: it is read.
        assert FolderGrant.objects.count() == DocumentGrant.objects.count() == 1
        for model in (FolderGrant, DocumentGrant, DocumentText, Document, Folder):
            rows = model.objects.exclude(pk=0)
            if hasattr(model, "owner"):
                rows = rows.filter(owner=friend.user.pk)
            elif model is DocumentText:
                rows = rows.filter(document=theirs["document"])
            assert rows._raw_delete(rows.db) == 0
        assert FolderGrant.objects.update(access="write") == 0
        for statement in (FOLDER_GRANT, DOCUMENT_GRANT):
            with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement.format(**{**theirs, "me": theirs["owner"]}))
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(DOCUMENT.format(owner=member.user.pk, folder=theirs["folder"]))
        assert User.objects.count() == 1


@pytest.mark.parametrize(
    "statement", ["SELECT keep_folder_readers()", "SELECT keep_document_readers()", "SELECT keep_assistant_readers()"]
)
def test_the_functions_behind_the_triggers_are_not_for_calling(both: tuple[Actor, Keys, Keys], statement: str) -> None:
    with both[0].acting(), pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
