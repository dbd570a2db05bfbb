"""The nonlinear rival: a small network that sees one patch at a time."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from molf_engine.baselines.rival import Rows, centred, standardisation, take, training_rows

if TYPE_CHECKING:
    import torch

_EPSILON = 1e-5


@dataclass
class MLP:
    """Two hidden layers (linear, LayerNorm, ReLU, dropout), AdamW, early stopping.

    Genes are learned in units of their training sd, unmeasured ones leave the loss; log total count is one more output.
    torch is needed to fit, numpy alone to predict.
    """

    hidden: tuple[int, ...] = (256, 256)
    dropout: float = 0.3
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    batch_size: int = 128
    epochs: int = 300
    patience: int = 30

    name = "mlp"

    def fit(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        measured: np.ndarray,
        log_total: np.ndarray,
        seed: int = 0,
        validation: np.ndarray | None = None,
    ) -> Self:
        """Fit by gradient descent.  See :class:`~molf_engine.baselines.rival.Rival`.

        Without validation spots, a tenth of the training spots, drawn at random, decides when to stop.
        """
        if validation is None or not np.any(validation):
            validation = _random_tenth(len(features), seed)
        training = training_rows(features, targets, measured, log_total, validation)
        held_out = training_rows(features, targets, measured, log_total, validation, held_out=True)
        mean, sd = standardisation(training.features)
        scale = _TargetScale(training)
        layers = self._train(
            _batch(training, mean, sd, scale),
            _batch(held_out if len(held_out.features) else training, mean, sd, scale),
            seed,
        )
        # Units are folded into the first and last layer: prediction is layers and nothing else.
        self._mean = mean.astype(np.float32)
        first, last = layers[0], layers[-1]
        first["weight"] = (first["weight"] / sd[:, None]).astype(np.float32)
        last["weight"] = (last["weight"] * scale.sd).astype(np.float32)
        last["bias"] = (last["bias"] * scale.sd + scale.mean).astype(np.float32)
        self._layers = layers
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """``(P, G)`` expression."""
        return self._forward(features)[:, :-1]

    def log_total(self, features: np.ndarray) -> np.ndarray:
        """``(P,)`` log total counts."""
        return self._forward(features)[:, -1]

    def tensors(self) -> dict[str, np.ndarray]:
        """``mean (D,)``; of layer ``i``: ``i.weight``, ``i.bias`` and, but for the last, ``i.gain`` and ``i.shift``."""
        layers = {f"{index}.{key}": value for index, layer in enumerate(self._layers) for key, value in layer.items()}
        return {"mean": self._mean} | layers

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> Self:
        """Load what :meth:`tensors` gave."""
        count = max((int(name.partition(".")[0]) for name in tensors if name.endswith(".weight")), default=0) + 1
        layers = []
        for index in range(count):
            keys = ("weight", "bias") if index == count - 1 else ("weight", "bias", "gain", "shift")
            values = take(tensors, tuple(f"{index}.{key}" for key in keys), cls.name)
            layers.append(dict(zip(keys, values, strict=True)))
        rival = cls(hidden=tuple(layer["weight"].shape[1] for layer in layers[:-1]))
        rival._layers = layers
        (rival._mean,) = take(tensors, ("mean",), cls.name)
        return rival

    def _forward(self, features: np.ndarray) -> np.ndarray:
        x = centred(features, self._mean)
        *hidden, last = self._layers
        for layer in hidden:
            x = x @ layer["weight"] + layer["bias"]
            x = x - x.mean(axis=1, keepdims=True)
            x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + np.float32(_EPSILON))
            x = np.maximum(x * layer["gain"] + layer["shift"], 0)
        return x @ last["weight"] + last["bias"]

    def _train(self, training: _Batch, held_out: _Batch, seed: int) -> list[dict[str, np.ndarray]]:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self._network(training.x.shape[1], training.y.shape[1])
            optimiser = torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
            best, best_loss, waited = copy.deepcopy(network.state_dict()), float("inf"), 0
            for _ in range(self.epochs):
                network.train()
                for index in torch.randperm(len(training.x)).split(self.batch_size):
                    optimiser.zero_grad(set_to_none=True)
                    _loss(network, training.rows(index)).backward()
                    optimiser.step()
                network.eval()
                with torch.no_grad():
                    loss = float(_loss(network, held_out))
                if loss < best_loss:
                    best, best_loss, waited = copy.deepcopy(network.state_dict()), loss, 0
                elif (waited := waited + 1) >= self.patience:
                    break
            network.load_state_dict(best)
        return _as_arrays(network)

    def _network(self, inputs: int, outputs: int) -> torch.nn.Sequential:
        from torch import nn

        modules: list[nn.Module] = []
        for width in self.hidden:
            modules += [
                nn.Linear(inputs, width),
                nn.LayerNorm(width, eps=_EPSILON),
                nn.ReLU(),
                nn.Dropout(self.dropout),
            ]
            inputs = width
        return nn.Sequential(*modules, nn.Linear(inputs, outputs))


class _TargetScale:
    """Mean and sd ``(G + 1,)`` of the targets where they are measured, the log total last."""

    def __init__(self, rows: Rows) -> None:
        targets, measured = _with_depth(rows)
        weight = measured.astype(np.float64)
        count = np.maximum(weight.sum(axis=0), 1)
        self.mean = (targets * weight).sum(axis=0) / count
        variance = (((targets - self.mean) * weight) ** 2).sum(axis=0) / count
        # A gene that never varies, or was never measured, is predicted as its mean, or 0.
        self.varying = variance > 1e-12
        self.sd = np.sqrt(np.where(self.varying, variance, 0.0))


@dataclass
class _Batch:
    """Standardised features ``x``, targets ``y``, and the mask ``m`` of the entries that count."""

    x: torch.Tensor
    y: torch.Tensor
    m: torch.Tensor

    def rows(self, index: torch.Tensor) -> _Batch:
        return _Batch(self.x[index], self.y[index], self.m[index])


def _batch(rows: Rows, mean: np.ndarray, sd: np.ndarray, scale: _TargetScale) -> _Batch:
    import torch

    targets, measured = _with_depth(rows)
    counted = measured & scale.varying
    standardised = np.where(counted, (targets - scale.mean) / np.where(scale.varying, scale.sd, 1.0), 0.0)
    arrays = ((rows.features - mean) / sd, standardised, counted)
    return _Batch(*(torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)) for array in arrays))


def _with_depth(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    targets = np.column_stack([rows.targets, rows.log_total]).astype(np.float64)
    return targets, np.column_stack([rows.measured, np.ones(len(rows.log_total), dtype=bool)])


def _loss(network: torch.nn.Module, batch: _Batch) -> torch.Tensor:
    """Mean squared error over the measured entries."""
    return ((network(batch.x) - batch.y) ** 2 * batch.m).sum() / batch.m.sum().clamp(min=1)


def _as_arrays(network: torch.nn.Sequential) -> list[dict[str, np.ndarray]]:
    """Weights ``(inputs, outputs)`` of each layer, and the gain and shift of the LayerNorm after it."""
    from torch import nn

    layers: list[dict[str, np.ndarray]] = []
    for module in network:
        if isinstance(module, nn.Linear):
            layers.append(
                {"weight": module.weight.detach().numpy().T.copy(), "bias": module.bias.detach().numpy().copy()}
            )
        elif isinstance(module, nn.LayerNorm):
            layers[-1] |= {"gain": module.weight.detach().numpy().copy(), "shift": module.bias.detach().numpy().copy()}
    return layers


def _random_tenth(count: int, seed: int) -> np.ndarray:
    chosen = np.zeros(count, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(count)[: count // 10]] = True
    return chosen
