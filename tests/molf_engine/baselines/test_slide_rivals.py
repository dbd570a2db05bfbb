"""What all rivals that see whole sections have in common."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from molf_engine.baselines import MLP, SLIDE_RIVALS
from molf_engine.baselines.row_rival import mlp
from molf_engine.errors import BundleError, Cancelled, DataError

from .sections import GENES, NEVER, moved, reordered, section, sections

NETWORKS = ("stflow", "stem", "stpath")
SMALL = {"width": 16, "heads": 2, "layers": 1}


def make(name: str, steps: int = 3):
    """A rival, quick to fit."""
    if name == "mlp":
        return mlp(network=MLP(hidden=(32,), dropout=0.0, epochs=steps))
    rival = SLIDE_RIVALS[name]()
    if name in NETWORKS:
        rival.settings = replace(rival.settings, **SMALL)
        rival.budget = replace(rival.budget, steps=steps, check_every=2)
    return rival


def fitted(name: str, slides=None, seed: int = 0, steps: int = 3):
    return make(name, steps).fit(sections() if slides is None else slides, [section(4)], GENES, seed)


@pytest.mark.parametrize("name", SLIDE_RIVALS)
class TestEveryRival:
    def test_it_says_what_it_is_and_predicts_a_section(self, name) -> None:
        rival = fitted(name)
        predicted = rival.predict(section(9))
        assert (rival.name, predicted.values.shape, predicted.values.dtype) == (name, (40, 6), np.float32)
        assert (predicted.total.shape, predicted.total.dtype) == ((40,), np.float32)
        assert np.isfinite(predicted.values).all()
        assert (predicted.total >= 1).all()
        assert rival.title
        assert rival.parameters > 0
        assert make(name).parameters == 0

    def test_saving_and_loading_changes_no_prediction(self, name, tmp_path) -> None:
        rival = fitted(name, seed=5)
        rival.save(tmp_path / "rival")
        loaded = SLIDE_RIVALS[name]().load(tmp_path / "rival")
        for number in (9, 1):
            one, other = rival.predict(section(number)), loaded.predict(section(number))
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.total, other.total)
        assert loaded.parameters == rival.parameters

    def test_the_same_seed_gives_the_same_fit(self, name) -> None:
        np.testing.assert_array_equal(
            fitted(name, seed=2).predict(section(9)).values, fitted(name, seed=2).predict(section(9)).values
        )

    def test_prediction_never_looks_at_what_was_measured(self, name) -> None:
        rival, slide = fitted(name), section(9)
        blind = replace(slide, targets=np.full((40, 6), np.nan), log_total=np.full(40, np.nan))
        np.testing.assert_array_equal(rival.predict(slide).values, rival.predict(blind).values)

    def test_unmeasured_values_have_no_influence(self, name) -> None:
        slides = sections()
        others = [replace(s, targets=np.where(s.measured, s.targets, 1e6).astype(np.float32)) for s in slides]
        one, other = fitted(name, slides).predict(section(9)), fitted(name, others).predict(section(9))
        np.testing.assert_array_equal(one.values, other.values)

    def test_a_gene_measured_nowhere_is_predicted_as_0(self, name) -> None:
        assert not fitted(name).predict(section(9)).values[:, NEVER].any()

    def test_a_patch_without_features_has_no_prediction_and_the_others_do(self, name) -> None:
        slide = section(9)
        slide.features[3] = np.nan
        predicted = fitted(name).predict(slide)
        assert np.isnan(predicted.values[3]).all()
        assert np.isnan(predicted.total[3])
        assert np.isfinite(np.delete(predicted.values, 3, axis=0)).all()

    def test_the_order_of_the_spots_changes_nothing(self, name) -> None:
        rival, slide = fitted(name), section(9)
        order = np.random.default_rng(0).permutation(40)
        one, other = rival.predict(slide), rival.predict(reordered(slide, order))
        np.testing.assert_allclose(other.values, one.values[order], atol=1e-4)
        np.testing.assert_allclose(other.total, one.total[order], rtol=1e-4)

    def test_moving_turning_and_mirroring_a_section_changes_nothing(self, name) -> None:
        rival, slide = fitted(name), section(9)
        expected = rival.predict(slide)
        turned = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
        for turn in (turned, np.diag([-1.0, 1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])):
            other = rival.predict(moved(slide, turn, (12_345.0, -987.0)))
            np.testing.assert_allclose(other.values, expected.values, atol=1e-4)
            np.testing.assert_allclose(other.total, expected.total, rtol=1e-4)

    def test_a_section_without_spots_is_no_trouble(self, name) -> None:
        empty = reordered(section(9), np.zeros(0, dtype=int))
        rival = fitted(name, [*sections(2), empty])
        assert rival.predict(empty).values.shape == (0, 6)

    def test_nothing_to_learn_from_is_refused(self, name) -> None:
        empty = reordered(section(9), np.zeros(0, dtype=int))
        for slides in ([], [empty]):
            with pytest.raises(DataError, match="No spot is left"):
                fitted(name, slides)

    def test_features_of_another_encoder_are_refused(self, name) -> None:
        slide = section(9)
        with pytest.raises(DataError, match="do not fit"):
            fitted(name).predict(replace(slide, features=slide.features[:, 1:]))

    def test_a_damaged_or_foreign_folder_is_refused(self, name, tmp_path) -> None:
        with pytest.raises(BundleError, match="has not been fitted"):
            make(name).save(tmp_path / "rival")
        with pytest.raises(BundleError, match="is not a fitted rival"):
            make(name).load(tmp_path / "nowhere")
        rival = fitted(name)
        rival.save(tmp_path / "rival")
        other = next(other for other in SLIDE_RIVALS if other != name)
        with pytest.raises(BundleError, match=f"does not hold the rival {other}"):
            make(other).load(tmp_path / "rival")
        weights = tmp_path / "rival" / "rival.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(BundleError, match="is not a fitted rival"):
            make(name).load(tmp_path / "rival")

    def test_depth_and_genes_are_learned(self, name) -> None:
        slide = section(9)
        predicted = fitted(name, steps=150).predict(slide)
        assert np.corrcoef(np.log(predicted.total), slide.log_total)[0, 1] > 0.8
        if name != "depth":
            assert np.corrcoef(predicted.values[:, 0], slide.targets[:, 0])[0, 1] > 0.7


@pytest.mark.parametrize("name", NETWORKS)
class TestEveryNetwork:
    def test_another_seed_gives_another_fit(self, name) -> None:
        one, other = fitted(name, seed=1).predict(section(9)), fitted(name, seed=2).predict(section(9))
        assert not np.allclose(one.values, other.values)

    def test_torch_s_own_random_numbers_are_left_alone_and_change_nothing(self, name, tmp_path) -> None:
        import torch

        torch.manual_seed(1)
        state = torch.random.get_rng_state()
        rival = fitted(name)
        rival.save(tmp_path / "rival")
        first = make(name).load(tmp_path / "rival").predict(section(9)).values
        assert torch.equal(state, torch.random.get_rng_state())
        torch.manual_seed(2)
        np.testing.assert_array_equal(first, fitted(name).predict(section(9)).values)

    def test_what_says_how_it_is_reduced_names_the_sizes_it_has(self, name) -> None:
        rival = SLIDE_RIVALS[name]()
        assert f"{rival.settings.layers} layers of width {rival.settings.width}" in rival.reduced

    def test_training_can_be_stopped_and_tells_its_steps(self, name) -> None:
        told = []

        def stop(progress) -> None:
            told.append(progress)
            raise Cancelled

        with pytest.raises(Cancelled):
            make(name, steps=10).fit(sections(), [section(4)], GENES, progress=stop)
        assert [(told[0].done, told[0].total, told[0].unit)] == [(2, 10, "steps")]

    def test_a_folder_that_lacks_a_part_is_refused(self, name, tmp_path) -> None:
        fitted(name).save(tmp_path / "rival")
        facts = json.loads((tmp_path / "rival" / "rival.json").read_text())
        for missing in ("settings", "organs"):
            (tmp_path / "rival" / "rival.json").write_text(
                json.dumps({key: value for key, value in facts.items() if key != missing})
            )
            with pytest.raises(BundleError, match="does not hold a whole"):
                make(name).load(tmp_path / "rival")

    def test_without_held_out_sections_it_learns_to_the_last_step(self, name) -> None:
        rival = make(name, steps=5).fit(sections(), [], GENES)
        assert np.isfinite(rival.predict(section(9)).values).all()


def test_naming_the_rivals_loads_no_torch() -> None:
    code = (
        "import sys; from molf_engine.baselines import SLIDE_RIVALS; SLIDE_RIVALS['ridge'](); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
