"""How well the axes of latents follow known factors, and what linear probes see in them.

Measures of axes, each the mean over the factors:

- D, C: disentanglement and completeness of Eastwood and Williams (2018), from the absolute
  coefficients of a Lasso on standardised latents, its penalty by cross-validation. The two targets
  of an angle share one Lasso and count as one factor; D says nothing about one factor.
- MIG: gap of the mutual information of the best and the second-best single latent, in bins of equal
  counts, over the entropy of the factor; for an angle, which is a circle and takes two latents, of
  the mean of the best two and the third.
- gap: the same of the share of a latent's variance that the factor explains linearly.
- n90: number of latents, picked forward, that reach 90 % of the R^2 of all on test images.
"""

from __future__ import annotations

import math

import numpy as np

from .metrics import r2

PENALTIES = np.logspace(-1, 5, 13)
N_BINS = 20
SHARE = 0.9
# With less than this R^2 there is nothing to find among the latents.
LEAST_R2 = 0.02
# measure -> whether more of it is better aligned.
MEASURES = {"D": True, "C": True, "MIG": True, "gap": True, "n90": False}


def probe(
    levels: list[np.ndarray],
    levels_test: list[np.ndarray],
    targets: dict[str, np.ndarray],
    targets_test: dict[str, np.ndarray],
) -> dict[str, list[float]]:
    """factor -> R^2 of each level, finest first."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ends = np.cumsum([values.shape[1] for values in targets.values()])[:-1]
    scores: dict[str, list[float]] = {name: [] for name in targets}
    for x, x_test in zip(levels, levels_test, strict=True):
        # One decomposition of the latents serves all targets.
        model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES, alpha_per_target=True))
        model.fit(x, np.hstack(list(targets.values())))
        parts = np.split(model.predict(x_test), ends, axis=1)
        for name, predicted in zip(targets, parts, strict=True):
            scores[name].append(r2(predicted, targets_test[name]))
    return scores


def importance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weight of each latent in a sparse probe of one factor."""
    from sklearn.linear_model import LassoCV, MultiTaskLassoCV

    if y.shape[1] == 1:
        return np.abs(LassoCV(cv=5).fit(x, y[:, 0]).coef_)
    # Latents chosen for both targets at once: the zero of an angle is arbitrary.
    return np.linalg.norm(MultiTaskLassoCV(cv=5).fit(x, y).coef_, axis=0)


def purity(weights: np.ndarray) -> np.ndarray:
    """One less the entropy of each row as a share of the largest; 0 for rows of zeros."""
    total = weights.sum(1, keepdims=True)
    p = weights / np.where(total > 0, total, 1)
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(1) / math.log(weights.shape[1])
    return np.where(total[:, 0] > 0, 1 - entropy, 0)


def in_bins(values: np.ndarray) -> np.ndarray:
    """Bin of each value among `N_BINS` of equal counts; ties share one."""
    edges = np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def information(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information of two sets of bins over the entropy of the second."""
    joint = np.bincount(a * N_BINS + b, minlength=N_BINS**2).reshape(N_BINS, N_BINS) / len(a)
    apart = joint.sum(1, keepdims=True) * joint.sum(0)
    mutual = (joint * np.log(np.where(joint > 0, joint / np.where(apart > 0, apart, 1), 1))).sum()
    p = joint.sum(0)
    return float(mutual / -(p * np.log(np.where(p > 0, p, 1))).sum())


def gap(values: np.ndarray, n_columns: int) -> float:
    """Between the best latents, one for each linear column of the factor, and the next."""
    falling = np.sort(values)[::-1]
    return float(falling[:n_columns].mean() - falling[n_columns])


def explained(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of the variance of each column of x that y explains linearly."""
    centred = y - y.mean(0)
    fitted = centred @ np.linalg.lstsq(centred, x - x.mean(0), rcond=None)[0]
    return fitted.var(0) / np.maximum(x.var(0), 1e-12)


def latents_needed(
    x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> tuple[int | None, float]:
    """Number of latents for `SHARE` of the R^2 of all on test rows, and that R^2."""
    mean = y.mean(0)
    left, residual, order = x.copy(), y - mean, []
    for _ in range(x.shape[1]):
        gain = ((left.T @ residual) ** 2).sum(1) / np.maximum((left**2).sum(0), 1e-9)
        gain[order] = -1
        order.append(int(gain.argmax()))
        direction = left[:, order[-1]] / max(np.linalg.norm(left[:, order[-1]]), 1e-9)
        residual = residual - np.outer(direction, direction @ residual)
        left = left - np.outer(direction, direction @ left)
    gram, cross = x.T @ x, x.T @ (y - mean)

    def score(chosen: list[int]) -> float:
        weights = np.linalg.lstsq(gram[np.ix_(chosen, chosen)], cross[chosen], rcond=None)[0]
        return r2(mean + x_test[:, chosen] @ weights, y_test)

    scores = [score(order[: i + 1]) for i in range(len(order))]
    if scores[-1] < LEAST_R2:
        return None, scores[-1]
    return 1 + int(np.argmax(np.array(scores) >= SHARE * scores[-1])), scores[-1]


def alignment(x: np.ndarray, x_test: np.ndarray, factors: list, factors_test: list) -> dict:
    """All measures of the axes of x, means over factors."""
    mean, scale = x.mean(0), np.maximum(x.std(0), 1e-12)
    x, x_test = (x - mean) / scale, (x_test - mean) / scale
    weights = np.array([importance(x, columns) for _, columns in factors])
    share = weights.sum(0) / max(weights.sum(), 1e-12)
    both = np.vstack([x, x_test])
    bins = [in_bins(column) for column in both.T]
    mig, gaps, needed, scores = [], [], [], []
    for (value, columns), (value_test, columns_test) in zip(factors, factors_test, strict=True):
        own = in_bins(np.concatenate([value, value_test]))
        size = columns.shape[1]
        mig.append(gap(np.array([information(column, own) for column in bins]), size))
        gaps.append(gap(explained(both, np.vstack([columns, columns_test])), size))
        n, score = latents_needed(x, columns, x_test, columns_test)
        needed.append(n)
        scores.append(score)
    return {
        "D": float((purity(weights.T) * share).sum()) if len(factors) > 1 else None,
        "C": float(purity(weights).mean()),
        "MIG": float(np.mean(mig)),
        "gap": float(np.mean(gaps)),
        "n90": None if None in needed else float(np.mean(needed)),
        "R2": float(np.mean(scores)),
        # Three for a normal latent, more for a sparse one.
        "kurtosis": float((both**4).mean(0).mean()),
    }


def align(
    latents: np.ndarray,
    latents_test: np.ndarray,
    factors: list,
    factors_test: list,
    n_rotations: int,
) -> dict:
    """Alignment of latents as they are, and of the same latents turned at random.

    Parameters
    ----------
    latents, latents_test : ndarray of shape (n, n_latents)
        To fit to, and to test on.
    factors, factors_test : list of (ndarray of shape (n,), ndarray of shape (n, n_columns))
        Value of each factor, and the columns that stand for it linearly.
    n_rotations : int
        Number of turns.
    """
    from scipy.stats import ortho_group

    rotated = []
    for i in range(n_rotations):
        matrix = ortho_group.rvs(latents.shape[1], random_state=i)
        rotated.append(alignment(latents @ matrix, latents_test @ matrix, factors, factors_test))
    own = alignment(latents, latents_test, factors, factors_test)
    return {"own": own, "rotated": rotated}
