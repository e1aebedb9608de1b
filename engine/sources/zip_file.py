"""A zip of pictures, read member by member without unpacking it anywhere.

Archives come from strangers: what a member claims is checked before it is read, and what it turns out to be while
it is read. Limits: number of members, compression ratio, size of a member, total size.
"""

import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from engine.errors import SourceError
from engine.records import Skipped
from engine.sources.entry import Entry, Source, readable_name
from engine.sources.lfs import check_pointer
from engine.sources.pictures.upright import ImageRefused, Limits, too_many_bytes

MAX_MEMBERS = 1_000_000
MAX_DIRECTORY_BYTES = 256_000_000
"""Size of the list of members; Python needs about ten times that in memory."""
MAX_RATIO = 200
"""Unpacked to packed. Photographs hardly compress; flat PNGs reach 50."""
RATIO_FROM = 1_000_000
"""Bytes unpacked below which the ratio does not matter."""
MAX_TOTAL_BYTES = 256_000_000_000
"""Unpacked bytes read from one archive."""

_CHUNK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError)
"""What `zipfile` raises for a member that is damaged or packed in a way it does not know."""
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_METHODS = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    10: "PKWARE DCL",
    20: "zstd",
    93: "zstd",
    95: "XZ",
    96: "JPEG",
    98: "PPMd",
}
"""Ways to pack that `zipfile` does not know (APPNOTE 4.4.5). Windows takes Deflate64 for files over 2 GB."""
_END = struct.Struct("<4s4H2LH")
"""End of central directory (APPNOTE 4.3.16); field 5 is the size of the directory."""
_END64 = struct.Struct("<4sQ2H2L4Q")
"""The same for zip64 (APPNOTE 4.3.14); field 8."""
_LONGEST_COMMENT = 65_535


def open_zip(path: Path, limits: Limits) -> Source:
    """All members of a zip in their stored order; folders, hidden files and `__MACOSX` are passed over.

    Raises `SourceError` if it is missing, not a zip, or has an absurd number of members.
    """
    try:
        _check_directory_size(path)
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        check_pointer(path)
        raise SourceError(f"source.path: {path}: not a readable zip: {error}. Make it again.") from error
    except OSError as error:
        raise SourceError(
            f"source.path: {path}: cannot be read: {error.strerror or error}. Name an existing zip file."
        ) from error
    members = [member for member in archive.infolist() if _wanted(member)]
    if len(members) > MAX_MEMBERS:
        archive.close()
        raise SourceError(f"source.path: {path}: has {len(members):,} members, more than {MAX_MEMBERS:,}. Split it.")
    return Source(
        label=f"zip {readable_name(path.name)}", total=len(members), entries=_entries(archive, members, limits)
    )


def read_member(path: Path, name: str, limits: Limits) -> bytes:
    """The bytes of one member of the zip at `path`, under the same checks. Raises `ImageRefused`."""
    try:
        _check_directory_size(path)
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(name)
            _check(member, limits)
            with archive.open(member) as file:
                return _read(file, member, limits)
    except KeyError:
        raise ImageRefused("there is no such file in its archive") from None
    except (*_DAMAGED, NotImplementedError) as error:
        raise ImageRefused(f"its archive cannot be read: {error}") from error


def _check_directory_size(path: Path) -> None:
    """Refuse a list of members that would not fit in memory, before Python reads it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END.size - _LONGEST_COMMENT))
        tail = file.read()
    start = tail.rfind(b"PK\x05\x06")
    if start < 0 or len(tail) - start < _END.size:
        raise zipfile.BadZipFile("it has no list of members")
    claimed = _END.unpack_from(tail, start)[5]
    start64 = tail.rfind(b"PK\x06\x06", 0, start)
    if 0 <= start64 <= start - _END64.size:
        claimed = _END64.unpack_from(tail, start64)[8]
    if claimed > MAX_DIRECTORY_BYTES and (claimed != 0xFFFFFFFF or start64 >= 0):
        raise zipfile.BadZipFile(f"its list of members claims {claimed:,} bytes")


def _wanted(member: zipfile.ZipInfo) -> bool:
    parts = _parts(member)
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    a_folder = member.is_dir() or (member.filename.endswith("\\") and not member.file_size)
    return not (a_folder or hidden or "__MACOSX" in parts)


def _parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(member.filename.replace("\\", "/")).parts  # some Windows tools write backslashes


def _entries(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], limits: Limits) -> Iterator[Entry | Skipped]:
    total = 0
    with archive:
        for member in members:
            name = readable_name(member.filename)
            try:
                _check(member, limits)
                if total > MAX_TOTAL_BYTES:
                    raise ImageRefused("the archive unpacks to more than may be read from one zip")
                with archive.open(member) as file:
                    data = _read(file, member, limits)
            except ImageRefused as refusal:
                yield Skipped(name=name, reason=str(refusal))
            except _DAMAGED as error:
                yield Skipped(name=name, reason=f"the archive is damaged here: {error}")
            else:
                total += len(data)
                yield Entry(name=name, data=data)


def _check(member: zipfile.ZipInfo, limits: Limits) -> None:
    """Refuse on what the member claims of itself."""
    parts = _parts(member)
    if ".." in parts or member.filename.startswith(("/", "\\")) or (parts and parts[0].endswith(":")):
        raise ImageRefused("its path points outside the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ImageRefused("it is a link, not a file")
    if member.flag_bits & 0x1:
        raise ImageRefused("it is encrypted; unpack the archive and give the folder")
    if member.compress_type not in _READABLE:
        method = _METHODS.get(member.compress_type, f"method {member.compress_type}")
        raise ImageRefused(
            f"it is packed with {method}, which is not read here; pack it again as an ordinary zip (Deflate)"
        )
    if member.file_size > limits.max_bytes:
        raise ImageRefused(too_many_bytes(member.file_size, limits))
    if member.file_size > RATIO_FROM and member.file_size > MAX_RATIO * max(1, member.compress_size):
        raise ImageRefused(f"it unpacks to more than {MAX_RATIO} times its size, like a zip bomb")


def _read(file: IO[bytes], member: zipfile.ZipInfo, limits: Limits) -> bytes:
    """The member's bytes, given up as soon as they exceed what was claimed or allowed."""
    data = bytearray()
    while chunk := file.read(_CHUNK):
        data += chunk
        if len(data) > min(member.file_size, limits.max_bytes):
            raise ImageRefused("it unpacks to more than it claims, like a zip bomb")
    return bytes(data)
