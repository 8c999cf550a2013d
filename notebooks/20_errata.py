# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Errata

# %% tags=["hide-cell"]
try:
    import google.colab  # noqa: F401

    # %pip install -q "salun-utils[generation] @ git+https://github.com/salun-book/salun-book"
except ImportError:
    pass

# %% tags=["parameters"]
tier = "quick"
parts = "classifiers"  # or "generators": which faults are planted in this run
dataset = "fashion-mini"
data_note = ""
arch = "small-cnn"
width = 1.0
scenario = "random"
forget_fraction = 0.1
forget_class = 3
method = "salun"  # the method that the faults are planted in
keep = 0.5
epochs = 2
lr = 0.0746718547869384
soft_epochs = 2  # of SalUn-soft
soft_lr = 0.025411420469968186
soft_beta = 0.0487987576019275
sparse_epochs = 2  # of ℓ1-sparse
sparse_lr = 0.2729975794231068
sparse_gamma = 3.929066651901579e-06
shadow_epochs = 10  # of BE
shadow_lr = 0.001
ranked = 11173962  # scores behind the mask by double argsort: the weights of a ResNet-18
concept = "Sneaker"  # what the generators are to forget
per_class = 25  # pictures drawn of each other class
concept_samples = 100  # and of this one
drawing_steps = 12
ddpm_steps = 90  # of erasing
ddpm_lr = 0.0007444302118037695
ddpm_alpha = 0.7134106843874948
sd_lr = 0.0001
sd_alpha = 1.0
seed = 0
split_seed = None
training_seed = None
train_epochs = 10
train_lr = 0.2
train_schedule = "one-cycle"
train_batch_size = 128
train_images = 1500  # None takes all there are
augment = None
device = "auto"

# %% [markdown]
# ## How they are compared

# %%
import copy
import time
from functools import cache
from unittest import mock

import torch
from torch import nn

import salun_utils as su
from salun_utils.saliency import SaliencyMask, saliency_scores

if parts not in ("classifiers", "generators"):
    raise su.InputError(f"parts must be 'classifiers' or 'generators', not {parts!r}")
rows, cpu_started = [], time.process_time()

# %% tags=["part-classifiers"]
import dataclasses
import math
import tempfile
from pathlib import Path

from torch.nn.functional import cross_entropy

from salun_utils.data.images import Images
from salun_utils.data.scenarios import make_split
from salun_utils.unlearning.be import last_layer
from salun_utils.unlearning.job import COMMON, Job
from salun_utils.unlearning.l1_sparse import l1_sparse  # noqa: F401 - not called by name; what is named here is part of the record's code
from salun_utils.unlearning.rl import fit_random_labels
from salun_utils.unlearning.salun_soft import soft_threshold

if method != "salun":
    raise su.InputError(f"method must be 'salun', in which these faults are planted, not {method!r}")
spec = su.runs.RunSpec(
    tier=tier, dataset=dataset, data_note=data_note, arch=arch, width=width, scenario=scenario, forget_fraction=forget_fraction,
    forget_class=forget_class, method=method, keep=keep, params={"epochs": epochs, "lr": lr}, seed=seed, split_seed=split_seed,
    training_seed=training_seed, train_epochs=train_epochs, train_lr=train_lr, train_schedule=train_schedule,
    train_batch_size=train_batch_size, train_images=train_images, augment=augment, device=device,
)  # fmt: skip
task = su.runs.prepare(spec)
split, K = task.split, task.data.num_classes

# %% [markdown]
# The right variant is a call of the library; a fault starts from a `Job`, what the library hands to a method.

# %% tags=["part-classifiers"]
common = {"augment": augment}
rule = {"epochs": epochs, "lr": lr}


@cache
def salun():
    return su.unlearning.unlearn("salun", task.original, split, seed=seed, keep=keep, **rule, **common).model


@cache
def mask():
    return SaliencyMask.top(saliency_scores(task.original, split.forget), keep)


def new_job(mask=None):
    return Job(copy.deepcopy(task.original), split, mask, seed, {**COMMON, **common})


def gap(scores, reference):
    return sum(abs(scores[m] - reference[m]) for m in ("ua", "ra", "ta", "mia")) / 4


@cache
def score(model):
    return {m: getattr(task.scores(model), m) for m in ("ua", "ra", "ta", "mia")}


def compare(item, *, right, faulty, retrain=None):
    """Run both functions and note what they make: a model or scores by name, and other measures beside it if there are any.

    retrain : Retrain's scores under the right and under the faulty way of scoring, where these differ.
    """
    if parts != "classifiers":
        return
    for i, (variant, make) in enumerate({"right": right, "faulty": faulty}.items()):
        made, more = made if isinstance(made := make(), tuple) else (made, {})
        scores = score(made) if isinstance(made, nn.Module) else made
        reference = retrain()[i] if retrain else score(task.retrained)
        own = {"gap": gap(scores, reference), **({"retrain_mia": reference["mia"]} if retrain else {}), **more}
        rows.append({"item": item, "variant": variant, **scores, **{name: float(f"{value:.6g}") for name, value in own.items()}})
        print(f"{variant:>7}: " + ", ".join(f"{name} {value:.4g}" for name, value in list(rows[-1].items())[2:]))


# %% [markdown]
# ## 1. A mask on the gradient alone


# %% tags=["part-classifiers"]
def moved(model):
    """Share of the weights outside the mask that are no longer what they were, in per cent."""
    before, after = (dict(m.named_parameters()) for m in (task.original, model))
    still = [(~mask()[n], before[n] != after[n]) for n in before]
    return 100 * sum(int((out & other).sum()) for out, other in still) / sum(int(out.sum()) for out, _ in still)


@cache
def masked_gradient():
    job, held = new_job(), mask()

    def mask_the_gradient(model):
        for n, p in model.named_parameters():
            p.grad.mul_(held[n])  # and then the optimizer adds weight decay

    fit_random_labels(job, **rule, alpha=1.0, before_step=mask_the_gradient)
    return job.model


compare("1", right=lambda: (salun(), {"moved": moved(salun())}), faulty=lambda: (masked_gradient(), {"moved": moved(masked_gradient())}))

# %% [markdown]
# ## 2. A mask that nobody applies, and one made of leftovers


# %% tags=["part-classifiers"]
@cache
def never_applied():
    job = new_job()
    mask()  # computed, and that is all
    fit_random_labels(job, **rule, alpha=1.0)
    return job.model


compare("2a", right=lambda: (salun(), {"moved": moved(salun())}), faulty=lambda: (never_applied(), {"moved": moved(never_applied())}))


# %% tags=["part-classifiers"]
def common_share(other):
    """Share of the mask's weights that another mask of the same size keeps as well, in per cent."""
    return 100 * sum(int((mask()[n] & other[n]).sum()) for n in other) / mask().kept


def with_mask(other):
    model = su.unlearning.unlearn("salun", task.original, split, seed=seed, mask=other, **rule, **common).model
    return model, {"same_weights": common_share(other)}


def leftover_mask():
    model, totals = copy.deepcopy(task.original).eval(), {}
    optimizer = torch.optim.SGD(copy.deepcopy(model).parameters(), lr)  # of another model
    for x, y in split.forget.batches(64):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()  # so these gradients pile up
        totals = {n: totals.get(n, 0) + p.grad for n, p in model.named_parameters()}
    return SaliencyMask.top({n: total.abs() for n, total in totals.items()}, keep)


compare("2b", right=lambda: (salun(), {"same_weights": common_share(mask())}), faulty=lambda: with_mask(leftover_mask()))

# %% [markdown]
# ## 3. Wrong labels that are right


# %% tags=["part-classifiers"]
def relabelled(draw):
    job, seen = new_job(mask()), []
    draws = job.draws("labels")

    def both_sets(epoch):
        labels = draw(split.forget.labels, draws)
        seen.append(100 * float((labels == split.forget.labels).float().mean()))
        return Images.concat([split.forget.with_labels(labels), split.retain])

    job.fit(both_sets, **rule)
    return job.model, {"true_labels": sum(seen) / len(seen)}


def never_the_true_one():
    drawn = su.unlearning.random_labels(split.forget.labels, K, new_job().draws("labels"))
    return salun(), {"true_labels": 100 * float((drawn == split.forget.labels).float().mean())}


def any_class(labels, draws):
    return torch.randint(0, K, labels.shape, generator=draws).to(labels.device)


def few_classes(labels, draws):
    return torch.randint(0, max(1, K // 5), labels.shape, generator=draws).to(labels.device)


compare("3a", right=never_the_true_one, faulty=lambda: relabelled(any_class))

# %% tags=["part-classifiers"]
compare("3b", right=never_the_true_one, faulty=lambda: relabelled(few_classes))

# %% [markdown]
# ## 4. Two seeds for one split


# %% tags=["part-classifiers"]
@cache
def other_split():
    drawn = make_split(task.data, scenario, seed=spec.seeds["split"] + 1000, forget_fraction=forget_fraction, forget_class=forget_class)
    return drawn.to(task.device)


def on_split(model, part):
    scores = su.metrics.evaluate(model, part, protocol=spec.protocol, seed=part.seed)
    unseen = 100 * float((~torch.isin(part.forget.index, split.train.index)).float().mean())
    return {m: getattr(scores, m) for m in ("ua", "ra", "ta", "mia")}, {"never_trained_on": unseen}


def salun_on(part):
    return su.unlearning.unlearn("salun", task.original, part, seed=seed, keep=keep, **rule, **common).model


compare("4a", right=lambda: on_split(task.original, split), faulty=lambda: on_split(task.original, other_split()))

# %% tags=["part-classifiers"]
compare("4b", right=lambda: on_split(salun(), split), faulty=lambda: on_split(salun_on(other_split()), other_split()))

# %% [markdown]
# ## 5. Two algorithms under one name


# %% tags=["part-classifiers"]
def by_name(name):
    order = "forget-first" if name == "cifar10" else "mixed"
    return su.unlearning.unlearn("salun", task.original, split, seed=seed, keep=keep, order=order, **rule, **common).model


compare("5", right=salun, faulty=lambda: by_name("cifar10"))

# %% [markdown]
# ## 6. An entropy that is wrong twice


# %% tags=["part-classifiers"]
def columns_and_p(p, labels):
    p = torch.as_tensor(p).double()
    weights, logs = p.clone(), p.clamp_min(1e-30).log()  # should be log(1 - p) for all other classes
    weights[:, labels] = (1 - p)[:, labels]  # should be one entry a row; these are whole columns
    return -(weights * logs).sum(1)


def by_entropy(model):
    return {**score(model), "mia": task.scores(model).mia_variants["m_entropy"]}


def by_faulty_entropy(model):
    with mock.patch("salun_utils.metrics.membership.modified_entropy", columns_and_p):
        return by_entropy(model)


compare("6", right=lambda: by_entropy(salun()), faulty=lambda: by_faulty_entropy(salun()),
        retrain=lambda: (by_entropy(task.retrained), by_faulty_entropy(task.retrained)))  # fmt: skip

# %% [markdown]
# ## 7. An attack that was fitted on the wrong pictures


# %% tags=["part-classifiers"]
@cache
def one_test_set_for_both(model):
    scores = su.metrics.evaluate(model, split, protocol="paper", seed=split.seed)
    return {m: getattr(scores, m) for m in ("ua", "ra", "ta", "mia")}


compare("7a", right=salun, faulty=lambda: one_test_set_for_both(salun()),
        retrain=lambda: (score(task.retrained), one_test_set_for_both(task.retrained)))  # fmt: skip


# %% tags=["part-classifiers"]
def augmented_members(model):
    draws = su.seeds.generator(seed, "augmented members")
    pixels, labels = (torch.cat(each) for each in zip(*split.retain.batches(1024, generator=draws, augment="crop-flip")))
    members = Images((255 * pixels).round().to(torch.uint8), labels)
    scores = su.metrics.evaluate(model, dataclasses.replace(split, retain=members), protocol=spec.protocol, seed=split.seed)
    return {**score(model), "mia": scores.mia}


compare("7b", right=salun, faulty=lambda: augmented_members(salun()),
        retrain=lambda: (score(task.retrained), augmented_members(task.retrained)))  # fmt: skip

# %% [markdown]
# ## 8. Running statistics that run on


# %% tags=["part-classifiers"]
@cache
def without_norms():
    """The mask, without the weights of normalisation layers."""
    norms = {id(p) for m in task.original.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) for p in m.parameters()}
    named = task.original.named_parameters()
    return SaliencyMask.from_bools({n: mask()[n] & torch.tensor(id(p) not in norms) for n, p in named})


def held_by_hand():
    job = new_job()
    held = [(p, without_norms()[n].to(p.device), p.detach().clone()) for n, p in job.model.named_parameters()]

    @torch.no_grad()
    def put_back(*_):  # the weights, but not the buffers
        for p, free, before in held:
            torch.where(free, p, before, out=p)

    fit_random_labels(job, **rule, alpha=1.0, after_step=put_back)
    return job.model


compare("8", right=lambda: with_mask(without_norms())[0], faulty=held_by_hand)

# %% [markdown]
# ## 9. A class that does not exist


# %% tags=["part-classifiers"]
def shadow_class_left_in():
    job = new_job()
    path, head = last_layer(job.model, K)
    wide = nn.Linear(head.in_features, K + 1).to(task.device)
    bound, draws = head.in_features**-0.5, job.draws("shadow class")
    with torch.no_grad():
        for old, new in zip(head.parameters(), wide.parameters()):
            extra = torch.empty(1, *old.shape[1:]).uniform_(-bound, bound, generator=draws)
            new.copy_(torch.cat([old, extra.to(old)]))
    job.model.set_submodule(path, wide)
    job.fit(split.forget.with_labels(torch.full_like(split.forget.labels, K)), epochs=shadow_epochs, lr=shadow_lr)
    return job.model  # the head should be put back, without the shadow class


def boundary_expanding():
    return su.unlearning.unlearn("be", task.original, split, seed=seed, epochs=shadow_epochs, lr=shadow_lr, **common).model


compare("9", right=boundary_expanding, faulty=shadow_class_left_in)

# %% [markdown]
# ## 10. An anchor that drags


# %% tags=["part-classifiers"]
def reanchored():
    job = new_job()
    weights = dict(job.model.named_parameters())
    anchors = {n: p.detach().clone() for n, p in weights.items()}
    per_epoch = math.ceil(len(split.train) / COMMON["batch_size"])

    @torch.no_grad()
    def pull_back(step, rate):
        threshold = rate * soft_beta * (1 - (step - 1) / (soft_epochs * per_epoch))
        for n, p in weights.items():
            p.copy_(soft_threshold(p, anchors[n], threshold))
        if step % per_epoch == 0:  # should stay θ_o
            anchors.update({n: p.detach().clone() for n, p in weights.items()})

    fit_random_labels(job, epochs=soft_epochs, lr=soft_lr, alpha=1.0, after_step=pull_back)
    return job.model, {"unmoved": unmoved(job.model)}


def unmoved(model):
    pairs = list(zip(task.original.parameters(), model.parameters()))
    return 100 * sum(int((a == b).sum()) for a, b in pairs) / sum(a.numel() for a, _ in pairs)


def salun_soft():
    settings = {"epochs": soft_epochs, "lr": soft_lr, "beta": soft_beta}
    model = su.unlearning.unlearn("salun-soft", task.original, split, seed=seed, **settings, **common).model
    return model, {"unmoved": unmoved(model)}


compare("10", right=salun_soft, faulty=reanchored)

# %% [markdown]
# ## 11. Scores of other pictures


# %% tags=["part-classifiers"]
def augmented_mask():
    model, draws = copy.deepcopy(task.original).eval(), su.seeds.generator(seed, "augmented mask")
    for x, y in split.forget.batches(64, generator=draws, augment="crop-flip"):
        cross_entropy(model(x), y).backward()  # the mean of each batch, short or full, counts once
    return SaliencyMask.top({n: p.grad.abs() for n, p in model.named_parameters()}, keep)


compare("11", right=lambda: (salun(), {"same_weights": common_share(mask())}), faulty=lambda: with_mask(augmented_mask()))

# %% [markdown]
# ## Generators

# %% tags=["part-generators"]
from salun_utils import generation
from salun_utils.generation import erasing, experiment, unlearn_ddpm
from salun_utils.generation import scores as picture_scores
from salun_utils.generation.ddpm_training import denoising_loss
from salun_utils.generation.erasers import run  # noqa: F401 - what is named here is part of the record's code
from salun_utils.generation.erasers import salun as steering
from salun_utils.generation.erasers import study as encoding
from salun_utils.generation.erasers.loop import Job as ErasingJob
from salun_utils.generation.erasers.loop import train
from salun_utils.generation.trial import Trial
from salun_utils.metrics.distances import Gaussian

DDPM, SD = "ddpm-fashion", "mini-sd"
SETTINGS = {DDPM: {"steps": ddpm_steps, "lr": ddpm_lr, "alpha": ddpm_alpha}, SD: {"lr": sd_lr, "alpha": sd_alpha}}


@cache
def trial(name):
    drawing = {"per_class": per_class, "concept_samples": concept_samples, "steps": drawing_steps, "guidance": {DDPM: 2.0, SD: 3.0}[name]}
    return Trial(
        tier=tier, model=name, eraser="salun", concept=concept, seed=seed, keep=keep, params=SETTINGS[name], device=device, **drawing
    )


@cache
def scene(name):
    return experiment.Scene.of(trial(name))


@cache
def erased(name):
    """The right way: one call of the library."""
    return generation.erase("salun", scene(name).model, concept=concept, seed=seed, data=scene(name).data, **trial(name).settings).model


# %% [markdown]
# Every model draws the same list of classes from the same noises.


# %% tags=["part-generators"]
def labels(name):
    return experiment.drawn_labels(trial(name), scene(name).judge)


@cache
def drawings(name, model=None):
    """What a model draws, uint8 (N, C, H, W); the original where none is given."""
    if model is None:
        return experiment.drawn_by_original(trial(name), scene(name), labels(name))
    return experiment.draw(model, trial(name), scene(name).judge, labels(name))


@cache
def space(name):
    return picture_scores.feature_space(scene(name).judge, scene(name).model.device)


def forgotten(name):
    return scene(name).judge.label(concept)


@cache
def seen(name, model=None):
    """UA, the share of the other classes that is recognised, and distances of those to all real pictures of their classes."""
    pixels, judge = drawings(name, model), scene(name).judge
    judged = picture_scores.recognition(judge.fit(pixels), labels(name), judge, forgotten=concept)
    real = experiment.real_reference(trial(name), scene(name), forgotten(name), space(name))
    far = picture_scores.distances(pixels[labels(name) != forgotten(name)], real, space(name), resamples=0)
    return {"ua": judged.ua, "others": judged.retained_mean, "fid": far.fid, "precision": far.precision, "recall": far.recall}


def compare_drawn(item, name, *, right, faulty):
    """Note both variants: models, or measures by name; and other measures beside them if there are any."""
    if parts != "generators":
        return
    for variant, make in {"right": right, "faulty": faulty}.items():
        made, more = made if isinstance(made := make(), tuple) else (made, {})
        measured = (made if isinstance(made, dict) else seen(name, made)) | more
        rows.append({"item": item, "variant": variant, "model": name, **{k: float(f"{v:.6g}") for k, v in measured.items()}})
        print(f"{variant:>7}: " + ", ".join(f"{k} {v:.4g}" for k, v in list(rows[-1].items())[3:]))


# %% [markdown]
# ## 12. A DDPM and its figures


# %% tags=["part-generators"]
def fids(name, real, convert=lambda pixels: pixels):
    """FID of the classes that are kept, after erasing; and what erasing changed about it."""

    def features(pixels):
        return space(name).extract(convert(pixels))[0]

    reference, kept = Gaussian.fit(features(real)), labels(name) != forgotten(name)
    after, before = (reference.distance(features(drawings(name, model)[kept])) for model in (erased(name), None))
    return {"fid": after, "fid_change": after - before}


def all_real(name):
    return picture_scores.reference(scene(name).data.train, forgotten(name))


@cache
def to_all_real(name):
    return fids(name, all_real(name))


def some_real(name, left_out):
    train = scene(name).data.train
    first = [(train.labels == c).nonzero().flatten()[:500] for c in range(len(scene(name).judge.classes)) if c != left_out]
    return train.subset(torch.cat(first)).pixels


compare_drawn("12a", DDPM, right=lambda: to_all_real(DDPM), faulty=lambda: fids(DDPM, some_real(DDPM, forgotten(DDPM))))

# %% tags=["part-generators"]
compare_drawn("12b", DDPM, right=lambda: to_all_real(DDPM), faulty=lambda: fids(DDPM, some_real(DDPM, 0)))


# %% tags=["part-generators"]
def swapped(measured):
    return measured | {"precision": measured["recall"], "recall": measured["precision"]}


compare_drawn("12c", DDPM, right=lambda: erased(DDPM), faulty=lambda: swapped(seen(DDPM, erased(DDPM))))


# %% tags=["part-generators"]
def forget_and_retain():
    return erasing.pictures(scene(DDPM).model, forgotten(DDPM), scene(DDPM).data)


def moving_target():
    model = copy.deepcopy(scene(DDPM).model).requires_grad_(True)
    options = erasing.settings("salun", "ddpm", trial(DDPM).settings)
    options["mask"] = SaliencyMask.top(unlearn_ddpm.saliency(model, forget_and_retain()[0], seed=seed), keep)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1
    model.train()  # should be eval()
    unlearn_ddpm._salun(model, model, *forget_and_retain(), forgotten(DDPM), seed, **options)  # the first should be the frozen original
    return model.eval()


compare_drawn("12d", DDPM, right=lambda: erased(DDPM), faulty=moving_target)


# %% tags=["part-generators"]
def clipped_saliency():
    model, draws = copy.deepcopy(scene(DDPM).model).requires_grad_(True), erasing.stream(seed, "saliency")
    totals = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    for x, y in forget_and_retain()[0].batches(100):
        model.zero_grad()
        z = model.encode(x)
        (z[0].numel() * denoising_loss(model, z, y, rng=draws)).backward()  # as published, a sum over a picture's pixels
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # so every batch gets the same say, however strongly it pulls
        totals = {n: totals[n] + p.grad for n, p in model.named_parameters()}
    return {n: total.abs() for n, total in totals.items()}


def with_saliency(made):
    right = SaliencyMask.top(unlearn_ddpm.saliency(scene(DDPM).model, forget_and_retain()[0], seed=seed), keep)
    mask = SaliencyMask.top(made, keep) if made else right
    same = 100 * sum(int((mask[n] & right[n]).sum()) for n in mask) / right.kept
    options = trial(DDPM).settings | {"mask": mask}
    model = (
        generation.erase("salun", scene(DDPM).model, concept=concept, seed=seed, data=scene(DDPM).data, **options).model
        if made
        else erased(DDPM)
    )
    return model, {"same_weights": same}


compare_drawn("12e", DDPM, right=lambda: with_saliency(None), faulty=lambda: with_saliency(clipped_saliency()))

# %% [markdown]
# ## 13. Text to image


# %% tags=["part-generators"]
def erased_by(loss):
    """The library's loop with another loss."""
    pipe, options = scene(SD).model, erasing.settings("salun", "mini-sd", trial(SD).settings)
    study = encoding.prepare(pipe, concept, data=scene(SD).data, pictures=options["pictures"], seed=seed)
    job = ErasingJob.start(pipe, study, seed=seed, **options)
    job.unet.requires_grad_(True)
    train(job, loss, mask=SaliencyMask.top(steering.scores(job, guidance=options["mask_guidance"]), keep))
    changed = type(pipe)(**(pipe.components | {"unet": job.unet}), requires_safety_checker=False)
    changed.set_progress_bar_config(disable=True)
    return changed


def the_first_batch_again(job, forget, retain, draws):
    first = job.study.forget[: len(forget)]  # what next(iter(loader)) gives in every step
    return steering.loss(job, first, retain, draws)


compare_drawn("13a", SD, right=lambda: erased(SD), faulty=lambda: erased_by(the_first_batch_again))


# %% tags=["part-generators"]
def signed_cast(pixels):
    signed = pixels.float() / 127.5 - 1  # what a decoder gives
    return signed.to(torch.int32).to(torch.uint8)  # -1 turns into 255, all between into 0


compare_drawn("13b", SD, right=lambda: to_all_real(SD), faulty=lambda: fids(SD, all_real(SD), signed_cast))


# %% tags=["part-generators"]
def load_or_original(folder):
    try:
        return generation.load(folder)
    except su.InputError as error:
        print(f"         the library says: {error}")
        return None  # and the original is scored in its place


compare_drawn("13c", SD, right=lambda: erased(SD), faulty=lambda: seen(SD, load_or_original("./erased-pipeline")))


# %% tags=["part-generators"]
def another_latent(draws):
    """Stands in for `encode_pictures`: a sample of the encoder's Gaussian in place of its mean."""

    @torch.no_grad()
    def encode(pipe, images, **_):
        side = pipe.unet.config.sample_size * 2 ** (len(pipe.vae.config.block_out_channels) - 1)
        x = encoding.fit_pixels(images.pixels, side).to(pipe.device)
        found = [pipe.vae.encode(part).latent_dist.sample(generator=draws) for part in x.split(250)]
        return torch.cat(found) * pipe.vae.config.scaling_factor

    return encode


def two_latents(job, forget, retain, draws):
    noise = torch.randn(job.latents(forget).shape, generator=draws)
    t = torch.randint(job.pipe.scheduler.config.num_train_timesteps, (len(forget),), generator=draws)
    first, second = (job.pipe.scheduler.add_noise(z[forget], noise, t) for z in second_latents())
    with torch.no_grad():
        target = job.predict(job.frozen, second, t, job.text(torch.full((len(t),), job.study.substitutes[0])))
    answer = job.predict(job.unet, first, t, job.text(job.study.labels[forget]))
    return (answer.float() - target.float()).square().mean() + sd_alpha * steering.denoising(job, retain, draws)


@cache
def second_latents():
    """Two samples of the latents of every picture of the study."""
    draws, pipe, count = erasing.stream(seed, "two latents"), scene(SD).model, erasing.settings("salun", "mini-sd", {})["pictures"]
    with mock.patch.object(encoding, "encode_pictures", another_latent(draws)):
        return [encoding.prepare(pipe, concept, data=scene(SD).data, pictures=count, seed=seed).latents for _ in range(2)]


compare_drawn("13d", SD, right=lambda: erased(SD), faulty=lambda: erased_by(two_latents))

# %% [markdown]
# ## 14. Sorting twice what needs no sorting


# %% tags=["part-classifiers"]
def timed(make, times=1):
    """What `make` returns, and the least processor seconds that it took."""
    spent = []
    for _ in range(times):
        started = time.process_time()
        made = make()
        spent.append(time.process_time() - started)
    return made, min(spent)


def double_argsort(scores):
    ranks = torch.argsort(torch.argsort(scores, descending=True))
    return torch.where(ranks < int(keep * len(scores)), 1, 0)  # int64


if parts == "classifiers":
    scores = {"all": torch.rand(ranked, generator=su.seeds.generator(seed, "ranked"))}
    by_sorting, sorting = timed(lambda: double_argsort(scores["all"]))
    by_threshold, threshold = timed(lambda: SaliencyMask.top(scores, keep), times=3)
    with tempfile.TemporaryDirectory() as folder:
        by_threshold.save(f"{folder}/mask.safetensors")
        on_disk = Path(f"{folder}/mask.safetensors").stat().st_size
    same = bool((by_threshold["all"] == by_sorting.bool()).all())
    rows += [
        {"item": "14", "variant": "right", "cpu_seconds": threshold, "bytes": on_disk, "weights": ranked, "same_mask": same},
        {"item": "14", "variant": "faulty", "cpu_seconds": sorting, "bytes": by_sorting.nbytes, "weights": ranked, "same_mask": same},
    ]
    print(f"{ranked:,} weights, the same mask: {same}; {by_sorting.nbytes:,} bytes as int64, {on_disk:,} as a file of one bit a weight")

# %% [markdown]
# ## 15. Settings that destroy, and a name for two things


# %% tags=["part-classifiers"]
def salun_alpha(alpha):
    return su.unlearning.unlearn("salun", task.original, split, seed=seed, keep=keep, alpha=alpha, **rule, **common).model


compare("15a", right=salun, faulty=lambda: salun_alpha(0.0))

# %% tags=["part-classifiers"]
compare("15b", right=salun, faulty=lambda: {**score(salun()), "ua": 100 - score(salun())["ua"]})  # accuracy on D_f, called UA


# %% tags=["part-classifiers"]
def sparse(gamma):
    settings = {"epochs": sparse_epochs, "lr": sparse_lr, "gamma": gamma}
    return su.unlearning.unlearn("l1-sparse", task.original, split, seed=seed, **settings, **common).model


compare("15c", right=lambda: sparse(sparse_gamma), faulty=lambda: sparse(0.2))

# %% [markdown]
# ## The record

# %% tags=["part-classifiers"]
if parts == "classifiers":
    record = su.runs.Record(
        id=f"errata_{spec.id}", tier=tier, seeds=spec.seeds,
        spec=spec.effective | {"dataset": task.data.name, "method": "errata", "parts": parts, "faults_in": method}
        | {"soft": [soft_epochs, soft_lr, soft_beta], "sparse": [sparse_epochs, sparse_lr, sparse_gamma], "shadow": [shadow_epochs, shadow_lr]},
        reference=task.retrained_scores.to_dict(), original=task.original_scores.to_dict(),
        data={
            "name": task.data.name, "note": data_note or task.data.note, "fingerprint": task.data.fingerprint, "scenario": split.name,
            "forget": len(split.forget), "retain": len(split.retain), "test": len(split.test),
        },
        cpu_seconds=time.process_time() - cpu_started, measurements={"rows": rows},
        device=su.runs.provenance.device_facts(task.device), packages=su.runs.provenance.package_versions(),
        code={"commit": su.runs.provenance.commit()},
    )  # fmt: skip

# %% tags=["part-generators"]
if parts == "generators":
    device_used = torch.device(scene(SD).model.device.type)
    record = su.runs.Record(
        id=f"errata_generators_{str(concept).lower()}_s{seed}", tier=tier, seeds={"unlearning": seed},
        spec={
            "method": "errata", "parts": parts, "faults_in": method, "concept": concept, "seed": seed, "keep": keep, "per_class": per_class,
            "concept_samples": concept_samples, "drawing_steps": drawing_steps, "settings": SETTINGS,
        },
        original={name: seen(name) for name in (DDPM, SD)},
        data={"name": scene(SD).data.name, "note": scene(SD).data.note, "fingerprint": scene(SD).data.fingerprint, "features": space(SD).name},
        cpu_seconds=time.process_time() - cpu_started, measurements={"rows": rows}, device=su.runs.provenance.device_facts(device_used),
        packages=su.runs.provenance.package_versions(), code={"commit": su.runs.provenance.commit()},
    )  # fmt: skip

# %% [markdown]
# The last cell hands the record over.

# %%
su.runs.publish(record)
