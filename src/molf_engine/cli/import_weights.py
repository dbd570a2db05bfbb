"""`molf-engine import-weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def import_weights(
    checkpoint: Annotated[Path, Parameter(help="Checkpoint of the whole released model, .pt or .pth.")],
    /,
    *,
    genes: Annotated[
        str,
        Parameter(help="Genes in the order of the weights: a file with one symbol a line, or `molf-1386`."),
    ],
    codes: Annotated[
        Path, Parameter(help="File with one cancer code a line in the order of the weights, `Unknown` among them.")
    ],
    encoder: Annotated[str, Parameter(help="Name of the image encoder whose features the weights expect.")],
    output: Annotated[Path, Parameter(alias="-o", help="Folder of the new bundle.")],
    vae: Annotated[
        Path | None, Parameter(help="Checkpoint of a gene VAE alone, to use instead of the one inside.")
    ] = None,
    statistics: Annotated[
        Path | None,
        Parameter(help="TSV with symbol, mean_log1p and sd_log1p of the training spots, for Hallmark scores."),
    ] = None,
    top_k: Annotated[int, Parameter(help="Experts that each patch uses; no tensor says it.")] = 2,
    context_heads: Annotated[int, Parameter(help="Attention heads over patches; no tensor says it.")] = 12,
    vae_heads: Annotated[int, Parameter(help="Attention heads of the gene VAE.")] = 4,
    expert_heads: Annotated[int, Parameter(help="Attention heads of an expert.")] = 4,
    cancer_heads: Annotated[int, Parameter(help="Attention heads towards the cancer code.")] = 4,
    patch_um: Annotated[float, Parameter(help="Side in um of the patches that the features are of.")] = 112.0,
    name: Annotated[str, Parameter(help="Name of the bundle; that of its folder if not given.")] = "",
    licence: Annotated[str, Parameter(help="Licence of the weights, for the card.")] = "unstated",
    overwrite: Annotated[bool, Parameter(negative="", help="Replace an existing bundle.")] = False,
) -> None:
    """Turn a checkpoint of the released network into a bundle.

    Widths and counts are read from its tensors. The bundle predicts from features computed elsewhere (`predict --features`); what is not
    known of weights trained elsewhere - held-out figures, rivals, feature statistics - it leaves out and says so in its card.
    """
    from molf_engine.bundle.importing import Facts, import_released
    from molf_engine.bundle.released import Unwritten
    from molf_engine.cli.console import say

    bundle = import_released(
        checkpoint,
        output,
        Facts(genes, codes, encoder, statistics, patch_um, name, licence),
        unwritten=Unwritten(top_k, context_heads, vae_heads, expert_heads, cancer_heads),
        vae=vae,
        overwrite=overwrite,
    )
    flow = bundle.config.flow
    form = f"{flow.experts} experts, {flow.active} for each patch" if flow.velocity == "moe" else "no experts"
    say(
        f"{bundle.path}: {len(bundle.genes):,} genes, {len(bundle.config.codes)} cancer codes, {form}; {bundle.card_line}"
    )
