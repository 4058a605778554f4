"""Folders, documents, and what makes them searchable: chunks with vectors and postings.

The owner and the folder are repeated on chunks and vectors, so that rights are a condition on the row itself.
"""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.permissions import Right, allows
from core.ids import uuid7
from documents.fields import VectorField


class FolderQuerySet(models.QuerySet["Folder"]):
    def visible_to(self, user: User) -> Self:
        """A person's own folders and those open to the whole tenant. Staff status grants nothing."""
        return self.filter(Q(owner=user) | Q(visibility=Folder.Visibility.TENANT))

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
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[models.Manager[Folder]] = FolderQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("folder")
        verbose_name_plural = _("folders")
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="documents_folder_once_per_owner"),
        ]

    def __str__(self) -> str:
        return self.name


class DocumentQuerySet(models.QuerySet["Document"]):
    def visible_to(self, user: User) -> Self:
        """The documents that `user` may read. Every read of content starts here; staff status grants nothing."""
        return self.filter(Q(owner=user) | Q(folder__visibility=Folder.Visibility.TENANT))

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


class DocumentText(models.Model):
    """The one text of a document, to which every span refers."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, primary_key=True, related_name="body")
    text = models.TextField()


class EmbeddingQuerySet(models.QuerySet["Embedding"]):
    def visible_to(self, user: User) -> Self:
        """The chunks of documents that `user` may read."""
        return self.filter(Q(owner=user) | Q(folder__visibility=Folder.Visibility.TENANT))


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
