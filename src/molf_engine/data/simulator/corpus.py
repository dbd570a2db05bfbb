"""Simulated sections in the layout of HEST-1k: what the demo model learns from, and the slide it is shown on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.data.simulator.architecture import DEMO_KINDS, TISSUES
from molf_engine.data.simulator.noise import salt_of
from molf_engine.data.simulator.slide import write_slide
from molf_engine.data.simulator.tissue import PATCH_UM, SimulatedTissue, draw_counts
from molf_engine.errors import DataError
from molf_engine.files import atomic_path
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from anndata import AnnData

DEMO_UM_PER_PIXEL = 1.0
_LEAST_TISSUE = 0.4
_DEMO_SLIDE = "demo slide"


def spot_grid(tissue: SimulatedTissue, spacing_um: float = PATCH_UM, least_tissue: float = _LEAST_TISSUE) -> np.ndarray:
    """Return the centres in um (P, 2) of the patches of a square grid that hold tissue."""
    columns, rows = (int(side // spacing_um) for side in tissue.size_um)
    x, y = np.meshgrid((np.arange(columns) + 0.5) * spacing_um, (np.arange(rows) + 0.5) * spacing_um)
    positions = np.column_stack([x.ravel(), y.ravel()])
    inside: np.ndarray = positions[tissue.composition(positions, spacing_um).sum(axis=1) >= least_tissue]
    return inside


def measure(
    tissue: SimulatedTissue,
    sample_id: str,
    patient: str,
    patch_um: float = PATCH_UM,
    seed: int = 0,
    genes: Sequence[str] | None = None,
) -> AnnData:
    """Return a simulated experiment on a tissue: raw counts of spots, and the truth behind them.

    ``X`` raw counts (CSR); ``obsm["spatial"]`` (x, y) level-0 pixels; ``layers["expected"]`` log1p of expected counts
    per 10,000; ``obsm["composition"]`` share of each of ``uns["tissues"]`` in the spot; ``obs["expected_total"]``.
    With ``genes`` only these are measured, and totals are over these.
    """
    import pandas as pd
    from anndata import AnnData
    from scipy.sparse import csr_matrix

    positions = spot_grid(tissue, patch_um)
    abundance = tissue.abundance(positions, patch_um)
    expected = tissue.programmes.expected(abundance, patch_um**2)
    counts = draw_counts(expected, salt_of(seed, "counts", tissue.seed, tissue.kind))
    measured = tissue.programmes.genes
    if genes is not None:
        columns = tissue.programmes.columns(list(genes))
        measured, expected, counts = tuple(genes), expected[:, columns], counts[:, columns]
    total = expected.sum(axis=1, keepdims=True)
    column, row = (positions // patch_um).astype(int).T
    obs = pd.DataFrame(
        {"array_row": row, "array_col": column, "expected_total": total[:, 0]},
        index=[f"{c}_{r}" for c, r in zip(column, row, strict=True)],
    )
    adata = AnnData(csr_matrix(counts.astype(np.float32)), obs=obs, var=pd.DataFrame(index=list(measured)))
    adata.obsm["spatial"] = positions / tissue.um_per_pixel
    adata.obsm["composition"] = abundance.sum(axis=-1).astype(np.float32)
    adata.layers["expected"] = np.log1p(expected * (1e4 / total)).astype(np.float32)
    adata.uns["tissues"] = list(TISSUES)
    adata.uns["meta"] = _metadata(tissue, sample_id, patient, patch_um, adata)
    return adata


def write_hest_folder(
    folder: Path | str,
    kinds: Sequence[str] = DEMO_KINDS,
    sections_per_kind: int = 4,
    size_um: float = 4000.0,
    um_per_pixel: float = DEMO_UM_PER_PIXEL,
    patch_um: float = PATCH_UM,
    seed: int = 0,
    progress: ProgressCallback = silent,
) -> list[str]:
    """Write simulated sections as ``st/``, ``wsis/`` and ``metadata/`` and return their ids.

    Each section is of a patient of its own, whose laboratory stains a little differently.  ``splits.json`` gives the
    last section of each kind the role ``test``, the one before ``validation``, the others ``train``.

    Raises
    ------
    DataError
        If a kind is unknown, or the folder holds sections already.
    """
    folder = Path(folder)
    if (folder / "st").exists():
        raise DataError(f"{folder} holds sections already. Choose a new folder.")
    roles: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    jobs = [(kind, number) for kind in kinds for number in range(1, sections_per_kind + 1)]
    for done, (kind, number) in enumerate(jobs):
        sample_id, patient = f"{kind}_{number}", f"{kind}_P{number}"
        tissue = section_tissue(kind, number, seed, size_um, um_per_pixel)
        progress(Progress("Simulating sections", done, len(jobs), "sections"))
        write_slide(tissue, folder / "wsis" / f"{sample_id}.tif", progress=progress)
        adata = measure(tissue, sample_id, patient, patch_um, seed)
        with atomic_path(folder / "st" / f"{sample_id}.h5ad") as path:
            adata.write_h5ad(path, compression="gzip")
        write_json(folder / "metadata" / f"{sample_id}.json", adata.uns["meta"])
        roles[_role(number, sections_per_kind)].append(sample_id)
    write_json(folder / "splits.json", roles)
    progress(Progress("Simulating sections", len(jobs), len(jobs), "sections"))
    return [f"{kind}_{number}" for kind, number in jobs]


def section_tissue(
    kind: str, number: int, seed: int = 0, size_um: float = 4000.0, um_per_pixel: float = DEMO_UM_PER_PIXEL
) -> SimulatedTissue:
    """Return the tissue of one section of :func:`write_hest_folder`, numbered from 1."""
    scanner = salt_of(seed, "scanner", kind, number)
    return SimulatedTissue(salt_of(seed, kind, number), (size_um, size_um), um_per_pixel, kind, scanner)


def write_demo_corpus(folder: Path | str, seed: int = 0, progress: ProgressCallback = silent) -> list[str]:
    """Write the twelve sections, four of each simulated code, that the demo model is made from; return their ids."""
    return write_hest_folder(folder, seed=seed, progress=progress)


def demo_tissue(seed: int = 0) -> SimulatedTissue:
    """Return the tissue of the demo slide: no section of a corpus has its seed, or its stain."""
    return SimulatedTissue(salt_of(seed, _DEMO_SLIDE), (5000.0, 4400.0), DEMO_UM_PER_PIXEL, "SIM_A")


def write_demo_slide(path: Path | str, seed: int = 0, progress: ProgressCallback = silent) -> Path:
    """Write the slide that the demo opens, and return its path."""
    return write_slide(demo_tissue(seed), path, progress=progress)


def _role(number: int, sections: int) -> str:
    if sections >= 3 and number == sections:
        return "test"
    return "validation" if sections >= 2 and number == sections - (sections >= 3) else "train"


def _metadata(
    tissue: SimulatedTissue, sample_id: str, patient: str, patch_um: float, adata: AnnData
) -> dict[str, str | float | int]:
    return {
        "dataset": "simulated tissue (napari-molf)",
        "sample_id": sample_id,
        "patient_id": patient,
        "organ": "Simulated",
        "disease_state": "Cancer",
        "oncotree_code": tissue.kind,
        "species": "simulated",
        "st_technology": "simulated",
        "inter_spot_dist": patch_um,
        "spot_diameter": patch_um,
        "pixel_size_um_estimated": tissue.um_per_pixel,
        "fullres_px_width": tissue.width,
        "fullres_px_height": tissue.height,
        "n_spots": adata.n_obs,
        "n_genes": adata.n_vars,
        "seed": tissue.seed,
    }


def write_json(path: Path, content: object) -> None:
    """Write a JSON file, whole or not at all."""
    with atomic_path(path) as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
