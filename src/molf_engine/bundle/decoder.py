"""The VAE's decoder in numpy.

A viewer decodes while a slider moves; it must not pay for importing torch, nor, on Windows, for importing it after Qt.  It is the
same network as :meth:`molf_engine.nn.vae.GeneVAE.decode`; a test holds the two together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

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
            _by_blocks(x, partial(_norm_gelu, bias=bias, gain=gain, shift=shift))
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
        at = slice(self._measured.size) if index is None else np.asarray(index)
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

    def _raw(self, hidden: Array, at: np.ndarray | slice) -> Array:
        out: Array = hidden @ self._out_weight[at].T
        out += self._out_bias[at]
        if self._standardise:
            out *= self._scale[at]
            out += self._centre[at]
        else:
            _by_blocks(out, _gelu)
        return out


_BLOCK_ROWS = 128


def _by_blocks(x: Array, work: Callable[[Array, Array], None]) -> None:
    """Call ``work(rows, scratch)`` for blocks of rows of (P, H), which it changes in place.

    Blocks and the scratch, three times their size, stay in the processor's cache through all its passes, and numpy lets go of the
    thread lock in each of them.
    """
    threads = max(1, min(-(-len(x) // _BLOCK_ROWS), os.cpu_count() or 1, 4))

    def run(first: int) -> None:
        # Kept for all blocks of a thread: memory that is new each time costs more than the arithmetic in it.
        scratch = np.empty((3, min(_BLOCK_ROWS, len(x)), x.shape[1]), dtype=np.float32)
        for start in range(first * _BLOCK_ROWS, len(x), threads * _BLOCK_ROWS):
            rows = x[start : start + _BLOCK_ROWS]
            work(rows, scratch[:, : len(rows)])

    if threads == 1:
        run(0)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        list(pool.map(run, range(threads)))


def _norm_gelu(rows: Array, scratch: Array, *, bias: Array, gain: Array, shift: Array) -> None:
    """Bias of the linear layer, layer norm and GELU of each row."""
    rows += bias
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.sqrt(np.einsum("ph,ph->p", rows, rows)[:, None] / rows.shape[1] + np.float32(1e-5))
    rows *= gain
    rows += shift
    _gelu(rows, scratch)


# Half of the coefficients of 1 - erf, and the factor inside it over the square root of 2.
_ERF = tuple(np.float32(c / 2) for c in (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429))
_ERF_INNER = np.float32(0.3275911 * 0.5**0.5)


def _gelu(x: Array, scratch: Array) -> None:
    """Exact-form GELU, x (1 + erf(x / sqrt 2)) / 2 = max(x, 0) - |x| (1 - erf(|x| / sqrt 2)) / 2, in place.

    erf by Abramowitz and Stegun, 7.1.26 (error below 1.5e-7): a few vector operations, many times as fast as scipy's scalar one.
    """
    size, t, tail = scratch
    np.abs(x, out=size)
    np.multiply(size, _ERF_INNER, out=t)
    t += np.float32(1)
    np.reciprocal(t, out=t)
    np.multiply(t, _ERF[4], out=tail)
    for coefficient in _ERF[3::-1]:
        tail += coefficient
        tail *= t
    tail *= size
    np.square(size, out=size)
    size *= np.float32(-0.5)
    # exp of less than -80 is 0 in float32, and slow.
    np.maximum(size, np.float32(-80), out=size)
    tail *= np.exp(size, out=size)
    np.maximum(x, 0, out=x)
    x -= tail
