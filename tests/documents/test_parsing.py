"""Each format, read by the bounded child as the worker does."""

from __future__ import annotations

import io
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from documents.parsing.elements import Parsed, ParsingFailed
from documents.parsing.sandbox import ParserServer
from documents.parsing.sniff import Unsupported, sniff
from tests.documents import files

PROSE = "The supplier confirms each order within three working days. Été à Nantes, œuvre."


@pytest.fixture(scope="module")
def server() -> Iterator[ParserServer]:
    made = ParserServer()
    yield made
    made.stop()


def read(server: ParserServer, folder: Path, content: bytes | str, name: str, **options: float) -> Parsed:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with path.open("rb") as file:
        kind = sniff(file, name)
    return server.parse(path, kind, **options)


def refused(content: bytes | str, name: str) -> bool:
    try:
        sniff(io.BytesIO(content.encode() if isinstance(content, str) else content), name)
    except Unsupported:
        return True
    return False


def test_a_pdf_keeps_its_text_headings_pages_and_lines(server: ParserServer, tmp_path: Path) -> None:
    content = files.pdf(["# Article 1. Notice", PROSE, "The notice period is ninety days."], ["Second page text here."])

    parsed = read(server, tmp_path, content, "a.pdf")

    first = parsed.elements[0]
    assert (first.kind, first.page, parsed.text[first.start : first.end]) == ("title", 1, "Article 1. Notice")
    assert "Été à Nantes, œuvre." in parsed.text
    assert [e.page for e in parsed.elements] == [1, 1, 2]
    assert len(parsed.sizes) == 2
    lines = {parsed.text[line.start : line.end]: line for line in parsed.lines}
    notice = lines["The notice period is ninety days."]
    assert notice.page == 1
    assert 70 < notice.x0 < 75
    # Drawn with its baseline at 780 - 30 - 14 of 841.89 points from below.
    assert notice.y0 < 841.89 - 736 < notice.y1


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_boxes_lie_on_the_ink_of_the_page_as_shown(server: ParserServer, tmp_path: Path, angle: int) -> None:
    from PIL import Image

    parsed = read(server, tmp_path, files.pdf(["HHHHHHHHHH"], rotate=angle, top=500), "a.pdf")

    [line], [(width, height)] = parsed.lines, parsed.sizes
    with Image.open(io.BytesIO(server.render(tmp_path / "a.pdf", 1))) as picture:
        scale = picture.size[0] / width
        assert abs(picture.size[1] - height * scale) < 3
        box = picture.convert("L").crop((line.x0 * scale, line.y0 * scale, line.x1 * scale, line.y1 * scale))
    dark = sum(value < 128 for value in box.tobytes())
    assert dark > 0.15 * box.size[0] * box.size[1]


def test_a_page_without_text_is_noted(server: ParserServer, tmp_path: Path) -> None:
    parsed = read(server, tmp_path, files.pdf(["Some text."], [], ["More text."]), "a.pdf")

    assert parsed.empty == (2,)


def test_an_encrypted_pdf_says_so(server: ParserServer, tmp_path: Path) -> None:
    with pytest.raises(ParsingFailed) as failure:
        read(server, tmp_path, files.pdf(["secret"], password="open sesame"), "a.pdf")

    assert failure.value.code == "encrypted"


def test_a_truncated_pdf_is_unreadable(server: ParserServer, tmp_path: Path) -> None:
    with pytest.raises(ParsingFailed) as failure:
        read(server, tmp_path, b"%PDF-1.7\n1 0 obj <</Type/Catalog", "a.pdf")

    assert failure.value.code == "unreadable"


OFFICE = {
    "a.docx": (lambda: files.docx("# Heading", PROSE), "Heading\n\n" + PROSE),
    "a.pptx": (lambda: files.pptx(("Slide", PROSE)), "Slide\n\n" + PROSE),
    "a.xlsx": (lambda: files.xlsx(["name", "price"], ["pear", 3]), "name | price\npear | 3"),
    "a.csv": (lambda: "name;price\npear;3\n", "name | price\npear | 3"),
    "a.md": (lambda: f"# Heading\n\n{PROSE}\n", "Heading\n\n" + PROSE),
    "a.html": (lambda: f"<html><body><h1>Heading</h1><p>{PROSE}</p><script>x()</script></body></html>", "Heading\n\n" + PROSE),
    "a.txt": (lambda: PROSE, PROSE),
}


@pytest.mark.parametrize("name", OFFICE)
def test_office_formats_give_their_text(server: ParserServer, tmp_path: Path, name: str) -> None:
    make, text = OFFICE[name]

    parsed = read(server, tmp_path, make(), name)

    assert parsed.text == text
    assert parsed.elements


def test_slides_are_pages(server: ParserServer, tmp_path: Path) -> None:
    parsed = read(server, tmp_path, files.pptx(("One", "first body"), ("Two", "second body")), "a.pptx")

    assert [e.page for e in parsed.elements] == [1, 1, 2, 2]


def test_a_zip_bomb_is_refused_fast_and_the_next_document_is_read(server: ParserServer, tmp_path: Path) -> None:
    bomb = files.bomb()
    read(server, tmp_path, files.docx("warm"), "warm.docx")
    began = time.monotonic()

    with pytest.raises(ParsingFailed) as failure:
        read(server, tmp_path, bomb, "bomb.docx")

    assert failure.value.code == "archive_too_large"
    assert time.monotonic() - began < 5
    assert read(server, tmp_path, files.docx("after"), "b.docx").text == "after"


def test_a_document_that_takes_too_long_is_stopped(server: ParserServer, tmp_path: Path) -> None:
    rows = [[f"cell {row} {column}" for column in range(12)] for row in range(4000)]

    with pytest.raises(ParsingFailed) as failure:
        read(server, tmp_path, files.xlsx(*rows), "a.xlsx", wall=0.2)

    assert failure.value.code == "too_complex"
    assert read(server, tmp_path, "after", "b.txt").text == "after"


def test_wrong_types_are_refused() -> None:
    page = "<!doctype html><html><body>hello</body></html>"
    gif = b"GIF89a" + bytes(200) + b"<script>alert(1)</script>"

    assert refused(page, "a.pdf")
    assert refused(files.pdf(["text"]), "a.docx")
    assert refused(files.docx("text"), "a.pdf")
    assert refused(gif, "a.txt")
    assert refused(b"MZ\x90\x00" + bytes(200), "a.txt")
    assert refused("text", "a.exe")
    assert refused("text", "a.pdf.exe")
    assert refused("text", "noending")
    assert refused(b"\x00\x01\x02\x03" * 100, "a.csv")
    assert not refused(page, "a.html")


def test_a_plain_zip_is_no_document() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "text")

    assert refused(out.getvalue(), "a.docx")


@pytest.mark.parametrize(
    "content",
    [
        "caf\u00e9 \u00e0 midi".encode("utf-16-le"),
        "caf\u00e9 \u00e0 midi".encode("utf-16"),
        "caf\u00e9 \u00e0 midi".encode("cp1252"),
        "caf\u00e9 \u00e0 midi".encode("utf-8-sig"),
    ],
)
def test_text_in_any_encoding_is_read(server: ParserServer, tmp_path: Path, content: bytes) -> None:
    assert read(server, tmp_path, content, "a.txt").text == "café à midi"


def test_text_holds_what_a_database_takes(server: ParserServer, tmp_path: Path) -> None:
    parsed = read(server, tmp_path, b"before\x00after \xed\xa0\x80 end", "a.txt")

    assert "\0" not in parsed.text
    parsed.text.encode()


def test_the_parser_has_no_network(server: ParserServer, tmp_path: Path) -> None:
    """An HTML page that names a picture and a style sheet on a listener of ours: nobody calls."""
    called = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1.0)
        port = listener.getsockname()[1]
        page = (
            f'<html><head><link rel="stylesheet" href="http://127.0.0.1:{port}/a.css"></head>'
            f'<body><img src="http://127.0.0.1:{port}/a.png"><p>{PROSE}</p></body></html>'
        )

        assert PROSE in read(server, tmp_path, page, "a.html").text

        try:
            listener.accept()[0].close()
            called.set()
        except TimeoutError:
            pass
    assert not called.is_set()


def test_a_forked_child_cannot_open_a_socket() -> None:
    import os

    from documents.parsing.child import unplug

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = os.fork()
        if process == 0:
            unplug()
            try:
                socket.create_connection(("127.0.0.1", port), 1)
            except OSError:
                os._exit(0)
            os._exit(1)
        _, status = os.waitpid(process, 0)

    assert os.WEXITSTATUS(status) == 0


def test_a_page_is_drawn(server: ParserServer, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "a.pdf"
    path.write_bytes(files.pdf(["text"]))

    with Image.open(io.BytesIO(server.render(path, 1))) as picture:
        assert picture.format == "WEBP"
        assert picture.size[1] in range(1280, 1290)
    with pytest.raises(ParsingFailed):
        server.render(path, 2)
