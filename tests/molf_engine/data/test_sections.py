from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from molf_engine.data import cancer_code, read_hest
from molf_engine.errors import DataError


def make_section(folder: Path, name: str, metadata: dict | str | None = None, slide: str | None = "{}.tif") -> None:
    """A section by its file names alone: reading the layout opens neither slide nor counts."""
    for part in ("st", "wsis", "metadata"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "st" / f"{name}.h5ad").touch()
    if slide:
        (folder / "wsis" / slide.format(name)).touch()
    if metadata is not None:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        (folder / "metadata" / f"{name}.json").write_text(text)


HEST_METADATA = {
    "patient": "Patient 1",
    "organ": "Bowel",
    "species": "Homo sapiens",
    "disease_state": "Cancer",
    "oncotree_code": "COAD",
    "st_technology": "Visium",
    "pixel_size_um_embedded": 0.25,
    "pixel_size_um_estimated": 0.27,
    "subseries": float("nan"),
}


def test_a_section_carries_the_fields_of_its_metadata(tmp_path: Path) -> None:
    make_section(tmp_path, "TENX1", HEST_METADATA)
    (section,) = read_hest(tmp_path)
    assert (section.id, section.patient, section.code, section.organ) == ("TENX1", "Patient 1", "COAD", "Bowel")
    assert (section.technology, section.species, section.um_per_pixel) == ("Visium", "Homo sapiens", 0.27)
    assert section.slide_path == tmp_path / "wsis" / "TENX1.tif"
    assert section.st_path == tmp_path / "st" / "TENX1.h5ad"
    assert section.metadata["subseries"] is None


def test_without_metadata_the_fields_are_unknown(tmp_path: Path) -> None:
    make_section(tmp_path, "A")
    make_section(tmp_path, "B", {"patient": float("nan"), "pixel_size_um_estimated": float("nan"), "oncotree_code": ""})
    for section in read_hest(tmp_path):
        assert (section.patient, section.code, section.species, section.um_per_pixel) == (
            "Unknown",
            "Unknown",
            "Unknown",
            None,
        )


def test_the_scanner_s_um_per_pixel_stands_in_for_a_missing_estimate(tmp_path: Path) -> None:
    make_section(tmp_path, "A", {"pixel_size_um_embedded": 0.25, "pixel_size_um_estimated": None})
    assert read_hest(tmp_path)[0].um_per_pixel == 0.25


@pytest.mark.parametrize(
    ("oncotree", "state", "code"),
    [
        ("IDC", "Cancer", "IDC"),
        ("", "Healthy", "Healthy"),
        ("", "Treated", "Treated_Unspecified"),
        ("", "Diseased (IPF, less fibrotic)", "Diseased_Unspecified"),
        ("", "Cancer", "Cancer_Unspecified"),
        ("", "Tumor", "Unknown"),
        ("", "", "Unknown"),
        ("Unknown", "Cancer", "Unknown"),
    ],
)
def test_a_blank_code_is_filled_from_the_state_of_the_tissue(oncotree: str, state: str, code: str) -> None:
    assert cancer_code(oncotree, state) == code


def test_published_codes_are_filled_by_the_same_rule(shared_root: Path) -> None:
    import pandas as pd

    metadata = pd.read_csv(shared_root / "facts" / "HEST_v1_1_0.csv", keep_default_na=False).set_index("id")
    split = pd.read_csv(shared_root / "facts" / "splits" / "split_0" / "train_split.csv", keep_default_na=False)
    for row in split.itertuples():
        fields = metadata.loc[row.sample_id]
        assert cancer_code(row.oncotree_code, fields.disease_state) == row.oncotree_code_filled


def test_ids_choose_sections_in_the_order_asked_for(tmp_path: Path) -> None:
    for name in ("A", "B", "C"):
        make_section(tmp_path, name)
    assert [section.id for section in read_hest(tmp_path, ["C", "A", "C"])] == ["C", "A"]


def test_an_unknown_id_is_refused_with_the_known_ones_named(tmp_path: Path) -> None:
    make_section(tmp_path, "A")
    make_section(tmp_path, "B")
    with pytest.raises(DataError, match=r"No section Z .*A, B"):
        read_hest(tmp_path, ["A", "Z"])


@pytest.mark.parametrize("part", ["st", "wsis"])
def test_a_missing_folder_is_named(tmp_path: Path, part: str) -> None:
    make_section(tmp_path, "A")
    for path in (tmp_path / part).iterdir():
        path.unlink()
    (tmp_path / part).rmdir()
    with pytest.raises(DataError, match=f"no folder {part}/"):
        read_hest(tmp_path)


def test_a_folder_of_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not in the layout"):
        read_hest(tmp_path)
    with pytest.raises(DataError, match="No such folder"):
        read_hest(tmp_path / "nowhere")


def test_a_section_without_its_slide_is_left_out_unless_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_section(tmp_path, "A")
    make_section(tmp_path, "B", slide=None)
    with caplog.at_level(logging.WARNING):
        assert [section.id for section in read_hest(tmp_path)] == ["A"]
    assert "B" in caplog.text
    with pytest.raises(DataError, match="No slide for B"):
        read_hest(tmp_path, ["B"])


def test_slides_of_any_format_are_found_by_the_section_s_name(tmp_path: Path) -> None:
    make_section(tmp_path, "A", slide="{}.ome.tif")
    make_section(tmp_path, "A2", slide="{}.svs")
    assert [section.slide_path.name for section in read_hest(tmp_path)] == ["A.ome.tif", "A2.svs"]


def test_a_folder_of_folders_is_read_and_an_id_in_two_of_them_is_refused(tmp_path: Path) -> None:
    make_section(tmp_path / "one", "A")
    make_section(tmp_path / "two", "B")
    (tmp_path / "notes").mkdir()
    assert [section.id for section in read_hest(tmp_path)] == ["A", "B"]
    make_section(tmp_path / "two", "A")
    with pytest.raises(DataError, match="A is twice"):
        read_hest(tmp_path)


@pytest.mark.parametrize("text", ["{", "[1, 2]"])
def test_damaged_metadata_are_named(tmp_path: Path, text: str) -> None:
    make_section(tmp_path, "A", text)
    with pytest.raises(DataError, match=r"A\.json"):
        read_hest(tmp_path)


def test_the_real_folder_of_folders_is_read_whole(shared_data: Path) -> None:
    sections = {section.id: section for section in read_hest(shared_data)}
    assert len(sections) == 13
    assert sections["HER2ST_C2"].code == "IDC"
    assert sections["HER2ST_C2"].patient == sections["HER2ST_C5"].patient != sections["HER2ST_A1"].patient
    assert sections["HER2ST_C2"].um_per_pixel == pytest.approx(0.688, abs=1e-3)
    assert sections["MOB_Rep11"].is_mouse
    assert sections["MOB_Rep11"].code == "Healthy"
    assert sections["NCBI858_cells200"].code == "Diseased_Unspecified"
    assert all(section.slide_path.is_file() for section in sections.values())
