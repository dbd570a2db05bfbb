"""A session as a folder: ``session.json`` and one ``.h5ad`` for each prediction.  Written whole or not at all.  No Qt."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_molf.core.slide_layer import SlideInfo
from napari_molf.core.view_state import ViewState
from napari_molf.sessions.session import Session, ShapesEntry, SlideEntry, layers_of, with_slide

if TYPE_CHECKING:
    from napari.types import FullLayerData

    from molf_engine.slides import Slide
    from napari_molf.core.run import Run

SUFFIX = ".molf"
FILE = "session.json"
SCHEMA_VERSION = 1


def is_session(path: Path) -> bool:
    """Whether a folder is a session."""
    return path.suffix.lower() == SUFFIX and (path / FILE).is_file()


def write_session(session: Session, folder: Path) -> Path:
    """Write a session; a folder of that name is replaced once the new one is complete.

    Slow, not for the window's thread.

    Returns
    -------
    Path
        The folder, which ends in ``.molf``.

    Raises
    ------
    MolfError
        If it cannot be written there, or something that is no session lies there.
    """
    from molf_engine import __version__
    from molf_engine.errors import MolfError
    from molf_engine.files import atomic_path
    from molf_engine.prediction import write_prediction

    folder = folder if folder.suffix == SUFFIX else folder.with_name(folder.name + SUFFIX)
    if folder.exists() and not is_session(folder):
        raise MolfError(f"{folder} exists and is no session. Choose another name.")
    with atomic_path(folder) as beside:
        (beside / "results").mkdir(parents=True)
        results = []
        for number, run in enumerate(session.runs, start=1):
            file = Path("results") / f"{number:02d}-{_plain_name(run.slide_name)}.h5ad"
            write_prediction(run.scores.adata, beside / file)
            results.append({"file": file.as_posix(), "id": run.id, "slide": str(run.slide_path)})
        said = {
            "schema_version": SCHEMA_VERSION,
            "software": f"napari-molf {__version__}",
            "slides": [_slide_json(entry, folder) for entry in session.slides],
            "results": results,
            "current": session.current,
            "view": session.view.as_json() if session.view is not None else None,
            "shapes": [_shapes_json(entry) for entry in session.shapes],
        }
        (beside / FILE).write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
    return folder


def read_session(folder: Path) -> list[FullLayerData]:
    """Layers of a session; slow, not for the window's thread.

    A slide is looked for where it was, then where it would be if the folder and the slides were moved together, then beside the folder.
    One that is not found, or is another one by its content, is left out: its predictions lie on their thumbnail.

    Raises
    ------
    MolfError
        If the folder is no session, of an unknown version, or damaged.
    """
    from molf_engine.errors import MolfError

    folder = Path(folder)
    said = _read_json(folder)
    try:
        entries = [_slide_entry(each) for each in said["slides"]]
        runs = [_read_run(folder, each) for each in said["results"]]
        shapes = tuple(_shapes_entry(each) for each in said["shapes"])
        view = ViewState.from_json(said["view"]) if said.get("view") else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MolfError(
            f"{folder / FILE} is damaged: {error}. Open the results in its folder `results` one by one."
        ) from error
    found, missing = [], []
    for entry, each in zip(entries, said["slides"], strict=True):
        slide = _open(entry, each, folder)
        if slide is None:
            missing.append(entry.name)
            continue
        runs = [with_slide(run, Path(slide.path)) if run.slide_path == entry.info.path else run for run in runs]
        found.append((replace(entry, info=replace(entry.info, path=Path(slide.path))), slide))
    session = Session(
        tuple(entry for entry, _ in found),
        tuple(runs),
        shapes,
        said.get("current"),
        view,
        tuple(missing),
    )
    return layers_of(session, found)


def _read_json(folder: Path) -> dict[str, Any]:
    from molf_engine.errors import MolfError

    file = folder / FILE
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MolfError(f"{folder} is no session, or it is damaged: {error}.") from error
    if not isinstance(said, dict) or "schema_version" not in said:
        raise MolfError(f"{file} is no session of napari-molf.")
    if said["schema_version"] != SCHEMA_VERSION:
        raise MolfError(
            f"{folder} is a session in version {said['schema_version']} of its format; this program reads version {SCHEMA_VERSION}. "
            f"Open it with the version that wrote it ({said.get('software', 'unknown')})."
        )
    return said


def _read_run(folder: Path, said: Mapping[str, Any]) -> Run:
    from molf_engine.errors import MolfError
    from napari_molf.core.run import read_run

    file = (folder / said["file"]).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise MolfError(f"{folder / FILE} names a result outside the session: {said['file']}.")
    return replace(read_run(file), id=str(said["id"]), slide_path=Path(said["slide"]))


def _open(entry: SlideEntry, said: Mapping[str, Any], folder: Path) -> Slide | None:
    from molf_engine.errors import SlideError
    from molf_engine.slides import fingerprint, open_slide

    info = entry.info
    places = [info.path, folder.parent / said.get("relative", info.path.name), folder.parent / info.path.name]
    for place in dict.fromkeys(places):
        if not place.exists():
            continue
        try:
            slide = open_slide(place, info.um_per_pixel if info.source != "file" else None)
            if not said.get("fingerprint") or fingerprint(slide) == said["fingerprint"]:
                return slide
            slide.close()
        except (SlideError, OSError):
            continue
    return None


def _slide_json(entry: SlideEntry, folder: Path) -> dict[str, Any]:
    info = entry.info
    try:
        relative = Path(os.path.relpath(info.path, folder.parent)).as_posix()
    except ValueError:  # another drive of Windows
        relative = info.path.name
    return {
        "name": entry.name,
        "path": str(info.path),
        "relative": relative,
        "fingerprint": _fingerprint(info),
        "size": list(info.size),
        "um_per_pixel": info.um_per_pixel,
        "source": info.source,
        "simulated": info.simulated,
        "translate": list(entry.translate),
        "rotate": [list(row) for row in entry.rotate],
        "visible": entry.visible,
    }


def _fingerprint(info: SlideInfo) -> str | None:
    from molf_engine.errors import SlideError
    from molf_engine.slides import fingerprint, open_slide

    try:
        with open_slide(info.path, info.um_per_pixel) as slide:
            return fingerprint(slide)
    except (SlideError, OSError):
        # Gone since it was opened: it will be looked for by name alone.
        return None


def _slide_entry(said: Mapping[str, Any]) -> SlideEntry:
    um = said["um_per_pixel"]
    width, height = said["size"]
    info = SlideInfo(
        Path(said["path"]),
        (int(width), int(height)),
        None if um is None else float(um),
        str(said["source"]),
        simulated=bool(said["simulated"]),
    )
    y, x = said["translate"]
    rotate = tuple(tuple(float(v) for v in row) for row in said["rotate"])
    if np.shape(rotate) != (2, 2):
        raise ValueError(f"{said['name']}: a rotation has two rows of two numbers")
    return SlideEntry(str(said["name"]), info, (float(y), float(x)), rotate, bool(said["visible"]))


def _shapes_json(entry: ShapesEntry) -> dict[str, Any]:
    said = asdict(replace(entry, vertices=()))
    return {**said, "vertices": [np.asarray(each).tolist() for each in entry.vertices]}


def _shapes_entry(said: Mapping[str, Any]) -> ShapesEntry:
    vertices = tuple(np.asarray(each, float) for each in said["vertices"])
    kinds = tuple(str(kind) for kind in said["kinds"])
    if len(kinds) != len(vertices) or any(v.ndim != 2 or v.shape[1] != 2 for v in vertices):
        raise ValueError(f"the shapes of {said['name']} are not lists of positions")
    features = {str(key): list(column) for key, column in said["features"].items()}
    widths = tuple(float(width) for width in said["edge_widths"])
    edges, faces = (_colours(said[key], said["name"]) for key in ("edge_colours", "face_colours"))
    if any(len(column) != len(kinds) for column in (widths, edges, faces, *features.values())):
        raise ValueError(f"{said['name']} has another number of shapes than of their colours or names")
    return ShapesEntry(
        str(said["name"]),
        kinds,
        vertices,
        features,
        widths,
        edges,
        faces,
        str(said["unit"]),
    )


def _colours(said: Any, name: str) -> tuple[tuple[float, ...], ...]:
    colours = tuple(tuple(float(v) for v in colour) for colour in said)
    if any(len(colour) != 4 for colour in colours):
        raise ValueError(f"a colour of {name} is not four numbers")
    return colours


def _plain_name(name: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    return kept.strip(".-")[:80] or "slide"
