"""Records of runs made up so that the answer is known."""

from __future__ import annotations

from collections.abc import Mapping

from salun_utils.runs import Record

RETRAIN = {"ua": 10.0, "ra": 99.0, "ta": 90.0, "mia": 20.0}


def made_run(
    method: str,
    gap: float,
    seed: int,
    mask: str = "none",
    *,
    scenario: str = "random-10",
    reference: Mapping[str, float] = RETRAIN,
    params: Mapping[str, float] | None = None,
) -> Record:
    """A run whose UA alone lies 4 × gap below Retrain's."""
    signed = dict.fromkeys(reference, 0.0) | {"ua": -4 * gap}
    return Record(
        id=f"{method}-{mask}-{scenario}-{seed}",
        tier="cpu",
        spec={
            "method": method,
            "mask": mask,
            "keep": 0.5,
            "dataset": "own",
            "arch": "small",
            "params": dict(params or {}),
        },
        seeds={"unlearning": seed, "training": seed, "split": seed},
        scores={m: reference[m] + signed[m] for m in reference},
        reference=reference,
        gap={**signed, "average": gap},
        data={"name": "own", "scenario": scenario, "fingerprint": "f"},
        seconds=1.0,
        reference_seconds=4.0,
    )
