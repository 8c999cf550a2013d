"""The plain ways: pictures as PIL objects that are transformed one at a time and collected by a
DataLoader, float32, channels first, gradients times an int64 mask, a double argsort a threshold,
scikit-learn's pairwise support vector machine, one training after the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

Tensors = dict[str, Tensor]


class Pictures(Dataset):
    """Pictures as PIL objects, cropped and flipped at random (`augment`), one at a time."""

    def __init__(self, pixels: Tensor, labels: Tensor, *, augment: bool):
        self.pictures = [Image.fromarray(p) for p in _as_pil(pixels)]
        self.labels = labels
        size = pixels.shape[-1]
        pad = 4 if size >= 32 else size // 8
        drawn = [transforms.RandomCrop(size, padding=pad), transforms.RandomHorizontalFlip()]
        self.transform = transforms.Compose([*(drawn if augment else []), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.pictures[i]), self.labels[i]


def _as_pil(pixels: Tensor) -> np.ndarray:
    last = pixels.permute(0, 2, 3, 1).contiguous().numpy()
    return last[..., 0] if last.shape[-1] == 1 else last


def epoch(
    model: nn.Module,
    data: Pictures,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    mask: Tensors | None = None,
) -> None:
    """One epoch of training, with masked gradients if there is a mask."""
    device = next(model.parameters()).device
    model.train()
    for x, y in DataLoader(data, batch_size, shuffle=True):
        loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
        optimizer.zero_grad()
        loss.backward()
        if mask is not None:
            for name, p in model.named_parameters():
                p.grad *= mask[name]
        optimizer.step()


def sgd(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """The optimizer of published code."""
    return torch.optim.SGD(model.parameters(), lr, momentum=0.9, weight_decay=5e-4)


def scores(model: nn.Module, data: Pictures, batch_size: int) -> Tensors:
    """The gradients of a batch after the other, added up in a second buffer; then absolute."""
    model.eval()
    summed = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    for x, y in DataLoader(data, batch_size):
        loss = nn.functional.cross_entropy(model(x), y) * len(y)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for name, p in model.named_parameters():
                summed[name] += p.grad
    model.zero_grad()
    return {n: (g / len(data)).abs_() for n, g in summed.items()}


def mask(scores: Tensors, keep: float) -> Tensors:
    """Rank every weight by sorting twice, compare the ranks, keep int64 tensors."""
    row = torch.cat([-s.flatten() for s in scores.values()])
    ranks = torch.argsort(torch.argsort(row))
    chosen = torch.zeros_like(ranks)
    chosen[ranks < int(keep * len(row))] = 1
    parts = chosen.split([s.numel() for s in scores.values()])
    return {name: part.view(s.shape) for (name, s), part in zip(scores.items(), parts)}


def masks_on_disk(scores: Tensors, keeps: Iterable[float], folder: Path) -> None:
    """One mask a share, each sorted anew and pickled."""
    for keep in keeps:
        torch.save(mask(scores, keep), folder / f"with_{keep:g}.pt")


def attack(member: np.ndarray, nonmember: np.ndarray, target: np.ndarray) -> float:
    """The share of targets that scikit-learn's machine calls non-members."""
    from sklearn.svm import SVC

    points = np.concatenate([member, nonmember])
    labels = np.concatenate([np.ones(len(member)), np.zeros(len(nonmember))])
    machine = SVC(C=3, gamma="auto", kernel="rbf").fit(points, labels)
    return 1 - float(machine.predict(target).mean())


def ddpm_step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    """One step of a diffusion model in float32."""
    z = model.encode(x)
    t = torch.randint(model.config.timesteps, (len(z),), device=z.device)
    noise = torch.randn_like(z)
    loss = (model(model.noised(z, noise, t), t, y) - model.target(z, noise, t)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


@torch.no_grad()
def ddpm_sample(
    model: nn.Module, labels: Tensor, *, guidance: float, steps: int, noise: Tensor
) -> Tensor:
    """The same sampler, with and without the class in two passes, a picture at a time."""
    scheduler, drawn = model.scheduler("dpm"), []
    for z, label in zip(noise.split(1), labels.split(1)):
        scheduler.set_timesteps(steps)
        null = torch.full_like(label, model.config.null)
        for t in scheduler.timesteps:
            conditional, free = model(z, t.expand(1), label), model(z, t.expand(1), null)
            out = (1 + guidance) * conditional - guidance * free
            z = scheduler.step(out, t, z, return_dict=False)[0]
        drawn.append(model.decode(z))
    return torch.cat(drawn)
