"""What is folded, cached or sorted computes what the plain network computes, whatever the widths, counts and weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from molf_engine.bundle.released import Unwritten, read_vae, read_velocity, split_state
from molf_engine.flow.guidance import guide
from molf_engine.flow.solver import euler
from molf_engine.nn.vae import GeneVAE
from molf_engine.nn.velocity import VelocityField

from .plain import Inputs, PlainModel, Sizes, outputs, random_inputs, random_model

USUAL = Sizes()
WIDE = Sizes(
    genes=37, features=60, latent=10, codes=7, experts=6, vae_width=32, expert_width=20, feedforward=48,
    context_heads=12, vae_heads=4, cancer_heads=4,
)  # fmt: skip
FORMS = {
    "usual": USUAL,
    "wide": WIDE,
    "one expert": replace(USUAL, experts=1, active=1),
    "one of eight": replace(USUAL, experts=8, active=1, latent=5),
    "all of three": replace(USUAL, experts=3, active=3),
    "one code": replace(USUAL, codes=1, cancer_heads=1, context_heads=1),
    "no experts": replace(USUAL, mixer=True),
}


def ours(model: PlainModel, sizes: Sizes) -> tuple[GeneVAE, VelocityField]:
    """The model through the importer's mapping."""
    unwritten = Unwritten(sizes.active, sizes.context_heads, sizes.vae_heads, sizes.expert_heads, sizes.cancer_heads)
    inside, rest = split_state(model.state_dict())
    return read_vae(inside, unwritten).network(), read_velocity(rest, unwritten).network()


def fast(vae: GeneVAE, field: VelocityField, given: Inputs) -> dict[str, Tensor]:
    """The outputs of :func:`plain.outputs`: context once per branch, code by its row."""
    features, z0, mask = given.features[0], given.z0[0], given.mask[0]
    nowhere, code = torch.zeros(len(features), 2), int(given.onehot.argmax())
    mean, logvar = vae.encode(given.expression[0], mask, nowhere)
    towards, away = field.context(features, nowhere, code), field.context.unconditional(nowhere, code)
    found = {
        "vae_mean": mean,
        "vae_logvar": logvar,
        "decoded_from_mean": vae.decode(mean) * mask,
        "decoded_from_mean_unmasked": vae.decode(mean),
    }
    for t in (0.0, 0.3, 0.9):
        conditional = field(z0, t, towards)
        found |= {f"velocity_cond_t{t}": conditional.value, f"velocity_uncond_t{t}": field(z0, t, away).value}
        if conditional.routing is not None:
            found[f"gate_logits_t{t}"] = conditional.routing.logits
    for scale in (1.0, 2.0, 3.5):
        for steps in (1, 2, 4):
            latent = euler(
                lambda z, t, w=scale: guide(field(z, t, towards).value, field(z, t, away).value, w), z0, steps
            )
            found |= {
                f"sample_latent_w{scale}_steps{steps}": latent,
                f"sample_genes_w{scale}_steps{steps}": vae.decode(latent) * mask,
            }
    return found


@torch.no_grad()
@pytest.mark.parametrize(
    ("patches", "unmeasured", "empty"), [(1, 0, 0), (2, 3, 0), (40, 5, 9), (130, 0, 0)], ids="{}".format
)
@pytest.mark.parametrize("form", FORMS)
def test_every_output_is_that_of_the_plain_network(form: str, patches: int, unmeasured: int, empty: int) -> None:
    sizes = FORMS[form]
    model = random_model(sizes, seed=patches)
    given = random_inputs(sizes, patches, patches + 1, unmeasured, empty)
    plain, quick = outputs(model, given), fast(*ours(model, sizes), given)
    assert quick.keys() == plain.keys()
    for name, value in plain.items():
        # Random weights make large values, and float32 rounds those more: the error counts beside the largest.
        error = (quick[name] - value.reshape(quick[name].shape)).abs().max() / value.abs().max().clamp(min=1)
        assert error < 1e-5, name


def test_settings_are_read_from_the_tensors() -> None:
    sizes = WIDE
    inside, rest = split_state(random_model(sizes).state_dict())
    vae, velocity = read_vae(inside, Unwritten()), read_velocity(rest, Unwritten(active=3))
    assert (vae.columns, velocity.latent, velocity.features, velocity.codes) == (37, 10, 60, 7)
    assert (vae.config.latent, vae.config.width, vae.config.feedforward) == (10, 32, 48)
    assert (velocity.config.experts, velocity.config.active, velocity.config.expert_width) == (6, 3, 20)
    assert (velocity.config.expert_feedforward, velocity.config.context_feedforward) == (48, 48)
    assert (velocity.config.position, velocity.config.guidance_dropout) == ("row-order", "slide-features")
    assert not vae.config.standardise
