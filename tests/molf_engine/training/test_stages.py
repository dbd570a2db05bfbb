"""What each stage starts from and is judged by."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molf_engine.nn.linear_vae import LinearVAE
from molf_engine.training.stages import fresh_vae, mean_correlation

from .child_steps import settings, slides


def linear(components: int) -> LinearVAE:
    config = settings(1)
    config = config.model_copy(update={"vae": config.vae.model_copy(update={"kind": "pca", "latent": components})})
    vae = fresh_vae(config, slides())
    assert isinstance(vae, LinearVAE)
    return vae


def test_principal_components_have_unit_variance_and_all_of_them_lose_nothing() -> None:
    made = slides()
    x = torch.cat([slide.targets for slide in made])
    mask = torch.cat([slide.measured.expand_as(slide.targets) for slide in made])
    vae = linear(x.shape[1])
    latent, logvar = vae.encode(x, mask, torch.zeros(len(x), 2))
    torch.testing.assert_close(latent.square().mean(0), torch.ones(x.shape[1]), rtol=1e-3, atol=1e-3)
    assert float(logvar.exp().max()) < 1e-12
    known = mask > 0
    torch.testing.assert_close(vae.decode(latent)[known], x[known], rtol=1e-3, atol=1e-3)


def test_fewer_components_lose_what_numpys_own_decomposition_says() -> None:
    made = slides()
    x = torch.cat([slide.targets for slide in made])
    mask = torch.cat([slide.measured.expand_as(slide.targets) for slide in made])
    vae = linear(3)
    units = ((x - vae.centre) / vae.scale * mask)[:, :-1].double().numpy()
    # The last column, depth, has a weight of its own; without it the two agree to the size of its share.
    values = np.linalg.svd(units, compute_uv=False)
    lost = ((vae.decode(vae.encode(x, mask, torch.zeros(len(x), 2))[0]) - x) / vae.scale * mask)[:, :-1]
    assert float(lost.square().sum()) == pytest.approx(float((values[3:] ** 2).sum()), rel=0.05)


def test_more_components_than_spots_are_refused() -> None:
    with pytest.raises(ValueError, match="components"):
        linear(32)


def test_mean_correlation_knows_known_answers() -> None:
    x = torch.tensor([[0.0, 0.0, 5.0], [1.0, 1.0, 5.0], [2.0, 4.0, 5.0]])
    y = torch.tensor([[0.0, 4.0, 1.0], [2.0, 1.0, 2.0], [4.0, 0.0, 3.0]])
    # The first column correlates by 1, the second by about -0.84, the third does not vary.
    both = float(mean_correlation(x, y, torch.ones(3)))
    first = float(mean_correlation(x, y, torch.tensor([1.0, 0.0, 1.0])))
    assert first == pytest.approx(1)
    assert both == pytest.approx((1 + np.corrcoef([0, 1, 4], [4, 1, 0])[0, 1]) / 2)
