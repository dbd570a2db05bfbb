"""Share of a training step that is spent waiting for slides, and the memory that training takes, with nothing kept between epochs.

    python benchmarks/training_input.py CORPUS.zarr [--config configs/default.toml] [--epochs 2] [--slides N]

Every slide is read from the corpus anew in each epoch (training.keep_gb = 0): the worst case, that of a corpus much larger than memory.
Each row is a process of its own.  `waiting`: time in which the network had no slide, of all time in the stage; `read`: what reading takes
alone, per slide; `step`: the stage's time per slide; `memory`: the largest resident size.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peak import machine

from molf_engine.bundle import UNKNOWN_CODE
from molf_engine.config import RunConfig, read_settings, validate
from molf_engine.data.corpus import Corpus
from molf_engine.progress import silent
from molf_engine.training.devices import make_fabric
from molf_engine.training.loop import train_stage
from molf_engine.training.sections import Roles, cancer_codes, feed
from molf_engine.training.stages import flow_stage, fresh_vae, fresh_velocity, vae_stage


def settings(config: Path | None, keep_gb: float, epochs: int) -> RunConfig:
    """The run, with a few epochs in each stage and as much memory for slides as asked for."""
    values = read_settings(config) if config else {}
    training = values.setdefault("training", {})
    training["keep_gb"] = keep_gb
    for stage in ("vae", "flow"):
        training.setdefault(stage, {})["epochs"] = epochs
    return validate(values)


def measure(corpus_path: Path, config: RunConfig, slides: int | None) -> None:
    """Train both stages and print a row for each."""
    corpus = Corpus.open(corpus_path)
    sections = corpus.sections()[:slides]
    held_out, train = sections[:1], sections[1:]
    codes = cancer_codes(Roles(tuple(train), tuple(held_out), ()))
    fabric = make_fabric(config.training)

    def source(part):  # type: ignore[no-untyped-def]
        return feed(config, corpus, part, corpus.genes, codes, silent, fabric.device)

    began = time.perf_counter()
    alone = source(train)
    for index in range(min(20, len(alone))):
        alone[index]
    read = (time.perf_counter() - began) / min(20, len(alone))

    learned, judged = source(train), source(held_out)
    vae = fresh_vae(config, learned)
    field = fresh_velocity(config, learned[0].features.shape[1], len(codes), codes.index(UNKNOWN_CODE))
    spots = sum(len(slide.features) for slide in alone) / len(alone)
    # One after the other: the flow's stage freezes the VAE.
    stages = [
        (lambda: vae_stage(config, vae, judged), config.training.vae),
        (lambda: flow_stage(config, field, vae, judged, codes.index(UNKNOWN_CODE)), config.training.flow),
    ]
    for make, own in stages:
        stage = make()
        learned.waited = judged.waited = 0.0
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            train_stage(stage, learned, own, config.training, Path(folder), silent, fabric)
            seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(
            f"{stage.title:10} {len(train):4} slides of {spots:5.0f} spots: step {1e3 * seconds / own.epochs / len(train):7.1f} ms, "
            f"read {1e3 * read:6.1f} ms, waiting {100 * (learned.waited + judged.waited) / seconds:4.1f} %, memory {peak:5.0f} MiB"
        )


def main() -> None:
    """Print a row for each size of corpus and share kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument(
        "--slides", type=int, nargs="+", help="how many of the corpus's sections; default: a quarter, then all"
    )
    parser.add_argument("--keep-gb", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.keep_gb is not None:
        measure(options.corpus, settings(options.config, options.keep_gb, options.epochs), options.slides[0])
        return
    print(machine())
    count = len(Corpus.open(options.corpus).sections())
    for slides in options.slides or (max(2, count // 4), count):
        for keep_gb in (0.0, 4.0):
            print(f"-- {slides} sections, training.keep_gb = {keep_gb:g}", flush=True)
            command = [
                sys.executable,
                __file__,
                str(options.corpus),
                "--slides",
                str(slides),
                "--keep-gb",
                str(keep_gb),
            ]
            command += ["--epochs", str(options.epochs)] + (["--config", str(options.config)] if options.config else [])
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
