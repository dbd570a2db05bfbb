"""What a corpus holds and gives back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

from molf_engine.data import load_expression, read_hest
from molf_engine.data.corpus import Corpus, EncoderChoice, Recipe, find_sources, is_corpus, open_source, prepare_corpus
from molf_engine.data.corpus.layout import having
from molf_engine.data.expression import Expression
from molf_engine.data.simulator import write_hest_folder
from molf_engine.data.spots import FolderSpots, Spots
from molf_engine.encoders import FeatureCache, load_encoder
from molf_engine.errors import DataError

from .hest_files import GENES, PANEL, SPOTS, PatchColour, counts_of, prepare, recipe, write_counts, write_section


def assert_same_spots(one: Spots, other: Spots) -> None:
    """Bit for bit, but for where the genes came from, which a corpus does not keep."""
    assert one.section == other.section
    assert one.um_per_pixel == other.um_per_pixel
    for name in ("features", "positions_um"):
        assert_same_array(getattr(one, name), getattr(other, name))
    for name in (field.name for field in fields(Expression)):
        here, there = getattr(one.expression, name), getattr(other.expression, name)
        if isinstance(there, np.ndarray):
            assert_same_array(here, there)
        elif name != "reference":
            assert here == there, name


def assert_same_array(one: np.ndarray, other: np.ndarray) -> None:
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes()


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated sections, whose truth is known."""
    folder = tmp_path_factory.mktemp("tissue") / "sections"
    write_hest_folder(folder, kinds=("SIM_A",), sections_per_kind=2, size_um=800.0, seed=3)
    return folder


@pytest.fixture(scope="module")
def simulated(tissue: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Both under the built-in encoder, fitted on the first."""
    ids = [section.id for section in read_hest(tissue)]
    genes = tuple(anndata.read_h5ad(tissue / "st" / f"{ids[0]}.h5ad").var_names[:200])
    path = tmp_path_factory.mktemp("prepared") / "c.zarr"
    cache = FeatureCache(path.parent / "cache")
    choice = EncoderChoice(fit_on=(ids[0],))
    return prepare_corpus(find_sources(tissue, ids), path, Recipe("own", genes), choice, cache=cache).corpus


@pytest.fixture(scope="module")
def slides_of(simulated: Corpus, tissue: Path) -> FolderSpots:
    assert simulated.encoder_folder is not None
    encoder = load_encoder(simulated.encoder_folder)
    return FolderSpots(tissue, 112.0, encoder=encoder, cache=FeatureCache(simulated.path.parent / "cache"))


@pytest.mark.parametrize("min_counts", [0, 2500])
def test_spots_are_those_of_the_folder_bit_for_bit(
    simulated: Corpus, slides_of: FolderSpots, min_counts: float
) -> None:
    for section in simulated.sections():
        expected = slides_of.read(section, simulated.genes, min_counts)
        assert_same_spots(simulated.read(section, simulated.genes, min_counts), expected)
    assert (expected.expression.left_out > 0) == (min_counts > 0)
    assert expected.expression.truth is not None


def test_any_genes_of_the_panel_are_read_in_any_order(simulated: Corpus, slides_of: FolderSpots) -> None:
    genes = tuple(reversed(simulated.genes[10:60:7]))
    section = simulated.sections()[1]
    assert_same_spots(simulated.read(section, genes, 100), slides_of.read(section, genes, 100))


def test_a_gene_that_the_corpus_does_not_have_is_named(simulated: Corpus) -> None:
    with pytest.raises(DataError, match=r"no gene NOT1, NOT2.*panel own"):
        simulated.read(simulated.sections()[0], (simulated.genes[0], "NOT1", "NOT2"))


def test_real_sections_are_those_of_the_folder_bit_for_bit(shared_data: Path, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    sources = find_sources(shared_data / "lung_ipf_xenium")
    made = prepare_corpus(
        sources, tmp_path / "c.zarr", Recipe("x", ("ACTA2", "EPCAM", "PTPRC")), EncoderChoice(), cache=cache
    )
    assert made.corpus.encoder_folder is not None
    folder = FolderSpots(
        shared_data / "lung_ipf_xenium", 112.0, encoder=load_encoder(made.corpus.encoder_folder), cache=cache
    )
    (section,) = made.corpus.sections()
    assert_same_spots(made.corpus.read(section, made.corpus.genes, 50), folder.read(section, made.corpus.genes, 50))


def test_slides_may_be_gone_once_the_corpus_is_there(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A", 1)
    corpus = prepare(tmp_path / "hest", tmp_path / "c.zarr").corpus
    shutil.rmtree(tmp_path / "hest")
    (section,) = corpus.sections(["A"])
    spots = corpus.read(section, PANEL)
    np.testing.assert_array_equal(np.expm1(spots.expression.counts_log1p).round()[:, :3], counts_of(1)[:, :3])
    assert spots.expression.measured.tolist() == [True, True, True, False]
    np.testing.assert_array_equal(spots.expression.total, counts_of(1).sum(axis=1))
    assert section.slide_path == tmp_path / "hest" / "wsis" / "A.tif"
    assert corpus.slide_size(section) == (600, 600)


@pytest.mark.parametrize(("largest", "kind"), [(255, "uint8"), (256, "uint16"), (70_000, "uint32")])
def test_counts_are_kept_in_the_smallest_type_that_holds_them(tmp_path: Path, largest: int, kind: str) -> None:
    import zarr

    write_section(tmp_path / "hest", "A")
    counts = counts_of(0)
    counts[3, 1] = largest
    write_counts(tmp_path / "hest", "A", counts=counts)
    corpus = prepare(tmp_path / "hest", tmp_path / "c.zarr").corpus
    assert zarr.open_array(str(corpus.path / "sections/A/counts"), mode="r").dtype == kind
    read = corpus.read(corpus.sections()[0], GENES[:3]).expression.counts_log1p
    assert_same_array(read, np.log1p(counts[:, :3], dtype=np.float32))


def test_fractional_counts_come_back_exactly(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    counts = counts_of(0) + np.float32(0.25)
    write_counts(tmp_path / "hest", "A", counts=counts)
    corpus = prepare(tmp_path / "hest", tmp_path / "c.zarr").corpus
    read = corpus.read(corpus.sections()[0], GENES[:3]).expression.counts_log1p
    assert_same_array(read, np.log1p(counts[:, :3], dtype=np.float32))


def test_columns_of_one_symbol_are_added(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    write_counts(tmp_path / "hest", "A", genes=("ACTB", "ERBB2", "ACTB", "KRT19"))
    corpus = prepare(tmp_path / "hest", tmp_path / "c.zarr").corpus
    read = corpus.read(corpus.sections()[0], ("ACTB",)).expression.counts_log1p[:, 0]
    np.testing.assert_array_equal(np.expm1(read).round(), counts_of(0)[:, [0, 2]].sum(axis=1))


OF_A_FILE = {"earlier": ("CTGF", "ERBB2", "GNAS", "KRT19"), "today": ("CCN2", "ERBB2", "GNAS", "KRT19")}


@pytest.mark.parametrize("held", [("CCN2", "ERBB2"), ("CTGF", "ERBB2"), ("CTGF", "CCN2", "ERBB2")])
@pytest.mark.parametrize("asked", [("CCN2", "ERBB2"), ("ERBB2", "CTGF")])
def test_a_model_of_another_year_finds_its_genes_as_in_the_files(
    tmp_path: Path, held: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    for seed, (name, genes) in enumerate(OF_A_FILE.items()):
        write_section(tmp_path / "hest", name, seed)
        write_counts(tmp_path / "hest", name, seed, genes=genes)
    corpus = prepare(tmp_path / "hest", tmp_path / "c.zarr", recipe=recipe(genes=held)).corpus
    for section in corpus.sections():
        expected, found = load_expression(section, asked), corpus.read(section, asked).expression
        assert expected.measured.all()
        assert_same_array(found.measured, expected.measured)
        assert_same_array(found.counts_log1p, expected.counts_log1p)
        assert found.aliases == expected.aliases


def test_a_gene_asked_for_twice_over_is_not_read_from_the_other_ones_column(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    write_counts(tmp_path / "hest", "A", genes=OF_A_FILE["earlier"])
    corpus = prepare(tmp_path / "hest", tmp_path / "c.zarr", recipe=recipe(genes=("CTGF", "CCN2", "ERBB2"))).corpus
    found = corpus.read(corpus.sections()[0], ("CCN2", "CTGF")).expression
    assert found.measured.tolist() == [False, True]
    assert found.aliases == {}


def test_spots_without_counts_are_kept_until_a_reader_asks_for_more(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    counts = counts_of(0)
    counts[:5] = 0
    write_counts(tmp_path / "hest", "A", counts=counts)
    corpus = prepare(tmp_path / "hest", tmp_path / "c.zarr").corpus
    (section,) = corpus.sections()
    assert len(corpus.read(section, PANEL).expression) == SPOTS
    spots = corpus.read(section, PANEL, min_counts=1)
    assert len(spots.expression) == len(spots.features) == SPOTS - 5
    assert spots.expression.left_out == 5
    with pytest.raises(DataError, match="none of its 12 spots has 1e"):
        corpus.read(section, PANEL, min_counts=1e9)


def test_half_precision_rounds_features_alone(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    exact = prepare(tmp_path / "hest", tmp_path / "a.zarr").corpus
    half = prepare(tmp_path / "hest", tmp_path / "b.zarr", recipe=recipe(features_dtype="float16")).corpus
    one, other = (corpus.read(corpus.sections()[0], PANEL) for corpus in (exact, half))
    assert other.features.dtype == np.float32
    assert_same_array(other.features, one.features.astype(np.float16).astype(np.float32))
    assert_same_array(other.expression.counts_log1p, one.expression.counts_log1p)


def test_features_that_half_precision_cannot_hold_are_refused(tmp_path: Path) -> None:
    class Huge(PatchColour):
        def encode(self, images: np.ndarray) -> np.ndarray:
            return super().encode(images) * np.float32(1e6)

    write_section(tmp_path / "hest", "A")
    with pytest.raises(DataError, match=r"too large for float16.*--features-dtype float32"):
        prepare(tmp_path / "hest", tmp_path / "c.zarr", encoder=Huge(), recipe=recipe(features_dtype="float16"))


def test_a_corpus_is_recognised_by_its_content(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    corpus = prepare(tmp_path / "hest", tmp_path / "any name").corpus
    encoder = PatchColour()
    assert is_corpus(corpus.path)
    assert not is_corpus(tmp_path / "hest")
    assert isinstance(open_source(corpus.path, 112.0, name=encoder.name), Corpus)
    assert isinstance(open_source(tmp_path / "hest", 112.0, encoder=encoder), FolderSpots)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"holds features of the encoder patch-colour.*uni2-h"):
        open_source(corpus.path, 112.0, name="uni2-h")
    with pytest.raises(DataError, match="patches of 112 um, and 224 um"):
        open_source(corpus.path, 224.0)


def test_the_fingerprint_changes_with_what_was_measured(tmp_path: Path) -> None:
    prints = []
    for number, counts in enumerate((counts_of(0), counts_of(0), counts_of(0) + 1)):
        folder = tmp_path / str(number)
        write_section(folder, "A")
        write_counts(folder, "A", counts=counts)
        corpus = prepare(folder, folder / "c.zarr").corpus
        prints.append(corpus.fingerprint(corpus.sections()[0]))
    assert prints[0] == prints[1] != prints[2]


@pytest.fixture
def prepared(tmp_path: Path) -> Corpus:
    write_section(tmp_path / "hest", "A")
    return prepare(tmp_path / "hest", tmp_path / "c.zarr").corpus


def change_root(corpus: Corpus, **values: object) -> None:
    path = corpus.path / "zarr.json"
    content = json.loads(path.read_text())
    content["attributes"].update(values)
    path.write_text(json.dumps(content))


def test_another_version_is_refused(prepared: Corpus) -> None:
    change_root(prepared, schema_version=99, software="napari-molf 9.9")
    with pytest.raises(DataError, match=r"another version \(napari-molf 9.9, schema 99\).*molf-engine prepare"):
        Corpus.open(prepared.path)


def test_an_unfinished_corpus_is_refused(prepared: Corpus) -> None:
    change_root(prepared, state="unfinished")
    with pytest.raises(DataError, match=r"not finished.*goes on where it was"):
        Corpus.open(prepared.path)


def test_damage_is_said_and_never_read_as_zeros(prepared: Corpus) -> None:
    section = prepared.sections()[0]
    chunk = prepared.path / "sections/A/features/c/0/0"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"features is damaged.*prepare"):
        prepared.read(section, PANEL)
    chunk.unlink()
    with pytest.raises(DataError, match="a chunk is missing"):
        prepared.read(section, PANEL)
    (prepared.path / "sections/A/zarr.json").write_text("{")
    with pytest.raises(DataError, match="missing or damaged"):
        Corpus.open(prepared.path)
    (prepared.path / "zarr.json").write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        Corpus.open(prepared.path)


def test_an_unknown_section_is_named_and_a_failed_one_explained(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    write_counts(tmp_path / "hest", "B")
    corpus = prepare(tmp_path / "hest", tmp_path / "c.zarr").corpus
    with pytest.raises(DataError, match=r"No section C.*It has: A"):
        corpus.sections(["A", "C"])
    with pytest.raises(DataError, match="B could not be prepared"):
        corpus.sections(["B"])


def edited(simulated: Corpus, tmp_path: Path, place: str, change: Callable[[dict[str, Any]], object]) -> Path:
    path = shutil.copytree(simulated.path, tmp_path / "edited.zarr")
    file = path / place / "zarr.json"
    content = json.loads(file.read_text())
    change(content["attributes"])
    file.write_text(json.dumps(content))
    return path


def swapped(facts: dict[str, Any]) -> None:
    facts["panel"]["symbols"][:2] = reversed(facts["panel"]["symbols"][:2])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (swapped, "the panel in its zarr.json was changed"),
        (lambda facts: facts.update(encoder=3), "damaged"),
        (lambda facts: facts["encoder"].pop("width"), "damaged"),
        (lambda facts: facts["encoder"].update(fitted_on=1), "damaged"),
        (lambda facts: facts.update(panel=[]), "damaged"),
    ],
)
def test_facts_that_were_changed_by_hand_are_refused(
    simulated: Corpus, tmp_path: Path, change: Callable[[dict[str, Any]], object], why: str
) -> None:
    with pytest.raises(DataError, match=why):
        Corpus.open(edited(simulated, tmp_path, "", change))


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.update(um_per_pixel="one"),
        lambda facts: facts.update(spots=None),
        lambda facts: facts.pop("aliases"),
        lambda facts: facts.update(aliases=[]),
    ],
)
def test_facts_of_a_section_that_were_changed_by_hand_are_refused(
    simulated: Corpus, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    name = next(iter(simulated.records))
    with pytest.raises(DataError, match="missing or damaged"):
        Corpus.open(edited(simulated, tmp_path, f"sections/{name}", change))


def test_a_panel_shorter_than_the_counts_is_refused(simulated: Corpus, tmp_path: Path) -> None:
    def shorter(facts: dict[str, Any]) -> None:
        facts["panel"]["symbols"].pop(0)
        del facts["panel_digest"]

    corpus = Corpus.open(edited(simulated, tmp_path, "", shorter))
    with pytest.raises(DataError, match="prepared on 200 genes, the panel of the corpus names 199"):
        corpus.read(corpus.sections()[0], corpus.genes)


def test_of_many_sections_an_error_names_the_first() -> None:
    assert having(["A", "B"]) == "It has: A, B."
    assert having([str(number) for number in range(25)]).endswith("18, 19 and 5 more.")
