"""Find out whether a TIFF is whole without reading its pixels.

A file that was cut off while it was copied often opens, and fails - or shows grey - only where a patch is read.  Here
every directory of the file is followed and every tile and strip compared with the length of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from molf_engine.errors import SlideError

if TYPE_CHECKING:
    import numpy as np

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS, _TILE_SIZES, _SUB_DIRECTORIES = 273, 279, 324, 325, 330
# Hamamatsu packs 64-bit positions into 32-bit tags.
_NDPI = 65420
_MAX_DIRECTORIES = 100_000


class _CutOff(Exception):
    pass


@dataclass(frozen=True)
class _Layout:
    order: str
    big: bool


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a TIFF or BigTIFF."""
    return head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def refuse_truncated(path: Path) -> None:
    """Raise if a TIFF is shorter than its directories say.

    Raises
    ------
    SlideError
        Saying how many bytes are missing, where that is known.
    """
    length = path.stat().st_size
    with path.open("rb") as stream:
        try:
            needed = _needed_length(stream, length)
        except (_CutOff, struct.error):
            needed = None
    if needed is not None and needed <= length:
        return
    missing = f"{needed - length:,} bytes are missing at its end" if needed else "its directory of images is missing"
    raise SlideError(
        f"{path} is cut off: {missing} ({length:,} bytes are here). Copy or download it from its source again."
    )


def _needed_length(stream: BinaryIO, length: int) -> int:
    head = stream.read(16)
    layout = _Layout("<" if head[:2] == b"II" else ">", head[2:4] in (b"+\x00", b"\x00+"))
    first = struct.unpack(layout.order + ("Q" if layout.big else "I"), head[8:16] if layout.big else head[4:8])[0]
    needed = 0
    waiting = [first]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_DIRECTORIES:
        position = waiting.pop()
        if position == 0 or position in seen:
            continue
        seen.add(position)
        tags, following = _directory(stream, layout, position, length)
        if _NDPI in tags:
            return 0
        waiting.append(following)
        waiting.extend(int(value) for value in _values(stream, layout, tags.get(_SUB_DIRECTORIES), length))
        for offsets, sizes in ((_STRIP_OFFSETS, _STRIP_SIZES), (_TILE_OFFSETS, _TILE_SIZES)):
            starts = _values(stream, layout, tags.get(offsets), length)
            counts = _values(stream, layout, tags.get(sizes), length)
            if len(starts) and len(starts) == len(counts):
                needed = max(needed, int((starts + counts)[counts > 0].max(initial=0)))
    return needed


_Tag = tuple[int, int, bytes]


def _directory(stream: BinaryIO, layout: _Layout, position: int, length: int) -> tuple[dict[int, _Tag], int]:
    """Tags (type, count, value or its position) of one directory and where the next one is."""
    order = layout.order
    count_format, entry, next_format = ("Q", "HHQ8s", "Q") if layout.big else ("H", "HHI4s", "I")
    count = struct.unpack(order + count_format, _read(stream, position, struct.calcsize(order + count_format)))[0]
    start = position + struct.calcsize(order + count_format)
    size = struct.calcsize(order + entry)
    if start + count * size > length:
        raise _CutOff
    table = _read(stream, start, count * size)
    tags = {code: (kind, number, raw) for code, kind, number, raw in _entries(table, order + entry)}
    tail = _read(stream, start + count * size, struct.calcsize(order + next_format))
    return tags, struct.unpack(order + next_format, tail)[0]


def _entries(table: bytes, entry: str) -> Iterator[tuple[int, int, int, bytes]]:
    yield from struct.iter_unpack(entry, table)


def _values(stream: BinaryIO, layout: _Layout, tag: _Tag | None, length: int) -> np.ndarray:
    """Values of a tag of whole numbers as int64, empty if the tag is absent."""
    import numpy as np

    if tag is None:
        return np.empty(0, dtype=np.int64)
    kind, count, raw = tag
    size = _SIZES.get(kind, 1)
    if count * size > len(raw):
        position = struct.unpack(layout.order + ("Q" if layout.big else "I"), raw)[0]
        if position + count * size > length:
            raise _CutOff
        raw = _read(stream, position, count * size)
    return np.frombuffer(raw[: count * size], dtype=f"{layout.order}u{size}").astype(np.int64)


def _read(stream: BinaryIO, position: int, size: int) -> bytes:
    stream.seek(position)
    data = stream.read(size)
    if len(data) < size:
        raise _CutOff
    return data
