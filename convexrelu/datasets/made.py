"""Made tables, each with one thing that real ones have: gaps and categories, exposures, a rare class."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state

__all__ = ["make_counts", "make_imbalanced", "make_mixed"]

Random = int | np.random.RandomState | None


def make_mixed(n_samples: int = 300, *, gaps: float = 0.05, random_state: Random = 0) -> Bunch:
    """Flats with their rents: numbers, categories and gaps, as a data frame of pandas.

    Parameters
    ----------
    n_samples : int
        Number of rows.
    gaps : float
        Fraction of entries of each column but the first that are missing.
    random_state : int, RandomState or None
        Seed.

    Returns
    -------
    Bunch
        ``data`` with the columns area, age, district and heating, ``target``, ``feature_names`` and ``task``.

    Raises
    ------
    ImportError
        Without pandas.

    Examples
    --------
    >>> table = make_mixed(200)
    >>> table.data.shape, table.data["district"].nunique(), bool(table.data.isna().any().any())
    ((200, 4), 4, True)
    """
    pandas = _pandas()
    random = check_random_state(random_state)
    area = random.uniform(20, 140, n_samples)
    age = random.uniform(0, 100, n_samples)
    district = random.choice(
        ["centre", "north", "south", "west"], n_samples, p=[0.2, 0.3, 0.3, 0.2]
    )
    heating = random.choice(["gas", "district heating", "heat pump"], n_samples, p=[0.5, 0.3, 0.2])
    rent = 250 + 9 * area - 3 * np.maximum(area - 90, 0) + 4 * np.maximum(age - 60, 0)
    rent += 300 * (district == "centre") - 80 * (heating == "gas")
    rent += random.normal(0, 60, n_samples)
    data = pandas.DataFrame({"area": area, "age": age, "district": district, "heating": heating})
    for name in data.columns[1:]:
        data.loc[random.uniform(size=n_samples) < gaps, name] = None
    return _table(data, rent, "regression", list(data.columns))


def make_counts(n_samples: int = 300, *, random_state: Random = 0) -> Bunch:
    """Numbers of claims with the time that each contract was observed: for the Poisson loss.

    Returns
    -------
    Bunch
        ``data``, ``target`` (claims a year), ``exposure`` (years, to be given as ``sample_weight``), ``counts``,
        ``feature_names`` and ``task``.

    Parameters
    ----------
    n_samples : int
        Number of rows.
    random_state : int, RandomState or None
        Seed.

    Examples
    --------
    >>> table = make_counts(200)
    >>> bool(np.all(table.counts == np.round(table.target * table.exposure))), bool(table.exposure.max() <= 1)
    (True, True)
    """
    random = check_random_state(random_state)
    age, power = random.uniform(18, 80, n_samples), random.uniform(40, 200, n_samples)
    exposure = random.uniform(0.1, 1.0, n_samples)
    rate = np.exp(-1.5 + 0.06 * np.maximum(30 - age, 0) + 0.006 * (power - 40))
    counts = random.poisson(rate * exposure)
    data = np.column_stack([age, power])
    table = _table(data, counts / exposure, "regression", ["age", "power"])
    table.update(exposure=exposure, counts=counts)
    return table


def make_imbalanced(n_samples: int = 400, *, rare: float = 0.1, random_state: Random = 0) -> Bunch:
    """Two classes, the rare one on both sides of the common one.

    Parameters
    ----------
    n_samples : int
        Number of rows.
    rare : float
        Fraction of the rare class.
    random_state : int, RandomState or None
        Seed.

    Returns
    -------
    Bunch
        ``data``, ``target`` ("common" or "rare"), ``feature_names`` and ``task``.

    Examples
    --------
    >>> table = make_imbalanced(200, rare=0.1)
    >>> table.data.shape, int((table.target == "rare").sum())
    ((200, 2), 20)
    """
    random = check_random_state(random_state)
    n_rare = round(rare * n_samples)
    side = random.choice([-2.0, 2.0], n_rare)
    common = random.normal(0, 1, (n_samples - n_rare, 2))
    few = random.normal(0, 0.7, (n_rare, 2)) + np.column_stack([side, np.zeros(n_rare)])
    order = random.permutation(n_samples)
    target = np.repeat(["common", "rare"], [len(common), n_rare])[order]
    return _table(np.vstack([common, few])[order], target, "classification", ["x", "y"])


def _table(data: Any, target: Any, task: str, names: list[str]) -> Bunch:
    return Bunch(data=data, target=target, task=task, feature_names=names)


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "tables of numbers and categories need pandas: pip install pandas"
        ) from error
    return pandas
