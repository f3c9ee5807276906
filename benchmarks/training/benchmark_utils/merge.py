"""New runs in the place of earlier ones, such as of the same solvers on the same pairs."""

import pandas as pd


def replaced(before, now, keys=("data", "alpha", "solver")):
    """`before` without the rows whose keys are in `now`, and `now`."""
    keys = list(keys)
    again = pd.MultiIndex.from_frame(before[keys]).isin(pd.MultiIndex.from_frame(now[keys]))
    return pd.concat([before[~again], now])
