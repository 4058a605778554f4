"""Shapes of the documents' API: `…In` validates, `…Out` lists fields by name."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from documents.models import Document, Embedding, Folder
from documents.search import LONGEST_QUERY, MOST_RESULTS


class FolderIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    visibility = serializers.ChoiceField(choices=Folder.Visibility.choices, default=Folder.Visibility.PRIVATE)


class FolderPatch(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100, required=False)
    visibility = serializers.ChoiceField(choices=Folder.Visibility.choices, required=False)


class FolderOut(serializers.ModelSerializer[Folder]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    document_count = serializers.IntegerField(read_only=True, default=0)
    is_owner = serializers.SerializerMethodField()
    is_shared = serializers.SerializerMethodField(help_text="others may read it")
    may_add = serializers.SerializerMethodField(help_text="the person may add documents of their own")

    class Meta:
        model = Folder
        fields = ["id", "name", "visibility", "document_count", "is_owner", "is_shared", "may_add", "created_at"]

    def get_is_owner(self, folder: Folder) -> bool:
        return bool(folder.owner_id == self.context["request"].user.pk)

    def get_is_shared(self, folder: Folder) -> bool:
        return folder.visibility == Folder.Visibility.TENANT or bool(folder.readers)

    def get_may_add(self, folder: Folder) -> bool:
        return folder.takes_from(self.context["request"].user)


class DocumentIn(serializers.Serializer[Any]):
    file = serializers.FileField(allow_empty_file=True, max_length=1000)
    folder = serializers.UUIDField(required=False, allow_null=True, default=None)


class DocumentOut(serializers.ModelSerializer[Document]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    folder = serializers.UUIDField(source="folder.public_id", read_only=True, default=None)
    is_owner = serializers.SerializerMethodField()

    class Meta:
        model = Document
        fields = [
            "id",
            "title",
            "folder",
            "kind",
            "content_type",
            "size",
            "status",
            "error_code",
            "progress",
            "pages_done",
            "pages_total",
            "page_count",
            "chunk_count",
            "language",
            "truncated",
            "is_owner",
            "created_at",
        ]

    def get_is_owner(self, document: Document) -> bool:
        return bool(document.owner_id == self.context["request"].user.pk)


class TextOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    title = serializers.CharField()
    language = serializers.CharField()
    text = serializers.CharField()


class ChunkOut(serializers.ModelSerializer[Embedding]):
    page = serializers.IntegerField(read_only=True, allow_null=True)

    class Meta:
        model = Embedding
        fields = ["position", "page", "pages", "start", "end", "text", "heading", "language", "boxes"]


class SearchIn(serializers.Serializer[Any]):
    query = serializers.CharField(max_length=LONGEST_QUERY)
    folders = serializers.ListField(child=serializers.UUIDField(), required=False, allow_null=True, max_length=100)
    top_k = serializers.IntegerField(min_value=1, max_value=MOST_RESULTS, default=10)
    mode = serializers.ChoiceField(choices=["hybrid", "vector", "text"], default="hybrid")


class RectanglesOut(serializers.Serializer[Any]):
    """Where a passage stands on a page: points from the upper left corner, one rectangle `[x0, y0, x1, y1]` a line."""

    page = serializers.IntegerField()
    width = serializers.FloatField()
    height = serializers.FloatField()
    rects = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))


class ScoresOut(serializers.Serializer[Any]):
    text = serializers.FloatField(allow_null=True)
    vector = serializers.FloatField(allow_null=True)


class CitationOut(serializers.Serializer[Any]):
    document = serializers.UUIDField()
    title = serializers.CharField()
    page = serializers.IntegerField(allow_null=True)
    pages = serializers.ListField(child=serializers.IntegerField())
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    box = RectanglesOut(allow_null=True)
    boxes = RectanglesOut(many=True)
    text = serializers.CharField()
    score = serializers.FloatField()
    scores = ScoresOut()
    language = serializers.CharField()


class SearchOut(serializers.Serializer[Any]):
    results = CitationOut(many=True)
