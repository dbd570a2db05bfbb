"""The audit of splits: every rule on metadata written here, and the published splits on the real table."""

from __future__ import annotations

from pathlib import Path

import pytest

from molf_engine.data import Section
from molf_engine.data.splits import Split, audit, published_codes, published_split, read_origins
from molf_engine.data.splits.kinship import Grade, link
from molf_engine.data.splits.origin import Origin, origin_of, patient_label
from molf_engine.data.splits.results import touched_rows
from molf_engine.errors import DataError

SECTION = {"dataset_title": "Study", "organ": "Bowel", "species": "Homo sapiens", "data_publication_date": "1/1/24"}
IMAGE = {
    "st_technology": "Visium HD",
    "fullres_px_width": 75250,
    "fullres_px_height": 48740,
    "spots_under_tissue": 2281,
    "pixel_size_um_estimated": 0.2738,
}


def origin(name: str = "A", **fields) -> Origin:
    return origin_of(name, SECTION | fields)


def grade(a: dict, b: dict) -> Grade | None:
    found = link(origin("A", **a), origin("B", **b))
    turned = link(origin("B", **b), origin("A", **a))
    assert (found is None) == (turned is None)
    return found and found.grade


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Patient 1", "1"),
        ("patient1", "1"),
        (" 1 ", "1"),
        ("BC23567", "bc23567"),
        ("   ", ""),
        ("nan", ""),
        ("Unknown", ""),
    ],
)
def test_the_label_of_a_patient_is_without_the_word(text: str, label: str) -> None:
    assert patient_label(text) == label


def test_one_patient_of_one_study_is_the_same_patient() -> None:
    assert grade({"patient": "Patient 1"}, {"patient": "patient 1"}) is Grade.PATIENT
    assert grade({"patient": "Patient 1"}, {"patient": "Patient 2"}) is None
    assert grade({"patient": "Patient 1"}, {"patient": ""}) is None


def test_patient_1_of_two_studies_is_two_patients_but_a_code_of_its_own_is_one() -> None:
    other = {"dataset_title": "Other"}
    assert grade({"patient": "Patient 1"}, {"patient": "Patient 1"} | other) is None
    assert grade({"patient": "BC23567"}, {"patient": "BC23567"} | other) is Grade.PATIENT


def test_the_subseries_names_the_sample_whatever_the_technology() -> None:
    a, b = {"subseries": "Visium HD, Sample P1 CRC"}, {"subseries": "Xenium In Situ, Sample P1 CRC"}
    assert grade(a, b) is Grade.TISSUE
    assert grade({"subseries": "Visium CytAssist v2, Sample P1 CRC"}, b) is Grade.TISSUE
    assert grade(a, {"subseries": "Xenium In Situ, Sample P2 CRC"}) is None
    assert grade({"subseries": "Visium"}, {"subseries": "Visium"}) is None


def test_the_subseries_decides_where_it_contradicts_the_stated_patient() -> None:
    first, second = (
        {"patient": "Patient 1", "subseries": "Sample P1 CRC"},
        {"patient": "Patient 1", "subseries": "Sample P2 CRC"},
    )
    assert grade(first, second) is None
    assert "the subseries decides" in origin(**second).contradiction
    assert origin(**first).contradiction == ""
    found = link(origin("A", **second), origin("B", **second))
    assert found is not None
    assert "the subseries decides" in found.evidence


def test_replicates_of_one_sample_are_of_one_block() -> None:
    assert grade({"subseries": "Replicate 1"}, {"subseries": "Replicate 2"}) is Grade.TISSUE
    assert grade({"subseries": "A121573_Rep1"}, {"subseries": "A121573_Rep2"}) is Grade.TISSUE
    assert grade({"subseries": "A121573_Rep1"}, {"subseries": "A416371_Rep1"}) is None
    assert grade({"subseries": "Replicate 1", "patient": "1"}, {"subseries": "Replicate 2", "patient": "2"}) is None
    assert grade({"subseries": "WT"}, {"subseries": "WT"}) is None
    assert grade({"subseries": ""}, {"subseries": ""}) is None


def test_a_slide_of_two_patients_is_of_both() -> None:
    both = {"subseries": "Patient 31, 32 lesional psoriasis, rep 1 [21L008962]"}
    assert origin(**both).patients == {"31", "32"}
    assert grade(both, {"subseries": "Patient 32 non lesional psoriasis, rep 2"}) is Grade.PATIENT


def test_p7_of_a_mouse_is_an_age() -> None:
    assert origin(subseries="P7 brain", species="Mus musculus").patients == frozenset()
    assert origin(subseries="P7_ST_rep1").patients == {"7"}


def test_one_patient_and_sample_of_two_panels_published_together_is_one_block() -> None:
    a = {"patient": "patient 2", "subseries": "Tissue sample 1"}
    assert grade(a, a | {"dataset_title": "Other panel"}) is Grade.TISSUE
    for other in (
        {"patient": "patient 3"},
        {"organ": "Lung"},
        {"data_publication_date": "2/2/24"},
        {"subseries": "Tissue sample 2"},
    ):
        assert grade(a, a | {"dataset_title": "Other panel"} | other) is None


def test_one_image_and_number_of_spots_in_two_studies_is_likely_a_duplicate() -> None:
    other = IMAGE | {"dataset_title": "Other", "spots_under_tissue": 2279}
    assert grade(IMAGE, other) is Grade.DUPLICATE
    for change in (
        {"fullres_px_width": 75251},
        {"spots_under_tissue": 2200},
        {"organ": "Lung"},
        {"st_technology": "Visium"},
        {"pixel_size_um_estimated": 0.5},
        {"spots_under_tissue": ""},
    ):
        assert grade(IMAGE, other | change) is None


def origins(**sections: dict) -> dict[str, Origin]:
    return {name: origin(name, **fields) for name, fields in sections.items()}


def test_a_duplicate_carries_a_tie_on() -> None:
    known = origins(
        TEST={"subseries": "Xenium, Sample P2 CRC"},
        LINK={"subseries": "Visium HD, Sample P2 CRC"} | IMAGE,
        VAL={"dataset_title": "Other"} | IMAGE,
        TRAIN={"dataset_title": "Third"},
    )
    found = audit(known, Split("s", ("TRAIN",), ("VAL",), ("TEST",)))
    (finding,) = found.findings
    assert (finding.other, finding.role, finding.link.grade) == ("VAL", "validation", Grade.DUPLICATE)
    assert finding.link.rule == "through LINK"


def test_a_patient_that_is_known_and_differs_is_not_reached_through_a_duplicate() -> None:
    known = origins(
        TEST={"patient": "1"} | IMAGE,
        COPY={"dataset_title": "Other"} | IMAGE,
        TRAIN={"patient": "2"} | IMAGE,
        BLANK={"patient": ""} | IMAGE,
    )
    # COPY looks like a duplicate of all three, so it cannot make one patient of two.
    assert audit(known, Split("s", ("TRAIN",), (), ("TEST",))).clean
    assert not audit(known, Split("s", ("BLANK",), (), ("TEST",))).clean
    assert not audit(known, Split("s", ("COPY",), (), ("TEST",))).clean


def test_what_cannot_be_judged_is_said_and_is_no_finding() -> None:
    known = origins(
        KNOWN={"patient": "1"},
        BLANK={},
        MATE={},
        APART={"patient": "2"},
        ELSEWHERE={"dataset_title": "Other", "patient": "3"},
    )
    found = audit(known, Split("s", ("MATE", "APART", "ELSEWHERE"), (), ("KNOWN", "BLANK", "MISSING")))
    assert found.clean
    assert [(case.test, case.patient_known, case.others) for case in found.unjudged] == [
        ("KNOWN", True, ("MATE",)),
        ("BLANK", False, ("MATE", "APART")),
    ]
    assert found.unknown == ("MISSING",)
    assert found.unknown_patients == 1


def test_cells_count_test_sections_by_code() -> None:
    known = origins(T1={"patient": "1"}, T2={"patient": "2"}, A={"patient": "1"})
    found = audit(known, Split("s", ("A",), (), ("T1", "T2")), {"T1": "COAD", "T2": "COAD"})
    (cell,) = found.cells
    assert (cell.code, cell.sections, cell.touched) == ("COAD", ("T1", "T2"), ("T1",))


def test_sections_of_a_folder_are_judged_by_their_own_metadata() -> None:
    sections = [
        Section(name, Path(f"{name}.tif"), Path(f"{name}.h5ad"), patient=patient, code="IDC")
        for name, patient in (("A1", "A"), ("A2", "A"), ("B1", "B"))
    ]
    found = audit(sections, Split("s", ("A1",), (), ("A2", "B1")))
    assert [(finding.test, finding.other, finding.code) for finding in found.findings] == [("A2", "A1", "IDC")]


RESULTS = "split,code,pcc\n0,COAD,0.1\n0,PAAD,0.2\n1,COAD,0.3\npublished-0,COAD,0.4\n"


def test_rows_of_a_table_that_rest_on_what_was_found(tmp_path: Path) -> None:
    known = origins(T1={"patient": "1"}, T2={"patient": "2"}, A={"patient": "1"})
    split = Split("published-0", ("A",), (), ("T1", "T2"))
    found = audit(known, split, {"T1": "COAD", "T2": "PAAD"})
    path = tmp_path / "results.csv"
    path.write_text(RESULTS)
    assert [(row.line, row.what, row.sections) for row in touched_rows(path, found)] == [
        (2, "COAD", ("T1",)),
        (5, "COAD", ("T1",)),
    ]
    path.write_text("section,pcc\nT1,0.1\nT2,0.2\n")
    assert [row.what for row in touched_rows(path, found)] == ["T1"]
    path.write_text("gene,pcc\nACTB,0.1\n")
    with pytest.raises(DataError, match="neither a column section nor a column code"):
        touched_rows(path, found)


@pytest.mark.parametrize(
    ("text", "message"),
    [("name\nA\n", "no column id"), ("id\n", "has no rows"), ("id\nA\nA\n", "two rows for A"), ("", "no column id")],
)
def test_a_table_that_is_no_metadata_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_origins(path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text("id,patient,dataset_title\nA,1,S\n")
    _, missing = read_origins(path)
    assert "subseries" in missing
    assert "patient" not in missing


@pytest.fixture(scope="module")
def hest(shared_root: Path) -> dict[str, Origin]:
    found, missing = read_origins(shared_root / "facts" / "HEST_v1_1_0.csv")
    assert missing == ()
    return found


PUBLISHED_FINDINGS = {
    "published-0": {
        ("TENX99", "TENX98", "train", Grade.TISSUE),
        ("TENX147", "TENX154", "train", Grade.TISSUE),
        ("TENX148", "TENX152", "train", Grade.TISSUE),
        ("TENX148", "TENX155", "train", Grade.TISSUE),
        ("TENX148", "TENX128", "validation", Grade.DUPLICATE),
        ("TENX149", "TENX156", "train", Grade.TISSUE),
    },
    "published-1": {("TENX95", "TENX97", "train", Grade.TISSUE)},
}


@pytest.mark.parametrize("name", list(PUBLISHED_FINDINGS))
def test_the_published_splits_are_not_held_out_in_three_cells(hest: dict[str, Origin], name: str) -> None:
    found = audit(hest, published_split(name), published_codes(name))
    assert {(f.test, f.other, f.role, f.link.grade) for f in found.findings} == PUBLISHED_FINDINGS[name]
    touched = {cell.code for cell in found.cells if cell.touched}
    assert touched == ({"IDC", "COAD"} if name == "published-0" else {"IDC"})
    clean = {cell.code for cell in found.cells} - touched
    assert {"PRAD", "READ", "CCRCC", "LUNG", "HCC", "PAAD", "SKCM", "LYMPH_IDC"} <= clean
    assert found.unknown == ()


def test_the_patient_of_one_published_test_section_is_unknown(hest: dict[str, Origin]) -> None:
    cases = audit(hest, published_split("published-1"), published_codes("published-1")).unjudged
    assert [(case.test, case.others) for case in cases] == [("TENX111", ("TENX114",))]


def test_the_same_slides_in_two_studies_are_found(hest: dict[str, Origin]) -> None:
    found = link(hest["SPA129"], hest["SPA103"])
    assert found is not None
    assert found.grade is Grade.DUPLICATE
