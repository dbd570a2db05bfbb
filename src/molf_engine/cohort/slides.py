"""Which slides belong to a cohort: files, folders of slides, or a table with a row for each."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from molf_engine.errors import ConfigError, SlideError

COLUMNS = ("slide", "um_per_pixel", "code", "features", "positions", "regions")

# A damaged file in a folder is taken for a slide by its name, so that it is reported and not passed over.
_SUFFIXES = {".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".tif", ".tiff", ".btf", ".qptiff", ".dcm", ".zarr"}  # fmt: skip


@dataclass(frozen=True)
class SlideTask:
    """A slide and what is its own among the settings.

    Attributes
    ----------
    slide : Path
        The file, or the folder of an OME-Zarr or DICOM slide.
    um_per_pixel : float or None
        At level 0, where the file does not say it or says it wrongly.
    code : str or None
        Cancer code; none: that of the command.
    features : Path or None
        Features computed elsewhere.
    positions : Path or None
        CSV of patch centres in level-0 pixels; none: a grid over the tissue.
    regions : Path or None
        GeoJSON of regions that the grid is limited to.
    """

    slide: Path
    um_per_pixel: float | None = None
    code: str | None = None
    features: Path | None = None
    positions: Path | None = None
    regions: Path | None = None

    @property
    def name(self) -> str:
        """Name of its result and of its files in `.molf`."""
        return self.slide.stem


def find_slides(paths: Iterable[Path]) -> list[Path]:
    """Return the slides among ``paths``; a folder that is no slide itself stands for those in it, sorted by name.

    In a folder hidden files, PNG, JPEG and TIFFs without tiles are left out, as they are seldom slides; subfolders are not searched.

    Raises
    ------
    ConfigError
        If there is no slide in a folder.
    """
    found: list[Path] = []
    for path in paths:
        found += _in_folder(path) if path.is_dir() and not _opens(path) else [path]
    return found


def read_list(path: Path) -> list[SlideTask]:
    """Read a table of slides: CSV or TSV with the column `slide` and any other of :data:`COLUMNS`, or a path a line.

    Relative paths are relative to the folder of the table.

    Raises
    ------
    ConfigError
        If it cannot be read, a column is unknown, or a value is none; it names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the list of slides {path}: {error}. Give a CSV or text file.") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise ConfigError(f"{path} is empty. Give a path a line, or a table with the column slide.")
    delimiter = max(",\t;", key=lines[0][1].count)
    rows = list(csv.reader((line for _, line in lines), delimiter=delimiter))
    header = [cell.strip().lower() for cell in rows[0]]
    if "slide" not in header:
        if len(header) > 1:
            raise ConfigError(
                f"{path} has no column slide; it has {', '.join(header)}. Known are {', '.join(COLUMNS)}."
            )
        return [SlideTask(_beside(path, line.strip())) for _, line in lines]
    if unknown := sorted(set(header) - set(COLUMNS)):
        raise ConfigError(f"{path} has the unknown columns {', '.join(unknown)}. Known are {', '.join(COLUMNS)}.")
    return [_task(path, number, header, row) for (number, _), row in zip(lines[1:], rows[1:], strict=True)]


def with_defaults(
    tasks: Iterable[SlideTask],
    *,
    um_per_pixel: float | None,
    code: str,
    positions: Path | None,
    features: Path | None,
    regions: Path | None = None,
) -> list[SlideTask]:
    """Fill what a slide does not say itself."""
    return [
        replace(
            task,
            um_per_pixel=um_per_pixel if task.um_per_pixel is None else task.um_per_pixel,
            code=task.code or code,
            positions=task.positions or positions,
            features=task.features or features,
            regions=task.regions or regions,
        )
        for task in tasks
    ]


def absolute(tasks: Iterable[SlideTask]) -> list[SlideTask]:
    """Paths that mean the same wherever a worker runs."""
    return [
        replace(
            task,
            slide=task.slide.absolute(),
            features=task.features and task.features.absolute(),
            positions=task.positions and task.positions.absolute(),
            regions=task.regions and task.regions.absolute(),
        )
        for task in tasks
    ]


def refuse_equal_names(tasks: Sequence[SlideTask]) -> None:
    """Raise :class:`ConfigError` if two slides would have one result, on disks that ignore case too."""
    seen: dict[str, Path] = {}
    for task in tasks:
        first = seen.setdefault(task.name.casefold(), task.slide)
        if first is not task.slide:
            raise ConfigError(
                f"Two slides have the same name, {first} and {task.slide}; predict them into different folders."
            )


def parse_shard(text: str) -> tuple[int, int]:
    """``"2/5"`` -> (2, 5).  Raises :class:`ConfigError` if it is no share."""
    share, _, shares = text.partition("/")
    try:
        i, n = int(share), int(shares)
    except ValueError:
        i, n = 0, 0
    if not 1 <= i <= n:
        raise ConfigError(f"--shard {text} is no share: give I/N with I from 1 to N, such as 1/2 and 2/2.")
    return i, n


def shard(tasks: Sequence[SlideTask], share: int, shares: int) -> list[SlideTask]:
    """Every ``shares``-th slide by name, from the ``share``-th on: each is in exactly one share of the same slides."""
    return sorted(tasks, key=lambda task: task.name)[share - 1 :: shares]


def _in_folder(folder: Path) -> list[Path]:
    from molf_engine.slides.opening import SlideKind, looks_like_slide, slide_kind

    def is_slide(path: Path) -> bool:
        try:
            kind = slide_kind(path)
        except SlideError:
            return path.suffix.lower() in _SUFFIXES
        return looks_like_slide(path) if kind is SlideKind.TIFF else kind is not SlideKind.IMAGE

    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be listed: {error.strerror or error}.") from error
    slides = [path for path in entries if is_slide(path)]
    if not slides:
        raise ConfigError(f"There is no slide in {folder} ({len(entries)} other files). Subfolders are not searched.")
    return slides


def _opens(path: Path) -> bool:
    from molf_engine.slides.opening import slide_kind

    try:
        slide_kind(path)
    except SlideError:
        return False
    return True


def _beside(table: Path, text: str) -> Path:
    return table.parent / Path(text).expanduser()


def _task(path: Path, number: int, header: list[str], row: list[str]) -> SlideTask:
    if len(row) > len(header):
        raise ConfigError(f"{path}, line {number}: {len(row)} cells under {len(header)} columns. Correct that line.")
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=False) if cell.strip()}
    if "slide" not in cells:
        raise ConfigError(f"{path}, line {number}: no slide. Correct or remove that line.")
    try:
        scale = float(cells["um_per_pixel"]) if "um_per_pixel" in cells else None
    except ValueError as error:
        raise ConfigError(f"{path}, line {number}: um_per_pixel {cells['um_per_pixel']!r} is no number.") from error
    beside = [_beside(path, cells[name]) if name in cells else None for name in ("features", "positions", "regions")]
    return SlideTask(_beside(path, cells["slide"]), scale, cells.get("code"), *beside)
