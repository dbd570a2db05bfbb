"""What `molf-engine doctor` says about foundation encoders."""

from __future__ import annotations

from pathlib import Path

import pytest

from molf_engine.cli import checks
from molf_engine.encoders.foundation import KNOWN


def rows() -> dict[str, checks.Check]:
    return {row["check"]: row for row in checks.all_checks()}


def put_weights(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")


def test_foundation_encoders_on_this_machine_are_listed_with_their_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("MOLF_ENCODER_DIR", str(tmp_path / "encoders"))
    assert rows()["foundation encoders"]["found"] == "none"
    put_weights(tmp_path / "encoders" / "midnight-12k")
    put_weights(tmp_path / "encoders" / "my-own")
    found = rows()
    assert found["foundation encoders"] | {"ok": "ok", "remedy": ""} == found["foundation encoders"]
    assert found["foundation encoders"]["found"] == "midnight-12k (MIT), my-own"
    assert "midnight-12k" not in found["encoders not here"]["found"]
    assert all(name in found["encoders not here"]["found"] for name in KNOWN if name != "midnight-12k")
    assert "uni2-h (gated)" in found["encoders not here"]["found"]


def test_missing_libraries_are_optional_and_name_the_extra() -> None:
    for library in ("timm", "transformers"):
        row = rows()[library]
        assert row["ok"] in ("ok", "optional")
        assert row["ok"] == "ok" or "napari-molf[foundation]" in row["remedy"] or "torchvision" in row["remedy"]
