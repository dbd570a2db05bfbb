"""Small stand-ins: a slide in memory, and a prediction made by hand as DESIGN 3.1 describes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.bundle.latents import SlideLatents
from molf_engine.genes import hallmark_sets
from molf_engine.prediction import read_prediction
from molf_engine.prediction.jobs import Done, Partial, Started
from molf_engine.progress import Progress
from molf_engine.slides import open_slide, patch_grid
from molf_engine.slides.protocol import Level, make_levels
from napari_molf.core.run import Run, map_of_result
from napari_molf.core.scores import Scores

if TYPE_CHECKING:
    from anndata import AnnData

    from tests.napari_molf.conftest import Tiny

GENES = ("EPCAM", "CD3E", "COL1A1", "MKI67", "NOTSEEN", "WEAK")


class ArraySlide:
    """A slide whose levels are arrays."""

    def __init__(self, levels: list[np.ndarray], um_per_pixel: float | None = 0.5, name: str = "array") -> None:
        self.arrays = levels
        self.path = Path(f"{name}.tif")
        self.name = name
        self.levels: tuple[Level, ...] = make_levels([(a.shape[1], a.shape[0]) for a in levels])
        self.um_per_pixel = um_per_pixel
        self.um_per_pixel_source = "unknown" if um_per_pixel is None else "file"
        self.properties: Mapping[str, str] = {"objective-power": "20"}
        self.reads: list[tuple[int, int]] = []

    def read_region(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        self.reads.append((level, width * height))
        out = np.full((height, width, 3), 255, np.uint8)
        part = self.arrays[level][max(y, 0) : y + height, max(x, 0) : x + width]
        out[max(-y, 0) : max(-y, 0) + part.shape[0], max(-x, 0) : max(-x, 0) + part.shape[1]] = part
        return out

    def close(self) -> None:
        pass

    def __enter__(self) -> ArraySlide:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def shrink(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Another level of an image, by nearest neighbour at pixel centres."""
    ys = ((np.arange(height) + 0.5) * image.shape[0] / height).astype(int)
    xs = ((np.arange(width) + 0.5) * image.shape[1] / width).astype(int)
    return image[ys][:, xs]


def prediction(
    rows: int = 4,
    cols: int = 5,
    *,
    experts: int = 3,
    units: str = "log1p-cp10k",
    free: bool = False,
    slide: str = "slide.tif",
    um_per_pixel: float = 0.5,
) -> AnnData:
    """A valid prediction on a grid whose corner (0, 0) holds no tissue; gene g of patch p is p + g / 10."""
    import pandas as pd
    from anndata import AnnData

    size = 40.0
    row, col = (v.ravel()[1:] for v in np.mgrid[:rows, :cols])
    count = len(row)
    names = [f"{c}_{r}" for c, r in zip(col, row, strict=True)]
    logits = np.random.default_rng(0).normal(size=(count, experts)).astype(np.float32)
    weights = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expression = (np.arange(count)[:, None] + np.arange(len(GENES)) / 10).astype(np.float32)
    sets = list(hallmark_sets())
    hallmark = np.zeros((count, len(sets)), np.float32)
    hallmark[:, sets.index("HYPOXIA")] = np.arange(count)
    hallmark[:, sets.index("APOPTOSIS")] = np.arange(count) / 10
    grid = {
        "origin": np.array([size / 2] * 2),
        "stride": size,
        "stride_um": size * um_per_pixel,
        "shape": np.array([rows, cols]),
    }
    image = np.full((rows * 10, cols * 10, 3), 200, np.uint8)
    scales = {"tissue_hires_scalef": 10 / size, "tissue_lowres_scalef": 10 / size, "spot_diameter_fullres": size}
    molf = {
        "schema_version": 1,
        "bundle": "fake-12345678",
        "weights_hash": "1" * 64,
        "encoder": "fake",
        "cancer_code": "Unknown",
        "guidance": 2.0,
        "estimate": "mean",
        "steps": 1,
        "draws": 0,
        "seed": 0,
        "units": units,
        "experts_per_patch": 2,
        "um_per_pixel": um_per_pixel,
        "patch_um": size * um_per_pixel,
        "patch_px": size,
        "slide": {
            "name": Path(slide).stem,
            "path": slide,
            "width": int(cols * size),
            "height": int(rows * size),
            "fingerprint": "0",
        },
        "software": "test",
        "expert_names": [f"E{i + 1}" for i in range(experts)],
        "notice": "research use only: predicted, not measured",
        "simulated": False,
        **({} if free else {"grid": grid}),
    }
    obs = pd.DataFrame(
        {
            "row": np.full(count, -1) if free else row,
            "col": np.full(count, -1) if free else col,
            "total": np.full(count, 1e4, np.float32),
            "expert": pd.Categorical.from_codes(weights.argmax(1), molf["expert_names"]),
            "routing_entropy": np.linspace(0, 1, count, dtype=np.float32),
            "unfamiliar": np.arange(count) < 2,
        },
        index=names,
    )
    var = pd.DataFrame(
        {"measured": [g != "NOTSEEN" for g in GENES], "heldout_pcc": [0.5, 0.3, np.nan, 0.4, np.nan, 0.05]},
        index=list(GENES),
    )
    latents = np.random.default_rng(1).normal(size=(2, count, 4)).astype(np.float32)
    return AnnData(
        X=expression,
        obs=obs,
        var=var,
        obsm={
            "spatial": np.column_stack([col * size + size / 2, row * size + size / 2]),
            "gate_logits": logits,
            "routing": weights.astype(np.float32),
            "hallmark": pd.DataFrame(hallmark, index=names, columns=sets),
            "latent_cond": latents[0],
            "latent_uncond": latents[1],
        },
        uns={"molf": molf, "spatial": {Path(slide).stem: {"images": {"hires": image}, "scalefactors": scales}}},
    )


def prediction_of_slide(path: Path, seed: int = 0) -> tuple[Path, AnnData]:
    """A small simulated slide on disk, and a prediction that says it was made on it."""
    from molf_engine.data.simulator import SimulatedTissue, write_slide
    from molf_engine.slides import fingerprint

    slide = write_slide(SimulatedTissue(seed, (400.0, 300.0), 1.0, "SIM_A"), path)
    adata = prediction(slide=str(slide), um_per_pixel=1.0)
    with open_slide(slide) as opened:
        finest = opened.levels[0]
        adata.uns["molf"]["slide"].update(width=finest.width, height=finest.height, fingerprint=fingerprint(opened))
    return slide, adata


class FakeGuided:
    """Answers as a decoder would: the gene's number plus w times the patch's number."""

    def __init__(self, patches: int) -> None:
        self._patches = np.arange(patches, dtype=np.float32)
        self.asked: list[tuple[str, float, bool]] = []

    def gene(self, symbol: str, guidance: float, *, relative: bool = False) -> np.ndarray:
        self.asked.append((symbol, guidance, relative))
        return GENES.index(symbol) + guidance * self._patches

    def all_scores(self, guidance: float, *, relative: bool = False) -> tuple[np.ndarray, np.ndarray]:
        genes = [self.gene(symbol, guidance, relative=relative) for symbol in GENES]
        return np.column_stack(genes), np.tile(guidance * self._patches[:, None], len(hallmark_sets()))

    def hallmark(self, name: str, guidance: float, *, relative: bool = False) -> np.ndarray:
        self.asked.append((name, guidance, relative))
        return guidance * self._patches


def fake_bundle(
    name: str = "fake", *, simulated: bool = False, codes: tuple[str, ...] = ("IDC",), guidance: float = 2.0
):
    """What the viewer reads of a bundle."""
    config = SimpleNamespace(
        simulated=simulated,
        trained_codes=codes,
        codes=("Unknown", *codes, "PAAD"),
        guidance=guidance,
        description="a bundle for tests",
        heldout="nothing",
        licence="none",
    )
    return SimpleNamespace(
        name=name,
        path=Path(f"/models/{name}"),
        config=config,
        has_encoder=True,
        metrics={},
        card_line="trained on breast IDC, 2 patients, 0.69 um/px · held-out PCC 0.34 (ridge 0.33)",
        weights_hash="1" * 64,
    )


def fake_run(**kwargs: object) -> Run:
    """A run whose model is at hand."""
    adata = prediction(**kwargs)  # type: ignore[arg-type]
    molf = adata.uns["molf"]
    return Run(
        patches=map_of_result(adata),
        scores=Scores(adata, FakeGuided(adata.n_obs)),
        bundle=fake_bundle(),
        model="fake",
        slide_name=molf["slide"]["name"],
        slide_path=Path(molf["slide"]["path"]),
    )


def latents(adata: AnnData, rows: np.ndarray) -> SlideLatents:
    """What a child process sends of some patches."""
    keys = ("latent_cond", "latent_uncond", "gate_logits", "routing")
    return SlideLatents(*(np.asarray(adata.obsm[key])[rows] for key in keys))


class ScriptedJob:
    """A child process whose messages a test decides; they are those of a prediction that was made before."""

    def __init__(self) -> None:
        self.waiting: list[object] = []
        self.closed = False
        self._encoded = 0

    def tell(self, tiny: Tiny) -> None:
        """Take the prediction of the tiny model as what is told."""
        self._tiny = tiny
        self._adata = read_prediction(tiny.result)

    def begin(self) -> None:
        with open_slide(self._tiny.slide) as slide:
            patches = patch_grid(slide, 112.0)
        assert len(patches) == self._adata.n_obs
        self.waiting.append(Started(patches))

    def encode(self, count: int) -> None:
        rows = np.arange(self._encoded, min(self._encoded + count, self._adata.n_obs))
        self._encoded += len(rows)
        if len(rows):
            self.waiting.append(Progress("Encoding patches", self._encoded, self._adata.n_obs))
            self.waiting.append(Partial(rows, latents(self._adata, rows)))

    def finish(self) -> None:
        self.waiting.append(Done(self._tiny.result))

    def poll(self) -> list[object]:
        messages, self.waiting = self.waiting, []
        return messages

    def cancel(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True
