"""One page on one prediction, in one HTML file: what is seen, what made it, how far it goes, and how to make it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.evaluation.report import Page, new_figure
from molf_engine.export import provenance
from molf_engine.export.backdrop import backdrop, clipped
from molf_engine.export.figure import Look, draw, draw_map, draw_slide, expert_shares
from molf_engine.files import atomic_path
from molf_engine.genes.hallmark import MIN_GENES, hallmark_sizes
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from molf_engine.export.shown import ScoreName, Shown
    from molf_engine.slides import Slide

# Sharp on the page, and together a few MB.
_MAP_PX, _SMALL_PX = 900, 480
_RIVALS = {"molf": "MoLF, this model", "ridge": "ridge regression", "mlp": "MLP", "depth": "depth alone"}


def write_report(
    shown: Shown,
    path: Path,
    score: ScoreName,
    look: Look | None = None,
    *,
    slide: Slide | None = None,
    regions: pd.DataFrame | None = None,
    overwrite: bool = True,
    progress: ProgressCallback = silent,
) -> None:
    """Write a report that opens in any browser and asks for nothing from outside.

    Parameters
    ----------
    shown : Shown
        The prediction; with its model, the report has that model's card and held-out figures.
    path : Path
        File that ends in ``.html``.
    score : ScoreName
        The score on show.
    look : Look, optional
        How its map is drawn.
    slide : Slide, optional
        The open slide; its thumbnail is drawn without it.
    regions : DataFrame, optional
        Summaries of regions, a row each, its index their names.
    overwrite : bool
        Replace an existing file.
    progress : callable
        Told what is done.

    Raises
    ------
    MolfError
        If it cannot be written there.
    """
    progress(Progress("Drawing", 0, 5, "figures"))
    page = Page(f"{shown.slide_name}: predicted expression", _lead(shown))
    page.points(doubts(shown))
    page.heading("Slide")
    page.figure(_slide_figure(shown, slide), _slide_caption(shown), "slide")
    progress(Progress("Drawing", 1, 5, "figures"))
    page.heading(shown.title_of(score))
    page.figure(draw(shown, score, look, slide=slide, max_px=_MAP_PX), _score_caption(shown, score), "score")
    page.text(*_score_doubts(shown, score))
    progress(Progress("Drawing", 2, 5, "figures"))
    _variable(page, shown, slide)
    progress(Progress("Drawing", 3, 5, "figures"))
    _experts(page, shown, slide)
    progress(Progress("Drawing", 4, 5, "figures"))
    if regions is not None and len(regions):
        page.heading("Regions").table(regions, f"Summary of {len(regions)} regions of this slide")
    _model(page, shown)
    page.heading("Settings").facts(_settings(shown))
    page.heading("Make it again").code(provenance.command(shown))
    page.text("The command predicts the whole tissue; regions that were drawn by hand are not part of it.")
    page.heading("What cannot be concluded").points(limits(shown))
    progress(Progress("Writing", 0, 0))
    html = page.html()
    with atomic_path(path, overwrite=overwrite) as file:
        file.write_text(html, encoding="utf-8")


def doubts(shown: Shown) -> list[str]:
    """What must be known before anything is believed."""
    said = ["Predicted from the picture of the tissue, not measured. Research use only."]
    if shown.molf.get("simulated"):
        said.append("The model learned from simulated tissue: on a real slide its maps mean nothing.")
    unfamiliar = shown.column("unfamiliar")
    if unfamiliar is not None and unfamiliar.any():
        share = float(unfamiliar.mean())
        said.append(
            f"{int(unfamiliar.sum()):,} of {len(unfamiliar):,} patches ({share:.0%}) look unlike the training slides."
        )
    broken = int(shown.molf.get("broken_patches", 0))
    if broken:
        said.append(f"{broken:,} patches could not be read from the slide and are left out.")
    return said


def limits(shown: Shown) -> list[str]:
    """What nobody may read out of the maps."""
    said = [
        "No diagnosis, and no choice of a treatment: nothing here was measured on this patient.",
        "Not how much of a gene there is: a map ranks places within this slide, and even that only as well as the held-out figures say.",
        "Not the level of single cells: each value is the mean of a patch of "
        f"{float(shown.molf['patch_um']):.0f} µm, which holds many.",
        "Not a difference between slides that were stained or scanned in another way: colour alone can move a prediction.",
        "Not that an expert is a cell type: experts divide the work of the network, and names are given by people.",
    ]
    if shown.bundle is None:
        said.append("How good the model is: it was not at hand when this report was made.")
    return said


def _lead(shown: Shown) -> str:
    molf = shown.molf
    return (
        f"{shown.adata.n_obs:,} patches of {float(molf['patch_um']):.0f} µm, {shown.adata.n_vars:,} genes, by the model "
        f"{molf['bundle']} at guidance {shown.scale:.3g}. Predicted, not measured."
    )


def _slide_figure(shown: Shown, slide: Slide | None) -> Figure:
    size = shown.molf["slide"]
    whole = (0.0, 0.0, float(size["width"]), float(size["height"]))
    under = backdrop(shown, whole, slide, _MAP_PX)
    figure = new_figure(6.4, min(max(6.4 * whole[3] / whole[2], 2.0), 9.0))
    draw_slide(shown, figure.subplots(), under)
    return figure


def _slide_caption(shown: Shown) -> str:
    size = shown.molf["slide"]
    um = shown.um_per_pixel
    return (
        f"The slide, {float(size['width']) * um / 1000:.1f} × {float(size['height']) * um / 1000:.1f} mm, {um:.3g} µm per pixel. "
        "The frame holds all patches."
    )


def _score_caption(shown: Shown, score: ScoreName) -> str:
    kinds = {"gene": "expression of a gene, ", "hallmark": "score of a Hallmark programme, "}
    return f"{shown.title_of(score)}: {kinds.get(score.kind, '')}{shown.unit_of(score)}, at guidance {shown.scale:.3g}."


def _score_doubts(shown: Shown, score: ScoreName) -> list[str]:
    var = shown.adata.var
    if score.kind in ("entropy", "weight", "given"):
        return []
    if score.kind == "hallmark":
        count = int(hallmark_sizes(tuple(var.index), var["measured"].to_numpy(bool))[score.name])
        few = " - few: trust it less" if count < MIN_GENES else ""
        return [f"The score is the mean over {count} genes of the panel{few}, against the training slides."]
    row = var.loc[score.name]
    if not bool(row["measured"]):
        return [f"{score.name} was not measured in training: its map means nothing."]
    pcc = float(row["heldout_pcc"])
    known = "is not known" if np.isnan(pcc) else f"was {pcc:.2f}"
    return [f"On held-out sections, the correlation (PCC) of predicted with measured {score.name} {known}."]


def _variable(page: Page, shown: Shown, slide: Slide | None) -> None:
    chosen = shown.most_variable(4)
    if not chosen:
        return
    left, top, right, bottom = shown.box
    box = clipped(shown.box, shown, 0.04 * max(right - left, bottom - top))
    under = backdrop(shown, box, slide, _SMALL_PX)
    tall = (box[3] - box[1]) / (box[2] - box[0])
    rows = (len(chosen) + 1) // 2
    figure = new_figure(9.0, rows * (min(max(3.5 * tall, 1.5), 5.0) + 0.4))
    places = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes, score in zip(places, chosen, strict=False):
        draw_map(shown, axes, score, Look(), under, label=shown.unit_of(score))
        axes.set_title(score.name, loc="left", fontsize=9, fontweight="bold")
    for axes in places[len(chosen) :]:
        axes.set_axis_off()
    page.heading("Most variable programmes")
    names = ", ".join(score.name for score in chosen)
    page.figure(
        figure,
        f"The Hallmark programmes that vary most over this slide: {names}. Each with limits of its own.",
        "variable",
    )


def _experts(page: Page, shown: Shown, slide: Slide | None) -> None:
    import pandas as pd

    if len(shown.experts) < 2:
        return
    page.heading("Experts")
    page.figure(
        draw(shown, None, slide=slide, max_px=_MAP_PX),
        "The expert with the largest weight in each patch, and its share.",
        "experts",
    )
    weights = np.asarray(shown.adata.obsm["routing"], np.float64).mean(axis=0)
    own = [str(name) for name in shown.molf["expert_names"]]
    shares = expert_shares(shown)
    columns: dict[str, Any] = {"expert": [own[expert] for expert, _ in shares]}
    if list(shown.experts) != own:
        columns["name"] = [shown.experts[expert] for expert, _ in shares]
    columns["share of patches"] = [f"{share:.1%}" for _, share in shares]
    columns["mean weight"] = [weights[expert] for expert, _ in shares]
    page.table(pd.DataFrame(columns), "Experts by the share of patches in which they decide most", digits=2)


def _model(page: Page, shown: Shown) -> None:
    import pandas as pd

    bundle = shown.bundle
    page.heading("Model")
    if bundle is None:
        page.text(
            f"{shown.molf['bundle']}: this model was not at hand when the report was made, so its card is not known."
        )
        return
    page.text(f"{bundle.name}: {bundle.card_line}.", bundle.config.description)
    summary: dict[str, Any] = bundle.metrics.get("summary") or {}
    rows = [{"model": name, "mean PCC": summary[key]} for key, name in _RIVALS.items() if key in summary]
    if rows:
        page.table(
            pd.DataFrame(rows),
            "Correlation with measured expression on held-out sections, mean over the panel, beside simpler models on the same rows",
            notes=[f"Held out: {bundle.config.heldout}", f"Scale: {bundle.metrics['units']}"],
        )


def _settings(shown: Shown) -> dict[str, Any]:
    facts = provenance.provenance(shown)
    return {
        name.replace("_", " "): f"{value:.4g}" if isinstance(value, float) else str(value)
        for name, value in facts.items()
    }
