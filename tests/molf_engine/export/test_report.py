"""The report is one file that tells what made the maps, how good that is, and what nobody may conclude."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from html import unescape
from pathlib import Path

import anndata as ad
import pandas as pd

from molf_engine.bundle import Bundle
from molf_engine.export import Shown
from molf_engine.export.provenance import command
from molf_engine.export.report import write_report
from tests.napari_molf.fakes import prediction


def words_of(path: Path) -> str:
    html = re.sub(r'src="data:[^"]*"', "", path.read_text(encoding="utf-8"))
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_a_report_asks_for_nothing_from_outside(shown: Shown, tmp_path: Path) -> None:
    write_report(shown, tmp_path / "report.html", shown.find(["CD3E"])[0])
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', html)
    assert sources and all(source.startswith(("data:image/png;base64,", "#")) for source in sources)
    assert len([source for source in sources if source.startswith("data:")]) == 4
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_it_says_what_must_be_known_first(tmp_path: Path) -> None:
    adata = prediction()
    adata.uns["molf"]["simulated"] = True
    shown = Shown(adata, expert_names=["stroma", "tumour", "immune"])
    write_report(shown, tmp_path / "report.html", shown.find(["NOTSEEN"])[0])
    words = words_of(tmp_path / "report.html")
    assert "not measured. Research use only." in words and "learned from simulated tissue" in words
    assert "2 of 19 patches (11%) look unlike the training slides" in words
    assert "NOTSEEN was not measured in training: its map means nothing" in words
    assert "HYPOXIA, APOPTOSIS" in words
    assert "stroma" in words and "share of patches" in words
    assert "What cannot be concluded" in words and "No diagnosis" in words
    assert "this model was not at hand" in words


def test_with_the_model_its_held_out_figures_stand_beside_simpler_ones(
    predicted: ad.AnnData, tiny_bundle: Bundle, slide_path: Path, tmp_path: Path
) -> None:
    from molf_engine.slides import open_slide

    shown = Shown(predicted, tiny_bundle)
    regions = pd.DataFrame({"patches": [12], "CD3E": [0.5]}, index=pd.Index(["core <1>"], name="region"))
    with open_slide(slide_path) as slide:
        write_report(shown, tmp_path / "report.html", shown.most_variable(1)[0], slide=slide, regions=regions)
    words = words_of(tmp_path / "report.html")
    assert tiny_bundle.card_line in words
    for name in ("ridge regression", "MLP", "depth alone"):
        assert name in words
    assert "core <1>" in words and "Summary of 1 regions" in words
    assert command(shown) in words


def test_the_command_makes_the_prediction_again(
    predicted: ad.AnnData, tiny_bundle: Bundle, tmp_path: Path, monkeypatch
) -> None:
    import numpy as np

    from molf_engine.cli import main
    from molf_engine.prediction import read_prediction

    words = shlex.split(command(Shown(predicted, tiny_bundle)))
    assert words[0] == "molf-engine"
    monkeypatch.chdir(tmp_path)
    with suppress(SystemExit):
        main(words[1:])
    assert np.allclose(read_prediction(tmp_path / "SIM_A_4.h5ad").X, predicted.X, atol=1e-5)
