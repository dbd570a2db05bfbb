"""What all rivals have in common."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from molf_engine.baselines import MLP, RIVALS
from molf_engine.errors import BundleError, DataError


def make(name: str):
    """A rival, quick to fit."""
    return MLP(hidden=(32,), dropout=0.0, learning_rate=1e-2, epochs=30) if name == MLP.name else RIVALS[name]()


@pytest.mark.parametrize("name", RIVALS)
class TestEveryRival:
    def test_saving_and_loading_changes_no_prediction(self, name, problem, tmp_path) -> None:
        from safetensors.numpy import load_file, save_file

        rival = make(name).fit(*problem.training)
        save_file(
            {key: np.ascontiguousarray(value) for key, value in rival.tensors().items()}, tmp_path / "rival.safetensors"
        )
        loaded = RIVALS[name].from_tensors(load_file(tmp_path / "rival.safetensors"))
        np.testing.assert_array_equal(loaded.predict(problem.new_features), rival.predict(problem.new_features))
        np.testing.assert_array_equal(loaded.log_total(problem.new_features), rival.log_total(problem.new_features))

    def test_predictions_are_float32_of_the_right_shape(self, name, problem) -> None:
        rival = make(name).fit(*problem.training)
        predicted = rival.predict(problem.new_features)
        assert (predicted.shape, predicted.dtype) == ((60, 9), np.float32)
        assert rival.log_total(problem.new_features).shape == (60,)

    def test_one_seed_gives_one_fit(self, name, problem) -> None:
        first, second = (make(name).fit(*problem.training, seed=3).predict(problem.new_features) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_a_gene_measured_nowhere_is_predicted_as_0(self, name, problem) -> None:
        assert not make(name).fit(*problem.training).predict(problem.new_features)[:, 4].any()

    def test_depth_is_learned(self, name, problem) -> None:
        rival = make(name).fit(*problem.training)
        assert np.corrcoef(rival.log_total(problem.features), problem.log_total)[0, 1] > 0.8

    def test_unmeasured_values_have_no_influence(self, name, problem) -> None:
        other = np.where(problem.measured, problem.targets, 1e6)
        first = make(name).fit(*problem.training).predict(problem.new_features)
        second = (
            make(name).fit(problem.features, other, problem.measured, problem.log_total).predict(problem.new_features)
        )
        np.testing.assert_array_equal(first, second)

    def test_targets_of_validation_spots_never_reach_closed_form_weights(self, name, problem) -> None:
        validation = problem.section == 2
        kept = ~validation
        rival = make(name).fit(*problem.training, validation=validation)
        assert np.isfinite(rival.predict(problem.new_features)).all()
        if name != MLP.name:
            alone = make(name).fit(*(array[kept] for array in problem.training))
            np.testing.assert_array_equal(rival.predict(problem.new_features), alone.predict(problem.new_features))

    def test_a_patch_without_features_has_no_prediction_and_leaves_the_others_alone(self, name, problem) -> None:
        rival = make(name).fit(*problem.training)
        features = problem.new_features.copy()
        features[3] = np.nan
        predicted = rival.predict(features)
        varying = np.arange(9) != 4
        assert np.isnan(predicted[3, varying]).all()
        np.testing.assert_allclose(predicted[4:], rival.predict(problem.new_features)[4:], rtol=1e-5)

    @pytest.mark.parametrize("what", ["features", "targets", "totals"])
    def test_input_that_is_not_finite_is_refused(self, name, problem, what) -> None:
        features, targets, measured, log_total = (array.copy() for array in problem.training)
        if what == "features":
            features[5, 2] = np.nan
        elif what == "targets":
            targets[5, 0] = np.inf
        else:
            log_total[5] = -np.inf
        with pytest.raises(DataError, match="1 of 150 spots"):
            make(name).fit(features, targets, measured, log_total)

    def test_shapes_that_do_not_match_are_refused(self, name, problem) -> None:
        with pytest.raises(DataError, match="should be"):
            make(name).fit(problem.features[1:], *problem.training[1:])
        with pytest.raises(DataError, match="do not fit"):
            make(name).fit(*problem.training).predict(problem.new_features[:, 1:])

    def test_all_spots_held_out_is_refused(self, name, problem) -> None:
        with pytest.raises(DataError, match="No spot is left"):
            make(name).fit(*problem.training, validation=np.ones(150, dtype=bool))

    def test_a_damaged_rival_is_refused(self, name, problem) -> None:
        tensors = make(name).fit(*problem.training).tensors()
        tensors.pop("mean")
        with pytest.raises(BundleError, match="lacks mean"):
            RIVALS[name].from_tensors(tensors)


def test_prediction_needs_no_torch(problem, tmp_path) -> None:
    np.savez(tmp_path / "mlp.npz", **make("mlp").fit(*problem.training).tensors())
    np.save(tmp_path / "features.npy", problem.new_features)
    code = (
        "import sys, numpy as np; from molf_engine.baselines import MLP; "
        f"mlp = MLP.from_tensors(np.load({str(tmp_path / 'mlp.npz')!r})); "
        f"mlp.predict(np.load({str(tmp_path / 'features.npy')!r})); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
