"""The card of a bundle: what it saw, how good it is beside its rivals, where it must not be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from molf_engine.bundle import Bundle
from molf_engine.evaluation.coverage import COLUMNS as COVERAGE
from molf_engine.evaluation.coverage import coverage_text

COLUMNS = ("section", "patient", "spots", "units", "genes", "n_genes", "molf", "ridge", "mlp", "depth")


def card(bundle: Bundle) -> str:
    """Markdown text for ``README.md`` of the bundle; every figure comes from its ``metrics.json`` and ``config.json``."""
    config, metrics = bundle.config, bundle.metrics
    parts = [
        f"# {config.name}",
        config.description,
        "Predicted, not measured. Research use only.",
        "## Training data",
        _data(bundle),
        "## Held-out figures",
        f"Mean PCC: {metrics['protocol']}. `log1p`: log of one plus the counts, in which tissue density counts; `log1p-cp10k`: "
        "each spot scaled to 10,000 counts first, in which it does not. `depth` is the bar set by density alone: for each gene a line "
        "on the predicted log total. Ridge, MLP and depth were fitted on the same features and the same spots. HVG-50: the 50 genes "
        "of largest variance over the training spots in that scale.",
    ]
    if config.simulated:
        parts.append(
            "`truth`: the prediction in `log1p-cp10k` against the expected expression that the counts were drawn from."
        )
    if metrics["test"]:
        parts += [
            "### Test sections (scored once, after everything was chosen)",
            results_table(metrics["test"]),
            _seen(metrics["test"]),
        ]
    parts += [
        "### Validation sections (they decided when to stop and the guidance scale)",
        results_table(metrics["validation"]),
        "## Oracle ceiling",
        "Mean PCC of decode(encode(x)) of a section's own measurement: how much of it the latent space keeps, and so about the most that "
        "a prediction could reach, beside what the image alone gives. Every Hallmark set: `oracle.csv`, `oracle.png`.",
        results_table(metrics["oracle"], ("section", "genes", "n_genes", "oracle", "molf", "ridge")),
        "## Spread over draws",
        *(text for role in ("test", "validation") for text in _spread(metrics["coverage"], role)),
        "## Guidance scale",
        _guidance(metrics["guidance"], config.guidance_choice.tolerance),
        "## Limits",
        _limits(bundle),
        "## Licence",
        config.licence,
        f"Trained by {config.software}, seed {config.seed}. Weights {bundle.weights_hash}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def results_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> str:
    """Rows as a Markdown table, floats to three decimals."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (f"{row[name]:.3f}" if isinstance(row[name], float) else str(row[name]) for name in columns)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _data(bundle: Bundle) -> str:
    config = bundle.config
    assert config.um_per_pixel is not None
    low, high = config.um_per_pixel
    measured = int(bundle.genes["measured"].sum())
    lines = [
        f"- organ: {', '.join(config.organs)}; species: {', '.join(config.species)}; technology: {', '.join(config.technologies)}",
        f"- cancer codes: {', '.join(config.trained_codes)} (and Unknown, for anything else)",
        f"- {low:.3g} to {high:.3g} um per pixel; patches of {config.patch.size_um:g} um; encoder {config.encoder}",
        "- patients: " + ("; ".join(f"{p.id} ({', '.join(p.sections)})" for p in config.patients) or "not stated"),
        f"- trained on {', '.join(config.training_sections)}; validated on {', '.join(config.validation_sections)}",
        *([f"- began with the weights of {config.parent}; its patients count as seen"] if config.parent else []),
        f"- panel of {len(bundle.genes)} genes, {measured} of them measured in training; the others are predicted as 0 and marked",
    ]
    return "\n".join(lines)


def _seen(rows: Sequence[Mapping[str, Any]]) -> str:
    seen = sorted({row["patient"] for row in rows if row["seen"]})
    unseen = sorted({row["patient"] for row in rows if not row["seen"]})
    sentences = []
    if seen:
        sentences.append(
            f"Training saw other sections of {', '.join(seen)}: these figures say nothing about a new patient."
        )
    if unseen:
        sentences.append(f"Training saw no section of {', '.join(unseen)}.")
    return " ".join(sentences)


def _spread(rows: Sequence[Mapping[str, Any]], role: str) -> list[str]:
    """What the draws' 80 % interval held, on the sections of one role."""
    chosen = [row for row in rows if row["role"] == role]
    return [f"{role.capitalize()} sections. {coverage_text(chosen)}", results_table(chosen, COVERAGE)] if chosen else []


def _guidance(measures: Mapping[str, Any], tolerance: float) -> str:
    rows = [
        {"w": f"{scale:g}", "wasserstein": w1, "cosine": cosine, "mse": mse}
        for scale, w1, cosine, mse in zip(
            measures["scale"], measures["wasserstein"], measures["cosine"], measures["mse"], strict=True
        )
    ]
    return (
        f"Filter-and-Rank (tau {tolerance:g}) chose w = {measures['chosen']:g} on the validation sections.\n\n"
        + results_table(rows, ("w", "wasserstein", "cosine", "mse"))
    )


def _limits(bundle: Bundle) -> str:
    config = bundle.config
    if config.simulated:
        return "It learned from simulated tissue only. On a real slide its maps mean nothing; it is for trying the program."
    weak = int((bundle.genes["heldout_pcc"] < 0.1).sum())
    unknown = int(bundle.genes["heldout_pcc"].isna().sum())
    return (
        f"It has seen {len(config.patients)} patients. For other organs, stains, scanners or patients no figure "
        f"is known. {weak} genes have a held-out PCC below 0.1 and {unknown} have none; the viewer says so where they are chosen. "
        "Spots under "
        f"{config.min_counts:g} counts were left out of training and scoring."
    )
