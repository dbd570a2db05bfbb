"""What a benchmark file may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from molf_engine.benchmark.settings import read_benchmark
from molf_engine.benchmark.variants import changed, label
from molf_engine.config import RunConfig
from molf_engine.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "benchmark.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file_and_names_of_splits_stay_names(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "train.toml").write_text("[training]\nema = 0.5\n")
    path = written(
        tmp_path,
        'name = "b"\ndata = "corpus.zarr"\ntrain = "train.toml"\nsplits = ["own", "published-0", "hest-bench:bench"]\n'
        '[[predictions]]\nname = "other"\nfolder = "other"\nunits = "log1p"\n',
    )
    config, training = read_benchmark(path)
    assert config.data == tmp_path / "corpus.zarr"
    assert config.splits == (str(tmp_path / "own"), "published-0", f"hest-bench:{tmp_path / 'bench'}")
    assert config.predictions[0].folder == tmp_path / "other"
    assert training.training.ema == 0.5
    assert read_benchmark(path, data=tmp_path)[0].data == tmp_path


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('rivals = ["svm"]', "rivals"),
        ("splits = []", "splits"),
        ('variants = ["wider"]', "variants"),
        ("nothing = 1", "nothing"),
        ("seeds = [1, 2, 1]", "seeds: names 1 twice"),
        ("seeds = []", "name at least one seed"),
        ('splits = ["published-0", "published-0"]', "names published-0 twice"),
        ('[[predictions]]\nname = "ridge"\nfolder = "f"\nunits = "log1p"', "'ridge' is taken"),
        ('[[predictions]]\nname = "a"\nfolder = "f"\nunits = "log1p"\n' * 2, "'a' is taken"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, line: str, named: str) -> None:
    text = (
        'name = "b"\ndata = "d"\n' + ("" if line.startswith("splits") else 'splits = ["published-0"]\n') + line + "\n"
    )
    with pytest.raises(ConfigError, match=named):
        read_benchmark(written(tmp_path, text))


def test_a_variant_changes_its_setting_and_nothing_else() -> None:
    base = RunConfig()
    dense = changed(base, "dense")
    assert dense is not None
    assert dense.flow.velocity == "dense"
    assert dense.model_copy(update={"flow": base.flow}) == base
    assert label("dense") == "velocity=dense"


def test_a_variant_that_changes_nothing_is_none() -> None:
    base = RunConfig()
    assert base.flow.position == "none"
    assert changed(base, "no-position") is None
    assert changed(base, "grid-2d") is not None
