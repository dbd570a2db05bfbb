"""Expression follows from composition, and composition shows in the image."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.data.simulator import ARCHITECTURES, TISSUES, SimulatedTissue, programmes, spot_grid
from molf_engine.data.simulator.fields import abundance, fields_at
from molf_engine.data.simulator.programmes import Programmes
from molf_engine.errors import DataError
from molf_engine.genes import hallmark_sets

TISSUE = SimulatedTissue(seed=5, size_um=(1800.0, 1800.0))


def test_expected_counts_are_the_mixture_of_the_programmes_by_hand() -> None:
    profile = np.array([[[0.25, 0.75], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]])
    two = Programmes(("A", "B"), profile, np.array([[2.0, 1.0], [0.5, 4.0]]))
    # Half tissue 1 at zone 0, a quarter tissue 2 at zone 1, the rest glass; 100 um2.
    share = np.array([[[0.5, 0.0], [0.0, 0.25]]])
    # Tissue 1: 0.5 x 2 x 100 = 100 counts, 25 of A; tissue 2: 0.25 x 4 x 100 = 100 counts, all of B.
    assert np.allclose(two.expected(share, 100.0), [[25.0, 75.0 + 100.0]])


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_each_programme_is_a_distribution_that_raises_its_own_sets(kind: str) -> None:
    known = programmes(kind)
    assert np.allclose(known.profile.sum(axis=-1), 1)
    sets = hallmark_sets()
    share = {
        name: known.profile[..., np.isin(known.genes, sets[name])].sum(axis=-1)
        for name in (
            "E2F_TARGETS",
            "HYPOXIA",
            "EPITHELIAL_MESENCHYMAL_TRANSITION",
            "ALLOGRAFT_REJECTION",
            "ADIPOGENESIS",
        )
    }
    tumour, stroma, lymphoid, adipose = (TISSUES.index(name) for name in ("tumour", "stroma", "lymphoid", "adipose"))
    assert share["E2F_TARGETS"][tumour, 0] == share["E2F_TARGETS"].max()
    assert share["HYPOXIA"][tumour, 1] > 1.5 * share["HYPOXIA"][tumour, 0]
    assert share["EPITHELIAL_MESENCHYMAL_TRANSITION"].argmax() == 2 * stroma + 1
    assert share["ALLOGRAFT_REJECTION"].argmax() == 2 * lymphoid
    assert share["ADIPOGENESIS"].argmax() == 2 * adipose


def test_the_tumours_of_two_codes_differ() -> None:
    one, other = (programmes(kind).profile[TISSUES.index("tumour"), 0] for kind in ("SIM_A", "SIM_C"))
    place = programmes("SIM_A").columns(["KRT14", "ESR1"])
    assert (np.log(one / other)[place] * [-1, 1] > 1).all()


def test_shares_are_a_partition_and_empty_on_glass() -> None:
    x, y = np.meshgrid(np.arange(5.0, 1800, 13), np.arange(5.0, 1800, 13))
    fields = fields_at(TISSUE.layout, x, y)
    total = abundance(fields).sum(axis=(-1, -2))
    assert set(np.unique(total.round(9))) == {0.0, 1.0}
    assert not total[fields["outline"] <= 0].any()


def test_composition_of_a_patch_is_the_mean_over_its_quarters() -> None:
    centre = np.array([900.0, 850.0])
    quarters = centre + np.array([[-32, -32], [32, -32], [-32, 32], [32, 32]])
    assert np.allclose(TISSUE.composition(centre[None], 128.0)[0], TISSUE.composition(quarters, 64.0).mean(axis=0))


def test_expression_comes_in_the_order_of_the_genes_asked_for() -> None:
    at = np.array([[900.0, 900.0], [20.0, 20.0]])
    whole = TISSUE.expression(at)
    genes = ["VIM", "EPCAM"]
    assert np.array_equal(TISSUE.expression(at, genes), whole[:, TISSUE.programmes.columns(genes)])
    assert whole[0].sum() > 500
    assert whole[1].sum() == 0
    with pytest.raises(DataError, match="NOT_A_GENE"):
        TISSUE.expression(at, ["EPCAM", "NOT_A_GENE"])


def test_counts_scatter_around_what_is_expected_and_repeat_with_the_seed() -> None:
    at = np.repeat([[900.0, 900.0]], 400, axis=0)
    expected = TISSUE.expression(at[:1])[0]
    counts = TISSUE.sample_counts(at, seed=1)
    assert np.issubdtype(counts.dtype, np.integer)
    strong = expected > 5
    assert np.allclose(counts.mean(axis=0)[strong], expected[strong], rtol=0.2)
    # More than Poisson.
    assert np.median(counts.var(axis=0)[strong] / expected[strong]) > 1.3
    assert np.array_equal(counts, TISSUE.sample_counts(at, seed=1))
    assert not np.array_equal(counts, TISSUE.sample_counts(at, seed=2))


def test_a_line_on_simple_features_of_the_image_predicts_composition_better_than_depth_alone() -> None:
    train, test = (SimulatedTissue(seed, (2000.0, 2000.0), scanner=seed) for seed in (11, 12))
    (features, log_total, target), (test_features, _, truth) = _measured(train), _measured(test)
    mean, sd = features.mean(axis=0), features.std(axis=0)
    features, test_features = (features - mean) / sd, (test_features - mean) / sd
    predicted = _ridge(features, target, test_features)
    depth = _ridge(log_total[:, None], target, _ridge(features, log_total[:, None], test_features))
    varies = target.std(axis=0).argsort()[-100:]
    score, rival = (np.mean([_pcc(p[:, g], truth[:, g]) for g in varies]) for p in (predicted, depth))
    assert score > 0.6
    assert score > rival + 0.15


def _measured(tissue: SimulatedTissue) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour statistics of each patch (P, D), log total (P,) and log1p of expected counts per 10,000 (P, G)."""
    positions = spot_grid(tissue)
    image = tissue.render(0, 0, tissue.width, tissue.height)
    corners = (positions - 56).astype(int)
    patches = [image[y : y + 112, x : x + 112].reshape(-1, 3).astype(float) for x, y in corners]
    features = np.array(
        [np.r_[p.mean(axis=0), p.std(axis=0), np.quantile(p, [0.05, 0.25, 0.75], axis=0).ravel()] for p in patches]
    )
    expected = tissue.expression(positions)
    total = expected.sum(axis=1, keepdims=True)
    return features, np.log(total[:, 0]), np.log1p(expected / total * 1e4)


def _ridge(features: np.ndarray, targets: np.ndarray, at: np.ndarray) -> np.ndarray:
    centre, offset = features.mean(axis=0), targets.mean(axis=0)
    gram = (features - centre).T @ (features - centre) + 3 * np.eye(features.shape[1])
    return (at - centre) @ np.linalg.solve(gram, (features - centre).T @ (targets - offset)) + offset


def _pcc(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])
