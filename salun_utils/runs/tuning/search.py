"""One search over a method's declared space: an Optuna study in a file, gone on with where it
stopped, its first trial the default.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ...errors import InputError
from ...seeds import derive
from ...unlearning import Range

Space = Mapping[str, Range | Sequence[Any]]
ENDED = ("COMPLETE", "PRUNED")
GIVEN = "fixed_params"  # where Optuna notes a point that was not drawn
EDGE = 0.05  # of a range: a value chosen there asks for a wider one


@contextlib.contextmanager
def open_study(
    folder: Path,
    name: str,
    *,
    what: str,
    space: Space,
    default: Mapping[str, Any],
    starts: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Any]:
    """The study of that name, for this process alone; its first trial is the default, then come the
    points to start from, and one cut short is run again.

    Parameters
    ----------
    folder : of the studies' files. what : the method, for messages. space : parameter -> `Range` or
        choices.
    default : parameter -> value, those of the space among them; moved into the declared range where
        one lies outside. starts : further points, such as what was chosen for a relative; one that
        was tried is not tried again.

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
        study.sampler = _where_it_stood(study, derive(0, f"{name} 0") % 2**32, list(space))
        # a trial that is worse than half of those before it on the first pilot seed ends there
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0)
        _enqueue(study, space, default)
        for point in starts:
            inside = {name: _inside(point[name], allowed) for name, allowed in space.items()}
            study.enqueue_trial(inside, skip_if_exists=True)
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
    """How many of its trials have ended, those cut short because they were poor among them."""
    return sum(t.state.name in ENDED for t in study.trials)


def position(value: float, allowed: Range) -> float:
    """Where in its range a value lies, 0 to 1, on a log scale where the range has one."""
    low, high = float(allowed.low), float(allowed.high)
    if allowed.log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low) if high > low else 0.5


def edges(params: Mapping[str, Any], space: Space) -> dict[str, str]:
    """Parameters chosen in the outer 5 % of a range: "low" or "high", whichever end it is."""
    places = {
        name: position(params[name], allowed)
        for name, allowed in space.items()
        if isinstance(allowed, Range) and name in params
    }
    outer = {name: "low" if place < 0.5 else "high" for name, place in places.items()}
    return {n: outer[n] for n, place in places.items() if not EDGE < place < 1 - EDGE}


def check_budget(trials: int, minutes: float | None) -> None:
    """Raise `InputError` for no trial at all, or a time that is none."""
    if trials < 1:
        raise InputError(f"tuning needs at least 1 trial, not {trials!r}")
    if minutes is not None and not 0 < minutes < math.inf:
        raise InputError(f"minutes must be a number above 0, not {minutes!r}")


def widened(space: Space, at: Mapping[str, str]) -> dict[str, Range | Sequence[Any]]:
    """The space with each range in `at` longer by half at that end. Whole numbers stay above 0, and
    a linear range within 0 and 1, which is that of a share, stays there.
    """
    longer = {n: _longer(r, at[n]) for n, r in space.items() if n in at and isinstance(r, Range)}
    return {**space, **longer}


def _longer(allowed: Range, end: str) -> Range:
    low, high = allowed.low, allowed.high
    if allowed.log:
        more = (high / low) ** 0.5
        low, high = (low / more, high) if end == "low" else (low, high * more)
    else:
        more = (high - low) / 2
        wide = (low - more, high) if end == "low" else (low, high + more)
        share = low >= 0 and high <= 1
        low, high = max(wide[0], 0), min(wide[1], 1) if share else wide[1]
    if isinstance(allowed.low, int) and isinstance(allowed.high, int):
        low, high = max(1, round(low)), round(high)
    return Range(low, high, allowed.log)


def chosen(study: Any, held: Mapping[str, Any]) -> dict[str, Any]:
    """The best parameters of a finished study, their gap, and that of the default, which is its
    first finished trial.
    """
    best, default = study.best_trial, next(t for t in study.trials if t.state.name == "COMPLETE")
    pruned = sum(t.state.name == "PRUNED" for t in study.trials)
    return {
        "params": {**best.params, **held},
        "pilot_gap": round(best.value, 4),
        "trials": finished(study),
        "default_gap": round(default.value, 4),
    } | ({"pruned": pruned} if pruned else {})


def _where_it_stood(study: Any, seed: int, names: Sequence[str]) -> Any:
    """The sampler as it is after the trials that have ended: a search that was killed draws on as
    if nothing had happened. They are drawn once more, in a study that computes nothing.
    """
    import optuna

    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)
    again = optuna.create_study(direction="minimize", sampler=sampler)
    for trial in study.trials:
        if trial.state.name not in ENDED:
            continue
        if (given := trial.system_attrs.get(GIVEN)) is not None:
            again.enqueue_trial(given)
        drawn = {n: trial.distributions[n] for n in names if n in trial.distributions}
        twin = again.ask(drawn)
        for step, value in sorted(trial.intermediate_values.items()):
            twin.report(value, step)
        ended = {"values": trial.values} if trial.state.name == "COMPLETE" else {}
        again.tell(twin, state=trial.state, **ended)
    return sampler


def _enqueue(study: Any, space: Space, default: Mapping[str, Any]) -> None:
    """Put first what must come first: the default in a new study; in an old one the point that was
    being tried when the call was killed, if it had been given, and those that waited behind it. One
    that was drawn is drawn again.
    """
    from optuna.trial import TrialState

    points = [
        trial.system_attrs.get(GIVEN)
        for trial in study.trials
        if trial.state.name in ("RUNNING", "WAITING")
    ]
    for trial in study.trials:
        if trial.state.name == "RUNNING":
            study.tell(trial.number, state=TrialState.FAIL)
        elif trial.state.name == "WAITING":
            study.tell(study.ask(), state=TrialState.FAIL)  # takes the first that waits
    given = [point for point in points if point is not None]
    if not given and not any(t.state.name == "COMPLETE" for t in study.trials):
        given = [{name: _inside(default[name], allowed) for name, allowed in space.items()}]
    for point in given:
        study.enqueue_trial(point)


def _inside(value: Any, allowed: Range | Sequence[Any]) -> Any:
    if isinstance(allowed, Range):
        return min(max(value, allowed.low), allowed.high)
    return value if value in allowed else allowed[0]
