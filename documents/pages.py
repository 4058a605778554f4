"""Pictures of PDF pages: drawn by the bounded parser process once, kept beside the document."""

from __future__ import annotations

import uuid
from contextlib import suppress

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from documents.errors import NoPageImage
from documents.ingestion import local_file
from documents.models import Document
from documents.parsing.elements import ParsingFailed
from documents.parsing.sandbox import parser

CONTENT_TYPE = "image/webp"


def page_image(document: Document, number: int) -> bytes:
    """Page `number` (from 1) as WebP, about 110 dots per inch. Raises `NoPageImage` where there is no such picture."""
    if document.kind != "pdf" or not 1 <= number <= (document.page_count or 0):
        raise NoPageImage
    name = f"{_folder(document.public_id)}/{number}.webp"
    with suppress(FileNotFoundError), default_storage.open(name) as kept:
        content: bytes = kept.read()
        return content
    try:
        with local_file(document.path) as path:
            image = parser.render(path, number)
    except ParsingFailed as failure:
        raise NoPageImage from failure
    # Two requests at once draw the same picture; the second finds the name taken and is not kept.
    if not default_storage.exists(name):
        default_storage.save(name, ContentFile(image))
    return image


def forget_pages(public_id: uuid.UUID) -> None:
    """Remove a document's pictures. Safe to repeat."""
    folder = _folder(public_id)
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in default_storage.listdir(folder)[1]:
            default_storage.delete(f"{folder}/{name}")
        default_storage.delete(folder)


def _folder(public_id: uuid.UUID) -> str:
    return f"pages/{public_id.hex[-2:]}/{public_id}"
