"""Enumerating cells: inserting hyperplanes one by one against stepping off every facet of all of them."""

from __future__ import annotations

import numpy as np

from benchmarks.common import median_seconds, quick_asked, report
from convexrelu.patterns import count_patterns, enumerate_patterns
from convexrelu.patterns.activation import first_of_each


def main() -> None:
    """Both algorithms on Gaussian rows; the counts must be those of general position."""
    quick = quick_asked(main.__doc__)
    sizes = (
        [(12, 3), (10, 4)] if quick else [(50, 3), (100, 3), (200, 3), (40, 4), (16, 5), (12, 8)]
    )
    rows = []
    for n, rank in sizes:
        design = np.random.default_rng(0).standard_normal((n, rank))
        repeats = 1 if quick else 5
        insertion, patterns = median_seconds(lambda X=design: enumerate_patterns(X), repeats)
        facets, cells = median_seconds(lambda X=design: _beside_all_facets(_unit(X)), 1)
        assert len(patterns) == len(cells) == count_patterns(n, rank)
        rows.append(
            {
                "n": n,
                "rank": rank,
                "cells": len(cells),
                "insertion (s)": f"{insertion:.3f}",
                "all facets (s)": f"{facets:.3f}",
                "ratio": f"{facets / insertion:.1f}",
            }
        )
    report("enumeration", rows, write=not quick)


def _beside_all_facets(normals: np.ndarray) -> np.ndarray:
    """One point a cell: both sides of every facet, found recursively, each cell kept once."""
    if normals.shape[1] == 2:
        angles = np.sort(np.arctan2(normals[:, 0], -normals[:, 1]) % np.pi)
        middle = angles + 0.5 * np.diff(angles, append=angles[0] + np.pi)
        half = np.column_stack([np.cos(middle), np.sin(middle)])
        return np.vstack([half, -half])
    found = []
    for j, normal in enumerate(normals):
        in_plane = np.linalg.svd(normal[None, :])[2][1:].T
        others = np.delete(normals, j, axis=0)
        facets = _beside_all_facets(_unit(others @ in_plane)) @ in_plane.T
        step = 0.5 * (np.abs(facets @ others.T) / np.abs(others @ normal)).min(axis=1)
        found += [facets + step[:, None] * normal, facets - step[:, None] * normal]
    points = _unit(np.vstack(found))
    return points[first_of_each(points @ normals.T > 0)]


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
