"""Downloading, with the real client against a hub on this machine.

Each case is a process: the client reads its settings when it is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .hub import REVISION, serve
from .models import write_transformers

pytest.importorskip("huggingface_hub", reason="huggingface-hub is not installed")

OPEN = """
import sys
from molf_engine.encoders import open_encoder
from molf_engine.errors import MolfError
try:
    open_encoder(sys.argv[1], accepted=sys.argv[2] == "yes", device="cpu")
except MolfError as error:
    print(type(error).__name__, error)
"""


def run(home: Path, endpoint: str, name: str, accepted: str, **environment: str) -> str:
    """What opening an encoder in a new process says."""
    given = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("HF_", "MOLF_"))},
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", OPEN, name, accepted],
        env=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A repository with weights in both formats, and more."""
    write_transformers(tmp_path / "model")
    (tmp_path / "model" / "pytorch_model.bin").write_bytes(b"the same again")
    (tmp_path / "model" / "README.md").write_text("a card", encoding="utf-8")
    return {file.name: file for file in (tmp_path / "model").iterdir()}


def test_an_accepted_model_is_downloaded_in_one_format(tmp_path: Path, files: dict[str, Path]) -> None:
    with serve(files) as (endpoint, _):
        said = run(tmp_path / "home", endpoint, "phikon-v2", "no", MOLF_ACCEPT_LICENCE="uni, phikon-v2")
    folder = tmp_path / "home" / "hub" / "models--owkin--phikon-v2" / "snapshots" / REVISION
    assert {file.name for file in folder.iterdir()} == {"config.json", "preprocessor_config.json", "model.safetensors"}
    # It was read as well: the test's model is narrower than the real one.
    assert "gives 24 features a patch, where phikon-v2 has 1024" in said


def test_nothing_is_asked_of_the_hub_before_the_licence_is_accepted(tmp_path: Path, files: dict[str, Path]) -> None:
    with serve(files) as (endpoint, asked):
        said = run(tmp_path / "home", endpoint, "phikon-v2", "no", MOLF_ACCEPT_LICENCE="uni")
    assert "Owkin non-commercial licence" in said
    assert asked == []


def test_a_gate_says_how_to_pass_it(tmp_path: Path, files: dict[str, Path]) -> None:
    with serve(files, gated=True) as (endpoint, _):
        said = run(tmp_path / "home", endpoint, "uni2-h", "yes")
    assert said.startswith("MolfError The hub does not let this account have uni2-h: it needs a Hugging Face account")
    assert "hf auth login" in said


def test_without_a_network_it_is_said(tmp_path: Path, files: dict[str, Path]) -> None:
    with serve(files) as (endpoint, _):
        pass
    said = run(tmp_path / "home", endpoint, "phikon-v2", "yes")
    assert said.startswith("MolfError phikon-v2 could not be downloaded from https://huggingface.co/owkin/phikon-v2")
