"""One search over a method's declared space: an Optuna study in a file, gone on with where it
stopped, its first trial the default.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import InputError
from ..seeds import derive
from ..unlearning import Range

Space = Mapping[str, Range | Sequence[Any]]


@contextlib.contextmanager
def open_study(
    folder: Path, name: str, *, what: str, space: Space, default: Mapping[str, Any]
) -> Iterator[Any]:
    """The study of that name, for this process alone; its first trial is the default, and one cut
    short is run again.

    Parameters
    ----------
    folder : of the studies' files. what : the method, for messages. space : parameter -> `Range` or
        choices.
    default : parameter -> value, those of the space among them; moved into the declared range where
        one lies outside.

    Raises
    ------
    InputError : Optuna is missing, or another process works on this study.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ModuleNotFoundError:
        raise InputError("tuning needs optuna: pip install 'salun-utils[grid]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        alone = FileLock(folder / f"{name}.lock").acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{what} is being tuned on {folder} already; wait for it or name another --state"
        ) from None
    with alone:
        storage = JournalStorage(JournalFileBackend(str(folder / f"{name}.log")))
        study = optuna.create_study(
            study_name=name, storage=storage, direction="minimize", load_if_exists=True
        )
        # Seeded by how many trials there are: a study that goes on must not draw its first points
        # again.
        study.sampler = optuna.samplers.TPESampler(
            seed=derive(0, f"{name} {len(study.trials)}") % 2**32, n_startup_trials=4
        )
        _enqueue(study, space, default)
        yield study


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """Draw one point of a declared search space."""
    drawn = {}
    for name, allowed in space.items():
        if not isinstance(allowed, Range):
            drawn[name] = trial.suggest_categorical(name, list(allowed))
        elif isinstance(allowed.low, int) and isinstance(allowed.high, int):
            drawn[name] = trial.suggest_int(name, allowed.low, allowed.high, log=allowed.log)
        else:
            drawn[name] = trial.suggest_float(name, allowed.low, allowed.high, log=allowed.log)
    return drawn


def finished(study: Any) -> int:
    """How many of its trials have ended."""
    return sum(t.state.name == "COMPLETE" for t in study.trials)


def chosen(study: Any, held: Mapping[str, Any]) -> dict[str, Any]:
    """The best parameters of a finished study, their gap, and that of the default, which is its
    first finished trial.
    """
    best, default = study.best_trial, next(t for t in study.trials if t.state.name == "COMPLETE")
    return {
        "params": {**best.params, **held},
        "pilot_gap": round(best.value, 4),
        "trials": finished(study),
        "default_gap": round(default.value, 4),
    }


def _enqueue(study: Any, space: Space, default: Mapping[str, Any]) -> None:
    """Put first what must come first: the default in a new study, in an old one the trial that was
    running when the call was killed.
    """
    from optuna.trial import TrialState

    waiting = any(t.state.name in ("COMPLETE", "WAITING") for t in study.trials)
    for trial in study.trials:
        if trial.state.name == "RUNNING":
            study.tell(trial.number, state=TrialState.FAIL)
            if waiting and set(trial.params) == set(space):
                study.enqueue_trial(trial.params)
    if not waiting:
        study.enqueue_trial(
            {name: _inside(default[name], allowed) for name, allowed in space.items()}
        )


def _inside(value: Any, allowed: Range | Sequence[Any]) -> Any:
    if isinstance(allowed, Range):
        return min(max(value, allowed.low), allowed.high)
    return value if value in allowed else allowed[0]
