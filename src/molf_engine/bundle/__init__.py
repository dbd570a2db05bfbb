"""A trained model on disk: a folder of JSON, TSV and safetensors that is never written after training.

Opening one reads its description only and needs no torch; weights are read when they are asked for.
"""

from molf_engine.bundle.bundle import Bundle, find_bundle_by_hash, known_bundles, shipped_bundles, user_data_folder
from molf_engine.bundle.config import UNKNOWN_CODE, BundleConfig, Patient

__all__ = [
    "UNKNOWN_CODE",
    "Bundle",
    "BundleConfig",
    "Patient",
    "find_bundle_by_hash",
    "known_bundles",
    "shipped_bundles",
    "user_data_folder",
]
