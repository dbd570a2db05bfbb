"""How close two clouds of points are, and what experts have to do with peaks."""

from __future__ import annotations

import torch
from torch import Tensor

from molf_engine.evaluation.gaussians.problem import PEAKS, EightGaussians


def w2_per_dimension(predicted: Tensor, truth: Tensor) -> float:
    """Wasserstein-2 distance of each coordinate by itself, mean over the coordinates.

    In one dimension the best pairing of equally many points is by rank, so it is exact: the root of the mean squared difference of the
    sorted values.  It sees each axis alone: :func:`stray_share` tells points that lie between the peaks.

    Parameters
    ----------
    predicted, truth : Tensor
        (N, D), in any order.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"{tuple(predicted.shape)} predicted, {tuple(truth.shape)} true values")
    gap = predicted.double().sort(dim=0).values - truth.double().sort(dim=0).values
    return float(gap.square().mean(dim=0).sqrt().mean())


def stray_share(points: Tensor, problem: EightGaussians) -> float:
    """Share of ``points`` (N, 2) farther than 3 sd from every centre; of peaks far apart exp(-4.5), 1.1 %."""
    return float((torch.cdist(points, problem.centres()).amin(dim=1) > 3 * problem.sd).double().mean())


def shared_information(expert: Tensor, peak: Tensor, experts: int) -> float:
    """Mutual information of expert and peak over the entropy of the peaks: 1 if the expert tells the peak, 0 if nothing.

    Parameters
    ----------
    expert, peak : Tensor
        Indices, (N,).
    experts : int
        E.
    """
    joint = torch.zeros(experts, PEAKS, dtype=torch.float64)
    joint.index_put_((expert, peak), torch.ones(len(peak), dtype=torch.float64), accumulate=True)
    joint /= joint.sum()
    rows, columns = joint.sum(dim=1), joint.sum(dim=0)
    information = torch.special.entr(rows).sum() + torch.special.entr(columns).sum() - torch.special.entr(joint).sum()
    return float(information / torch.special.entr(columns).sum())
