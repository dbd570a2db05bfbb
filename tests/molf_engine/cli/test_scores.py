"""Tables of scores on the terminal."""

from __future__ import annotations

import pytest

from molf_engine.cli.scores import show_scores

from ..evaluation.test_scoring import record


@pytest.mark.parametrize(("count", "shown", "mean"), [(1, True, False), (3, True, True), (30, False, True)])
def test_many_sections_are_summed_up(count: int, shown: bool, mean: bool, capsys: pytest.CaptureFixture[str]) -> None:
    show_scores("Scores", [record(f"S{number}", 0.1) for number in range(count)], elsewhere="--json", notes=["by gene"])
    text = capsys.readouterr().out
    assert ("S0" in text) is shown
    assert ("Scores, over sections" in text) is mean
    assert ("--json" in text) is (count == 30)
    assert text.count("by gene") == 1
