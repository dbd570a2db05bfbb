"""A whole training run: from sections to a bundle.

Everything on the way is kept in a working folder beside the bundle; a run that was interrupted and is started again with the same
settings goes on from there.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from molf_engine.bundle import Bundle
from molf_engine.bundle.bundle import write_json
from molf_engine.config import RunConfig
from molf_engine.data.corpus import Corpus
from molf_engine.data.spots import folder_fingerprint
from molf_engine.encoders import FeatureCache
from molf_engine.errors import ConfigError
from molf_engine.files import make_parent, refuse_existing
from molf_engine.progress import ProgressCallback, silent
from molf_engine.training.devices import make_fabric
from molf_engine.training.fine_tuning import adopt, joint_codes
from molf_engine.training.networks import train_networks
from molf_engine.training.rivals import check_same_rows
from molf_engine.training.sections import (
    Roles,
    cancer_codes,
    feed,
    open_corpus,
    prepare_encoder,
    read_roles,
    run_panel,
    spot_source,
)
from molf_engine.training.writing import Features, Made, write_bundle

_log = logging.getLogger(__name__)


def train(
    config: RunConfig,
    output: Path,
    *,
    cache: FeatureCache | None = None,
    start: Bundle | None = None,
    rivals: Bundle | None = None,
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
    rivals : Bundle, optional
        Take the rivals of this bundle, which was trained on the same rows, instead of fitting them again.
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
    corpus = open_corpus(config)
    roles = read_roles(config, corpus)
    genes = tuple(start.genes.index) if start is not None else run_panel(config, roles, corpus)
    if rivals is not None:
        check_same_rows(rivals, config, roles, genes)
    fabric = make_fabric(config.training)
    if not fabric.is_global_zero:
        progress = silent
    folder = _working_folder(output, config, roles, start, corpus)

    codes = cancer_codes(roles)
    if start is not None:
        codes = joint_codes(start, codes)
    # The first process fits the encoder and fills the cache of features, the others read them.
    with fabric.rank_zero_first():
        encoder = prepare_encoder(config, roles, genes, folder, progress, start, corpus)
        source = spot_source(config, encoder, cache, corpus)
        slides = feed(config, source, roles.train, genes, codes, progress, fabric.device)
        held_out = feed(config, source, roles.validation, genes, codes, progress, fabric.device)
    if start is not None and source.encoder != start.config.encoder:
        raise ConfigError(
            f"{start.name} needs features of the encoder {start.config.encoder}, but {config.data.path} gives those of {source.encoder}."
        )

    began = time.perf_counter()
    networks = train_networks(config, slides, held_out, codes, folder, fabric, progress, start)
    waited = (slides.waited + held_out.waited) / max(time.perf_counter() - began, 1e-9)
    _log.info("%.1f %% of the training time was spent waiting for data", 100 * waited)
    if fabric.is_global_zero:
        test = feed(config, source, roles.test, genes, codes, progress)
        encoded = Features(source.encoder, slides[0].features.shape[1], encoder)
        made = Made(config, roles, genes, codes, encoded, slides, held_out, test, networks, start, rivals)
        write_bundle(output, made, overwrite, progress)
        shutil.rmtree(folder, ignore_errors=True)
    fabric.barrier()
    return Bundle.load(output)


def _working_folder(output: Path, config: RunConfig, roles: Roles, start: Bundle | None, corpus: Corpus | None) -> Path:
    """Folder with the state of an interrupted run, checked to be of the same settings and data; made if there is none."""
    folder = output.with_name(f"{output.name}.training")
    file = folder / "settings.json"
    # What names and describes the model, and what is chosen after training, may change on the way.
    # How many processes share the work changes no result beyond rounding.
    ignored: Any = {"name": True, "description": True, "licence": True, "half": True, "guidance": True}
    own = json.loads(config.model_dump_json(exclude={**ignored, "training": {"devices", "nodes", "keep_gb"}}))
    fingerprint = corpus.fingerprint if corpus is not None else folder_fingerprint
    settings = {
        **own,
        "sections": {s.id: [s.code, fingerprint(s)] for s in (*roles.train, *roles.validation)},
        "from": start.weights_hash if start is not None else None,
    }
    begun = any((folder / name).exists() for name in ("encoder", "vae.pt", "flow.pt"))
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
