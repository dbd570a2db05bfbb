"""Both stages, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.config import RunConfig
from molf_engine.nn.vae import GeneVAE
from molf_engine.nn.velocity import VelocityField
from molf_engine.progress import ProgressCallback
from molf_engine.training.curves import Curves
from molf_engine.training.fine_tuning import take_vae, take_velocity
from molf_engine.training.loop import train_stage
from molf_engine.training.slides import TrainingSlide
from molf_engine.training.stages import Autoencoder, flow_stage, fresh_vae, fresh_velocity, vae_stage

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Networks(NamedTuple):
    """What training leaves, in evaluation mode."""

    vae: Autoencoder
    field: VelocityField
    curves: Curves


def train_vae(
    config: RunConfig,
    slides: Sequence[TrainingSlide],
    held_out: Sequence[TrainingSlide],
    folder: Path,
    fabric: Fabric,
    progress: ProgressCallback,
    start: Bundle | None = None,
) -> tuple[Autoencoder, Curves]:
    """Stage 1, see :func:`train_networks`."""
    vae = fresh_vae(config, slides)
    if start is not None:
        take_vae(vae, start)
    if not isinstance(vae, GeneVAE):
        return vae.eval(), {}
    stage = vae_stage(config, vae, held_out)
    return vae, {
        "vae": train_stage(stage, slides, config.training.vae, config.training, folder, progress, fabric),
    }


def train_networks(
    config: RunConfig,
    slides: Sequence[TrainingSlide],
    held_out: Sequence[TrainingSlide],
    codes: Sequence[str],
    folder: Path,
    fabric: Fabric,
    progress: ProgressCallback,
    start: Bundle | None = None,
    stage_one: tuple[Autoencoder, Curves] | None = None,
) -> Networks:
    """Train stage 1, then stage 2.

    Parameters
    ----------
    config : RunConfig
        All settings.
    slides, held_out : sequence of TrainingSlide
        To learn from, and to judge by; on the device of ``fabric``.
    codes : sequence of str
        Cancer codes; `Unknown` is one of them.
    folder : Path
        Keeps the state of an interrupted run.
    fabric : Fabric
        See :func:`molf_engine.training.devices.make_fabric`.
    progress : callable
        Told about each epoch.
    start : Bundle, optional
        Weights to begin with.
    stage_one : tuple, optional
        What :func:`train_vae` gave for the same slides, to use instead of training it again.
    """
    training = config.training
    vae, curves = stage_one or train_vae(config, slides, held_out, folder, fabric, progress, start)
    unknown = codes.index(UNKNOWN_CODE)
    field = fresh_velocity(config, slides[0].features.shape[1], len(codes), unknown).to(fabric.device)
    if start is not None:
        take_velocity(field, start)
    curve = train_stage(
        flow_stage(config, field, vae, held_out, unknown),
        slides,
        training.flow,
        training,
        folder,
        progress,
        fabric,
        training.ema,
        training.shuffle,
    )
    return Networks(vae, field, {**curves, "flow": curve})
