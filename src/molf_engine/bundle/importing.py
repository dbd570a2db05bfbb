"""Released weights made into a bundle: the files, and what is said of a model that was not trained here."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from molf_engine import __version__
from molf_engine.bundle.bundle import Bundle, write_json, write_tensors
from molf_engine.bundle.config import UNKNOWN_CODE, BundleConfig
from molf_engine.bundle.networks import state_arrays
from molf_engine.bundle.released import (
    ReleasedVAE,
    ReleasedVelocity,
    Unwritten,
    read_vae,
    read_velocity,
    split_state,
)
from molf_engine.config import DataConfig, GuidanceConfig, PatchConfig
from molf_engine.errors import BundleError, ConfigError
from molf_engine.files import atomic_path, make_parent, refuse_existing
from molf_engine.genes import panel
from molf_engine.genes.units import UNITS

if TYPE_CHECKING:
    import pandas as pd

_STATE = "model_state"
_SAFETENSORS_HEADER = 8


@dataclass(frozen=True)
class Facts:
    """What the weights themselves do not tell.

    Attributes
    ----------
    genes : str or Path
        Panel in the order of the weights: a file with one symbol a line, or the name of a known panel.
    codes : Path
        File with one cancer code a line, in the order of the weights; `Unknown` is among them.
    encoder : str
        Name of the image encoder whose features the weights expect.
    statistics : Path, optional
        TSV with ``symbol``, ``mean_log1p`` and ``sd_log1p`` of the training spots (as in ``genes.tsv`` of a bundle), for Hallmark
        scores that compare between slides; it may have ``mean_log1p-cp10k``, ``sd_log1p-cp10k`` and ``measured``.
    patch_um : float
        Side of a patch in um.
    name : str
        Name of the bundle; that of its folder if empty.
    licence : str
        Licence of the weights.
    """

    genes: str | Path
    codes: Path
    encoder: str
    statistics: Path | None = None
    patch_um: float = 112.0
    name: str = ""
    licence: str = "unstated"


def import_released(
    checkpoint: Path,
    output: Path,
    facts: Facts,
    *,
    unwritten: Unwritten | None = None,
    vae: Path | None = None,
    overwrite: bool = False,
) -> Bundle:
    """Write released weights as the bundle ``output``.

    Of a model that was trained elsewhere nothing is known but its weights: the bundle has no rivals, no statistics of the training
    features and no held-out figures, and says so; its guidance scale is 1, since none was chosen.  It has no encoder either:
    it predicts from features that were computed elsewhere.

    Parameters
    ----------
    checkpoint : Path
        File that ``torch.save`` wrote, with the weights under ``model_state``.  Only plain tensors are read: code in it never runs.
    output : Path
        Folder of the new bundle; it appears whole or not at all.
    facts : Facts
        What the weights do not tell.
    unwritten : Unwritten, optional
        Settings of the network that its tensors do not tell; the released ones if not given.
    vae : Path, optional
        Checkpoint of a gene VAE alone, which replaces the one inside ``checkpoint``.
    overwrite : bool
        Replace an existing bundle.

    Raises
    ------
    MolfError
        If a file cannot be read, is not what it should be, does not fit the others, or the folder cannot be written.
    """
    checkpoint, output = Path(checkpoint), Path(output)
    refuse_existing(output, overwrite)
    genes, codes = panel(facts.genes), read_codes(facts.codes)
    encoder = facts.encoder.strip()
    if not encoder:
        raise ConfigError("--encoder must name the image encoder whose features the weights expect, such as uni2-h.")
    if not facts.patch_um > 0:
        raise ConfigError(f"The side of a patch must be above 0 um, not {facts.patch_um:g}.")
    genes_vae, velocity = read_checkpoint(checkpoint, unwritten, vae)
    _check_counts(genes, codes, genes_vae, velocity, facts)
    table = _gene_table(genes, facts.statistics)
    make_parent(output)
    with atomic_path(output, overwrite=overwrite) as beside:
        beside.mkdir(parents=True)
        config = _config(facts, facts.name or output.resolve().name, encoder, codes, genes_vae, velocity)
        write_json(beside / "config.json", config.model_dump(mode="json"))
        write_json(beside / "metrics.json", {})
        weights = {**state_arrays(genes_vae.network(), "vae"), **state_arrays(velocity.network(), "velocity")}
        write_tensors(beside / "model.safetensors", weights, half=False)
        # No tensors: there are no rivals and no reference, which is not the same as files that got lost.
        for name in ("rivals", "reference"):
            write_tensors(beside / f"{name}.safetensors", {}, half=False)
        table.to_csv(beside / "genes.tsv", sep="\t", float_format="%.6g", na_rep="")
        (beside / "README.md").write_text(_card(Bundle.load(beside)), encoding="utf-8")
    return Bundle.load(output)


def read_checkpoint(
    path: Path, unwritten: Unwritten | None = None, vae: Path | None = None
) -> tuple[ReleasedVAE, ReleasedVelocity]:
    """Gene VAE and velocity field of a released checkpoint.

    Parameters
    ----------
    path : Path
        The checkpoint of the whole model.
    unwritten : Unwritten, optional
        What its tensors do not say; the released values if not given.
    vae : Path, optional
        Checkpoint of a gene VAE alone, which replaces the one inside.

    Raises
    ------
    BundleError
        If a file cannot be read or is not such a checkpoint.
    ConfigError
        If a head count does not divide its width, or more experts are asked for than there are.
    """
    unwritten = unwritten or Unwritten()
    state = read_state(path)
    try:
        inside, rest = split_state(state)
        velocity = read_velocity(rest, unwritten)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    where = f"{path}, in its gene VAE" if vae is None else str(vae)
    alone = inside if vae is None else read_state(vae)
    try:
        found = read_vae(alone, unwritten)
    except BundleError as error:
        raise BundleError(f"{where}: {error}") from error
    if found.config.latent != velocity.latent:
        raise BundleError(
            f"{vae or path}: the gene VAE has a latent space of width {found.config.latent}, but the velocity field of {path} "
            f"is for {velocity.latent}. They belong to different models."
        )
    return found, velocity


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors under ``model_state`` of a file that ``torch.save`` wrote.  Pickled code in it is refused, never run.

    Raises
    ------
    BundleError
        If the file cannot be read, holds more than plain data, or has no ``model_state``.
    """
    path = Path(path)
    _check_kind(path)
    try:
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    # Bytes that are no checkpoint make the reader fail in any way whatever; none of them is our mistake.
    except Exception as error:
        raise BundleError(f"{path} cannot be read as a checkpoint: {_why(error)}.") from error
    if not isinstance(content, dict) or _STATE not in content:
        held = ", ".join(map(str, list(content)[:6])) if isinstance(content, dict) else type(content).__name__
        raise BundleError(
            f"{path} has no `{_STATE}`: a released checkpoint is a table with the weights under that name. It holds: "
            f"{held or 'nothing'}."
        )
    state = content[_STATE]
    if not isinstance(state, dict) or not state:
        raise BundleError(f"{path}: `{_STATE}` is no table of tensors. Get the checkpoint again.")
    if odd := [str(name) for name, value in state.items() if not (isinstance(name, str) and isinstance(value, Tensor))]:
        raise BundleError(f"{path}: `{_STATE}` holds more than tensors: {', '.join(odd[:6])}.")
    return dict(state)


def read_codes(path: Path) -> tuple[str, ...]:
    """Cancer codes of a file, one a line; ``#`` starts a comment.

    Raises
    ------
    ConfigError
        If the file cannot be read, names a code twice or not at all, or lacks `Unknown`.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the cancer codes in {path}: {error}") from error
    codes = tuple(code for line in lines if (code := line.partition("#")[0].strip()))
    if not codes:
        raise ConfigError(f"{path} is empty: write one cancer code a line, in the order of the weights.")
    if twice := [code for code, count in Counter(codes).items() if count > 1]:
        raise ConfigError(f"{path} names {', '.join(twice[:5])} more than once: a code has one place in the weights.")
    if UNKNOWN_CODE not in codes:
        raise ConfigError(
            f"{path} has no code {UNKNOWN_CODE!r}, which a slide without a code needs. The released list has it: "
            "give this name to the code that stood for it."
        )
    return codes


def _why(error: Exception) -> str:
    """Why a file could not be read; torch's own words tell how to open it all the same, which nobody should."""
    if found := re.search(r"GLOBAL (\S+)", str(error)):
        return (
            f"it holds more than plain tensors ({found[1]}), which is refused because opening it could run a program. Save the "
            "weights alone"
        )
    return "torch.save did not write it, or it is damaged or cut short"


def _check_kind(path: Path) -> None:
    """Mistakes that the first bytes tell, in words of their own."""
    try:
        with path.open("rb") as file:
            start = file.read(_SAFETENSORS_HEADER + 1)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not start:
        raise BundleError(f"{path} is empty. Get the checkpoint again.")
    if start[_SAFETENSORS_HEADER:] == b"{":
        raise BundleError(
            f"{path} is a safetensors file. A released checkpoint is a file that torch.save wrote (.pt or .pth), with the weights "
            f"under `{_STATE}`; a bundle needs no import."
        )


def _check_counts(
    genes: tuple[str, ...], codes: tuple[str, ...], vae: ReleasedVAE, velocity: ReleasedVelocity, facts: Facts
) -> None:
    if len(genes) != vae.columns:
        raise BundleError(
            f"{facts.genes} lists {len(genes)} genes, but the weights are for {vae.columns}. Give the genes that the model was "
            "trained on, in the order of its columns."
        )
    if len(codes) != velocity.codes:
        raise BundleError(
            f"{facts.codes} lists {len(codes)} cancer codes, but the weights are for {velocity.codes}. Give the codes that the model "
            "was trained on, in their order."
        )


def _gene_table(genes: tuple[str, ...], statistics: Path | None) -> pd.DataFrame:
    """Content of ``genes.tsv``; what is not known stays empty."""
    import pandas as pd

    columns = [f"{what}_{units}" for units in UNITS for what in ("mean", "sd")]
    table = pd.DataFrame(np.nan, index=pd.Index(genes, name="symbol"), columns=columns)
    table.insert(0, "measured", True)
    table["heldout_pcc"] = np.nan
    if statistics is None:
        return table
    given = _read_statistics(statistics)
    if absent := [gene for gene in genes if gene not in given.index]:
        raise ConfigError(f"{statistics} lacks {len(absent)} of the {len(genes)} genes, {absent[0]} among them.")
    given = given.loc[list(genes)]
    for column in (name for name in columns if name in given):
        table[column] = _numbers(statistics, given, column)
    if "measured" in given:
        if not given["measured"].isin([True, False]).all():
            raise ConfigError(f"{statistics}: `measured` should be True or False for every gene.")
        table["measured"] = given["measured"].astype(bool)
    return table


def _read_statistics(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        given = pd.read_csv(path, sep="\t")
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read the gene statistics {path}: {error}") from error
    if absent := [name for name in ("symbol", "mean_log1p", "sd_log1p") if name not in given]:
        raise ConfigError(f"{path} is a TSV without the column {absent[0]}; it has {', '.join(map(str, given))}.")
    given["symbol"] = given["symbol"].astype(str)
    if given["symbol"].duplicated().any():
        raise ConfigError(f"{path} names {given['symbol'][given['symbol'].duplicated()].iloc[0]} more than once.")
    return given.set_index("symbol")


def _numbers(path: Path, given: pd.DataFrame, column: str) -> np.ndarray:
    import pandas as pd

    values: np.ndarray = pd.to_numeric(given[column], errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(values) | ((values < 0) if column.startswith("sd_") else False)
    if wrong.any():
        raise ConfigError(f"{path}: {column} of {given.index[int(wrong.argmax())]} is not a number that can be used.")
    return values


def _config(
    facts: Facts,
    name: str,
    encoder: str,
    codes: tuple[str, ...],
    vae: ReleasedVAE,
    velocity: ReleasedVelocity,
) -> BundleConfig:
    return BundleConfig(
        name=name,
        description="Weights trained elsewhere and imported; their training data and accuracy are not known here.",
        licence=facts.licence,
        software=f"napari-molf {__version__}",
        units="log1p",
        depth=False,
        codes=codes,
        # Which of them training had, the weights do not tell; none is refused for that.
        trained_codes=codes,
        guidance=1.0,
        guidance_choice=GuidanceConfig(),
        patch=PatchConfig(size_um=facts.patch_um),
        encoder=encoder,
        features=velocity.features,
        vae=vae.config,
        flow=velocity.config,
        organs=(),
        species=(),
        technologies=(),
        patients=(),
        training_sections=(),
        validation_sections=(),
        test_sections=(),
        heldout="not known: the weights were imported",
        um_per_pixel=None,
        simulated=False,
        seed=None,
        min_counts=DataConfig().min_counts,
    )


def _card(bundle: Bundle) -> str:
    """Markdown text for ``README.md``."""
    config, genes = bundle.config, bundle.genes
    flow = config.flow
    form = (
        f"{flow.experts} experts, {flow.active} for each patch"
        if flow.velocity == "moe"
        else "one attention layer across patches instead of experts. There are no published figures to check this form against: that "
        "its layer is post-norm with an exact GELU, as all others are, is an assumption"
    )
    known = bundle.has_statistics
    parts = [
        f"# {config.name}",
        config.description,
        "Predicted, not measured. Research use only.",
        "## What it needs",
        f"Image features of the encoder {config.encoder}, {config.features} numbers for each patch of {config.patch.size_um:g} um. "
        "This bundle holds no encoder: compute the features elsewhere and give them with `molf-engine predict --features FILE`.",
        "## What it is",
        f"- panel of {len(genes)} genes, predicted as log1p of counts; latent width {config.vae.latent}; {form}\n"
        f"- cancer codes in the order of the weights: {', '.join(config.codes)}. Which of them training had is not known; one that it "
        "lacked gives a prediction that means nothing.\n"
        "- guidance 1, which is none: no scale was chosen on data that this program has seen",
        "## What is not known",
        "- what it was trained on, and how good it is: no held-out figures, no rivals fitted on the same spots\n"
        "- whether a slide looks like those that it was trained on: patches are not marked as unfamiliar\n"
        "- total counts: the network predicts none, so expression relative to the local total is not available\n"
        + (
            "- Hallmark scores use the means and standard deviations that were given on import"
            if known
            else "- means and standard deviations of genes in training: a Hallmark score is the mean predicted value of the set's genes "
            "(each up to 5), led by the genes that are high anywhere. Compare it within a slide, not between sets"
        ),
        "## Limits",
        "The network knows a patch's place by its row in the list of patches, not by where it lies: another order of the same patches "
        "gives other values. Patches of a grid are in rows from the top left; those of `--positions` as listed there.",
        "## Licence",
        config.licence,
        f"Imported by {config.software}. Weights {bundle.weights_hash}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
