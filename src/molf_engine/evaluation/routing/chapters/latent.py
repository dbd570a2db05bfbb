"""The latent space, and the paths that lead into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molf_engine.data.sections import UNKNOWN
from molf_engine.evaluation.report import Page
from molf_engine.evaluation.routing import findings
from molf_engine.evaluation.routing.figures.latent import (
    draw_latents,
    draw_paths,
    draw_paths_by_type,
    draw_straightness,
)
from molf_engine.evaluation.routing.latent_space import MIN_DISTANCE, NEIGHBOURS, UMAP_REMEDY, LatentSample
from molf_engine.evaluation.routing.observe import LATENTS_PER_SECTION
from molf_engine.evaluation.routing.study import RoutingStudy

if TYPE_CHECKING:
    import pandas as pd


def latent_chapter(page: Page, study: RoutingStudy) -> None:
    """Picture of the latents, and their neighbours as numbers."""
    sample, method = study.sample, study.measured.method
    page.heading("Latent space").points(findings.purity_sentences(study.purity))
    how = (
        f"UMAP, {NEIGHBOURS} neighbours, least distance {MIN_DISTANCE:g}, cosine, seed {study.options.seed}"
        if method == "UMAP"
        else "first two principal components"
    )
    if method == "PCA":
        page.text(f"The paper's picture is a UMAP, for which umap-learn is needed: `{UMAP_REMEDY}`. This one is a PCA.")
    page.figure(
        draw_latents(
            sample,
            [("measured", study.measured), ("predicted", study.predicted)],
            study.bundle.config.expert_names,
            study.options.seed,
        ),
        f"Latents of {len(sample):,} spots (paper, Figure 5): {how}. Top: the VAE's mean of what was measured; bottom: the end latent "
        f"that the flow predicts from the image. {_per_type(study, sample)}"
        " The two rows are embedded apart: only what lies together within a row can be compared.",
        "latent-space",
    )
    if study.purity:
        page.table(
            _purity_table(study),
            f"Share of a spot's {NEIGHBOURS} nearest neighbours (cosine, in the latent space itself) that have its label.",
            (
                "other sections: neighbours from the spot's own section are left out, because spots of one section resemble each other "
                "whatever their label. chance: the share of possible neighbours with the label.",
                "The first expert is a function of the image and the cancer code, and so are the predicted latents; the measured ones "
                "are not.",
            ),
            "latent-neighbours",
        )


def path_chapter(page: Page, study: RoutingStudy) -> None:
    """Paths from noise, and how straight they are."""
    import pandas as pd

    paths, steps = study.paths, study.options.steps
    page.heading("From noise to the latent").points(findings.path_sentences(paths))
    what = "first expert" if study.use else "cancer type"
    shown = len(paths[0].paths)
    types = [name for name in study.types if name != UNKNOWN] or study.types
    which = "each cancer type" if len(paths) == len(types) else f"the first {len(paths)} of {len(types)} cancer types"
    page.figure(
        draw_paths(paths, study.bundle.config.expert_names),
        f"Paths of spots from noise (grey) to their end latent under the learned flow, in one step and in {steps} (paper, Figures 3 "
        f"and 4), coloured by {what}: at most {shown} spots of the first section of {which}. The plane is that of the first "
        "two principal components of where the many steps end; conditional branch, no guidance.",
        "paths",
    )
    if len(paths) > 1:
        page.figure(
            draw_paths_by_type(paths), "The same paths in one picture, coloured by cancer type.", "paths-by-type"
        )
    page.figure(
        draw_straightness(paths),
        "Length of a path over its chord, in the whole latent space, all spots: box from 25 % to 75 %, whiskers from 5 % to 95 %.",
        "straightness",
    )
    page.table(
        pd.DataFrame(
            {
                "section": found.section,
                "type": found.type,
                "spots": len(found.straightness),
                "length / chord": float(np.nanmedian(found.straightness)),
                "95 % of spots below": float(np.nanpercentile(found.straightness, 95)),
                "one step, distance / chord": float(np.nanmedian(found.one_step_error)),
            }
            for found in paths
        ),
        f"Straightness of the paths in {steps} steps, medians over spots.",
        ("distance / chord: between the end of one step and that of many, from the same noise.",),
        "straightness",
    )


def _per_type(study: RoutingStudy, sample: LatentSample) -> str:
    counts = [int((sample.types == name).sum()) for name in study.types]
    least, most = min(counts), max(counts)
    shown = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    return f"{shown} spots of each type (at most {study.options.per_type:,}, and {LATENTS_PER_SECTION} of a section, evenly over sections)."


def _purity_table(study: RoutingStudy) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "latents": found.space,
            "label": found.label,
            "neighbours": found.neighbours,
            "spots": found.spots,
            "same label": found.purity,
            "chance": found.chance,
        }
        for found in study.purity
    )
