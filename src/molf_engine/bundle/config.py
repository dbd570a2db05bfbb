"""What `config.json` of a bundle says about the trained model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from molf_engine.config import FlowConfig, GuidanceConfig, PatchConfig, Units, VAEConfig

SCHEMA_VERSION = 1
UNKNOWN_CODE = "Unknown"


class Patient(BaseModel):
    """One patient whose sections the model has seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    sections: tuple[str, ...]


class BundleConfig(BaseModel):
    """Everything about a trained model that is not a weight or a gene."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    description: str = ""
    licence: str = "unstated"
    software: str
    """Version of napari-molf that trained it."""
    units: Units
    """Scale of its predictions."""
    depth: bool
    """Whether the last decoder column is the log of the total count."""
    codes: tuple[str, ...]
    """Cancer codes in the order of the weights; `Unknown` is one of them."""
    trained_codes: tuple[str, ...]
    """The codes that training sections had."""
    guidance: float
    """Guidance scale chosen by Filter-and-Rank."""
    guidance_choice: GuidanceConfig
    patch: PatchConfig
    encoder: str
    """Name of the encoder, with a hash of its weights."""
    features: int
    """D, width of the image features."""
    vae: VAEConfig
    flow: FlowConfig
    organs: tuple[str, ...]
    species: tuple[str, ...]
    technologies: tuple[str, ...]
    patients: tuple[Patient, ...]
    training_sections: tuple[str, ...]
    validation_sections: tuple[str, ...]
    test_sections: tuple[str, ...]
    heldout: str
    """What the held-out PCC of each gene was measured on, in words."""
    um_per_pixel: tuple[float, float] | None
    """Finest and coarsest training slide; none: not known, of weights trained elsewhere."""
    simulated: bool
    """Whether it learned from simulated tissue."""
    seed: int | None
    """Of the training; none: not known."""
    min_counts: float
    parent: str = ""
    """Bundle whose weights it began with, if any."""

    @property
    def expert_names(self) -> tuple[str, ...]:
        """Names `E1`..; a velocity field without a gate counts as one expert."""
        return tuple(f"E{i + 1}" for i in range(self.flow.experts if self.flow.velocity == "moe" else 1))
