"""Memory of `molf-engine prepare` on large sections: counts of 25,000 spots and 18,000 genes, of which a spot has a quarter.

    python benchmarks/prepare_memory.py [--sections 3] [--spots 25000] [--genes 18000] [--stored csr]

Writes a section of random counts and features of 1,536 values into a temporary folder (a gigabyte), prepares it once, then under several
names, each time in a process of its own, and prints the most memory that it ever had.  `csc` is stored by gene, `dense` as a table.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse

from molf_engine.genes import panel

FEATURES = 1536
_STEP = 256
_GIB = 2**30


def write_section(folder: Path, name: str, arguments: argparse.Namespace) -> int:
    """Write one section in the layout of HEST-1k; its number of counts."""
    rng = np.random.default_rng(0)
    spots, genes = arguments.spots, arguments.genes
    known = panel("molf-1386")
    symbols = [*known, *(f"GENE{number}" for number in range(genes))][:genes]
    places = rng.uniform(0, 5e4, (spots, 2))
    path = folder / "st" / f"{name}.h5ad"
    anndata.AnnData(
        X=scipy.sparse.csr_matrix((spots, genes), dtype=np.float32),
        obs=pd.DataFrame(index=[f"spot{number}" for number in range(spots)]),
        var=pd.DataFrame(index=symbols),
        obsm={"spatial": places},
    ).write_h5ad(path)
    with h5py.File(path, "a") as file:
        shape = (spots, genes)
        counts = (
            _write_table(file, shape, rng, arguments.share)
            if arguments.stored == "dense"
            else (_write_sparse(file, shape, rng, arguments))
        )
    with h5py.File(folder / "features" / f"{name}.h5", "w") as file:
        file["features"] = rng.normal(size=(spots, FEATURES)).astype(np.float32)
        file["coords"] = places - 112
        file["coords"].attrs["patch_size_level0"] = 224
    (folder / "metadata" / f"{name}.json").write_text(json.dumps({"pixel_size_um_estimated": 0.5}))
    return counts


def _drawn(rng: np.random.Generator, rows: int, columns: int, share: float) -> np.ndarray:
    return np.where(rng.random((rows, columns), np.float32) < share, rng.geometric(0.4, (rows, columns)), 0)


def _write_sparse(
    file: h5py.File, shape: tuple[int, int], rng: np.random.Generator, arguments: argparse.Namespace
) -> int:
    group = file["X"]
    for part in ("data", "indices", "indptr"):
        del group[part]
    group.attrs["encoding-type"] = f"{arguments.stored}_matrix"
    lines, others = shape if arguments.stored == "csr" else shape[::-1]
    data = group.create_dataset("data", (0,), np.float32, maxshape=(None,), chunks=(2**18,))
    indices = group.create_dataset("indices", (0,), np.int32, maxshape=(None,), chunks=(2**18,))
    ends = np.zeros(lines + 1, np.int64)
    for start in range(0, lines, _STEP):
        block = _drawn(rng, min(_STEP, lines - start), others, arguments.share)
        rows, columns = np.nonzero(block)
        before, after = len(data), len(data) + len(rows)
        for stored, values in ((data, block[rows, columns]), (indices, columns)):
            stored.resize((after,))
            stored[before:] = values
        ends[start + 1 : start + 1 + len(block)] = before + np.cumsum(np.bincount(rows, minlength=len(block)))
    group["indptr"] = ends
    number: int = len(data)
    return number


def _write_table(file: h5py.File, shape: tuple[int, int], rng: np.random.Generator, share: float) -> int:
    del file["X"]
    table = file.create_dataset("X", shape, np.float32, chunks=(64, shape[1]))
    table.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    counts = 0
    for start in range(0, shape[0], _STEP):
        block = _drawn(rng, min(_STEP, shape[0] - start), shape[1], share)
        table[start : start + _STEP] = block
        counts += int(np.count_nonzero(block))
    return counts


def main() -> None:
    """Print the most memory of preparing one section, and all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", type=int, default=3)
    parser.add_argument("--spots", type=int, default=25_000)
    parser.add_argument("--genes", type=int, default=18_000)
    parser.add_argument("--share", type=float, default=0.25, help="of the genes that a spot has counts of")
    parser.add_argument("--stored", choices=("csr", "csc", "dense"), default="csr")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for part in ("st", "features", "metadata"):
            (folder / part).mkdir()
        names = [f"S{number}" for number in range(arguments.sections)]
        # The same file under several names: what is in it does not matter.
        counts = write_section(folder, names[0], arguments)
        for name in names[1:]:
            for part, suffix in (("st", "h5ad"), ("features", "h5"), ("metadata", "json")):
                (folder / part / f"{name}.{suffix}").hardlink_to(folder / part / f"{names[0]}.{suffix}")
        print(
            f"{arguments.spots:,} spots, {arguments.genes:,} genes, {counts:,} counts stored as {arguments.stored}; {FEATURES} features",
            flush=True,
        )
        for chosen in (names[:1], names) if len(names) > 1 else (names,):
            began = time.perf_counter()
            command = [sys.executable, "-m", "molf_engine", "prepare", place, "-o", str(folder / f"{len(chosen)}.zarr")]
            options = ["--features", str(folder / "features"), "--encoder", "random", "--sections", *chosen]
            subprocess.run([*command, *options], check=True, capture_output=True)
            most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
            print(
                f"{len(chosen)} sections: {most / _GIB:.2f} GiB at most, {time.perf_counter() - began:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
