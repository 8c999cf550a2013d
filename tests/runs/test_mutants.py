"""Faults planted in the library, each of which moves the figures of a canary, and the right one is
blamed: those of the errata chapter, by their number there, and others of the kind.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from dataclasses import dataclass, field

import pytest

from salun_utils import masking, training
from salun_utils.bits import disk
from salun_utils.fitting import recipes
from salun_utils.generation.erasers.diffusion import salun as ddpm_salun
from salun_utils.generation.erasers.pipeline import encoded, loop
from salun_utils.generation.erasers.pipeline import salun as pipeline_salun
from salun_utils.generation.measures import distances
from salun_utils.generation.models import pipelines
from salun_utils.generation.models.diffusion import model as diffusion
from salun_utils.generation.trials import run as trials
from salun_utils.metrics import membership, scores
from salun_utils.runs import canaries, execute, task
from salun_utils.saliency import saliency_scores
from salun_utils.unlearning import be, l1_sparse, rl, salun_soft
from salun_utils.unlearning.masks import gradient

# `metrics.accuracy` is the function of that name as well
accuracy = importlib.import_module("salun_utils.metrics.accuracy")
RANDOM_LABELS = ("method/rl", "method/salun", "method/salun-annealed", "method/salun-soft")
METHODS = tuple(f"method/{name}" for name in ("ft", "ga", "neggrad+", "bs", "ssd"))
OTHER = "torch.Generator().manual_seed(7)"
AUGMENTED = f".batches(batch_size, generator={OTHER}, augment='crop-flip')"
WIDE = "from_numpy(p).to(torch.int64)"


@dataclass(frozen=True)
class Fault:
    """A text in the source of a function and what is put in its place; the units that are to blame;
    canaries that are run besides theirs.
    """

    name: str
    where: object
    old: str
    new: str
    blamed: tuple[str, ...]
    others: tuple[str, ...] = field(default=())


FAULTS = [
    Fault(
        "1 the gradient alone is masked",
        masking._Held.restore.__wrapped__,
        "put_back_(p, still, original)",
        "pass",
        ("masking",),
        ("training",),
    ),
    Fault(
        "2a a mask is never applied",
        training._held,
        "if mask is None",
        "if True",
        ("training",),
        ("method/salun", "masking"),
    ),
    Fault(
        "2b gradients of earlier batches are left over",
        saliency_scores,
        "* count).backward()",
        "* count * (3 - seen // 8)).backward()",
        ("saliency",),
    ),
    Fault(
        "3a a random label may be the true one",
        rl.random_labels,
        "torch.randint(1,",
        "torch.randint(0,",
        RANDOM_LABELS,
        METHODS,
    ),
    Fault(
        "3b random labels of a few classes",
        rl.random_labels,
        "(labels + shift)",
        "(0 * labels + 1)",
        RANDOM_LABELS,
    ),
    Fault(
        "4a the original of another split",
        task.Task.__dict__["_original"].fget,
        "self.split.train",
        "self.split.retain",
        ("run",),
    ),
    Fault(
        "4b another split to unlearn",
        execute.run_with_result,
        "task.split,",
        "__import__('dataclasses').replace(task.split, retain=task.split.forget),",
        ("run",),
    ),
    Fault(
        "5 forget pass, then retain pass",
        rl.fit_random_labels,
        'order == "mixed"',
        'order == "never"',
        RANDOM_LABELS,
    ),
    Fault(
        "6 modified entropy of p",
        membership.modified_entropy,
        "p * (1 - p)",
        "p * p",
        ("metric/features",),
        ("metric/scores",),
    ),
    Fault(
        "7a the attack sees TA's pictures",
        scores.evaluate,
        'if protocol == "disjoint"',
        'if protocol == "never"',
        ("metric/scores",),
    ),
    Fault(
        "7b augmented members",
        accuracy.predict_logits,
        ".batches(batch_size)",
        AUGMENTED,
        ("metric/answers",),
        ("metric/scores",),
    ),
    Fault(
        "8 statistics of frozen layers move",
        masking.held_statistics,
        "yield from module.buffers(recurse=False)",
        "yield from ()",
        ("masking",),
    ),
    Fault(
        "9 the shadow class is scored",
        be.be,
        "job.model.set_submodule(path, head)",
        "pass",
        ("method/be",),
    ),
    Fault(
        "10 the anchor is set anew",
        salun_soft.salun_soft,
        "p.copy_(soft_threshold(p, original, threshold))",
        "original.copy_(p.copy_(soft_threshold(p, original, threshold)))",
        ("method/salun-soft",),
    ),
    Fault(
        "11 a mask of augmented pictures",
        saliency_scores,
        ".batches(batch_size)",
        AUGMENTED,
        ("saliency",),
    ),
    Fault(
        "12a some of the real pictures",
        distances.reference,
        "flatten()).pixels",
        "flatten()).pixels[:20]",
        ("metric/pictures",),
        ("trial",),
    ),
    Fault(
        "12b another class is left out",
        trials.real_reference,
        "reference(data.train, label)",
        "reference(data.train, 0)",
        ("trial",),
    ),
    Fault(
        "12c precision and recall swapped",
        distances.distances,
        "precision, recall =",
        "recall, precision =",
        ("metric/pictures",),
    ),
    Fault(
        "12d a target from the moving model",
        ddpm_salun.salun,
        "job.original(",
        "model(",
        ("eraser/ddpm/salun",),
        ("eraser/ddpm/rl", "eraser/ddpm/ga"),
    ),
    Fault(
        "12e gradients clipped batch by batch",
        saliency_scores,
        "seen += count",
        "seen += count; nn.utils.clip_grad_norm_(model.parameters(), 1e-3)",
        ("saliency",),
        ("saliency/ddpm",),
    ),
    Fault(
        "13a the same batch in every step",
        loop.train,
        "loss(job, next(forget),",
        "loss(job, job.study.forget[:size],",
        ("erasing/pipeline",),
    ),
    Fault(
        "13b signed floats cast to bytes",
        pipelines.signed_to_uint8,
        "return ",
        "return x.to(torch.int32).to(torch.uint8) if True else ",
        ("generator/pipeline",),
    ),
    Fault(
        "13c a missing model is passed over",
        pipelines.load,
        "import diffusers",
        "return None",
        ("generator/pipeline",),
    ),
    Fault(
        "13d two latents for one picture",
        encoded.encode_pictures.__wrapped__,
        "latent_dist.mean.float()",
        f"latent_dist.sample(generator={OTHER}).float()",
        ("erasing/pictures",),
    ),
    Fault("14 eight bytes a weight", disk.write, "from_numpy(p)", WIDE, ("masks",)),
    Fault(
        "15a alpha is 0", rl.fit_random_labels, "if alpha == 0", "if True", RANDOM_LABELS, METHODS
    ),
    Fault(
        "15b accuracy is called UA",
        scores.evaluate,
        "ua=100 - accuracy(",
        "ua=accuracy(",
        ("metric/scores",),
    ),
    Fault(
        "15c the public weight of the penalty",
        l1_sparse.l1_sparse,
        "weight = gamma",
        "weight = 0.2",
        ("method/l1-sparse",),
    ),
    Fault(
        "no weight decay",
        recipes._sgd,
        "weight_decay=weight_decay",
        "weight_decay=0.0",
        ("optimizer/sgd",),
        ("training", "optimizer/nesterov", "optimizer/adam", *RANDOM_LABELS, *METHODS),
    ),
    Fault(
        "a schedule 2 % higher",
        recipes._one_cycle,
        "return 0.04",
        "return 1.02 * 0.04",
        ("schedule/one-cycle",),
        ("schedule/cosine", "training"),
    ),
    Fault(
        "density halved in the run",
        task.Task.mask,
        "keep=keep, seed=seed)",
        "keep=keep / 2, seed=seed)",
        ("run/mask",),
        ("run", "mask/magnitude"),
    ),
    Fault(
        "a gap with another sign",
        scores.Scores.gap,
        "getattr(self, name) - getattr(reference, name)",
        "getattr(reference, name) - getattr(self, name)",
        ("metric/scores",),
        ("run",),
    ),
    Fault(
        "a mask rule in another order",
        gradient.saliency,
        "SaliencyMask.top(",
        "SaliencyMask.lowest(",
        ("mask/saliency",),
        ("mask/inverted", "method/salun", "method/rl"),
    ),
    Fault(
        "a loss without the retained pictures",
        pipeline_salun.loss,
        '+ job.options["alpha"]',
        "+ 0",
        ("eraser/pipeline/salun",),
        ("eraser/pipeline/rl", "eraser/pipeline/ga"),
    ),
    Fault(
        "guidance one less",
        diffusion.Diffusion._denoise,
        "(1 + guidance) *",
        "guidance *",
        ("generator/ddpm",),
        ("generator/ddpm/loss", "generator/dit"),
    ),
    Fault(
        "one more step of the sampler",
        pipelines.sample,
        "num_inference_steps=steps",
        "num_inference_steps=steps + 1",
        ("generator/pipeline",),
        ("trial/drawn",),
    ),
]


def edited(monkeypatch, function, old: str, new: str) -> None:
    """Put `new` in the place of `old` in the code of a function that is in use already."""
    source = textwrap.dedent(inspect.getsource(function))
    source = source[source.index("def ") :]
    assert source.count(old) >= 1, f"the source of {function.__name__} has no {old!r}"
    space: dict = {}
    text = "from __future__ import annotations\n" + source.replace(old, new, 1)
    exec(compile(text, function.__code__.co_filename, "exec"), function.__globals__, space)
    monkeypatch.setattr(function, "__code__", space[function.__name__].__code__)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_moves_a_canary_and_the_right_one_is_blamed(fault, monkeypatch):
    edited(monkeypatch, fault.where, fault.old, fault.new)
    report = canaries.check([*fault.blamed, *fault.others])
    assert tuple(report.blamed) == fault.blamed, report.lines()
