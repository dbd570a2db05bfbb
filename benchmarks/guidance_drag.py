"""The guidance slider pulled by a script in a real viewer: how long after each value its map is on the screen, and in which order.

    xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX" python benchmarks/guidance_drag.py [--patches 5000] [--panels 4]

A hand moves the slider every 30 ms, as often as it speaks, over its whole length.  A value that is overtaken before it is decoded is
left out; each that comes to the map is timed from the moment the slider said it to the moment its values are in the layer, and to
the end of drawing it.  With software OpenGL, as under Xvfb, the processor draws.  Ends with an error if an older value ever follows a
newer one, or the last one is not what stays.  ``shipped`` and ``released`` are the sizes of the networks, with random weights.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
from guidance_latency import RELEASED, SHIPPED, model
from score_swap import patch_map

from molf_engine.genes import hallmark_sets, panel
from molf_engine.prediction.guided import Guided

TARGET_MS = 100.0
SCORES = (("gene", "EPCAM"), ("gene", "CD3E"), ("gene", "MKI67"), ("gene", "GATA3"))
MOVES = 60
EVERY_MS = 30


def make_run(bundle: SimpleNamespace, latent: int, count: int):
    """A prediction that was never made: what the viewer needs of it, with random latents."""
    from napari_molf.core.run import Run
    from napari_molf.core.scores import Scores

    rng = np.random.default_rng(0)
    names = [str(number) for number in range(count)]
    genes, sets = list(panel("molf-1386")), list(hallmark_sets())
    adata = ad.AnnData(
        obs=pd.DataFrame({"total": np.full(count, 5000.0), "routing_entropy": np.zeros(count)}, index=names),
        var=pd.DataFrame({"measured": True, "heldout_pcc": 0.3}, index=genes),
        obsm={
            "spatial": np.asarray(patch_map(count).positions) + 0.5,
            "latent_cond": rng.normal(size=(count, latent)).astype(np.float32),
            "latent_uncond": rng.normal(size=(count, latent)).astype(np.float32),
            "routing": np.full((count, 2), 0.5, np.float32),
            "hallmark": pd.DataFrame(np.zeros((count, len(sets)), np.float32), index=names, columns=sets),
        },
        uns={
            "molf": {
                "weights_hash": "benchmark",
                "bundle": "benchmark",
                "cancer_code": "Unknown",
                "guidance": 2.0,
                "estimate": "mean",
                "experts_per_patch": 2,
                "units": "log1p-cp10k",
                "slide": {"name": "slide", "path": "slide.tif", "width": 10000, "height": 10000, "fingerprint": "0"},
            }
        },
    )
    scores = Scores(adata, Guided(adata, bundle))  # type: ignore[arg-type]
    return Run(patch_map(count), scores, None, "benchmark", "slide", Path("slide.tif"))


class Drag:
    """Moves the slider and notes when what was said is on the map."""

    def __init__(self, viewer, panels: int) -> None:
        from napari_molf._widget import PredictWidget

        self.viewer = viewer
        self.panels = panels
        self.dock = PredictWidget(viewer)
        viewer.window.add_dock_widget(self.dock, name="Predict expression")
        self.said: dict[float, float] = {}
        self.in_layer: dict[float, float] = {}
        self.on_screen: dict[float, float] = {}
        self.order: list[float] = []
        self._undrawn: list[float] = []
        self.dock.show_panel.guidance.guidance_changed.connect(self._on_said)

    def _on_said(self, guidance: float) -> None:
        self.said[guidance] = time.perf_counter()

    def _on_shown(self, view, values) -> None:
        self.order.append(view.guidance)
        self.in_layer[view.guidance] = time.perf_counter()
        self._undrawn.append(view.guidance)
        self.viewer.screenshot(canvas_only=True, flash=False)
        self.on_screen[view.guidance] = time.perf_counter()

    def run(self, run) -> None:
        """Show the prediction and pull the slider from one end to the other."""
        from napari_molf.core.scores import Score
        from napari_molf.demo import settle, wait_until

        presenter = self.dock.presenter
        presenter.add_run(run, None)
        wait_until(lambda: presenter.values is not None)
        if self.panels > 1:
            (compare,) = [part for part in self.dock.parts if part.title == "Compare"]
            for kind, name in SCORES[: self.panels]:
                presenter.values = None
                presenter.show(Score(kind, name))  # type: ignore[arg-type]
                wait_until(lambda: presenter.values is not None)
                compare.scores.add.click()
            compare.scores.side_by_side.click()
            wait_until(lambda: compare.conductor.is_open)
        settle()
        last = self._pull(presenter)
        if self.order != sorted(self.order) or len(set(self.order)) != len(self.order):
            raise SystemExit(f"an older value followed a newer one: {self.order}")
        if self.order[-1] != last:
            raise SystemExit(f"the map stays at {self.order[-1]}, the slider at {last}")

    def _pull(self, presenter) -> float:
        from napari_molf.demo import wait_until

        signal = presenter.beside_shown if self.panels > 1 else presenter.shown
        track = self.dock.show_panel.guidance.focusProxy()
        track.setValue(0)
        wait_until(lambda: presenter.view is not None and presenter.view.guidance == 0)
        self.said.clear()
        signal.connect(self._on_shown)
        for position in np.linspace(1, track.maximum(), MOVES).astype(int):
            due = time.perf_counter() + EVERY_MS / 1e3
            track.setValue(int(position))
            wait_until(lambda due=due: time.perf_counter() >= due)
        last = track.value() / 10
        wait_until(lambda: bool(self.order) and self.order[-1] == last, 10)
        signal.disconnect(self._on_shown)
        return last

    def row(self) -> str:
        """How many of the values came to the map, and how fast."""
        layer = np.array([1e3 * (self.in_layer[w] - self.said[w]) for w in self.order])
        screen = np.array([1e3 * (self.on_screen[w] - self.said[w]) for w in self.order])
        cells = (f"{np.median(ms):.0f} / {np.percentile(ms, 95):.0f} / {ms.max():.0f}" for ms in (layer, screen))
        within = 100 * (layer <= TARGET_MS).mean()
        return (
            f"{len(self.order):>4} of {len(self.said):<4} " + " ".join(f"{c:>16}" for c in cells) + f" {within:>9.0f} %"
        )


def main() -> None:
    """Print one row per size, alone and with panels side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=5000)
    parser.add_argument("--panels", type=int, nargs="+", default=[1, 4])
    arguments = parser.parse_args()
    import napari

    if hasattr(os, "getloadavg"):
        # Times by the clock mean little while there are more of them than cores.
        print(f"{os.getloadavg()[0]:.1f} processes want {os.cpu_count()} cores")
    print(
        f"{arguments.patches:,} patches; milliseconds from the slider, median / 95th percentile / longest; to reach: {TARGET_MS:.0f}"
    )
    print(f"{'size':>9} {'panels':>6} {'shown':>12} {'in the layer':>16} {'drawn':>16} {'in time':>11}")
    for name, (vae, flow, features) in (("shipped", SHIPPED), ("released", RELEASED)):
        for panels in arguments.panels:
            viewer = napari.Viewer()
            viewer.window.resize(1300, 900)
            drag = Drag(viewer, panels)
            drag.run(make_run(model(vae, flow, features), vae.latent, arguments.patches))
            print(f"{name:>9} {panels:>6} {drag.row()}", flush=True)
            viewer.close()


if __name__ == "__main__":
    main()
