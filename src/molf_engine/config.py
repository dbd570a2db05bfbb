"""Typed, validated settings.  One TOML or YAML file holds a whole training run.

Every setting is also a flag of ``molf-engine train`` under its dotted name (``--flow.experts 8``).  Paths are relative to the
file that names them.  ``published`` widths are those of the released network (``configs/published.toml``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from molf_engine.errors import ConfigError

Units = Literal["log1p", "log1p-cp10k"]
Position = Literal["grid-2d", "row-order", "none"]


class _Settings(BaseModel):
    # use_attribute_docstrings: the text under a field is its description, in --help and in the schema.
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True)


class DataConfig(_Settings):
    """Which sections to learn from, and how their counts are read."""

    path: Path | None = None
    """HEST-layout folder (st/, wsis/, metadata/), or the corpus that `molf-engine prepare` made. `--data` overrides it."""
    features: Path | None = None
    """Folder of features made elsewhere (<id>.h5, .pt or .npy) by the encoder that encoder.name names; not for a corpus, which has them."""
    sections: tuple[str, ...] = ()
    """Ids of the sections to train on, the validation sections included; empty: every section in the folder."""
    validation: tuple[str, ...] = ()
    """Ids held out of the weights: early stopping and the choice of the guidance scale use them."""
    test: tuple[str, ...] = ()
    """Ids scored once, when everything is chosen; their figures go into the card."""
    min_counts: float = Field(100, gt=0)
    """Spots with fewer counts in all are left out of training and scoring, and counted."""
    units: Units = "log1p-cp10k"
    """Scale the network learns: `log1p` of raw counts (published), or composition and depth apart."""
    panel: str = "molf-1386"
    """Gene panel: `molf-1386` (the paper's), `hallmark`, `hallmark+hvg` (chosen on the training sections), `corpus` (all that a prepared
    corpus holds), or a file with one symbol a line."""


class PatchConfig(_Settings):
    """What one patch is, in um: never in pixels alone."""

    size_um: float = Field(112.0, gt=0)
    """Side of a patch. 112 um is 224 px at 0.5 um per pixel, the patch of HEST-1k."""
    stride_um: float | None = Field(None, gt=0)
    """Distance between patch centres on a grid; none: the side of a patch, without overlap."""


class EncoderConfig(_Settings):
    """What turns the image of a patch into features."""

    name: str = "builtin"
    """`builtin` needs no download and is fitted on the training sections; else a foundation encoder (`uni2-h`, ..., docs/encoders.md) or a
    folder that holds one. A corpus brings its own."""


class VAEConfig(_Settings):
    """Gene VAE (stage 1). Defaults are ours; the published widths are in configs/published.toml."""

    kind: Literal["transformer", "pca"] = "transformer"
    """`transformer`: the paper's; `pca`: principal components of the training spots, in closed form, as a control."""
    latent: int = Field(16, ge=1)
    """Width of the latent space in which the flow runs."""
    width: int = Field(128, ge=4)
    """Width of the encoder layer and of the first decoder layer (the second is twice as wide)."""
    heads: int = Field(4, ge=1)
    """Attention heads of the encoder layer."""
    feedforward: int = Field(256, ge=1)
    """Width of its feed-forward network."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """In training, within the layers."""
    gene_dropout: float = Field(0.15, ge=0, lt=1)
    """Share of the input entries set to zero at random; the loss still covers them."""
    latent_noise: float = Field(0.1, ge=0)
    """Standard deviation of the noise added to the latent in training."""
    kl_weight: float = Field(1e-7, ge=0)
    """Weight of the Kullback-Leibler divergence of the latents from a standard normal."""
    standardise: bool = True
    """Learn each gene in units of its training mean and sd (ours); false: plain values, final GELU (published)."""
    depth_weight: float = Field(0.02, ge=0)
    """Weight of log total counts in the loss, as a share of all genes together (`log1p-cp10k` only)."""


class FlowConfig(_Settings):
    """Velocity field and flow matching (stage 2)."""

    velocity: Literal["moe", "dense", "attention"] = "moe"
    """`moe`: sparse experts; `dense`: one network of the same number of parameters; `attention`: the paper's control."""
    experts: int = Field(6, ge=1)
    """How many experts there are."""
    active: int = Field(2, ge=1)
    """How many experts each patch uses (top-k)."""
    expert_width: int = Field(64, ge=4)
    """Width of an expert."""
    expert_heads: int = Field(4, ge=1)
    """Attention heads of `velocity = "attention"`; an expert sees one patch and needs none."""
    expert_feedforward: int = Field(128, ge=1)
    """Width of an expert's feed-forward network."""
    context_heads: int = Field(4, ge=1)
    """Attention heads over the patches of a slide."""
    context_feedforward: int = Field(256, ge=1)
    """Width of the feed-forward network that follows them."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """In training, within the layers."""
    position: Position = "none"
    """`none` (ours: on unseen patients the others lose, docs/accuracy.md); `grid-2d`: sinusoids of x, y in um; `row-order`: of the row in
    the file (published)."""
    guidance_dropout: Literal["patch-context", "slide-features"] = "patch-context"
    """What is hidden to learn the unconditional branch: a patch's context vector (ours), or a slide's features (released)."""
    guidance_drops_code: bool = False
    """Whether the unconditional branch lacks the cancer code as well as the image (the paper's text); released: the image alone."""
    guidance_dropout_rate: float = Field(0.1, ge=0, le=1)
    """How often it is hidden."""
    code_dropout_rate: float = Field(0.1, ge=0, le=1)
    """Share of slides whose cancer code is replaced by `Unknown`, so that the unknown code is trained."""
    gate_noise: float = Field(0.01, ge=0)
    """Standard deviation of the noise added to the gate's logits in training."""
    gene_weight: float = Field(1.0, ge=0)
    """Weight of the gene-consistency loss."""
    balance_weight: float = Field(1.0, ge=0)
    """Weight of the load-balancing loss."""
    balance: Literal["switch", "cv"] = "switch"
    """`switch`: mean probability times share of patches, summed over experts (released); `cv`: squared coefficient of variation of the mean
    probability (the paper's words)."""
    per_patch_time: bool = True
    """Draw t for each patch (ours) or once per slide (published)."""
    source: Literal["unit", "matched"] = "unit"
    """Spread of the noise that paths start from: 1 (ours), or that of the slide's latents (published, in training only)."""
    zero_time_share: float = Field(0.25, ge=0, le=1)
    """Share of the draws of t that are exactly 0, the only time that one Euler step visits."""
    path_noise: float = Field(0.0, ge=0)
    """Standard deviation of the noise added to the network's input in training (published: 0.001)."""
    vae_dropout: bool = False
    """Leave the frozen VAE's dropout on while it makes the targets (as released); ours: evaluation mode."""

    @model_validator(mode="after")
    def _enough_experts(self) -> Self:
        if self.active > self.experts:
            raise ValueError(f"active is {self.active}, but there are only {self.experts} experts")
        return self


class StageConfig(_Settings):
    """One stage of training."""

    epochs: int = Field(400, ge=1)
    """At most."""
    learning_rate: float = Field(5e-4, gt=0)
    """Highest, of AdamW."""
    weight_decay: float = Field(0.01, ge=0)
    """Of AdamW."""
    warmup: float = Field(0.05, ge=0, le=1)
    """Share of the steps over which the learning rate rises from 0; it then falls linearly to 0."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient of a step."""
    patience: int = Field(50, ge=1)
    """Stop after so many epochs without a better validation loss."""


class FlowStageConfig(StageConfig):
    """Stage 2."""

    # Defaults of its own here, not where it is used: a file that names one setting of the stage leaves the others at these.
    epochs: int = Field(800, ge=1)
    """At most."""
    learning_rate: float = Field(1e-3, gt=0)
    """Highest, of AdamW."""
    gate_learning_rate: float | None = Field(2e-4, gt=0)
    """Of the gate alone."""


class TrainingConfig(_Settings):
    """How both stages are trained."""

    vae: StageConfig = StageConfig()
    flow: FlowStageConfig = FlowStageConfig()
    seed: int = 2026
    """Of everything that is drawn."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `mps`."""
    devices: int = Field(1, ge=1)
    """Processes on each node, one for each GPU; more than one share every step's slides (DDP)."""
    nodes: int = Field(1, ge=1)
    """Nodes of a cluster. Under SLURM, start one task for each process: `srun --ntasks-per-node DEVICES molf-engine train ...`."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16`: matrix products in bfloat16, weights and losses in float32."""
    keep_gb: float = Field(4.0, ge=0)
    """Memory for slides of a prepared corpus, in GiB; what does not fit is read again in each epoch, while the network works."""
    batch_slides: int = Field(1, ge=1)
    """Slides in one step, over all processes; losses are means over slides."""
    shuffle: bool = True
    """Draw the order of the slides anew in each epoch (ours); published: the order of the folder, in stage 2."""
    validation: Literal["grid", "random"] = "grid"
    """Times and noise of stage 2's validation loss: the same in every epoch (ours), or drawn anew (published)."""
    ema: float = Field(0.99, ge=0, lt=1)
    """Decay of the moving average of the stage-2 weights that is validated and saved; 0: off."""
    checkpoint_every: int = Field(10, ge=1)
    """Epochs between two saved states."""

    @model_validator(mode="after")
    def _a_slide_for_each_process(self) -> Self:
        if self.batch_slides < self.devices * self.nodes:
            raise ValueError(
                f"a step has {self.batch_slides} slides for {self.devices * self.nodes} processes; set batch_slides to at least that"
            )
        return self


class GuidanceConfig(_Settings):
    """Filter-and-Rank (paper, eq. 11-12)."""

    scales: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = Field(
        (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0), min_length=1
    )
    """Scales to choose from."""
    tolerance: float = Field(0.05, ge=0)
    """tau: how much worse than the best Wasserstein distance a scale may be, relatively, and still be ranked."""


class RunConfig(_Settings):
    """A whole training run."""

    name: str = "molf"
    """Name of the model, shown to its users."""
    description: str = ""
    """For whom the model is and for whom it is not, in a sentence or two; opens the card."""
    licence: str = "unstated"
    """Licence of the trained weights, as the card says it."""
    half: bool = False
    """Store weights as float16: half the size on disk."""
    data: DataConfig = DataConfig()
    patch: PatchConfig = PatchConfig()
    encoder: EncoderConfig = EncoderConfig()
    vae: VAEConfig = VAEConfig()
    flow: FlowConfig = FlowConfig()
    training: TrainingConfig = TrainingConfig()
    guidance: GuidanceConfig = GuidanceConfig()


def read_settings(path: Path) -> dict[str, Any]:
    """Settings of a TOML or YAML file as nested dictionaries, paths made absolute.

    Raises
    ------
    ConfigError
        If the file is missing, of another kind or cannot be parsed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the settings file {path}: {error}") from error
    match path.suffix.lower():
        case ".toml":
            import tomllib

            try:
                values: Any = tomllib.loads(text)
            except tomllib.TOMLDecodeError as error:
                raise ConfigError(f"{path} is not valid TOML: {error}") from error
        case ".yaml" | ".yml":
            import yaml

            try:
                values = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ConfigError(f"{path} is not valid YAML: {error}") from error
        case suffix:
            raise ConfigError(f"{path} ends in {suffix or 'nothing'}; a settings file is .toml, .yaml or .yml.")
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no settings: it should be tables such as [data] and [flow].")
    data = values.get("data")
    if isinstance(data, dict):
        for key in ("path", "features"):
            if data.get(key) is not None:
                data[key] = str((path.parent / Path(str(data[key])).expanduser()).resolve())
        # A panel is a name, or a file beside the settings.
        panel = path.parent / Path(str(data.get("panel", ""))).expanduser()
        if panel.is_file():
            data["panel"] = str(panel.resolve())
    return values


def validate(values: dict[str, Any], source: str = "the settings") -> RunConfig:
    """Settings checked against :class:`RunConfig`; every mistake is named at once.

    Raises
    ------
    ConfigError
        With one line per mistake: its dotted name, what is wrong, what was given.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in item['loc'])}: "
            + (
                "there is no such setting"
                if item["type"] == "extra_forbidden"
                else f"{item['msg']} (given: {item['input']!r})"
            )
            for item in error.errors()
        ]
        raise ConfigError(f"Mistakes in {source}:\n" + "\n".join(lines)) from error
