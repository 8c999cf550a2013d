"""What edits outdate: a table, made in scratch copies of this repository.

``python benchmark/edits.py [EDIT …]`` copies the tree for each edit, makes it, and runs canaries
that it could move. For each that is to blame it raises the version, as ``salun canaries --update``
does, and counts the records that this outdates. Edits that move no figure outdate nothing, however
they look; the others outdate the records that used what was changed, and no others. It exits with 1
where that is not so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("salun_utils", "benchmark", "notebooks")
RANDOM_LABELS = ("rl", "salun", "salun-soft", "salun-annealed")


@dataclass(frozen=True)
class Edit:
    """One edit.

    Attributes
    ----------
    name : what it is. make : changes a copy of the tree.
    canaries : those that it could move, and some that it must not. blamed : those that are to
        blame, whose versions are raised.
    uses : whether a run, as its record's settings describe it, used what was changed.
    """

    name: str
    make: Callable[[Path], None]
    canaries: tuple[str, ...]
    blamed: tuple[str, ...] = ()
    uses: Callable[[dict[str, Any]], bool] = lambda run: False


def replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Put `new` in the place of `old` in one file of the package."""

    def make(tree: Path) -> None:
        path = tree / "salun_utils" / file
        text = path.read_text()
        if text.count(old) != 1:
            raise SystemExit(f"{file} has {old!r} {text.count(old)} times")
        path.write_text(text.replace(old, new))

    return make


def unused_constant(tree: Path) -> None:
    path = tree / "salun_utils" / "seeds.py"
    path.write_text(path.read_text() + "\n\nUNUSED = 7\n")


def renamed_file(tree: Path) -> None:
    """masking.py becomes holding.py."""
    package = tree / "salun_utils"
    (package / "masking.py").rename(package / "holding.py")
    for path in package.rglob("*.py"):
        text = path.read_text()
        new = text.replace(".masking import", ".holding import")
        new = new.replace("    masking,\n", "    holding as masking,\n")
        if new != text:
            path.write_text(new)
    top = package / "__init__.py"
    top.write_text(top.read_text().replace("masking,", "holding as masking,", 1))


def split_file(tree: Path) -> None:
    """The labels of RL get a file of their own."""
    package = tree / "salun_utils" / "unlearning"
    text = (package / "rl.py").read_text()
    start, end = text.index("def random_labels("), text.index("def picture_weights(")
    head = "from __future__ import annotations\n\nimport torch\nfrom torch import Tensor\n\n\n"
    (package / "labels.py").write_text(head + text[start:end].rstrip() + "\n")
    text = text[:start] + text[end:]
    where = "from .registry import"
    (package / "rl.py").write_text(
        text.replace(where, f"from .labels import random_labels\n{where}", 1)
    )


# -- what a run used, by the settings on its record


def methods_of(run: dict[str, Any]) -> set[str]:
    """Every method that a run runs."""
    spec = run.get("spec", {})
    found = {spec.get("method"), spec.get("audited"), spec.get("watched")}
    found |= set(spec["methods"]) if isinstance(spec.get("methods"), dict) else set()
    if run.get("notebook") == "00_influence":  # compares masks under it
        found.add("salun")
    if spec.get("method") == "errata" and spec.get("parts") == "classifiers":
        found |= {"salun", "salun-soft", "l1-sparse", "be", "rl"}
    return found


def classifies(run: dict[str, Any]) -> bool:
    """Whether it trains a classifier."""
    spec = run.get("spec", {})
    return "train_epochs" in spec or "train_schedule" in spec or run.get("id") == "costs"


def masked_by(*rules: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a run of unlearning holds a mask by one of these rules; by any if none is named."""

    def uses(run: dict[str, Any]) -> bool:
        spec = run.get("spec", {})
        if "train_schedule" not in spec or run.get("notebook") == "00_anatomy":
            return False
        own = spec.get("mask") not in (None, "none") and (not rules or spec["mask"] in rules)
        default = not rules or "saliency" in rules
        # a study of influence has masks of its own beside that of the run it watches
        watched = {spec["watched"]} if run.get("notebook") == "00_influence" else methods_of(run)
        return own or (default and spec.get("mask") is None and "salun" in watched)

    return uses


def scores_classifiers(run: dict[str, Any]) -> bool:
    return "train_schedule" in run.get("spec", {})


def erases(run: dict[str, Any], model: str, *erasers: str) -> bool:
    """Whether it erases from this generator, by one of these if any are named."""
    spec = run.get("spec", {})
    errata = spec.get("method") == "errata" and spec.get("parts") == "generators"
    name = spec.get("eraser") or run.get("measurements", {}).get("parameters", {}).get("eraser")
    return errata or (spec.get("model") == model and (not erasers or name in erasers))


EDITS = [
    Edit("an unused constant in seeds.py", unused_constant, ("data", "splits", "training", "run")),
    Edit("masking.py renamed", renamed_file, ("masking", "training", "erasing", "method/salun")),
    Edit("rl.py split", split_file, tuple(f"method/{m}" for m in RANDOM_LABELS)),
    Edit(
        "a faster, equal loop that counts the weights of a mask",
        replace(
            "bits/mask.py",
            "sum(int(np.unpackbits(p).sum()) for p in self._packed.values())",
            "sum(int(np.bitwise_count(p).sum(dtype=np.int64)) for p in self._packed.values())",
        ),
        ("masks", "run/mask", "mask/random", "study/anatomy"),
    ),
    Edit(
        "random labels may be true",
        replace("unlearning/rl.py", "torch.randint(1, num_classes", "torch.randint(0, num_classes"),
        tuple(f"method/{m}" for m in (*RANDOM_LABELS, "ft", "ga", "bs", "ssd")),
        tuple(f"method/{m}" for m in RANDOM_LABELS),
        lambda run: bool(methods_of(run) & set(RANDOM_LABELS)) and not run["spec"].get("eraser"),
    ),
    Edit(
        "no weight decay in SGD",
        replace("fitting/recipes.py", "weight_decay=weight_decay, nest", "weight_decay=0.0, nest"),
        ("optimizer/sgd", "optimizer/adam", "training", "method/ft"),
        ("optimizer/sgd",),
        classifies,
    ),
    Edit(
        "a schedule 2 % higher",
        replace("fitting/recipes.py", "return 0.04 + 0.96", "return 1.02 * 0.04 + 0.96"),
        ("schedule/one-cycle", "schedule/cosine", "training"),
        ("schedule/one-cycle",),
        lambda run: run.get("spec", {}).get("train_schedule") == "one-cycle",
    ),
    Edit(
        "density halved in the run",
        replace("runs/task.py", "keep=keep, seed=seed)", "keep=keep / 2, seed=seed)"),
        ("run/mask", "run", "mask/magnitude", "masks"),
        ("run/mask",),
        masked_by(),
    ),
    Edit(
        "a gap with another sign",
        replace(
            "metrics/scores.py",
            "getattr(self, name) - getattr(reference, name)",
            "getattr(reference, name) - getattr(self, name)",
        ),
        ("metric/scores", "metric/accuracy", "run"),
        ("metric/scores",),
        scores_classifiers,
    ),
    Edit(
        "a mask rule in another order",
        replace(
            "unlearning/masks/importance.py",
            "SaliencyMask.top(weight_times_activation",
            "SaliencyMask.lowest(weight_times_activation",
        ),
        ("mask/wanda", "mask/saliency", "mask/fisher", "masks"),
        ("mask/wanda",),
        masked_by("wanda"),
    ),
    Edit(
        "an eraser without its retained pictures",
        replace("generation/erasers/pipeline/salun.py", '+ job.options["alpha"]', "+ 0"),
        ("eraser/pipeline/salun", "eraser/pipeline/rl", "eraser/pipeline/ga"),
        ("eraser/pipeline/salun",),
        lambda run: erases(run, "mini-sd", "salun", "rl"),
    ),
    Edit(
        "one more step of the sampler",
        replace(
            "generation/models/diffusion/model.py",
            "set_timesteps(steps,",
            "set_timesteps(steps + 1,",
        ),
        ("generator/ddpm", "generator/dit", "generator/pipeline", "generator/ddpm/loss"),
        ("generator/ddpm", "generator/dit"),
        lambda run: erases(run, "ddpm-fashion"),
    ),
]


# -- in a copy


def outdated(tree: Path) -> dict[str, str]:
    """Record -> how it stands, by the code of a copy."""
    code = (
        "import json; from pathlib import Path;"
        " from salun_utils.runs.records.standing import of_file;"
        " print(json.dumps({p.stem: of_file(p).word"
        " for p in sorted(Path('benchmark/records').rglob('*.json'))}))"
    )
    return json.loads(python(tree, "-c", code).splitlines()[-1])


def moved(tree: Path, names: Iterable[str]) -> list[str]:
    """The units to blame, by the code of a copy and the figures that are committed."""
    code = (
        "import json, sys, torch; torch.set_num_threads(1); from salun_utils.runs import canaries;"
        " print(json.dumps(canaries.check(sys.argv[1:]).blamed))"
    )
    return json.loads(python(tree, "-c", code, *names).splitlines()[-1])


def raise_versions(tree: Path, names: Iterable[str]) -> None:
    """Edit the versions in the source of a copy, one after the other."""
    code = (
        "import sys; from salun_utils import units; from salun_utils.runs.canaries import update;"
        " update.raise_version(sys.argv[1], units.version(sys.argv[1]) + 1)"
    )
    for name in names:
        python(tree, "-c", code, name)


def python(tree: Path, *words: str) -> str:
    env = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, *words], cwd=tree, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{words[1][:60]}… failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def runs_of(path: Path) -> list[dict[str, Any]]:
    """The runs on a record, each with what the record says of all."""
    whole = json.loads(path.read_text())
    return [
        {**whole, **run, "spec": {**whole.get("spec", {}), **run.get("spec", {})}}
        for run in whole.get("runs") or [whole]
    ]


def row(edit: Edit) -> tuple[str, bool]:
    """One line of the table, and whether it is as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in COPIED:
            shutil.copytree(
                ROOT / name,
                tree / name,
                ignore=shutil.ignore_patterns("__pycache__"),
                symlinks=True,
            )
        before = outdated(tree)
        edit.make(tree)
        blamed = moved(tree, edit.canaries)
        raise_versions(tree, blamed)
        after = outdated(tree) if blamed else before
        changed = {n for n, word in after.items() if word != before[n]}
        expected = {
            path.stem
            for path in (tree / "benchmark" / "records").rglob("*.json")
            if before[path.stem] == "done" and any(edit.uses(run) for run in runs_of(path))
        }
    right = blamed == list(edit.blamed) and changed == expected
    note = (
        ""
        if right
        else f"   WRONG: {len(changed - expected)} too many, {len(expected - changed)} too few"
    )
    shown = ", ".join(blamed) or "none"
    return f"{edit.name:<56} {len(changed):>5} of {len(after)}   {shown}{note}", right


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("edits", nargs="*", help="words of their names (default: all)")
    wanted = parser.parse_args(argv).edits
    chosen = [e for e in EDITS if not wanted or any(w in e.name for w in wanted)]
    print(f"{'edit':<56} {'records outdated':<16} units to blame")
    right = True
    for edit in chosen:
        line, fine = row(edit)
        print(line, flush=True)
        right &= fine
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
