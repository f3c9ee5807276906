"""New runs in the place of earlier ones of the same solvers on the same pairs."""

import pandas as pd


def replaced(before, now):
    """`before` without the solvers and pairs of `now`, and `now`."""
    keys = ["data", "alpha", "solver"]
    again = pd.MultiIndex.from_frame(before[keys]).isin(pd.MultiIndex.from_frame(now[keys]))
    return pd.concat([before[~again], now])
