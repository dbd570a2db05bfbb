"""What the terminal shows."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from molf_engine.cli import console
from molf_engine.progress import Progress


def test_a_bar_on_a_real_terminal_bears_an_unknown_total(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(force_terminal=True, record=True, width=120)
    monkeypatch.setattr(console, "_console", lambda stderr: terminal)
    with console.progress_bar() as report:
        report(Progress("Finding tissue", 0, 0))
        report(Progress("Encoding patches", 3, 10))
        report(Progress("Predicting", 0, 0))
        report(Progress("Encoding patches", 10, 10))
    assert "Encoding patches" in terminal.export_text()


def test_square_brackets_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table("T [x]", [{"remedy": 'pip install "napari-molf[all]"', "path": "/a[/b]"}], as_json=False)
    printed = capsys.readouterr().out
    assert "napari-molf[all]" in printed
    assert "/a[/b]" in printed


def test_unknown_numbers_are_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table("", [{"pcc": float("nan"), "n": 3}], as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"pcc": None, "n": 3}]
