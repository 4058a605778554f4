"""Pictures that people send, drawn again: smaller, without metadata, and nothing else than a picture any more."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from documents.parsing.elements import ParsingFailed

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MOST_PIXELS = 50_000_000
LARGEST_SIDE = 2048  # pixels
LARGEST_PNG = 3 * 1024 * 1024  # bytes; a larger one becomes a JPEG

Image.MAX_IMAGE_PIXELS = MOST_PIXELS
# Pillow only warns from its limit on, and refuses from twice that.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def redraw(path: Path) -> tuple[bytes, str]:
    """The first frame, upright, at most `LARGEST_SIDE` pixels long, and its format (`png` or `jpeg`). Raises `ParsingFailed`."""
    try:
        with Image.open(path, formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise ParsingFailed("image_too_large", "pixels")
            plain = opened.format == "JPEG"
            opened.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))
            upright = ImageOps.exif_transpose(opened)
            upright.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
            image = upright.convert("RGB" if plain or not upright.has_transparency_data else "RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ParsingFailed("image_too_large", "pixels") from error
    except (OSError, ValueError, SyntaxError, ArithmeticError, EOFError, IndexError, TypeError, KeyError) as error:
        raise ParsingFailed("unreadable", type(error).__name__) from error
    written = BytesIO()
    if not plain:
        _bare(image).save(written, "PNG", optimize=False)
        if written.tell() <= LARGEST_PNG:
            return written.getvalue(), "png"
        written = BytesIO()
    _bare(_on_white(image)).save(written, "JPEG", quality=88)
    return written.getvalue(), "jpeg"


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _bare(image: Image.Image) -> Image.Image:
    """The pixels alone: profiles, comments and EXIF stay behind."""
    image.info.clear()
    return image
