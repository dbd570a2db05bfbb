"""`molf-engine predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from molf_engine.errors import ConfigError, MolfError


def predict(
    slides: Annotated[list[Path], Parameter(help="Slides to predict.")],
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            alias="-o", help="FILE.h5ad or FILE.zarr for one slide; anything else is a folder, a file per slide."
        ),
    ],
    model: Annotated[
        str, Parameter(alias="-m", help="Name or folder of the bundle, see `molf-engine models`.")
    ] = "starter",
    um_per_pixel: Annotated[
        float | None, Parameter(help="At full resolution; needed where the slide does not say it.")
    ] = None,
    code: Annotated[str, Parameter(help="Cancer code that the bundle knows.")] = "Unknown",
    guidance: Annotated[float | None, Parameter(help="Guidance scale; the bundle's choice if not given.")] = None,
    stride_um: Annotated[float | None, Parameter(help="Distance between patches; their side if not given.")] = None,
    positions: Annotated[
        Path | None,
        Parameter(help="CSV of patch centres in full-resolution pixels, instead of a grid over the tissue."),
    ] = None,
    features: Annotated[
        Path | None, Parameter(help="Features of the bundle's encoder computed elsewhere (.h5, .pt, .npy).")
    ] = None,
    estimate: Annotated[
        Literal["mean", "sample", "released"],
        Parameter(help="mean: the conditional mean; sample: draws in many steps; released: two steps from noise."),
    ] = "mean",
    steps: Annotated[int | None, Parameter(help="Euler steps of `sample` and `released`.")] = None,
    draws: Annotated[int, Parameter(help="Draws to average; from 2 on, their spread is kept as a layer.")] = 1,
    seed: Annotated[int, Parameter(help="Seed of the draws.")] = 0,
    guidance_interval: Annotated[
        tuple[float, float],
        Parameter(help="LOW HIGH within 0..1: times at which `sample` and `released` are guided; noise is 0, data 1."),
    ] = (0.0, 1.0),
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Parameter(help="bfloat16: several times as fast for a large model, where the processor has it."),
    ] = "float32",
    overwrite: Annotated[bool, Parameter(negative="", help="Replace existing results.")] = False,
    cache: Annotated[bool, Parameter(help="Keep features, so that a second model or code is quick.")] = True,
) -> None:
    """Predict expression for slides; each result is an AnnData, one row per patch."""
    from molf_engine.bundle import Bundle
    from molf_engine.cli.console import progress_bar, say, show_error
    from molf_engine.encoders import FeatureCache
    from molf_engine.encoders.elsewhere import read_features
    from molf_engine.files import make_parent, refuse_existing
    from molf_engine.prediction import predict_slide, write_prediction
    from molf_engine.prediction.predict import Estimation
    from molf_engine.slides import open_slide, patch_grid, patches_at, read_positions

    targets = _targets(slides, output)
    if (positions or features) and len(slides) > 1:
        raise ConfigError("--positions and --features belong to one slide; predict the slides one by one.")
    if positions is not None and stride_um is not None:
        raise ConfigError("--stride-um is for a grid of patches; with --positions there is none.")
    for target in targets.values():
        refuse_existing(target, overwrite)
        make_parent(target)
    bundle = Bundle.load(model)
    estimation = Estimation(estimate, steps, draws, seed, guidance_interval)
    if bundle.config.simulated:
        show_error(f"Note: {bundle.name} learned from simulated tissue; on a real slide its values mean nothing.")
    failed = 0
    for path, target in targets.items():
        try:
            with progress_bar() as progress, open_slide(path, um_per_pixel) as slide:
                patches = given = None
                if positions is not None:
                    centres, names = read_positions(positions)
                    patches = patches_at(slide, centres, bundle.config.patch.size_um, names)
                if features is not None:
                    patch = bundle.config.patch
                    stride = patch.stride_um if stride_um is None else stride_um
                    patches = patches or patch_grid(slide, patch.size_um, stride_um=stride)
                    given = read_features(features, patches)
                adata = predict_slide(
                    slide,
                    bundle,
                    patches=patches,
                    stride_um=stride_um,
                    code=code,
                    guidance=guidance,
                    estimation=estimation,
                    features=given,
                    cache=FeatureCache() if cache else None,
                    precision=precision,
                    progress=progress,
                )
                write_prediction(adata, target, overwrite=overwrite)
        except MolfError as error:
            # One bad slide must not cost the others their results.
            if len(targets) == 1:
                raise
            failed += 1
            show_error(str(error) if str(path) in str(error) else f"{path}: {error}")
            continue
        look = (
            f"{int(adata.obs['unfamiliar'].sum()):,} look unlike the training slides"
            if "unfamiliar" in adata.obs
            else "whether they look like the training slides is not known"
        )
        say(f"{target}: {adata.n_obs:,} patches, {adata.n_vars:,} genes; {look}")
    if failed:
        raise MolfError(f"{failed} of {len(targets)} slides failed; the others are written.")


def _targets(slides: list[Path], output: Path) -> dict[Path, Path]:
    """Result file of each slide."""
    from molf_engine.prediction.storage import SUFFIXES

    if output.suffix in SUFFIXES:
        if len(slides) != 1:
            raise ConfigError(f"{output} takes one slide, not {len(slides)}. For several give a folder.")
        return {slides[0]: output}
    targets = {slide: output / f"{slide.stem}.h5ad" for slide in slides}
    if len(set(targets.values())) < len(targets):
        raise ConfigError("Two slides have the same name; predict them into different folders.")
    return targets
