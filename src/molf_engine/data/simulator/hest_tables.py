"""The tables that stand beside the sections of a HEST-layout folder: what each section is, and which role it plays."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from molf_engine.data.simulator.cohort import PlannedSection
from molf_engine.data.simulator.tissue import PATCH_UM, SimulatedTissue
from molf_engine.files import atomic_path

COLUMNS = (
    "dataset_title", "id", "image_filename", "organ", "disease_state", "oncotree_code", "species", "patient",
    "st_technology", "data_publication_date", "license", "study_link", "download_page_link1", "inter_spot_dist",
    "spot_diameter", "spots_under_tissue", "preservation_method", "nb_genes", "treatment_comment",
    "pixel_size_um_embedded", "pixel_size_um_estimated", "magnification", "fullres_px_width", "fullres_px_height",
    "tissue", "disease_comment", "subseries", "hest_version_added",
)  # fmt: skip
"""Columns of the metadata table of HEST-1k (``HEST_v1_1_0.csv``)."""

Fact = str | float | int


def section_facts(section: PlannedSection, tissue: SimulatedTissue, spots: int, genes: int) -> dict[str, Fact]:
    """Return what ``metadata/<id>.json`` says of a section: the columns of the table that are known, and its seed.

    The species is that of the gene symbols; nothing else about the tissue is human.
    """
    return {
        "dataset_title": f"Simulated pan-cancer cohort, {section.kind}",
        "id": section.id,
        "image_filename": f"{section.id}.tif",
        "organ": section.organ,
        "disease_state": "Cancer",
        "oncotree_code": section.kind,
        "species": "Homo sapiens",
        "patient": section.patient,
        "st_technology": section.technology,
        "inter_spot_dist": PATCH_UM,
        "spot_diameter": PATCH_UM,
        "spots_under_tissue": spots,
        "preservation_method": "Simulated",
        "nb_genes": genes,
        "pixel_size_um_embedded": tissue.um_per_pixel,
        "pixel_size_um_estimated": tissue.um_per_pixel,
        "magnification": f"{10 / tissue.um_per_pixel:g}x",
        "fullres_px_width": tissue.width,
        "fullres_px_height": tissue.height,
        "tissue": section.organ,
        "subseries": f"Section {section.number}",
        "seed": tissue.seed,
    }


def write_metadata_table(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table with the columns of HEST-1k's; what a row does not say stays empty."""
    _write_csv(path, COLUMNS, rows)


def write_split(folder: Path, roles: Mapping[str, Sequence[PlannedSection]]) -> None:
    """Write ``<role>_split.csv`` for each role, with the columns ``sample_id`` and ``oncotree_code``."""
    for role, sections in roles.items():
        rows = ({"sample_id": section.id, "oncotree_code": section.kind} for section in sections)
        _write_csv(folder / f"{role}_split.csv", ("sample_id", "oncotree_code"), rows)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    with atomic_path(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
