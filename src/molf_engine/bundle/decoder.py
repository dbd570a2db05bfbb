"""The VAE's decoder in numpy.

A viewer decodes while a slider moves; it must not pay for importing torch, nor, on Windows, for importing it after Qt.  It is the
same network as :meth:`molf_engine.nn.vae.GeneVAE.decode`; a test holds the two together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class LatentDecoder:
    """From latents to expression.

    Parameters
    ----------
    tensors : mapping
        Weights under their names in ``model.safetensors``.
    measured : ndarray
        (G,) bool; columns of genes that no training section measured are 0.
    depth : bool
        Whether the network has a last column for log(1 + total counts).
    standardise : bool
        See :class:`molf_engine.nn.vae.GeneVAE`.
    """

    def __init__(
        self, tensors: Mapping[str, np.ndarray], measured: np.ndarray, *, depth: bool, standardise: bool
    ) -> None:
        def layer(number: int) -> tuple[Array, Array]:
            name = f"vae.decoder.{number}"
            return (
                np.ascontiguousarray(tensors[f"{name}.weight"].T, dtype=np.float32),
                tensors[f"{name}.bias"].astype(np.float32),
            )

        # Principal components in place of a VAE have the last layer alone.
        hidden = [n for n in (0, 3) if f"vae.decoder.{n}.weight" in tensors]
        self._linear = [layer(n) for n in hidden]
        self._norm = [(tensors[f"vae.decoder.{n + 1}.weight"], tensors[f"vae.decoder.{n + 1}.bias"]) for n in hidden]
        self._out_weight = np.ascontiguousarray(tensors["vae.decoder.6.weight"], dtype=np.float32)
        self._out_bias = tensors["vae.decoder.6.bias"].astype(np.float32)
        self._centre = tensors["vae.centre"].astype(np.float32)
        self._scale = tensors["vae.scale"].astype(np.float32)
        self._measured = measured.astype(bool)
        self._depth = depth
        self._standardise = standardise

    @property
    def has_depth(self) -> bool:
        """Whether :meth:`total` is available."""
        return self._depth

    def hidden(self, latent: np.ndarray) -> Array:
        """Last hidden layer, (P, L) -> (P, H): all genes share it, so it is worth computing once."""
        x = np.asarray(latent, dtype=np.float32)
        for (weight, bias), (gain, shift) in zip(self._linear, self._norm, strict=True):
            x = x @ weight
            x += bias
            _norm_gelu(x, gain, shift)
        return x

    def columns(self, hidden: Array, index: Sequence[int] | np.ndarray | None = None) -> Array:
        """Expression of some genes from the last hidden layer.

        Parameters
        ----------
        hidden : ndarray
            (P, H), see :meth:`hidden`.
        index : sequence of int, optional
            Panel positions of the genes; all of them if not given.

        Returns
        -------
        ndarray
            (P, len(index)) in the model's units.
        """
        at = np.arange(self._measured.size) if index is None else np.asarray(index)
        out = self._raw(hidden, at)
        if self._standardise:
            np.maximum(out, 0, out=out)
        out[:, ~self._measured[at]] = 0
        return out

    def expression(self, latent: np.ndarray) -> Array:
        """Expression of the whole panel, (P, L) -> (P, G)."""
        return self.columns(self.hidden(latent))

    def total(self, hidden: Array) -> Array:
        """Total counts of each patch, (P, H) -> (P,).  Only if the network learned depth."""
        if not self._depth:
            raise ValueError("this model did not learn total counts")
        log_total = self._raw(hidden, np.array([self._measured.size]))[:, 0]
        # Extrapolating guidance must not run into overflow: exp(16) is far above any patch's count.
        return np.expm1(np.clip(log_total, 0, 16))

    def _raw(self, hidden: Array, at: np.ndarray) -> Array:
        out = hidden @ self._out_weight[at].T + self._out_bias[at]
        return self._centre[at] + self._scale[at] * out if self._standardise else _gelu(out)


def _norm_gelu(x: Array, gain: np.ndarray, shift: np.ndarray) -> None:
    """Layer norm, then GELU, of each row of (P, H), in place."""

    def work(rows: Array) -> None:
        rows -= rows.mean(axis=1, keepdims=True)
        rows /= np.sqrt(np.einsum("ph,ph->p", rows, rows)[:, None] / rows.shape[1] + np.float32(1e-5))
        rows *= gain
        rows += shift
        _gelu(rows)

    # Blocks stay in the processor's cache through all these passes, and numpy lets go of the thread lock in each of them.
    blocks = [x[start : start + _BLOCK_ROWS] for start in range(0, len(x), _BLOCK_ROWS)]
    threads = min(len(blocks), os.cpu_count() or 1, 4)
    if threads < 2:
        for block in blocks:
            work(block)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        list(pool.map(work, blocks))


_BLOCK_ROWS = 64
_ERF = (
    np.float32(0.254829592),
    np.float32(-0.284496736),
    np.float32(1.421413741),
    np.float32(-1.453152027),
    np.float32(1.061405429),
)


def _gelu(x: Array) -> Array:
    """Exact-form GELU, x (1 + erf(x / sqrt 2)) / 2, in place.

    erf by Abramowitz and Stegun, 7.1.26 (error below 1.5e-7): a few vector operations, many times as fast as scipy's scalar one.
    """
    size = np.abs(x)
    size *= np.float32(0.7071067811865476)
    t = np.reciprocal(size * np.float32(0.3275911) + np.float32(1))
    tail = _ERF[4] * t
    for coefficient in _ERF[3::-1]:
        tail += coefficient
        tail *= t
    np.square(size, out=size)
    np.negative(size, out=size)
    # exp of less than -80 is 0 in float32, and slow.
    np.maximum(size, np.float32(-80), out=size)
    tail *= np.exp(size, out=size)
    tail *= np.float32(0.5)
    # 1 - tail above 0, tail below: half of 1 + erf.
    np.subtract(np.float32(1), tail, out=tail, where=x > 0)
    x *= tail
    return x
