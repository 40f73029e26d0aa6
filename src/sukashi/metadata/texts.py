"""The text that a picture file carries, by key. Nothing is decoded but the text, so a huge picture costs nothing."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from sukashi.metadata.recipe import MetadataError

MAX_TEXT = 16 * 2**20  # bytes of one text, unpacked; ComfyUI graphs have tens of kilobytes
MAX_CHUNKS = 100_000  # of a PNG
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXIF_IFD, IMAGE_MODEL, IMAGE_MAKE, SOFTWARE, MAKER_NOTE, USER_COMMENT = 0x8769, 0x110, 0x10F, 0x131, 0x927C, 0x9286
OUR_NOTE = b"sukashi\0"  # begins the EXIF maker note that holds our record

# The keys that tools keep recipes in; any other text is not read, only named.
# fmt: off
KEYS = (
    "sukashi", "parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Dream", "Software", "Source",
    "Description", "Comment", "fooocus_scheme", "UserComment",
)
# fmt: on
_OTHER_FORMATS = ("JPEG", "WEBP", "GIF", "AVIF")


@dataclass(frozen=True)
class PictureText:
    """What stands in a picture file beside its pixels: the texts under ``KEYS``, and the names of other texts."""

    format: str
    width: int
    height: int
    texts: dict[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    cut_short: bool = False


def read_texts(path: str | Path) -> PictureText:
    """The texts of a PNG, JPEG, WebP, GIF or AVIF file.

    PNG: tEXt, zTXt and iTXt, also behind the pixels, and EXIF. The others: EXIF UserComment ("UserComment"), the
    maker note where it is ours or Fooocus's, ComfyUI's ``prompt:`` in Make or Model, and the file comment ("Comment").
    Raises MetadataError, one sentence, for whatever cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(len(PNG_SIGNATURE))
            if not start:
                raise MetadataError(f"{path} is an empty file")
            if start == PNG_SIGNATURE:
                return _read_png(file, path)
    except OSError as error:
        raise MetadataError(f"{path} cannot be read: {error.strerror or error}") from error
    return _read_other(path)


def _read_png(file: BinaryIO, path: Path) -> PictureText:
    size, ended = (0, 0), False
    texts: dict[str, str] = {}
    exif: dict[str, str] = {}
    others: list[str] = []
    for kind, body in _chunks(file, path):
        if kind == b"IHDR" and len(body) >= 8:
            size = struct.unpack(">II", body[:8])
        elif kind == b"IEND":
            ended = True
        elif kind == b"eXIf":
            exif = exif or _png_exif(body, path)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            key, packed = body.partition(b"\0")[::2]
            name = key.decode("latin-1")
            if name in KEYS and name not in texts:
                texts[name] = _png_text(kind, packed, f"the text {name!r} of {path}")
            else:
                others.append(name)
    if size == (0, 0):
        raise MetadataError(f"{path} is cut short or damaged: it begins as a PNG but has no header")
    return PictureText("PNG", *size, exif | texts, tuple(others), cut_short=not ended)


def _chunks(file: BinaryIO, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that matter, up to IEND or the end of a file that is cut short."""
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        if kind not in (b"IHDR", b"IEND", b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
            file.seek(length + 4, 1)
            continue
        if length > MAX_TEXT:
            raise MetadataError(
                f"{path} has a {kind.decode()} chunk of {length:,} bytes; at most {MAX_TEXT:,} are read"
            )
        body, check = file.read(length), file.read(4)
        if len(check) < 4:
            return
        if zlib.crc32(kind + body) != struct.unpack(">I", check)[0]:
            raise MetadataError(f"{path} is damaged: the checksum of its {kind.decode()} chunk is wrong")
        yield kind, body
        if kind == b"IEND":
            return
    raise MetadataError(f"{path} has more than {MAX_CHUNKS:,} chunks; no picture needs them, so it is not read")


def _png_text(kind: bytes, body: bytes, where: str) -> str:
    if kind == b"tEXt":
        return _decode(body)
    if kind == b"zTXt":
        return _decode(_inflate(body[1:], where))
    _language, _translated, value = [*body[2:].split(b"\0", 2), b"", b""][:3]
    return _decode(_inflate(value, where) if body[:1] == b"\1" else value)


def _inflate(packed: bytes, where: str) -> bytes:
    try:
        data = zlib.decompressobj().decompress(packed, MAX_TEXT + 1)
    except zlib.error as error:
        raise MetadataError(f"{where} is damaged: {error}") from error
    if len(data) > MAX_TEXT:
        raise MetadataError(f"{where} unpacks to more than {MAX_TEXT:,} bytes; it is not read")
    return data


def _decode(data: bytes) -> str:
    """UTF-8 or else Latin-1: PNG says Latin-1 for tEXt, but several tools write UTF-8 there."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_other(path: Path) -> PictureText:
    Image.init()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large or oddly written pictures: no pixel of them is decoded here
            with Image.open(path, formats=[f for f in _OTHER_FORMATS if f in Image.OPEN]) as image:
                kind, (width, height) = image.format or "?", image.size
                texts, comment = _exif_texts(image.getexif()), image.info.get("comment", b"")
    except UnidentifiedImageError as error:
        raise MetadataError(f"{path} is not a PNG, JPEG, WebP, GIF or AVIF picture") from error
    except Image.DecompressionBombError as error:
        raise MetadataError(f"{path} is too large a picture to open: {error}") from error
    except Exception as error:  # plugins raise whatever damaged bytes lead them to
        raise MetadataError(f"{path} is cut short or damaged: {error or type(error).__name__}") from error
    if comment:
        texts["Comment"] = _decode(comment) if isinstance(comment, bytes) else str(comment)
    return PictureText(kind, width, height, texts)


def _png_exif(data: bytes, path: Path) -> dict[str, str]:
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif.load(data)
            return _exif_texts(exif)
    except Exception as error:  # see _read_other
        raise MetadataError(f"the EXIF data of {path} are damaged: {error or type(error).__name__}") from error


def _exif_texts(exif: Image.Exif) -> dict[str, str]:
    tags = dict(exif) | exif.get_ifd(EXIF_IFD)
    texts: dict[str, str] = {}
    if comment := user_comment(tags.get(USER_COMMENT)):
        texts["UserComment"] = comment
    note = tags.get(MAKER_NOTE)
    if isinstance(note, bytes) and note.startswith(OUR_NOTE):
        texts["sukashi"] = _decode(note[len(OUR_NOTE) :])
    elif (scheme := _plain(note)) in ("fooocus", "a1111"):
        texts["fooocus_scheme"] = scheme
    if software := _plain(tags.get(SOFTWARE)):
        texts["Software"] = software
    for tag in (IMAGE_MODEL, IMAGE_MAKE):  # ComfyUI's animated WebP: "prompt:{...}" and "workflow:{...}"
        key, colon, value = _plain(tags.get(tag)).partition(":")
        if colon and key in ("prompt", "workflow"):
            texts[key] = value
    return texts


def _plain(value: object) -> str:
    text = _decode(value) if isinstance(value, bytes) else value if isinstance(value, str) else ""
    return text.rstrip("\0")


def user_comment(value: object) -> str:
    """The text of an EXIF UserComment: eight bytes that name the encoding, then the text ("" when there is none)."""
    if not isinstance(value, bytes):
        return _plain(value)
    code, body = value[:8], value[8:]
    if code == b"UNICODE\0":
        # UTF-16 in the byte order of the file, says EXIF, but tools write either: big unless little reads better.
        order = ("utf-16",) if body[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-16-be", "utf-16-le")
        readings = [body.decode(name, "replace").rstrip("\0") for name in order]
        return max(readings, key=lambda text: ("Steps: " in text, sum(c < "\x80" for c in text)))
    if code == b"JIS\0\0\0\0\0":
        return body.decode("iso2022_jp", "replace").rstrip("\0")
    return _plain(body if code in (b"ASCII\0\0\0", b"\0" * 8) else value)
