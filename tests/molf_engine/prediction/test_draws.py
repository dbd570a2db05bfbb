"""The spread of any score over draws, decoded from their end points."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from molf_engine.bundle import Bundle
from molf_engine.encoders import FeatureCache
from molf_engine.errors import ConfigError, PredictionError
from molf_engine.genes.hallmark import hallmark_scores
from molf_engine.genes.units import convert_units
from molf_engine.prediction import predict_slide
from molf_engine.prediction.draws import Draws, SpreadDecoder, draw_slide, read_draws, write_draws
from molf_engine.prediction.jobs import Done, DrawRequest, Failed, PredictJob
from molf_engine.prediction.predict import Estimation
from molf_engine.progress import Progress
from molf_engine.slides import fingerprint, open_slide, patches_at

DRAWS = 5
PATIENCE = 120.0


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("cache") / "features")


@pytest.fixture(scope="module")
def sampled(tiny_bundle: Bundle, slide_path: Path, cache: FeatureCache) -> ad.AnnData:
    """What the command line's ``--estimate sample`` gives."""
    with open_slide(slide_path) as slide:
        return predict_slide(
            slide, tiny_bundle, code="SIM_A", guidance=2.0, estimation=Estimation("sample", draws=DRAWS), cache=cache
        )


@pytest.fixture(scope="module")
def draws(tiny_bundle: Bundle, slide_path: Path, cache: FeatureCache, sampled: ad.AnnData) -> Draws:
    """The same draws, at the positions of the finished prediction."""
    with open_slide(slide_path) as slide:
        patches = patches_at(slide, sampled.obsm["spatial"], tiny_bundle.config.patch.size_um)
        return draw_slide(slide, tiny_bundle, patches, code="SIM_A", guidance=2.0, draws=DRAWS, cache=cache)


def decoded(draws: Draws, bundle: Bundle) -> np.ndarray:
    """(K, P, G) expression of each draw."""
    return np.stack([bundle.decoder().expression(end) for end in draws.ends])


def test_the_spread_of_a_gene_is_that_of_the_prediction_over_draws(
    draws: Draws, tiny_bundle: Bundle, sampled: ad.AnnData
) -> None:
    spread = SpreadDecoder(draws, tiny_bundle)
    assert draws.ends.dtype == np.float32 and draws.ends.shape[:2] == (DRAWS, sampled.n_obs)
    for gene in sampled.var_names[::97]:
        expected = sampled.layers["sd"][:, sampled.var_names.get_loc(gene)]
        assert np.allclose(spread.gene(gene), expected, atol=1e-4)
    assert sampled.layers["sd"].max() > 0.01


def test_the_spread_of_a_hallmark_is_that_of_its_scores(draws: Draws, tiny_bundle: Bundle) -> None:
    genes = tiny_bundle.genes
    scores = [
        hallmark_scores(
            values, tuple(genes.index), genes["mean"].to_numpy(), genes["sd"].to_numpy(), genes["measured"].to_numpy()
        )["HYPOXIA"].to_numpy()
        for values in decoded(draws, tiny_bundle)
    ]
    assert np.allclose(SpreadDecoder(draws, tiny_bundle).hallmark("HYPOXIA"), np.std(scores, axis=0, ddof=1), atol=1e-4)


def test_in_the_other_scale_each_draw_is_converted_by_its_own_total(draws: Draws, tiny_bundle: Bundle) -> None:
    decoder, gene = tiny_bundle.decoder(), int(np.argmax(tiny_bundle.genes["mean"].to_numpy()))
    values = []
    for end in draws.ends:
        hidden = decoder.hidden(end)
        values.append(convert_units(decoder.columns(hidden, [gene]), decoder.total(hidden), "log1p-cp10k", "log1p"))
    expected = np.std(values, axis=0, ddof=1)[:, 0]
    spread = SpreadDecoder(draws, tiny_bundle).gene(tiny_bundle.genes.index[gene], relative=False)
    assert np.allclose(spread, expected, atol=1e-4)
    assert not np.allclose(spread, SpreadDecoder(draws, tiny_bundle).gene(tiny_bundle.genes.index[gene]), atol=1e-3)


def test_blocks_do_not_change_the_spread(draws: Draws, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = SpreadDecoder(draws, tiny_bundle).hallmark("APOPTOSIS")
    monkeypatch.setattr("molf_engine.prediction.draws._BLOCK_ROWS", 7 * DRAWS)
    monkeypatch.setattr("molf_engine.prediction.draws._KEEP_ROWS", 0)
    assert np.allclose(SpreadDecoder(draws, tiny_bundle).hallmark("APOPTOSIS"), whole, atol=1e-6)


def test_draws_are_the_same_after_reading(draws: Draws, tmp_path: Path) -> None:
    write_draws(draws, tmp_path / "draws.npz")
    read = read_draws(tmp_path / "draws.npz")
    assert np.array_equal(read.ends, draws.ends)
    assert (read.guidance, read.seed, read.weights_hash) == (2.0, 0, draws.weights_hash)


def test_what_holds_no_draws_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "draws.npz").write_text("nothing of the kind")
    with pytest.raises(PredictionError, match=r"draws\.npz cannot be read"):
        read_draws(tmp_path / "draws.npz")


def test_one_draw_and_another_model_have_no_spread(draws: Draws, tiny_bundle: Bundle, slide_path: Path) -> None:
    with pytest.raises(PredictionError, match="at least 2 draws"):
        SpreadDecoder(replace(draws, ends=draws.ends[:1]), tiny_bundle)
    with pytest.raises(PredictionError, match="another model"):
        SpreadDecoder(replace(draws, weights_hash="0" * 64), tiny_bundle)
    with open_slide(slide_path) as slide, pytest.raises(ConfigError, match="at least 2 draws"):
        draw_slide(slide, tiny_bundle, patches_at(slide, np.array([[200.0, 200.0]]), 112.0), draws=1)


def test_a_viewer_decodes_without_torch() -> None:
    program = "import sys, molf_engine.prediction.draws; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=PATIENCE, check=False).returncode == 0


# -- in a child process --------------------------------------------------------------------------------------


@pytest.fixture
def wanted(
    tiny_bundle: Bundle,
    slide_path: Path,
    cache: FeatureCache,
    sampled: ad.AnnData,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> DrawRequest:
    """A request whose features are in the cache that the child will look into."""
    monkeypatch.setenv("MOLF_CACHE_DIR", str(cache.folder.parent))
    with open_slide(slide_path) as slide:
        scale, print_of = slide.um_per_pixel, fingerprint(slide)
    assert scale is not None
    return DrawRequest(
        str(slide_path), str(tiny_bundle.path), scale, print_of, sampled.obsm["spatial"], "SIM_A", 2.0, DRAWS
    )


def messages_of(job: PredictJob) -> Iterator[object]:
    """Its messages as they come."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for message in job.poll():
            yield message
            if isinstance(message, Done | Failed):
                return
        time.sleep(0.01)
    raise AssertionError("no answer")


def test_a_child_draws_from_kept_features_and_leaves_a_file(wanted: DrawRequest, draws: Draws) -> None:
    job = PredictJob(wanted)
    try:
        messages = list(messages_of(job))
        done = messages[-1]
        assert isinstance(done, Done), done
        assert np.allclose(read_draws(done.path).ends, draws.ends, atol=1e-5)
        phases = [message.phase for message in messages if isinstance(message, Progress)]
        assert "Drawing" in phases and "Encoding patches" not in phases
    finally:
        job.close()
    assert not done.path.exists()


def test_draws_are_cancelled_at_once(wanted: DrawRequest) -> None:
    job = PredictJob(replace(wanted, draws=100_000))
    for message in messages_of(job):
        if isinstance(message, Progress) and message.phase == "Drawing" and message.done:
            break
    began = time.monotonic()
    job.close()
    assert time.monotonic() - began < 2 and not job.alive


def test_another_slide_at_the_same_path_is_refused(wanted: DrawRequest) -> None:
    job = PredictJob(replace(wanted, fingerprint="of another slide"))
    try:
        failed = list(messages_of(job))[-1]
        assert isinstance(failed, Failed) and failed.expected and "not the slide that was predicted" in failed.message
    finally:
        job.close()
