"""A whole training run: from sections to a bundle.

Everything on the way is kept in a working folder beside the bundle; a run that was interrupted and is started again with the same
settings goes on from there.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from molf_engine.bundle import Bundle
from molf_engine.bundle.bundle import write_json
from molf_engine.config import RunConfig
from molf_engine.encoders import FeatureCache
from molf_engine.errors import ConfigError
from molf_engine.files import make_parent, refuse_existing
from molf_engine.genes import panel
from molf_engine.progress import ProgressCallback, silent
from molf_engine.training.devices import make_fabric
from molf_engine.training.fine_tuning import adopt, joint_codes
from molf_engine.training.networks import train_networks
from molf_engine.training.sections import Roles, cancer_codes, load_slides, prepare_encoder, read_roles
from molf_engine.training.slides import on_device
from molf_engine.training.writing import Made, write_bundle

_log = logging.getLogger(__name__)


def train(
    config: RunConfig,
    output: Path,
    *,
    cache: FeatureCache | None = None,
    start: Bundle | None = None,
    overwrite: bool = False,
    progress: ProgressCallback = silent,
) -> Bundle:
    """Train both stages and the rivals, choose the guidance scale, score, and write the bundle ``output``.

    Parameters
    ----------
    config : RunConfig
        All settings.
    output : Path
        Folder of the new bundle.  While training runs, ``output`` with `.training` appended holds its state.
    cache : FeatureCache, optional
        Keeps features of slides between runs.
    start : Bundle, optional
        Go on from the weights of this bundle: its encoder, panel and shape are kept, its patients count as seen.
    overwrite : bool
        Replace an existing bundle.
    progress : callable
        Told about each phase; may raise ``Cancelled``, after which the same call goes on.

    Raises
    ------
    MolfError
        If the settings, the data or the folder do not allow it.
    """
    output = Path(output)
    refuse_existing(output, overwrite)
    make_parent(output)
    # Everything that can be refused is, before a folder is made.
    if start is not None:
        config = adopt(config, start)
    roles = read_roles(config)
    genes = tuple(start.genes.index) if start is not None else panel(config.data.panel)
    fabric = make_fabric(config.training)
    if not fabric.is_global_zero:
        progress = silent
    folder = _working_folder(output, config, roles, start)

    codes = cancer_codes(roles)
    if start is not None:
        codes = joint_codes(start, codes)
    # The first process fits the encoder and fills the cache of features, the others read them.
    with fabric.rank_zero_first():
        encoder = prepare_encoder(config, roles, genes, folder, progress, start)
        slides = on_device(fabric.device, load_slides(config, roles.train, genes, codes, encoder, cache, progress))
        held_out = on_device(
            fabric.device, load_slides(config, roles.validation, genes, codes, encoder, cache, progress)
        )

    networks = train_networks(config, slides, held_out, codes, folder, fabric, progress, start)
    if fabric.is_global_zero:
        test = load_slides(config, roles.test, genes, codes, encoder, cache, progress)
        made = Made(config, roles, genes, codes, encoder, slides, held_out, test, networks, start)
        write_bundle(output, made, overwrite, progress)
        shutil.rmtree(folder, ignore_errors=True)
    fabric.barrier()
    return Bundle.load(output)


def _working_folder(output: Path, config: RunConfig, roles: Roles, start: Bundle | None) -> Path:
    """Folder with the state of an interrupted run, checked to be of the same settings and data; made if there is none."""
    folder = output.with_name(f"{output.name}.training")
    file = folder / "settings.json"
    # What names and describes the model, and what is chosen after training, may change on the way.
    # How many processes share the work changes no result beyond rounding.
    ignored: Any = {"name": True, "description": True, "licence": True, "half": True, "guidance": True}
    own = json.loads(config.model_dump_json(exclude={**ignored, "training": {"devices", "nodes"}}))
    settings = {
        **own,
        "sections": {s.id: [s.code, s.st_path.stat().st_size] for s in (*roles.train, *roles.validation)},
        "from": start.weights_hash if start is not None else None,
    }
    begun = (folder / "encoder").is_dir()
    if file.is_file() and begun:
        before = json.loads(file.read_text(encoding="utf-8"))
        if before != settings:
            raise ConfigError(
                f"{folder} holds an interrupted run with other settings or data ({_difference(before, settings)}). Use those again "
                "to go on with it, or delete the folder to start anew."
            )
        _log.info("going on with the interrupted run in %s", folder)
    else:
        write_json(file, settings)
    return folder


def _difference(before: object, after: object, name: str = "") -> str:
    """The first setting in which two trees of settings differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            if found := _difference(before.get(key), after.get(key), f"{name}.{key}" if name else str(key)):
                return found
        return ""
    return "" if before == after else f"{name} was {before!r}, is {after!r}"
