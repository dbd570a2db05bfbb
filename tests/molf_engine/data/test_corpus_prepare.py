"""Preparing: broken input is left out by name, and a run that ended anyhow is gone on with."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from molf_engine.data.corpus import Corpus, EncoderChoice, find_sources, prepare_corpus, writing
from molf_engine.data.corpus.pace import in_all
from molf_engine.encoders import FeatureCache
from molf_engine.errors import Cancelled, ConfigError, DataError, MolfError
from molf_engine.progress import Progress

from .hest_files import (
    PANEL,
    SPOTS,
    PatchColour,
    barcodes_of,
    centres_of,
    counts_of,
    prepare,
    recipe,
    write_counts,
    write_metadata,
    write_section,
    write_slide,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def hest(tmp_path: Path) -> Path:
    """Three sections, A and C with slides, B with ready-cut patches."""
    folder = tmp_path / "hest"
    write_section(folder, "A", 1)
    write_section(folder, "B", 2, slide=False, patches=True)
    write_section(folder, "C", 3)
    return folder


def with_nan(counts: np.ndarray) -> np.ndarray:
    counts[2, 1] = np.nan
    return counts


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda folder: write_counts(folder, "B", counts=with_nan(counts_of(0))),
            "1 counts are NaN or infinite, in ERBB2",
        ),
        (lambda folder: write_counts(folder, "B", counts=np.log1p(counts_of(0))), "looks log-transformed"),
        (lambda folder: write_counts(folder, "B", genes=("W", "X", "Y", "Z")), "none of its 4 genes"),
        (lambda folder: write_counts(folder, "B", obsm={"spatial": centres_of(0) * 1000}), "not on the slide"),
        (lambda folder: (folder / "wsis" / "B.tif").unlink(), "neither a slide in .*wsis nor"),
        (lambda folder: (folder / "wsis" / "B.tif").write_bytes(b"II*\0"), "B.tif"),
        (lambda folder: (folder / "st" / "B.h5ad").write_bytes(b"\x89HDF\r\n"), "Cannot read the counts"),
        (lambda folder: write_metadata(folder, "B", pixel_size_um_estimated=None), "how many um a pixel is"),
    ],
)
def test_a_broken_section_is_left_out_by_name_and_the_others_are_prepared(
    spoil: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "hest"
    write_section(folder, "A", 1)
    write_section(folder, "B")
    spoil(folder)
    report = prepare(folder, tmp_path / "c.zarr")
    assert report.prepared == ("A",)
    assert [failure.section for failure in report.failures] == ["B"]
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(report.failures[0].reason)
    assert Corpus.open(tmp_path / "c.zarr").failures == report.failures


def test_a_folder_of_which_nothing_can_be_prepared_is_an_error(tmp_path: Path) -> None:
    write_counts(tmp_path / "hest", "A")
    with pytest.raises(DataError, match=r"Not one of 1 sections can be prepared. A: "):
        prepare(tmp_path / "hest", tmp_path / "c.zarr")


def test_a_section_is_not_done_again_unless_its_files_changed(hest: Path, tmp_path: Path) -> None:
    output = tmp_path / "c.zarr"
    prepare(hest, output)
    again = prepare(hest, output, encoder=(counting := PatchColour()))
    assert (again.prepared, again.kept, counting.total) == ((), ("A", "B", "C"), 0)
    write_counts(hest, "C", 3, counts=counts_of(9))
    changed = prepare(hest, output)
    assert (changed.prepared, changed.kept) == (("C",), ("A", "B"))
    read = changed.corpus.read(changed.corpus.sections(["C"])[0], PANEL[:3]).expression
    np.testing.assert_array_equal(np.expm1(read.counts_log1p).round(), counts_of(9)[:, :3])


def test_sections_are_added_and_slides_may_be_removed_in_between(hest: Path, tmp_path: Path) -> None:
    output = tmp_path / "c.zarr"
    assert prepare(hest, output, ids=["A"]).prepared == ("A",)
    (hest / "wsis" / "A.tif").unlink()
    report = prepare(hest, output)
    assert (report.prepared, report.kept) == (("B", "C"), ("A",))
    assert [section.id for section in report.corpus.sections()] == ["A", "B", "C"]


def test_new_metadata_are_taken_over_without_encoding_again(hest: Path, tmp_path: Path) -> None:
    output = tmp_path / "c.zarr"
    before = prepare(hest, output).corpus
    (hest / "wsis" / "A.tif").unlink()
    write_metadata(hest, "A", patient="P3")
    report = prepare(hest, output)
    (section,) = report.corpus.sections(["A"])
    assert (report.kept, section.patient) == (("A", "B", "C"), "P3")
    assert report.corpus.fingerprint(section) == before.fingerprint(section)


def test_another_scale_is_other_tissue(hest: Path, tmp_path: Path) -> None:
    output = tmp_path / "c.zarr"
    prepare(hest, output)
    write_metadata(hest, "A", pixel_size_um_estimated=0.4)
    assert prepare(hest, output).prepared == ("A",)


def test_a_repaired_section_is_no_failure_any_more(hest: Path, tmp_path: Path) -> None:
    write_counts(hest, "D", 4)
    write_metadata(hest, "D")
    output = tmp_path / "c.zarr"
    assert [failure.section for failure in prepare(hest, output).corpus.failures] == ["D"]
    write_slide(hest, "D", 4)
    report = prepare(hest, output)
    assert report.prepared == ("D",)
    assert report.corpus.failures == ()


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"patch_um": 64.0}, "side of a patch"), ({"genes": ("ACTB",)}, "panel"), ({"features_dtype": "float16"}, "type")],
)
def test_other_settings_need_another_name_or_overwrite(hest: Path, tmp_path: Path, changes: dict, what: str) -> None:
    output = tmp_path / "c.zarr"
    prepare(hest, output)
    with pytest.raises(ConfigError, match=f"other settings.*{what}.*--overwrite"):
        prepare(hest, output, recipe=recipe(**changes))
    report = prepare(hest, output, recipe=recipe(**changes), overwrite=True)
    assert len(report.prepared) == 3


def test_a_corpus_of_another_version_is_replaced_only_if_asked(hest: Path, tmp_path: Path) -> None:
    output = tmp_path / "c.zarr"
    prepare(hest, output)
    root = output / "zarr.json"
    root.write_text(root.read_text().replace('"schema_version": ', '"schema_version": 9'))
    before = root.read_bytes()
    with pytest.raises(DataError, match=r"another version .*--overwrite"):
        prepare(hest, output)
    assert root.read_bytes() == before
    assert len(prepare(hest, output, overwrite=True).prepared) == 3


def test_a_run_that_prepared_nothing_does_not_bind_the_next_one(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    write_counts(tmp_path / "hest", "A", genes=("Actb", "Erbb2", "Gnas", "Krt19"))
    write_metadata(tmp_path / "hest", "A", species="Mus musculus")
    with pytest.raises(DataError, match="That is --orthologs"):
        prepare(tmp_path / "hest", tmp_path / "c.zarr")
    assert prepare(tmp_path / "hest", tmp_path / "c.zarr", recipe=recipe(symbols="human_symbol")).prepared == ("A",)


def test_a_folder_with_other_things_is_not_written_into(hest: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("one")
    with pytest.raises(DataError, match=r"is no corpus. Choose another name"):
        prepare(hest, tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "one"


def child(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.molf_engine.data.child_prepare", *map(str, arguments)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_run_killed_at_two_points_ends_as_an_uninterrupted_one(hest: Path, tmp_path: Path) -> None:
    output = tmp_path / "killed.zarr"
    for point, section, finished in (("encoding", "B", {"A"}), ("writing", "C", {"A", "B"})):
        done = subprocess.run(
            child(hest, output, point, section), cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert {path.name for path in (output / "sections").iterdir()} == finished
        with pytest.raises(DataError, match="not finished"):
            Corpus.open(output)
    last = prepare(hest, output, encoder=(counting := PatchColour()), cache=FeatureCache())
    assert (last.kept, last.prepared) == (("A", "B"), ("C",))
    assert counting.total == 0, "the patches of C were in the cache"
    assert sorted(path.name for path in output.iterdir()) == [".lock", "encoder", "sections", "zarr.json"]
    whole = prepare(hest, tmp_path / "whole.zarr").corpus
    for section in whole.sections():
        assert last.corpus.fingerprint(section) == whole.fingerprint(section)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_second_process_is_refused_and_a_killed_one_blocks_nobody(hest: Path, tmp_path: Path) -> None:
    output = tmp_path / "c.zarr"
    output.mkdir()
    with subprocess.Popen(
        child(hest, output, "lock", "-"), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(MolfError, match=f"is being prepared by process {other.pid} on .*Wait"):
            prepare(hest, output)
        other.kill()
        other.wait()
    assert len(prepare(hest, output).prepared) == 3


def test_a_full_disk_ends_the_run_and_costs_nothing_that_was_finished(
    hest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, write, written = tmp_path / "c.zarr", writing._write_array, []

    def full(path: Path, values: np.ndarray) -> None:
        written.append(path)
        if len(written) > 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, values)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_write_array", full)
        with pytest.raises(MolfError, match=r"Cannot write .*c.zarr: the disk is full"):
            prepare(hest, output)
    report = prepare(hest, output)
    assert (report.kept, report.prepared) == (("A",), ("B", "C"))
    assert not (output / ".partial").exists()


def test_cancelling_leaves_what_is_finished(hest: Path, tmp_path: Path) -> None:
    def cancel(progress: Progress) -> None:
        if progress.phase.startswith("B"):
            raise Cancelled

    with pytest.raises(Cancelled):
        prepare(hest, tmp_path / "c.zarr", progress=cancel)
    assert prepare(hest, tmp_path / "c.zarr").kept == ("A",)


def test_progress_counts_sections_and_all_patches(hest: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    prepare(hest, tmp_path / "c.zarr", progress=seen.append)
    assert [report.done for report in seen if report.phase == "B (2 of 3): encoding patches"][-1] == SPOTS
    assert in_all(250, 1000, 50.0) == "patches; in all 25%, 5/s, 0:02:30 left"


def test_the_builtin_encoder_is_fitted_on_the_named_sections_and_kept(hest: Path, tmp_path: Path) -> None:
    counts = np.full((SPOTS, 4), 60, np.float32)
    for name, seed in (("A", 1), ("C", 3), ("D", 4)):
        write_section(hest, name, seed)
        write_counts(hest, name, seed, counts=counts)
    choice = EncoderChoice(fit_on=("A", "C"))
    report = prepare_corpus(find_sources(hest), tmp_path / "c.zarr", recipe(), choice)
    corpus = report.corpus
    assert corpus.root["encoder"]["fitted_on"] == ["A", "C"]
    assert corpus.encoder.startswith("builtin")
    assert {failure.section for failure in report.failures} == {"B"}, "ready-cut images are too small for it"
    again = prepare_corpus(find_sources(hest), tmp_path / "c.zarr", recipe(), choice)
    assert again.kept == ("A", "C", "D")
    with pytest.raises(ConfigError, match=r"other settings .encoder."):
        prepare_corpus(find_sources(hest), tmp_path / "c.zarr", recipe(), EncoderChoice(fit_on=("A",)))


def test_the_builtin_encoder_needs_a_slide_to_be_fitted_on(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "B", slide=False, patches=True)
    with pytest.raises(DataError, match="not one of 1 sections has a slide that can be read"):
        prepare_corpus(find_sources(tmp_path / "hest"), tmp_path / "c.zarr", recipe(), EncoderChoice())


def features_of(seed: int, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(SPOTS, width)).astype(np.float32)


def test_features_made_elsewhere_need_no_slide_and_may_lack_spots(tmp_path: Path) -> None:
    folder, features = tmp_path / "hest", tmp_path / "features"
    features.mkdir()
    for name, seed in (("A", 1), ("B", 2)):
        write_section(folder, name, seed, slide=False)
    torch.save(
        {name: torch.from_numpy(row) for name, row in zip(barcodes_of(1), features_of(1), strict=True)},
        features / "A.pt",
    )
    with h5py.File(features / "B.h5", "w") as file:
        file["embeddings"] = features_of(2)[:7]
        file["barcodes"] = np.array(barcodes_of(2)[:7], "S")[:, None]
    report = prepare(folder, tmp_path / "c.zarr", features=features, name="uni2-h")
    corpus = report.corpus
    assert (corpus.encoder, corpus.width, corpus.encoder_folder) == ("uni2-h", 5, None)
    one, other = (corpus.read(section, PANEL) for section in corpus.sections())
    np.testing.assert_array_equal(one.features, features_of(1))
    np.testing.assert_array_equal(other.features, features_of(2)[:7])
    assert other.expression.left_out == 5
    assert report.notes == {"B": ("5 of 12 spots have no patch that can be read: left out",)}


def test_features_of_another_length_are_of_another_encoder(tmp_path: Path) -> None:
    folder, features = tmp_path / "hest", tmp_path / "features"
    features.mkdir()
    for name, seed, width in (("A", 1, 5), ("B", 2, 6)):
        write_section(folder, name, seed, slide=False)
        rows = zip(barcodes_of(seed), features_of(seed, width), strict=True)
        torch.save({barcode: torch.from_numpy(row) for barcode, row in rows}, features / f"{name}.pt")
    report = prepare(folder, tmp_path / "c.zarr", features=features, name="uni2-h")
    assert "6 values, those of the other sections 5" in report.failures[0].reason


def test_sections_without_features_made_elsewhere_are_named(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    write_section(tmp_path / "hest", "A")
    with pytest.raises(DataError, match="has no features of A"):
        prepare(tmp_path / "hest", tmp_path / "c.zarr", features=tmp_path / "features", name="x")


TABLE = "\ufeffdataset_title,id,organ,disease_state,oncotree_code,species,patient,st_technology,subseries\n"


def test_the_table_of_hest_fills_what_the_metadata_lack(hest: Path, tmp_path: Path) -> None:
    text = TABLE + "A study,A,Lung,Cancer,LUAD,Homo sapiens,P7,Visium,s1\nA study,B,,Healthy,,,,,\n"
    (hest / "HEST_v1_1_0.csv").write_text(text, encoding="utf-8")
    write_metadata(hest, "B", oncotree_code="", organ=None)
    one, other, third = (source.section for source in find_sources(hest))
    assert (one.organ, one.code, one.patient, one.technology) == ("Breast", "IDC", "P7", "Visium")
    assert one.metadata["dataset_title"] == "A study"
    assert (other.organ, other.code, other.patient) == ("Unknown", "Healthy", "Unknown")
    assert third.patient == "Unknown"
    corpus = prepare(hest, tmp_path / "c.zarr").corpus
    assert corpus.sections(["A"]) == [one]
    assert corpus.sections(["A"])[0].metadata["subseries"] == "s1"


def test_a_table_without_ids_is_refused_and_other_columns_may_lack(
    hest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = tmp_path / "facts.csv"
    table.write_text("id,organ,disease_state,oncotree_code,species,st_technology,subseries\nA,Lung,,,,Xenium,\n")
    with caplog.at_level(logging.WARNING):
        sources = find_sources(hest, table=table)
    assert sources[0].section.technology == "Xenium"
    assert "no column patient, dataset_title" in caplog.text
    table.write_text("name,organ\nA,Lung\n")
    with pytest.raises(DataError, match=r"no column id.*name, organ"):
        find_sources(hest, table=table)


def test_the_table_of_the_published_release_is_read(shared_root: Path) -> None:
    from molf_engine.data.corpus.table import read_table

    rows = read_table(shared_root / "facts" / "HEST_v1_1_0.csv")
    assert rows["TENX99"]["oncotree_code"] == "IDC"
    assert "patient" not in rows["TENX159"], "its cell is blank"


def test_unknown_sections_and_folders_are_named(hest: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No section Z in .* It has: A, B, C"):
        find_sources(hest, ["A", "Z"])
    with pytest.raises(DataError, match="not in the layout of HEST-1k"):
        find_sources(tmp_path / "hest" / "wsis")
    with pytest.raises(DataError, match="No such folder"):
        find_sources(tmp_path / "nowhere")


def test_mice_are_noted_when_hardly_a_gene_is_measured(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    write_counts(tmp_path / "hest", "A", genes=("Actb", "Erbb2", "Gnas", "ACTB"))
    write_metadata(tmp_path / "hest", "A", species="Mus musculus")
    many = recipe(genes=("ACTB", "ERBB2", "GNAS", *(f"G{index}" for index in range(200))))
    report = prepare(tmp_path / "hest", tmp_path / "a.zarr", recipe=many)
    assert "only 1 of the 203 genes" in report.notes["A"][0]
    assert "--orthologs" in report.notes["A"][0]
    section = report.corpus.sections()[0]
    with pytest.raises(DataError, match="prepared without human orthologs"):
        report.corpus.read(section, many.genes, symbols="human_symbol")
    human = prepare(tmp_path / "hest", tmp_path / "b.zarr", recipe=recipe(symbols="human_symbol")).corpus
    assert human.read(section, PANEL, symbols="human_symbol").expression.measured.tolist() == [True, True, True, False]


def test_a_removed_cache_folder_does_not_matter(hest: Path, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    prepare(hest, tmp_path / "a.zarr", cache=cache)
    shutil.rmtree(tmp_path / "cache")
    assert len(prepare(hest, tmp_path / "b.zarr", cache=cache).prepared) == 3
