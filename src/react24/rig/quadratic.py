"""A box-constrained quadratic programme, coupled along time, solved for all frames at once."""

from __future__ import annotations

import logging

import numpy as np

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Converged when both residuals of the splitting, in units of the coefficients, are below this."""

MAX_STEPS = 500


def solve_box(
    gram: np.ndarray,
    evidence: np.ndarray,
    *,
    penalty: np.ndarray,
    smoothness: float,
    tolerance: float = TOLERANCE,
) -> np.ndarray:
    """Minimise ``sum_t e_tᵀ G e_t - 2 c_tᵀ e_t + e_tᵀ Λ e_t + μ |e_t - e_{t-1}|²_D``, 0 <= e <= 1.

    With D = diag(G), Λ = penalty · D. Method: alternating directions (Boyd et al. 2011, section
    5.2) with over-relaxation. The quadratic step is exact and cheap because it separates: in the
    eigenvectors of the scaled G + Λ across shapes, and in the cosines that diagonalise first
    differences along time (DCT-II), it is one division.

    Args:
        gram: G, (K, K), positive diagonal.
        evidence: c, (T, K).
        penalty: Λ / D, (K,).
        smoothness: μ.
        tolerance: See ``TOLERANCE``.

    Returns:
        float32 (T, K) in [0, 1].
    """
    from scipy.fft import dct, idct

    size = np.sqrt(np.diag(gram))
    scaled = gram / np.outer(size, size) + np.diag(penalty)
    values, vectors = np.linalg.eigh(scaled)
    frames = len(evidence)
    frequency = 2.0 - 2.0 * np.cos(np.pi * np.arange(frames) / frames)
    rho = np.float32(np.sqrt(values[0] * values[-1]))  # weight of the splitting
    share = (1.0 / (values + rho + smoothness * frequency[:, None])).astype(np.float32)
    vectors = vectors.astype(np.float32)
    # In y = size · e the problem has a unit diagonal and the box [0, size].
    target = (evidence / size).astype(np.float32)
    upper = size.astype(np.float32)
    bound = np.zeros_like(target)
    dual = np.zeros_like(target)
    for step in range(1, MAX_STEPS + 1):
        wanted = (target + rho * (bound - dual)) @ vectors
        free = idct(share * dct(wanted, axis=0, norm="ortho"), axis=0, norm="ortho") @ vectors.T
        relaxed = 1.6 * free - 0.6 * bound
        before, bound = bound, np.clip(relaxed + dual, 0.0, upper)
        dual += relaxed - bound
        if step % 5 == 0:
            primal = (np.abs(free - bound) / upper).max()
            moved = (np.abs(bound - before) / upper).max()
            if max(primal, moved) < tolerance:
                break
    else:
        logger.warning("coefficients moved by %.1e after %d steps", moved, MAX_STEPS)
    logger.debug("coefficients of %d frames after %d steps", frames, step)
    return (bound / upper).astype(np.float32)
