"""Look at a folder before anything is decoded or trained: which classes, how many pictures of what
kind, what is left out and why.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

from torch import Tensor

from .reading import decode
from .reading.decode import Form, Heads
from .reading.folders import check_folder, listing
from .reading.listing import Listing, counted

SHOWN = 12  # classes, sizes or damaged files that are named; of more the number is said


@dataclass(frozen=True)
class Preview:
    """What `folders.load` would make of a folder.

    Attributes
    ----------
    path : the folder. found : its pictures and labels. heads : what the pictures say of themselves.
    form : what each would be brought to.
    """

    path: str
    found: Listing
    heads: Heads
    form: Form

    @property
    def is_sound(self) -> bool:
        """Whether every picture has a head that can be read."""
        return not self.heads.damaged

    def lines(self) -> list[str]:
        """The answer in lines of a word and what it is."""
        found, heads = self.found, self.heads
        rows = [("folder", f"{self.path}: {found.layout}")]
        rows += [("classes", f"{len(found.classes)}: {_some(found.classes)}")]
        rows += [("train", _counts(found.train, found.classes))]
        rows += [("test", _counts(found.test, found.classes, found.note))]
        rows += [("pictures", _pictures(heads))]
        rows += [("loaded as", "×".join(map(str, self.form)) + " (channels, height, width)")]
        rows += [("doubtful", one) for one in found.doubts]
        rows += [("left out", str(one)) for one in found.left_out]
        rows += [("damaged", line) for line in heads.damaged[:SHOWN]]
        if len(heads.damaged) > SHOWN:
            rows += [("damaged", f"… and {len(heads.damaged) - SHOWN:,} more")]
        return [f"{word:<10} {text}" for word, text in rows]


def preview(
    path: str | os.PathLike,
    *,
    size: int | None = None,
    channels: int | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Preview:
    """Say what `folders.load` would load, from names and the heads of the pictures alone.

    Parameters
    ----------
    All as in `folders.load`.

    Raises
    ------
    InputError : the folder would be refused for another reason than damaged pictures.
    """
    root = check_folder(path)
    found = listing(root, image_column=image_column, label_column=label_column)
    heads = decode.heads(found.chunks(), len(found))
    return Preview(str(root), found, heads, heads.form(size, channels))


def _counts(labels: Tensor, classes: list[str], note: str = "") -> str:
    said = f" ({note})" if note else ""
    total = counted(len(labels), "picture") + said
    of = Counter(labels.tolist())
    numbers = {of[i] for i in range(len(classes))}
    if len(numbers) == 1:
        return f"{total}, {numbers.pop():,} of each class"
    return f"{total}, of {_some([f'{name}: {of[i]:,}' for i, name in enumerate(classes)])}"


def _pictures(heads: Heads) -> str:
    formats = ", ".join(f"{n:,} {name}" for name, n in heads.formats.most_common())
    sizes = heads.sizes
    if len(sizes) == 1:
        edges = "all {}×{} pixels".format(*next(iter(sizes)))
    elif sizes:
        smallest, largest = (pick(sizes, key=lambda s: s[0] * s[1]) for pick in (min, max))
        edges = "{} sizes, {}×{} to {}×{} pixels".format(len(sizes), *smallest, *largest)
    else:
        edges = "none that can be read"
    said = [formats, edges, f"{heads.grey:,} greyscale"]
    if heads.turned:
        said.append(f"{heads.turned:,} turned upright by their EXIF orientation")
    return "; ".join(part for part in said if part)


def _some(words: list[str]) -> str:
    more = f", … and {len(words) - SHOWN:,} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
