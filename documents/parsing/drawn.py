"""Whether a picture is one that `pictures.redraw` has drawn, by how its bytes are built. Nothing is decoded as a picture here."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

LARGEST_SIDE, LARGEST_PNG = 2048, 3 * 1024 * 1024  # pixels and bytes, as in `pictures`, which loads what decodes pictures
LARGEST = 32 * 1024 * 1024  # bytes: more than a drawn picture can have
PNG = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}  # PNG's colour types: RGB, and with transparency
JPEG, FRAME, SCAN, END = b"\xff\xd8", 0xC0, 0xDA, b"\xff\xd9"
HEAD = re.compile(rb"JFIF\0\x01[\0-\x02][\0-\x02].{4}\0\0", re.DOTALL)
TABLES = {0xDB, 0xC4}  # quantization, Huffman
MARKER = re.compile(rb"\xff[^\0]", re.DOTALL)


def is_as_drawn(path: Path) -> bool:
    """Pixels and what is needed to read them, and nothing else: no metadata, no comment, nothing behind the end.

    Whether they can be read, only reading tells.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        return False
    return _png(content) if content.startswith(PNG) and len(content) <= LARGEST_PNG else _jpeg(content)


def _png(content: bytes) -> bool:
    chunks = list(_chunks(content))
    kinds = [kind for kind, _body in chunks]
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"] or set(kinds[1:-1]) != {b"IDAT"} or chunks[-1][1]:
        return False
    if len(chunks[0][1]) != 13:
        return False
    width, height, depth, colours, *ways = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or colours not in CHANNELS or any(ways) or not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        return False
    size = height * (1 + width * CHANNELS[colours])
    unpacker = zlib.decompressobj()
    try:
        pixels = unpacker.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"), size + 1)
    except zlib.error:
        return False
    return len(pixels) == size and unpacker.eof and not unpacker.unused_data


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Ends with a chunk of no kind where one is not whole."""
    at = len(PNG)
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4].ljust(4, b"\xff"))
        body = content[at + 4 : at + 8 + length]
        if content[at + 8 + length : at + 12 + length] != struct.pack(">I", zlib.crc32(body)):
            yield b"", b""
            return
        yield body[:4], body[4:]
        at += 12 + length


def _jpeg(content: bytes) -> bool:
    if not content.startswith(JPEG):
        return False
    at, frames = len(JPEG), 0
    while at + 4 <= len(content) and content[at] == 0xFF:
        kind, (length,) = content[at + 1], struct.unpack(">H", content[at + 2 : at + 4])
        body = content[at + 4 : at + 2 + length]
        if at == len(JPEG):
            if kind != 0xE0 or not HEAD.fullmatch(body):
                return False
        elif kind == FRAME and len(body) >= 6:
            frames += 1
            depth, height, width = struct.unpack(">BHH", body[:5])
            if depth != 8 or max(height, width) > LARGEST_SIDE:
                return False
        elif kind == SCAN:
            # One scan to the end: a 0xFF in it is followed by a zero.
            found = MARKER.search(content, at + 2 + length)
            return frames == 1 and found is not None and found[0] == END and found.end() == len(content)
        elif kind not in TABLES:
            return False
        at += 2 + length
    return False
