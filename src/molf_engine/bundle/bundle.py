"""Reading and writing bundles, and finding the ones that this machine knows."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine.bundle.config import SCHEMA_VERSION, UNKNOWN_CODE, BundleConfig
from molf_engine.errors import BundleError
from molf_engine.files import atomic_path

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from molf_engine.baselines import Rival
    from molf_engine.bundle.decoder import LatentDecoder
    from molf_engine.bundle.reference import FeatureReference
    from molf_engine.encoders import Encoder
    from molf_engine.nn.linear_vae import LinearVAE
    from molf_engine.nn.vae import GeneVAE
    from molf_engine.nn.velocity import VelocityField

FILES = ("config.json", "model.safetensors", "genes.tsv", "rivals.safetensors", "reference.safetensors", "metrics.json")


@dataclass(frozen=True)
class Bundle:
    """A trained model.

    Attributes
    ----------
    path : Path
        Its folder.
    config : BundleConfig
        What it is.
    weights_hash : str
        SHA-256 of ``model.safetensors``; results name it.
    """

    path: Path
    config: BundleConfig
    weights_hash: str

    @classmethod
    def load(cls, source: str | Path) -> Bundle:
        """Open the folder, shipped name or Hugging Face repository id ``source``.

        Raises
        ------
        BundleError
            If there is no bundle, a file is missing or damaged, or another version wrote it.
        """
        path = _locate(source)
        missing = [name for name in FILES if not (path / name).is_file()]
        if missing:
            raise BundleError(
                f"{path} is not a complete bundle: {', '.join(missing)} missing. "
                "A bundle is the folder that `molf-engine train -o` or `molf-engine import-weights -o` writes."
            )
        config = _read_config(path / "config.json")
        digest = hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()
        bundle = cls(path, config, digest)
        bundle._check_genes()
        return bundle

    @property
    def name(self) -> str:
        """Name that its trainer gave it."""
        return self.config.name

    @property
    def id(self) -> str:
        """Name and the start of the weights' hash: unique enough for layer names."""
        return f"{self.config.name}-{self.weights_hash[:8]}"

    @property
    def imported(self) -> bool:
        """Whether its weights were trained elsewhere: then nothing is known of their training, and there are no rivals."""
        return not self.config.training_sections

    @cached_property
    def genes(self) -> pd.DataFrame:
        """The panel, one row per gene in the order of the weights.

        Columns: ``measured`` in training (bool), ``mean`` and ``sd`` of the training spots in the bundle's units, the same for each
        scale by name (``mean_log1p``, ...), and ``heldout_pcc`` (NaN where unknown).  Without :attr:`has_statistics`, ``mean`` is 0
        and ``sd`` 1 in the bundle's units, so that a Hallmark score is the mean value of its genes; in other units they are NaN.
        """
        mean, sd = f"mean_{self.config.units}", f"sd_{self.config.units}"
        table = self._gene_table
        if not self.has_statistics:
            table = table.assign(**{mean: 0.0, sd: 1.0})
        return table.assign(mean=table[mean], sd=table[sd])

    @cached_property
    def has_statistics(self) -> bool:
        """Whether means and standard deviations of the genes in training are known; imported weights may lack them."""
        return not self.imported or bool(self._gene_table[f"sd_{self.config.units}"].notna().any())

    @cached_property
    def _gene_table(self) -> pd.DataFrame:
        """``genes.tsv`` as it is."""
        import pandas as pd

        try:
            table = pd.read_csv(self.path / "genes.tsv", sep="\t", index_col="symbol", keep_default_na=True)
            table.index = table.index.astype(str)
            table["measured"] = table["measured"].astype(bool)
            for needed in (f"mean_{self.config.units}", f"sd_{self.config.units}"):
                table[needed] = table[needed].astype(float)
        except (KeyError, ValueError) as error:
            raise BundleError(f"{self.path / 'genes.tsv'} is damaged: {error}. Get the bundle again.") from error
        return table

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Content of ``metrics.json``: held-out PCC of the model and its rivals, each with data, split, protocol and n."""
        return _read_json(self.path / "metrics.json")

    @property
    def card_line(self) -> str:
        """One line on what it has seen and how good it is, for a reader who will see no other."""
        config = self.config
        if config.um_per_pixel is None:
            return f"imported weights for features of {config.encoder}; training data and accuracy not known"
        low, high = config.um_per_pixel
        scale = f"{low:.2g} um/px" if round(high / low, 1) == 1 else f"{low:.2g}-{high:.2g} um/px"
        count = len(config.patients)
        # Only codes that say more than the organ's own name.
        codes = " ".join(code for code in config.trained_codes if code != "Unknown")
        what = "simulated tissue" if config.simulated else f"{' '.join(config.organs).lower()} {codes}".strip()
        patients = f"{count} patient{'s' if count != 1 else ''}" if count else "patients not stated"
        line = f"trained on {what}, {patients}, {scale}"
        summary = self.metrics.get("summary")
        if summary:
            rows = self.metrics["test"] or self.metrics["validation"]
            who = ", seen patients" if all(row["seen"] for row in rows) else ""
            line += f" · held-out PCC {summary['molf']:.2f} (ridge {summary['ridge']:.2f}{who})"
        return line

    @cached_property
    def tensors(self) -> dict[str, np.ndarray]:
        """All weights of the networks as float32 arrays."""
        return read_tensors(self.path / "model.safetensors")

    def decoder(self) -> LatentDecoder:
        """The decoder in numpy."""
        from molf_engine.bundle.decoder import LatentDecoder

        return LatentDecoder(
            self.tensors,
            self.genes["measured"].to_numpy(),
            depth=self.config.depth,
            standardise=self.config.vae.standardise,
        )

    def velocity(self) -> VelocityField:
        """The velocity field in torch, in evaluation mode."""
        from molf_engine.bundle.networks import build_velocity, load_arrays

        config = self.config
        network = build_velocity(config.flow, config.vae.latent, config.features, len(config.codes))
        load_arrays(network, self.tensors, "velocity")
        return network.eval()

    def vae(self) -> GeneVAE | LinearVAE:
        """The gene VAE, or what stands in for it, in torch, in evaluation mode."""
        from molf_engine.bundle.networks import build_vae, load_arrays

        network = build_vae(self.config.vae, len(self.genes) + self.config.depth, self.config.flow.position)
        load_arrays(network, self.tensors, "vae")
        return network.eval()

    @property
    def has_encoder(self) -> bool:
        """Whether it can look at pixels itself; imported weights and models of features made elsewhere cannot."""
        return (self.path / "encoder").is_dir()

    def encoder(self) -> Encoder:
        """The encoder it was trained with.

        Raises
        ------
        BundleError
            If the bundle has none, or the encoder at hand is not the one named in the settings.
        """
        from molf_engine.encoders import load_encoder

        if not self.has_encoder:
            raise BundleError(
                f"The model {self.name} needs features of the image encoder {self.config.encoder} ({self.config.features} for each "
                "patch), which it does not hold, so it cannot look at a slide's pixels itself. Compute the features elsewhere and "
                "give them with `molf-engine predict --features FILE`."
            )
        encoder = load_encoder(self.path / "encoder")
        if encoder.name != self.config.encoder or encoder.width != self.config.features:
            raise BundleError(
                f"{self.path} was trained with the encoder {self.config.encoder} of width {self.config.features}, but its "
                f"encoder folder holds {encoder.name} of width {encoder.width}. Get the bundle again."
            )
        return encoder

    def rivals(self) -> dict[str, Rival]:
        """The rivals that were fitted on the same rows: `ridge`, `mlp`, and depth alone for each scale (`depth.log1p`, ...).

        Imported weights have none.
        """
        from molf_engine.baselines import RIVALS
        from molf_engine.genes.units import UNITS

        tensors = read_tensors(self.path / "rivals.safetensors")
        if self.imported and not tensors:
            return {}
        names = ("ridge", "mlp", *(f"depth.{units}" for units in UNITS))
        return {
            name: RIVALS[name.partition(".")[0]].from_tensors(
                {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
            )
            for name in names
        }

    def reference(self) -> FeatureReference | None:
        """Feature statistics of the training patches; none where they are not known, as for imported weights."""
        from molf_engine.bundle.reference import FeatureReference

        tensors = read_tensors(self.path / "reference.safetensors")
        return None if self.imported and not tensors else FeatureReference.from_tensors(tensors)

    def code_index(self, code: str) -> int:
        """Row of a cancer code.

        Raises
        ------
        BundleError
            If the model does not know the code; the message names those it knows.
        """
        if code not in self.config.codes:
            raise BundleError(
                f"The model {self.name} does not know the cancer code {code!r}. It knows: {', '.join(self.config.codes)}."
            )
        if code == UNKNOWN_CODE and not self.config.flow.code_dropout_rate and code not in self.config.trained_codes:
            raise BundleError(
                f"The model {self.name} was trained without an unknown cancer code. Choose one of: "
                f"{', '.join(self.config.trained_codes)}."
            )
        return self.config.codes.index(code)

    def _check_genes(self) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(self.path / "model.safetensors"), framework="np") as file:
                columns = file.get_slice("vae.decoder.6.bias").get_shape()[0]
                codes = file.get_slice("velocity.context.code.weight").get_shape()[0]
        except (SafetensorError, OSError) as error:
            raise BundleError(
                f"{self.path / 'model.safetensors'} is damaged: {error}. Get the bundle again."
            ) from error
        if columns != len(self.genes) + self.config.depth:
            raise BundleError(
                f"{self.path}: genes.tsv lists {len(self.genes)} genes, but the weights are for "
                f"{columns - self.config.depth}. The files belong to different models."
            )
        if codes != len(self.config.codes):
            raise BundleError(
                f"{self.path}: config.json lists {len(self.config.codes)} cancer codes, but the weights are for {codes}. "
                "The files belong to different models."
            )


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a safetensors file, as float32.  Raises :class:`BundleError` if it is damaged."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path} is damaged: {error}. Get the bundle again.") from error
    return {name: np.asarray(value, dtype=np.float32) for name, value in arrays.items()}


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], *, half: bool) -> None:
    """Write arrays as float32, or as float16 where ``half`` and every value fits."""
    import numpy as np
    from safetensors.numpy import save

    def stored(value: np.ndarray) -> np.ndarray:
        value = np.ascontiguousarray(value, dtype=np.float32)
        fits = half and (value.size == 0 or np.abs(value).max() < np.finfo(np.float16).max)
        return value.astype(np.float16) if fits else value

    # Not save_file: it makes files that only their owner may read.
    path.write_bytes(save({name: stored(value) for name, value in sorted(tensors.items())}))


def write_json(path: Path, value: object) -> None:
    """Write JSON that a person can read, whole or not at all."""
    with atomic_path(path) as beside:
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def user_data_folder() -> Path:
    """Folder for a user's own bundles and names; the environment variable MOLF_DATA_DIR moves it."""
    if folder := os.environ.get("MOLF_DATA_DIR"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-molf", appauthor=False))


def shipped_bundles() -> dict[str, Path]:
    """Bundles that come with the package, by name."""
    return _folders(Path(__file__).parent / "shipped")


def known_bundles() -> dict[str, Path]:
    """Shipped bundles and those in the ``bundles`` folder of the user's data."""
    return {**shipped_bundles(), **_folders(user_data_folder() / "bundles")}


def find_bundle_by_hash(weights_hash: str) -> Bundle | None:
    """The known bundle with these weights, if there is one."""
    for path in known_bundles().values():
        try:
            bundle = Bundle.load(path)
        except BundleError:
            continue
        if bundle.weights_hash == weights_hash:
            return bundle
    return None


def _folders(parent: Path) -> dict[str, Path]:
    if not parent.is_dir():
        return {}
    return {path.name: path for path in sorted(parent.iterdir()) if (path / "config.json").is_file()}


def _locate(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    known = known_bundles()
    if str(source) in known:
        return known[str(source)]
    if not path.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        return _download(str(source))
    raise BundleError(
        f"There is no bundle {source}. Known by name: {', '.join(known) or 'none'}; or give the path of a bundle's folder."
    )


def _download(repository: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    except ImportError as error:
        raise BundleError(
            f"{repository} is no folder here. To look it up on Hugging Face, install the extra: "
            'pip install "napari-molf[foundation]".'
        ) from error
    try:
        return Path(snapshot_download(repository))
    except (RepositoryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise BundleError(
            f"{repository} is no folder here and could not be fetched from Hugging Face: {error}"
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is damaged: {error}. Get the bundle again.") from error
    if not isinstance(value, dict):
        raise BundleError(f"{path} is damaged: it holds no table. Get the bundle again.")
    return value


def _read_config(path: Path) -> BundleConfig:
    from pydantic import ValidationError

    values = _read_json(path)
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path.parent} was written in version {version!r} of the bundle format; this program reads version "
            f"{SCHEMA_VERSION}. Install the version of napari-molf that wrote it ({values.get('software', 'unknown')})."
        )
    try:
        return BundleConfig.model_validate(values)
    except ValidationError as error:
        raise BundleError(f"{path} is damaged: {error}") from error
