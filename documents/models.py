"""Folders, documents, who they are shared with, and what makes them searchable: chunks with vectors and postings.

The owner and the folder are repeated on chunks and vectors, so that rights are a condition on the row itself; what grants
say is repeated on folders and documents (`readers`, `writers`) by a trigger, so that no policy reads the grants.
"""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.grants import Grant, names_a_principal
from accounts.models import User
from accounts.permissions import Right, allows
from core.ids import uuid7
from documents.fields import VectorField


def in_readable_folder(user: User, path: str = "folder__") -> Q:
    """The folder at `path` is the person's own, open to the whole tenant, or shared with them."""
    shared = {f"{path}readers__overlap": user.principals()}
    return Q(**{f"{path}owner": user}) | Q(**{f"{path}visibility": Folder.Visibility.TENANT}) | Q(**shared)


def grants_array() -> ArrayField[list[str], list[str]]:
    """Principals out of the grants. Kept by a trigger."""
    return ArrayField(models.TextField(), default=list, blank=True, editable=False, help_text="principals, out of the grants")


class FolderQuerySet(models.QuerySet["Folder"]):
    def visible_to(self, user: User) -> Self:
        """A person's own folders, those open to the whole tenant and those shared with them. Staff status grants nothing."""
        return self.filter(in_readable_folder(user, ""))

    def writable_by(self, user: User) -> Self:
        """Where the person may add documents of their own."""
        return self.filter(Q(owner=user) | Q(writers__overlap=user.principals()))

    def with_counts(self) -> Self:
        return self.annotate(document_count=models.Count("documents"))


class Folder(models.Model):
    class Visibility(models.TextChoices):
        PRIVATE = "private", _("private")
        TENANT = "tenant", _("everyone here")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="folders")
    name = models.CharField(_("name"), max_length=100)
    visibility = models.CharField(_("visibility"), max_length=8, choices=Visibility, default=Visibility.PRIVATE)
    readers = grants_array()
    writers = grants_array()
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[models.Manager[Folder]] = FolderQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("folder")
        verbose_name_plural = _("folders")
        indexes = [GinIndex(fields=["readers"], name="documents_folder_by_reader")]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="documents_folder_once_per_owner"),
        ]

    def __str__(self) -> str:
        return self.name

    def takes_from(self, user: User) -> bool:
        """Whether the person may add documents of their own here."""
        return self.owner_id == user.pk or not set(self.writers).isdisjoint(user.principals())


class FolderGrant(Grant):
    """A folder shared with a person, group or role. `write` lets them add documents of their own, beside reading."""

    class Access(models.TextChoices):
        READ = "read", _("reads")
        WRITE = "write", _("reads and adds")

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="grants")
    access = models.CharField(max_length=5, choices=Access, default=Access.READ)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["folder", "principal"], name="documents_foldergrant_once"),
            names_a_principal("documents_foldergrant_names_a_principal"),
            models.CheckConstraint(
                condition=~Q(access="write", principal__in=["role:viewer", "role:auditor"]),
                name="documents_foldergrant_readers_read",
            ),
        ]


class DocumentQuerySet(models.QuerySet["Document"]):
    def visible_to(self, user: User) -> Self:
        """The documents that `user` may read. Every read of content starts here; staff status grants nothing."""
        return self.filter(Q(owner=user) | in_readable_folder(user) | Q(readers__overlap=user.principals()))

    def listed_to(self, user: User) -> Self:
        """The documents whose metadata `user` may see: whoever sees the inventory has that of all, and no content."""
        return self.all() if allows(user, Right.SEE_INVENTORY) else self.visible_to(user)

    def unfinished(self) -> Self:
        return self.filter(status__in=[Document.Status.QUEUED, Document.Status.PROCESSING])

    def ready(self) -> Self:
        return self.filter(status=Document.Status.READY)


class Document(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        PROCESSING = "processing", _("processing")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="documents")
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True, blank=True, related_name="documents")
    title = models.CharField(_("title"), max_length=255, help_text="the file's name, without any path")
    kind = models.CharField(max_length=8, help_text="pdf, docx, … as found by content")
    content_type = models.CharField(_("type"), max_length=100)
    size = models.PositiveBigIntegerField(_("size"), help_text="bytes")
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=200, help_text="in the tenant's storage")
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.QUEUED)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    progress = models.PositiveSmallIntegerField(_("progress"), default=0, help_text="0 to 100")
    pages_done = models.PositiveIntegerField(default=0)
    pages_total = models.PositiveIntegerField(default=0)
    page_count = models.PositiveIntegerField(_("pages"), null=True, help_text="null: the format has no pages")
    chunk_count = models.PositiveIntegerField(default=0)
    language = models.CharField(_("language"), max_length=8, blank=True)
    readers = grants_array()
    truncated = models.BooleanField(default=False, help_text="longer than the limits: the end was not read")
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, editable=False, help_text="the attempt that may write")
    touched_at = models.DateTimeField(default=timezone.now, editable=False, help_text="the last sign of life of its ingestion")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[models.Manager[Document]] = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        indexes = [
            models.Index(fields=["folder", "-id"], name="documents_by_folder"),
            GinIndex(fields=["readers"], name="documents_document_by_reader"),
            models.Index(fields=["touched_at"], name="documents_unfinished", condition=Q(status__in=["queued", "processing"])),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "folder", "sha256"], name="documents_document_once_per_folder", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(progress__lte=100), name="documents_document_progress_is_a_percentage"),
        ]

    def __str__(self) -> str:
        return self.title


class DocumentGrant(Grant):
    """One document that a person, group or role may read, wherever it lies."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="grants")
    access = models.CharField(max_length=5, choices=[("read", _("reads"))], default="read")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["document", "principal"], name="documents_documentgrant_once"),
            names_a_principal("documents_documentgrant_names_a_principal"),
            models.CheckConstraint(condition=Q(access="read"), name="documents_documentgrant_reads"),
        ]


class DocumentText(models.Model):
    """The one text of a document, to which every span refers."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, primary_key=True, related_name="body")
    text = models.TextField()


class EmbeddingQuerySet(models.QuerySet["Embedding"]):
    def visible_to(self, user: User) -> Self:
        """The chunks of documents that `user` may read."""
        return self.filter(Q(owner=user) | in_readable_folder(user) | Q(document__readers__overlap=user.principals()))


class Embedding(models.Model):
    """A chunk of a document: the unit that is embedded, found and cited. `text` is the document's `text[start:end]`."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="embeddings")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True, related_name="+")
    position = models.PositiveIntegerField(help_text="in reading order, from 0")
    start = models.PositiveIntegerField(help_text="code points")
    end = models.PositiveIntegerField(help_text="code points")
    text = models.TextField()
    heading = models.CharField(max_length=300, blank=True)
    language = models.CharField(max_length=8)
    pages = ArrayField(models.PositiveIntegerField(), default=list)
    boxes = models.JSONField(default=list, help_text="per page: its size and a rectangle per printed line, in points")

    objects: ClassVar[models.Manager[Embedding]] = EmbeddingQuerySet.as_manager()

    class Meta:
        ordering = ["document", "position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="documents_embedding_position"),
            models.CheckConstraint(condition=Q(end__gt=models.F("start")), name="documents_embedding_span_is_not_empty"),
        ]

    @property
    def page(self) -> int | None:
        """The first page, from 1."""
        return self.pages[0] if self.pages else None


class Vector(models.Model):
    """One window of a chunk, seen by one model. The best window speaks for the chunk."""

    embedding = models.ForeignKey(Embedding, on_delete=models.CASCADE, related_name="vectors")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True, related_name="+")
    model_id = models.PositiveSmallIntegerField()
    vector = VectorField()


class Posting(models.Model):
    """Up to 256 chunks of one document that hold a term, with BM25's impact of the term on each."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+", db_index=False)
    term = models.CharField(max_length=72, help_text="language:stem")
    number = models.PositiveSmallIntegerField(help_text="of the block")
    chunks = ArrayField(models.BigIntegerField())
    impacts = ArrayField(models.SmallIntegerField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "term", "number"], name="documents_posting_block"),
        ]
        indexes = [models.Index(fields=["term", "document"], name="documents_posting_by_term")]
