"""Choose the backend of a file by what is in it, not by its name."""

from __future__ import annotations

import struct
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.errors import SlideError
from molf_engine.slides.scale import checked_scale
from molf_engine.slides.tiff_check import is_tiff, refuse_truncated

if TYPE_CHECKING:
    from molf_engine.slides.protocol import Slide

READABLE = "SVS, NDPI, MRXS, SCN, BIF, DICOM, OME-TIFF, TIFF, PNG, JPEG or OME-Zarr"
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


class SlideKind(Enum):
    """Families of slides, by the library that reads them."""

    SCANNER = "scanner"
    DICOM_FOLDER = "dicom-folder"
    TIFF = "tiff"
    IMAGE = "image"
    ZARR = "ome-zarr"


def open_slide(path: Path | str, um_per_pixel: float | None = None) -> Slide:
    """Open a slide of any format that is known here; nothing but its directory is read.

    Parameters
    ----------
    path : Path or str
        A file, an OME-Zarr folder, or a folder with the DICOM files of one slide.
    um_per_pixel : float, optional
        Side of a level-0 pixel in um; overrides what the file says.

    Returns
    -------
    Slide
        Also a context manager.

    Raises
    ------
    SlideError
        If there is no such file, it is no slide, it is cut off or damaged, the library for its format is missing, or
        ``um_per_pixel`` is nonsense.
    """
    path = Path(path)
    if um_per_pixel is not None:
        um_per_pixel = checked_scale(um_per_pixel)
    kind = slide_kind(path)
    try:
        match kind:
            case SlideKind.SCANNER:
                from molf_engine.slides.openslide_backend import OpenSlideSlide

                return OpenSlideSlide(path, um_per_pixel)
            case SlideKind.DICOM_FOLDER:
                from molf_engine.slides.openslide_backend import OpenSlideSlide

                return OpenSlideSlide(path, um_per_pixel, file=_one_dicom_slide(path))
            case SlideKind.TIFF:
                from molf_engine.slides.tiff_backend import TiffSlide

                return TiffSlide(path, um_per_pixel)
            case SlideKind.IMAGE:
                from molf_engine.slides.image_backend import ImageSlide

                return ImageSlide(path, um_per_pixel)
            case SlideKind.ZARR:
                from molf_engine.slides.zarr_backend import ZarrSlide

                return ZarrSlide(path, um_per_pixel)
    except ImportError as error:
        raise SlideError(f"Cannot open {path}: {error}") from error


def slide_kind(path: Path | str) -> SlideKind:
    """Family of a slide, from its first bytes and the layout of its directories.

    Raises
    ------
    SlideError
        If there is nothing at ``path``, it is no slide, or a TIFF that is cut off.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _folder_kind(path)
        with path.open("rb") as stream:
            head = stream.read(132)
    except FileNotFoundError as error:
        raise SlideError(
            f"There is no file {path}. Check the spelling, and that the disk it is on is connected."
        ) from error
    except OSError as error:
        raise SlideError(f"{path} cannot be read: {error.strerror or error}. Check that you may read it.") from error
    if not head:
        raise SlideError(f"{path} is empty. Copy the slide from its source again.")
    if is_tiff(head):
        refuse_truncated(path)
    vendor = _openslide_vendor(path)
    if vendor is not None and vendor != "generic-tiff":
        return SlideKind.SCANNER
    if is_tiff(head):
        return SlideKind.TIFF
    if path.suffix.lower() == ".mrxs":
        raise SlideError(
            f"{path} is only the preview of a MRXS slide. Put the folder of the same name, {path.stem}, beside it."
        )
    if head.startswith((_PNG, _JPEG)):
        return SlideKind.IMAGE
    if head[128:132] == b"DICM":
        raise SlideError(
            f"{path} is DICOM but no whole-slide image that OpenSlide reads. Choose a file of the slide's volume"
            " (VL Whole Slide Microscopy), with the rest of its series in the same folder."
        )
    raise SlideError(
        f"{path} is not a slide: its content is none of {READABLE}. Choose another file, or export it as one."
    )


def looks_like_slide(path: Path | str) -> bool:
    """Whether to offer a file as a slide: scanner formats, OME-Zarr and DICOM; a TIFF if it is a pyramid or has tiles.

    Other TIFFs, PNG and JPEG are more often plain pictures, and others know how to open those.  Never raises.
    """
    try:
        kind = slide_kind(path)
        if kind is SlideKind.TIFF:
            return _is_tiled_colour(Path(path))
        return kind is not SlideKind.IMAGE
    except SlideError:
        return False


def _is_tiled_colour(path: Path) -> bool:
    try:
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            colour = page.samplesperpixel in (3, 4) and page.dtype is not None
            return bool(colour and (page.is_tiled or tiff.series[0].is_pyramidal))
    except Exception:  # tifffile fails on a damaged file in many ways; whoever opens it is told which
        return False


def _openslide_vendor(path: Path) -> str | None:
    try:
        from molf_engine.slides.openslide_backend import detect
    except ImportError:
        # Without OpenSlide the TIFF-based scanner formats still open as TIFF.
        return None
    return detect(path)


def _folder_kind(folder: Path) -> SlideKind:
    if any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zattrs")):
        return SlideKind.ZARR
    if _dicom_files(folder):
        return SlideKind.DICOM_FOLDER
    index = folder.with_suffix(".mrxs")
    if index.is_file():
        raise SlideError(f"{folder} holds the tiles of a MRXS slide. Open {index} instead.")
    raise SlideError(
        f"{folder} is a folder without a slide in it: no OME-Zarr image and no DICOM files. Choose a slide file"
        f" ({READABLE}), or the folder of an OME-Zarr or DICOM slide."
    )


def _dicom_files(folder: Path) -> list[Path]:
    found = []
    for file in sorted(folder.iterdir()):
        if file.is_file():
            with file.open("rb") as stream:
                if stream.read(132)[128:] == b"DICM":
                    found.append(file)
    return found


def _one_dicom_slide(folder: Path) -> Path:
    """File to open for a folder that should hold one DICOM series."""
    series: dict[bytes, Path] = {}
    for file in _dicom_files(folder):
        if _openslide_vendor(file) == "dicom":
            series.setdefault(_series_uid(file), file)
    if not series:
        from molf_engine.slides import openslide_backend  # noqa: F401  (a missing library is the better message)

        raise SlideError(
            f"{folder} holds DICOM files but no whole-slide image that OpenSlide reads. Choose the folder of a slide's"
            " series (VL Whole Slide Microscopy)."
        )
    if len(series) > 1:
        names = ", ".join(file.name for file in series.values())
        raise SlideError(f"{folder} holds {len(series)} DICOM slides. Open one of them by a file of its own: {names}.")
    return next(iter(series.values()))


def _series_uid(file: Path) -> bytes:
    """Series instance UID (0020,000E) as written in explicit little-endian DICOM; empty if it is not found early on."""
    with file.open("rb") as stream:
        head = stream.read(2**16)
    at = head.find(b"\x20\x00\x0e\x00UI")
    if at < 0:
        return b""
    (length,) = struct.unpack_from("<H", head, at + 6)
    return head[at + 8 : at + 8 + length]
