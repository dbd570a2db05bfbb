from __future__ import annotations

import numpy as np

from molf_engine.baselines import MLP, Ridge


def test_numpy_gives_what_torch_gives(problem) -> None:
    import torch

    rival = MLP(hidden=(16, 8), epochs=5).fit(*problem.training)
    tensors = {key: torch.from_numpy(value) for key, value in rival.tensors().items()}
    x = torch.from_numpy(problem.new_features) - tensors["mean"]
    for layer, width in enumerate((16, 8)):
        x = x @ tensors[f"{layer}.weight"] + tensors[f"{layer}.bias"]
        x = torch.relu(torch.nn.functional.layer_norm(x, (width,), tensors[f"{layer}.gain"], tensors[f"{layer}.shift"]))
    x = x @ tensors["2.weight"] + tensors["2.bias"]
    np.testing.assert_allclose(rival.predict(problem.new_features), x[:, :-1].numpy(), atol=1e-5)


def test_it_learns_what_a_line_cannot() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, size=(800, 2)).astype(np.float32)
    targets = np.abs(features[:, :1])
    rows = features[:600], targets[:600], np.ones((600, 1), bool), np.zeros(600)
    validation = np.arange(600) >= 500
    mlp = MLP(hidden=(32, 32), dropout=0.0, epochs=150).fit(*rows, validation=validation)
    ridge = Ridge().fit(*rows)
    assert np.corrcoef(mlp.predict(features[600:])[:, 0], targets[600:, 0])[0, 1] > 0.95
    assert abs(np.corrcoef(ridge.predict(features[600:])[:, 0], targets[600:, 0])[0, 1]) < 0.5


def test_going_on_for_longer_never_makes_the_held_out_section_worse(problem) -> None:
    validation = problem.section == 2
    gene, noise = problem.targets[:, [0]], np.random.default_rng(0).normal(size=(150, 1)).astype(np.float32)
    # Noise on the training sections: the longer it is learned, the worse the held-out section would be.
    targets = np.where(validation[:, None], gene, noise)
    errors = []
    for epochs in (1, 4, 20, 80):
        rival = MLP(hidden=(32, 32), dropout=0.0, learning_rate=1e-2, epochs=epochs, patience=80)
        rival.fit(problem.features, targets, np.ones((150, 1), bool), np.zeros(150), validation=validation)
        errors.append(float(((rival.predict(problem.features[validation]) - gene[validation]) ** 2).mean()))
    assert (np.diff(errors) <= 1e-6).all()


def test_another_seed_gives_another_fit(problem) -> None:
    one, two = (
        MLP(hidden=(8,), epochs=3).fit(*problem.training, seed=seed).predict(problem.new_features) for seed in (1, 2)
    )
    assert not np.allclose(one, two)


def test_fitting_leaves_torch_s_own_random_numbers_alone(problem) -> None:
    import torch

    state = torch.random.get_rng_state()
    MLP(hidden=(8,), epochs=2).fit(*problem.training)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_gene_that_never_varies_is_predicted_as_its_value(problem) -> None:
    targets = problem.targets.copy()
    targets[:, 0] = 3.25
    rival = MLP(hidden=(8,), epochs=3).fit(problem.features, targets, problem.measured, problem.log_total)
    np.testing.assert_allclose(rival.predict(problem.new_features)[:, 0], 3.25, rtol=1e-6)
