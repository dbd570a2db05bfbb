"""A simulated pan-cancer folder in the layout of HEST-1k, drawn section by section."""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from molf_engine.data.simulator.architecture import ARCHITECTURES
from molf_engine.data.simulator.broken import write_broken
from molf_engine.data.simulator.cohort import SPLITS, PlannedSection, plan_cohort, split_cohort
from molf_engine.data.simulator.corpus import DEMO_UM_PER_PIXEL, measure, write_json
from molf_engine.data.simulator.hest_patches import write_patches
from molf_engine.data.simulator.hest_tables import section_facts, write_metadata_table, write_split
from molf_engine.data.simulator.noise import salt_of
from molf_engine.data.simulator.slide import write_slide
from molf_engine.data.simulator.tissue import PATCH_UM, SimulatedTissue
from molf_engine.errors import ConfigError, DataError
from molf_engine.files import atomic_path, make_parent
from molf_engine.progress import Progress, ProgressCallback, silent

logger = logging.getLogger(__name__)

METADATA_TABLE = "HEST_simulated.csv"
_SETTINGS = "simulation.json"
_FOLDERS = ("st", "wsis", "metadata", "patches", "splits")
_FILES = (METADATA_TABLE, "splits.json", _SETTINGS)
_UNFINISHED = re.compile(r"\..+-[0-9a-f]{8}(\.\w+)?")
_LEAST_UM = 4 * PATCH_UM


@dataclass(frozen=True)
class PanCancer:
    """What decides every section of a pan-cancer folder. Lengths in um."""

    sections: int = 200
    size_um: float = 1500.0
    """Side of a slide."""
    um_per_pixel: float = DEMO_UM_PER_PIXEL
    seed: int = 0
    kinds: tuple[str, ...] = tuple(ARCHITECTURES)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.size_um) and self.size_um >= _LEAST_UM):
            raise ConfigError(
                f"A slide of {self.size_um:g} um has no room for tissue. Ask for {_LEAST_UM:g} um or more."
            )
        if not (math.isfinite(self.um_per_pixel) and self.um_per_pixel > 0):
            raise ConfigError(
                f"{self.um_per_pixel:g} um per pixel is no scale. Give a number above 0, such as 1 or 0.5."
            )

    def as_json(self) -> dict[str, object]:
        """Return the settings as a JSON file would give them back."""
        return {**asdict(self), "kinds": list(self.kinds)}

    def tissue(self, section: PlannedSection) -> SimulatedTissue:
        """Return the tissue of a section; the sections of a patient share a scanner."""
        return SimulatedTissue(
            salt_of(self.seed, "pan-cancer", section.id),
            (self.size_um, self.size_um),
            self.um_per_pixel,
            section.kind,
            salt_of(self.seed, "scanner", "pan-cancer", section.patient),
        )


def write_pan_cancer(
    folder: Path | str,
    settings: PanCancer | None = None,
    *,
    patches: bool = False,
    broken: bool = False,
    overwrite: bool = False,
    progress: ProgressCallback = silent,
) -> list[str]:
    """Write simulated sections of all cancer codes, their metadata and two splits; return the ids.

    ``st/``, ``wsis/``, ``metadata/``, a table of all sections with HEST-1k's columns, ``splits/split_<n>/<role>_split.csv``
    and ``splits.json`` with the roles of split 0.  Every file is written whole or not at all, and one that is there is
    not made again: to go on after an interruption, call it once more. One process at a time.

    Parameters
    ----------
    folder
        New, empty, or begun with the same settings.
    settings
        How many sections, how large; by default 200 of 1500 um.
    patches
        Also write ``patches/<id>.h5``, the image of each spot, about 14 MB a section of 1500 um.
    broken
        Also write damaged sections (:func:`.broken.write_broken`); they are in the table and in no split.
    overwrite
        Remove what an earlier call with other settings left.

    Raises
    ------
    ConfigError
        If the settings leave no room for a section of each code in each role.
    DataError
        If the folder holds something else.
    """
    folder, settings = Path(folder), settings or PanCancer()
    cohort = plan_cohort(settings.sections, settings.seed, settings.kinds)
    _begin(folder, settings, overwrite)
    for done, section in enumerate(cohort):
        progress(Progress("Simulating sections", done, len(cohort), "sections"))
        _write_section(folder, section, settings, patches)
    ids = [section.id for section in cohort]
    if broken:
        ids += write_broken(folder, ids[0])
    facts = (json.loads((folder / "metadata" / f"{name}.json").read_text(encoding="utf-8")) for name in ids)
    write_metadata_table(folder / METADATA_TABLE, facts)
    splits = [split_cohort(cohort, number, settings.seed) for number in range(SPLITS)]
    for number, roles in enumerate(splits):
        write_split(folder / "splits" / f"split_{number}", roles)
    named = {"train": "train", "validation": "val", "test": "test"}
    write_json(
        folder / "splits.json", {name: [section.id for section in splits[0][role]] for name, role in named.items()}
    )
    progress(Progress("Simulating sections", len(cohort), len(cohort), "sections"))
    return ids


def _begin(folder: Path, settings: PanCancer, overwrite: bool) -> None:
    """Make the folder ready: what it holds must be of these settings."""
    make_parent(folder / _SETTINGS)
    if overwrite:
        for name in _FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in _FILES:
            (folder / name).unlink(missing_ok=True)
    known = folder / _SETTINGS
    if known.exists():
        try:
            earlier = json.loads(known.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"Cannot read {known}: {error}. Start again with --overwrite.") from error
        if earlier != settings.as_json():
            raise DataError(
                f"{folder} was begun with other settings: {earlier}, not {settings.as_json()}. Ask for the same to go on, "
                "choose another folder, or start again with --overwrite."
            )
        _sweep(folder)
    elif taken := sorted(path.name for path in folder.iterdir() if not _UNFINISHED.fullmatch(path.name)):
        raise DataError(f"{folder} holds other things already: {', '.join(taken[:3])}. Choose a new folder.")
    write_json(known, settings.as_json())


def _sweep(folder: Path) -> None:
    """Remove what a killed run was writing."""
    for part in (folder, *(folder / name for name in _FOLDERS)):
        for path in part.glob(".*"):
            if path.is_file() and _UNFINISHED.fullmatch(path.name):
                logger.info("Removed %s, which an earlier run did not finish", path)
                path.unlink()


def _write_section(folder: Path, section: PlannedSection, settings: PanCancer, patches: bool) -> None:
    """Write those files of a section that are not there; the metadata last, so that they mean that it is whole."""
    name, tissue = section.id, settings.tissue(section)
    slide, st, metadata = (
        folder / "wsis" / f"{name}.tif",
        folder / "st" / f"{name}.h5ad",
        folder / "metadata" / f"{name}.json",
    )
    if not slide.exists():
        write_slide(tissue, slide)
    if not (st.exists() and metadata.exists()):
        adata = measure(tissue, name, section.patient, seed=settings.seed, genes=section.genes)
        facts = section_facts(section, tissue, adata.n_obs, adata.n_vars)
        adata.uns["meta"] = facts
        with atomic_path(st) as beside:
            adata.write_h5ad(beside, compression="gzip")
        write_json(metadata, facts)
    images = folder / "patches" / f"{name}.h5"
    if patches and not images.exists():
        write_patches(slide, st, images, settings.um_per_pixel)
