"""A model that was trained with a foundation encoder: it predicts where the weights are, and says so where they are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from molf_engine.bundle import Bundle
from molf_engine.errors import BundleError
from molf_engine.prediction import predict_slide
from molf_engine.slides import open_slide
from molf_engine.training.run import train
from tests.molf_engine.conftest import tiny_settings

from .models import write_transformers


def test_it_trains_and_predicts_and_needs_the_weights(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_transformers(tmp_path / "my-vit")
    (tmp_path / "my-vit" / "molf.json").write_text(json.dumps({"um_per_pixel": 4.0}), encoding="utf-8")
    few = {"vae": {"epochs": 2}, "flow": {"epochs": 2}, "device": "cpu"}
    settings = tiny_settings(corpus, encoder={"name": str(tmp_path / "my-vit")}, training=few)
    train(settings, tmp_path / "bundle")
    assert [file.name for file in (tmp_path / "bundle" / "encoder").iterdir()] == ["encoder.json"]

    bundle = Bundle.load(tmp_path / "bundle")
    assert bundle.config.encoder.startswith("my-vit:")
    assert bundle.config.features == 24
    with open_slide(corpus / "wsis" / "SIM_A_4.tif") as slide:
        predicted = predict_slide(slide, bundle)
        assert np.isfinite(predicted.X).all()
        assert predicted.uns["molf"]["encoder"] == bundle.config.encoder

        shutil.move(tmp_path / "my-vit", tmp_path / "moved" / "my-vit")
        with pytest.raises(BundleError, match=r"my-vit:.*MOLF_ENCODER_DIR"):
            predict_slide(slide, bundle)
        monkeypatch.setenv("MOLF_ENCODER_DIR", str(tmp_path / "moved"))
        again = predict_slide(slide, bundle)
    np.testing.assert_allclose(again.X, predicted.X, atol=1e-4)
