"""`molf-engine import-weights` and `benchmarks/parity.py`, from the outside."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from molf_engine.bundle import Bundle
from molf_engine.cli import main

from ..nn.plain import PlainModel, Sizes, outputs, random_inputs, random_model

SIZES = Sizes(genes=5, context_heads=2)
HEADS = ("--context-heads", "2", "--vae-heads", "2", "--expert-heads", "4", "--cancer-heads", "2")
ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "molf_engine", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def model() -> PlainModel:
    return random_model(SIZES)


@pytest.fixture
def files(model: PlainModel, tmp_path: Path) -> Path:
    """Folder with a checkpoint, its genes and its codes."""
    torch.save({"epoch": 1, "model_state": model.state_dict()}, tmp_path / "model.pth")
    (tmp_path / "genes.txt").write_text("\n".join("ABCDE"))
    (tmp_path / "codes.txt").write_text("COAD\nUnknown\nIDC\n")
    return tmp_path


def arguments(files: Path, checkpoint: str = "model.pth") -> tuple[object, ...]:
    return (
        "import-weights", files / checkpoint, "--genes", files / "genes.txt", "--codes", files / "codes.txt",
        "--encoder", "uni2-h", "-o", files / "user-data" / "bundles" / "mine", *HEADS,
    )  # fmt: skip


def test_a_checkpoint_becomes_a_bundle_that_is_listed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(*arguments(files))
    assert done.returncode == 0, done.stderr
    assert "5 genes, 3 cancer codes, 4 experts, 2 for each patch" in done.stdout
    assert Bundle.load(files / "user-data" / "bundles" / "mine").config.flow.context_heads == 2
    with pytest.raises(SystemExit) as stop:
        main(["models", "--json"])
    assert not stop.value.code
    assert "imported weights for features of uni2-h" in capsys.readouterr().out


def test_a_mistake_is_one_sentence_and_exit_code_2(files: Path) -> None:
    (files / "broken.pth").write_bytes((files / "model.pth").read_bytes()[:3000])
    done = run(*arguments(files, "broken.pth"))
    assert done.returncode == 2
    assert "broken.pth" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (files / "user-data").exists()


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from molf_engine.cli import main\n"
        "try: main(['import-weights', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for option in ("--genes", "--codes", "--encoder", "--vae", "--statistics", "--context-heads", "--top-k"):
        assert option in done.stdout


@pytest.fixture(scope="module")
def parity() -> ModuleType:
    path = ROOT / "benchmarks" / "parity.py"
    spec = importlib.util.spec_from_file_location("parity", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@torch.no_grad()
def vectors(model: PlainModel) -> dict[str, Tensor]:
    found = {}
    for number, patches in enumerate((1, 12)):
        given = random_inputs(SIZES, patches, number, unmeasured=number, empty=2 * number)
        case = {
            "emb": given.features,
            "expression": given.expression,
            "mask": given.mask,
            "onco": given.onehot,
            "z0": given.z0,
            **outputs(model, given),
        }
        found.update({f"case{number}.{name}": value.clone().contiguous() for name, value in case.items()})
    return found


def test_parity_of_the_same_model_is_exit_code_0(
    parity: ModuleType, files: Path, model: PlainModel, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(vectors(model), files / "vectors.safetensors")
    assert parity.main([str(files / "model.pth"), str(files / "vectors.safetensors"), *HEADS]) == 0
    lines = capsys.readouterr().out
    assert re.search(r"sample_genes_w3.5_steps4 +\d\.\d+e-\d\d  case[01]\n", lines)
    assert "31 tensors, 2 cases" in lines


@pytest.mark.parametrize("wrong", [1e-3, float("nan")])
def test_parity_names_the_tensor_and_the_case_that_differ(
    parity: ModuleType, files: Path, model: PlainModel, capsys: pytest.CaptureFixture[str], wrong: float
) -> None:
    theirs = vectors(model)
    theirs["case1.velocity_uncond_t0.3"].view(-1)[5] += wrong
    save_file(theirs, files / "vectors.safetensors")
    assert parity.main([str(files / "model.pth"), str(files / "vectors.safetensors"), *HEADS]) == 1
    bad = [line for line in capsys.readouterr().out.splitlines() if "too large" in line]
    assert len(bad) == 1
    assert bad[0].startswith("velocity_uncond_t0.3 ")
    assert "case1" in bad[0]


def test_parity_with_another_top_k_is_exit_code_1(parity: ModuleType, files: Path, model: PlainModel) -> None:
    save_file(vectors(model), files / "vectors.safetensors")
    assert parity.main([str(files / "model.pth"), str(files / "vectors.safetensors"), *HEADS, "--top-k", "1"]) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found.clear(), "holds no tensors"),
        (lambda found: found.pop("case0.z0"), "case0 lacks z0"),
        (lambda found: found.update({"case0.surprise": torch.zeros(1)}), "cannot compute: surprise"),
        (lambda found: found.update({"case0.emb": torch.zeros(1, 1, 23)}), "case0: emb has the shape"),
        (lambda found: found.update({"case0.onco": torch.zeros(1, 1, 3)}), "one-hot"),
    ],
)
def test_parity_with_vectors_that_cannot_be_used_is_exit_code_2(
    parity: ModuleType, files: Path, model: PlainModel, capsys: pytest.CaptureFixture[str], change, words: str
) -> None:
    found = vectors(model)
    change(found)
    save_file(found, files / "vectors.safetensors")
    assert parity.main([str(files / "model.pth"), str(files / "vectors.safetensors"), *HEADS]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("checkpoint", "file", "words"),
    [
        ("model.pth", "none.safetensors", "none.safetensors cannot be read"),
        ("none.pth", "genes.txt", "none.pth cannot be read"),
        ("model.pth", "genes.txt", "genes.txt cannot be read"),
    ],
)
def test_parity_with_files_that_cannot_be_read_is_exit_code_2(
    parity: ModuleType, files: Path, capsys: pytest.CaptureFixture[str], checkpoint: str, file: str, words: str
) -> None:
    assert parity.main([str(files / checkpoint), str(files / file), *HEADS]) == 2
    assert words in capsys.readouterr().err
