"""Files that napari offers to open with us: whole slides, saved predictions, and regions.

A ``get_*_reader`` looks at the file and returns none if it is not ours, so that napari can try its other readers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.types import LayerData

_log = logging.getLogger(__name__)

Reader = Callable[[str], "list[LayerData]"]

SCANNER_SUFFIXES = {".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".vms", ".vmu"}
TIFF_SUFFIXES = {".tif", ".tiff"}
REGION_SUFFIXES = (".geojson", ".geojson.gz")
LARGE = 4096
"""A TIFF of one level is a slide if it says how many um a pixel is and is at least this long."""


def get_slide_reader(path: str | Sequence[str]) -> Reader | None:
    """Reader for a whole slide, or none.

    A file with a scanner's ending is taken even if it turns out to be damaged: the error then says what is wrong with it.  A plain TIFF
    is taken only if it is a pyramid, or large and with a known um per pixel; a folder only if it holds DICOM or OME-Zarr.
    """
    if not isinstance(path, str):
        return None
    from molf_engine.slides import looks_like_slide

    file = Path(path)
    suffix = file.suffix.lower()
    if suffix in SCANNER_SUFFIXES:
        return read_slide
    if file.is_dir() or suffix == ".dcm":
        return read_slide if not is_saved_prediction(file) and looks_like_slide(file) else None
    return read_slide if suffix in TIFF_SUFFIXES and _is_slide(file) else None


def read_slide(path: str) -> list[LayerData]:
    """Open a slide as a lazy layer, and show the scale bar if its um per pixel is known.

    Raises
    ------
    SlideError
        If it cannot be opened; napari shows the message.
    """
    from molf_engine.slides import open_slide
    from napari_molf.core.slide_layer import slide_layer_data

    slide = open_slide(Path(path))
    if slide.um_per_pixel is not None:
        show_scale_bar()
    return [slide_layer_data(slide)]


def get_result_reader(path: str | Sequence[str]) -> Reader | None:
    """Reader for a prediction that was saved as ``.h5ad`` or ``.zarr``, or none for any other such file."""
    if not isinstance(path, str):
        return None
    return read_result if is_saved_prediction(Path(path)) else None


def read_result(path: str) -> list[LayerData]:
    """Open a saved prediction: its slide and the score that varies most.

    The dock, if it is open, takes the result over and offers every other score.

    Raises
    ------
    PredictionError
        If the file breaks the contract; napari shows the message.
    """
    from napari import current_viewer

    from molf_engine.prediction import read_prediction
    from napari_molf.core.saved import result_layer_data

    show_scale_bar()
    return result_layer_data(read_prediction(Path(path)), Path(path), current_viewer())


def get_session_reader(path: str | Sequence[str]) -> Reader | None:
    """Reader for the folder of a session, or none for any other."""
    if not isinstance(path, str):
        return None
    from napari_molf.sessions.folder import is_session

    return read_session if is_session(Path(path)) else None


def read_session(path: str) -> list[LayerData]:
    """Open a session: its slides, predictions and shapes.  The dock, if it is open, sets the view.

    Raises
    ------
    MolfError
        If the session is damaged or of an unknown version; napari shows the message.
    """
    from napari_molf.sessions import folder

    show_scale_bar()
    return folder.read_session(Path(path))


def get_regions_reader(path: str | Sequence[str]) -> Reader | None:
    """Reader for regions that QuPath exported as GeoJSON, or none."""
    if not isinstance(path, str):
        return None
    return read_regions if path.lower().endswith(REGION_SUFFIXES) else None


def read_regions(path: str) -> list[LayerData]:
    """Open regions on the slide that is selected, or else on the topmost one.

    Raises
    ------
    RegionError
        If no slide is open, or the file cannot be read or is of another slide; napari shows the message.
    """
    from napari import current_viewer
    from napari.utils.notifications import show_warning

    from molf_engine.errors import RegionError
    from napari_molf.regions.anchor import anchor_on_show
    from napari_molf.regions.files import read_regions as read

    viewer = current_viewer()
    anchor = None if viewer is None else anchor_on_show(viewer)
    if anchor is None:
        raise RegionError(f"{path} holds regions of a slide, and no slide is open. Open the slide first.")
    imported = read(Path(path), anchor)
    if imported.remark is not None:
        show_warning(imported.remark)
    return [imported.layer]


def is_saved_prediction(path: Path) -> bool:
    """Whether a file or folder is one of our predictions, by its content."""
    suffix = path.suffix.lower()
    if suffix == ".h5ad" and path.is_file():
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return "uns/molf" in file
        except OSError:
            return False
    return suffix == ".zarr" and (path / "uns" / "molf").is_dir()


def _is_slide(path: Path) -> bool:
    """Whether a file that others could open as well is a slide: it looks like one, and is a pyramid or knows its scale."""
    from molf_engine.errors import SlideError
    from molf_engine.slides import looks_like_slide, open_slide

    if not looks_like_slide(path):
        return False
    try:
        with open_slide(path) as slide:
            finest = slide.levels[0]
            large = max(finest.width, finest.height) >= LARGE
            return len(slide.levels) > 1 or (large and slide.um_per_pixel is not None)
    except SlideError as error:
        _log.info("%s is no slide: %s", path, error)
        return False


def show_scale_bar() -> None:
    """Show the scale bar of the viewer that is open, if there is one."""
    from napari import current_viewer

    from napari_molf.core.compat import scale_bar

    viewer = current_viewer()
    if viewer is not None:
        scale_bar(viewer).visible = True
