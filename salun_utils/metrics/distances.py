"""How far apart two models or two sets of pictures are, when looked at through features or through
many trained copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..errors import InputError, check_count
from ..seeds import derive
from ..units import numerics
from .reading import numbers, positive, share

Array = Tensor | np.ndarray


@numerics(1, "metric/cka")
def linear_cka(a: Array, b: Array) -> float:
    """Linear centred kernel alignment of two representations of the same N inputs, in [0, 1].

    |BᵀA|² / (|AᵀA| |BᵀB|) with centred columns and Frobenius norms. 1 means equal up to rotation,
    shift and one common scale.

    Parameters
    ----------
    a : (N, P). b : (N, Q). More inputs than features are needed: with few inputs even unrelated
        features look alike.

    Source: Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019,
    eq. 7 and section 3.
    """
    a, b = _matrix("a", a), _matrix("b", b)
    if len(a) != len(b):
        raise InputError(
            f"both representations must be of the same inputs, not of {len(a)} and {len(b)}"
        )
    # asked before centring, which leaves rounding of a constant such as 0.1
    if (a == a[0]).all() or (b == b[0]).all():
        raise InputError(
            "a representation that is the same for every input has no alignment with anything"
        )
    a, b = a - a.mean(0), b - b.mean(0)
    # the same three norms from the N x N products, which are then the smaller ones
    if len(a) < a.shape[1] + b.shape[1]:
        gram_a, gram_b = a @ a.T, b @ b.T
        return float((gram_a * gram_b).sum() / (np.linalg.norm(gram_a) * np.linalg.norm(gram_b)))
    return float(np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))


@numerics(1, "metric/klom")
def klom(
    margins: Array,
    oracle_margins: Array,
    *,
    estimator: str = "histogram",
    bins: int = 20,
    clip: float = 100.0,
    floor: float = 1e-5,
) -> np.ndarray:
    """KLoM: per example, KL(unlearned || oracle) between the distributions of its margin over many
    models, in nats. 0 is perfect.

    Parameters
    ----------
    margins : (M, N) `likelihood.margin` of N examples under M unlearned models (different seeds).
    oracle_margins : (R, N) under R models retrained without the forget set.
    estimator : "histogram", as published: margins are clipped to ±`clip`, both sides share `bins`
        bins of equal width over their joint range, and an oracle bin that is empty where the other
        is not counts as `floor`, so the largest value is -log(floor) = 11.5. "normal" fits a normal
        distribution to each side, which needs far fewer models; its standard deviation is at least
        1e-3.

    Returns
    -------
    float64 (N,); the page reports its mean over the forget, retained and validation pictures, and
    the 95th percentile.

    Notes
    -----
    The histogram is biased upwards with few models: two halves of the same ensemble are the figure
    to compare with. The published code loses the largest of all margins, which lies on the edge of
    its last bin; here it counts.

    Source: Georgiev et al., "Attribute-to-Delete: Machine Unlearning via Datamodel Matching", arXiv
    2410.23232, appendix E.1.
    """
    ours, oracle = _matrix("margins", margins), _matrix("oracle_margins", oracle_margins)
    if ours.shape[1] != oracle.shape[1]:
        raise InputError(
            f"both sides need the margins of the same examples, not of {ours.shape[1]} and"
            f" {oracle.shape[1]}"
        )
    check_count("bins", bins)
    if clip != np.inf:
        positive("clip", clip)
    share("floor", positive("floor", floor), ends=True)
    if estimator == "normal":
        return _normal_kl(ours, oracle)
    if estimator != "histogram":
        raise InputError(f"estimator must be 'histogram' or 'normal', not {estimator!r}")
    ours, oracle = ours.clip(-clip, clip), oracle.clip(-clip, clip)
    low, high = np.minimum(ours.min(0), oracle.min(0)), np.maximum(ours.max(0), oracle.max(0))
    width = np.where(high > low, high - low, 1.0) / bins
    p, q = (_histogram(part, low, width, bins) for part in (ours, oracle))
    q = np.where(p > 0, np.maximum(q, floor), q)
    q = q / q.sum(0)  # the published code hands q to scipy.stats.entropy, which normalises it again
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(p > 0, q, 1)), 0).sum(0)


def _histogram(values: np.ndarray, low: np.ndarray, width: np.ndarray, bins: int) -> np.ndarray:
    """Share of the models in each bin, (bins, N); the last bin includes its upper end."""
    which = np.clip(((values - low) / width).astype(int), 0, bins - 1)
    return np.stack([(which == i).mean(0) for i in range(bins)])


def _normal_kl(ours: np.ndarray, oracle: np.ndarray) -> np.ndarray:
    if min(len(ours), len(oracle)) < 2:
        raise InputError("the normal estimator needs at least 2 models on each side")
    s, t = (np.maximum(part.std(0, ddof=1), 1e-3) for part in (ours, oracle))
    return np.log(t / s) + (s**2 + (ours.mean(0) - oracle.mean(0)) ** 2) / (2 * t**2) - 0.5


@numerics(1, "metric/frechet")
def frechet_distance(features_a: Array, features_b: Array) -> float:
    """Squared Fréchet distance between normal distributions fitted to two sets of features: |μ_a -
    μ_b|² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½).

    With Inception features of generated and real pictures it is the FID.

    Parameters
    ----------
    features_a : (N, D). features_b : (M, D). At least 2 rows each; with fewer rows than D the value
        is biased upwards.

    Notes
    -----
    tr (Σ_a Σ_b)^½ is the sum of the singular values of A B, where A and B are the symmetric square
    roots. That is symmetric in a and b, and stays real and accurate for singular covariances, where
    the matrix square root of Σ_a Σ_b breaks down.
    """
    a, b = _matrix("features_a", features_a), _matrix("features_b", features_b)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"both sets need the same number of features, not {a.shape[1]} and {b.shape[1]}"
        )
    if min(len(a), len(b)) < 2:
        raise InputError("a covariance needs at least 2 rows of features on each side")
    return frechet_from_moments(
        a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False)
    )


def frechet_from_moments(
    mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray
) -> float:
    """`frechet_distance` from means (D,) and covariances (D, D), for reference sets whose moments
    are stored.
    """
    from scipy import linalg

    mean_a, cov_a = _moments("a", mean_a, cov_a)
    mean_b, cov_b = _moments("b", mean_b, cov_b)
    if len(mean_a) != len(mean_b):
        raise InputError(
            f"both sides need the same number of features, not {len(mean_a)} and {len(mean_b)}"
        )
    cross = linalg.svdvals(_root(cov_a) @ _root(cov_b)).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross
    scale = np.trace(cov_a) + np.trace(cov_b)
    # what is left of equal sets is rounding
    return float(distance) if distance > 1e-10 * scale else 0.0


def _moments(side: str, mean: Array, covariance: Array) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D) as float64, checked; plain numbers where D is 1."""
    mean = np.atleast_1d(numbers(f"mean_{side}", mean))
    covariance = np.atleast_2d(numbers(f"cov_{side}", covariance))
    if mean.ndim != 1 or not len(mean) or covariance.shape != (len(mean), len(mean)):
        raise InputError(
            f"need mean_{side} (D,) and cov_{side} (D, D), not shapes {mean.shape} and"
            f" {covariance.shape}"
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise InputError(f"mean_{side} or cov_{side} holds NaN or infinity")
    return mean, covariance


@numerics(1, "metric/gaussian")
@dataclass(frozen=True)
class Gaussian:
    """The normal distribution fitted to a reference set, for many distances to it.

    Attributes
    ----------
    mean : (D,). root : symmetric square root (D, D) of the covariance. trace : of the covariance.
    """

    mean: np.ndarray
    root: np.ndarray
    trace: float

    @classmethod
    def fit(cls, features: Array) -> Gaussian:
        """Of features (N, D), N at least 2."""
        x = _matrix("features", features)
        if len(x) < 2:
            raise InputError("a covariance needs at least 2 rows of features on each side")
        covariance = np.atleast_2d(np.cov(x, rowvar=False))
        return cls(x.mean(0), _root(covariance), float(np.trace(covariance)))

    def distance(self, features: Array) -> float:
        """`frechet_distance` of features (N, D) to this one.

        With centred rows X, tr (Σ_a Σ_b)^½ is the sum of the singular values of X Σ_b^½ / √(N - 1):
        a matrix of N rows, not D.
        """
        from scipy import linalg

        x = _matrix("features", features)
        if x.shape[1] != len(self.mean) or len(x) < 2:
            raise InputError(f"need at least 2 rows of {len(self.mean)} features, not {x.shape}")
        centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
        own = float((centred**2).sum())
        value = (
            float(((x.mean(0) - self.mean) ** 2).sum())
            + own
            + self.trace
            - 2 * linalg.svdvals(centred @ self.root).sum()
        )
        return value if value > 1e-10 * (own + self.trace) else 0.0


def _root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric square root; eigenvalues that rounding made negative count as 0."""
    from scipy import linalg

    values, vectors = linalg.eigh((covariance + covariance.T) / 2)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


@numerics(1, "metric/kernel")
def kernel_distance(
    features_a: Array,
    features_b: Array,
    *,
    subset_size: int = 1000,
    subsets: int = 100,
    seed: int = 0,
) -> tuple[float, float]:
    """Kernel inception distance (KID): unbiased squared MMD under the kernel (x · y / D + 1)³, for
    few pictures better than Fréchet's.

    Returns
    -------
    Mean and standard deviation over `subsets` draws of `subset_size` rows (at most as many as there
    are) from each side. May be slightly negative for equal distributions, since it is unbiased.

    Source: Bińkowski et al., "Demystifying MMD GANs", ICLR 2018.
    """
    a, b = _matrix("features_a", features_a), _matrix("features_b", features_b)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"both sets need the same number of features, not {a.shape[1]} and {b.shape[1]}"
        )
    size = min(check_count("subset_size", subset_size, 2), len(a), len(b))
    check_count("subsets", subsets)
    if size < 2:
        raise InputError("the kernel distance needs at least 2 rows on each side")
    if size == len(a) == len(b):
        subsets = 1  # every draw would be the whole of both sides
    draws = np.random.default_rng(derive(seed, "kernel distance"))

    def pick(x):
        return x[draws.choice(len(x), size, replace=False)]

    found = np.array([_squared_mmd(pick(a), pick(b)) for _ in range(subsets)])
    return float(found.mean()), float(found.std())


def _squared_mmd(a: np.ndarray, b: np.ndarray) -> float:
    n, d = a.shape
    within = sum(
        k.sum() - np.trace(k) for k in ((a @ a.T / d + 1) ** 3, (b @ b.T / d + 1) ** 3)
    ) / (n * (n - 1))
    return float(within - 2 * ((a @ b.T / d + 1) ** 3).mean())


@numerics(1, "metric/probe")
def linear_probe(
    features_train: Array,
    labels_train: Array,
    features_test: Array,
    labels_test: Array,
    *,
    C: float = 1.0,
    max_iter: int = 500,
) -> float:
    """Accuracy in percent, on the test features, of a logistic regression fitted to the training
    features.

    High on forgotten classes means that the representation still tells them apart, whatever the
    last layer says.

    Parameters
    ----------
    features_train : (N, D), features_test : (M, D); both are standardised by the training features.
        labels : whole numbers (N,), (M,).
    C : inverse strength of the ridge penalty.
    """
    from sklearn.linear_model import LogisticRegression

    train, test = _matrix("features_train", features_train), _matrix("features_test", features_test)
    y, y_test = numbers("labels_train", labels_train), numbers("labels_test", labels_test)
    if train.shape[1] != test.shape[1] or (y.shape, y_test.shape) != ((len(train),), (len(test),)):
        shapes = f"{train.shape}, {y.shape}, {test.shape}, {y_test.shape}"
        raise InputError(
            f"need features (N, D), labels (N,), features (M, D), labels (M,), not {shapes}"
        )
    if not all(np.isfinite(labels).all() and (labels % 1 == 0).all() for labels in (y, y_test)):
        raise InputError("labels_train and labels_test must be whole numbers")
    positive("C", C)
    check_count("max_iter", max_iter)
    if len(np.unique(y)) < 2:
        raise InputError("a probe needs at least 2 classes in its training labels")
    mean, spread = train.mean(0), train.std(0)
    spread[(train == train[0]).all(0)] = 1  # their deviation is 0 up to rounding
    probe = LogisticRegression(C=C, max_iter=max_iter).fit((train - mean) / spread, y)
    return 100 * float((probe.predict((test - mean) / spread) == y_test).mean())


def _matrix(name: str, values: Array) -> np.ndarray:
    """float64 (N, D), finite, not empty."""
    array = numbers(name, values)
    if array.ndim != 2 or not array.size:
        raise InputError(
            f"{name} must be a matrix with at least one row and one column, not of shape"
            f" {array.shape}"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinity")
    return array
