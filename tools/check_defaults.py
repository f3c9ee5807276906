"""All checks of scikit-learn, for the estimators as they are by default: minutes for each.

    python tools/check_defaults.py [NAME ...]

The tests run them with parameters that make fits short, and a sample of them with the defaults.
"""

import argparse
import sys
import time
import warnings

import convexrelu
from sklearn.utils.estimator_checks import check_estimator

DEFAULTS = {
    "ConvexReLUClassifier": convexrelu.ConvexReLUClassifier,
    "ConvexReLURegressor": convexrelu.ConvexReLURegressor,
    "ConvexReLUClassifierCV": convexrelu.ConvexReLUClassifierCV,
    "ConvexReLURegressorCV": convexrelu.ConvexReLURegressorCV,
    "ConvexReLUFeatures": lambda: convexrelu.ConvexReLUFeatures(convexrelu.ConvexReLURegressor()),
    "ConvexReLUQuantileRegressor": convexrelu.ConvexReLUQuantileRegressor,
    "NTKRidge": convexrelu.NTKRidge,
    "NTKSVC": convexrelu.NTKSVC,
}

# Checks that cannot pass, by the names of estimators.
EXPECTED = {
    "ConvexReLUQuantileRegressor": {
        "check_regressors_train": "predictions have a column for each level, the check expects one number"
    }
}


def failures(name: str) -> list[str]:
    """What fails, with a line for each."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence, and of checks that need other packages
        expected = EXPECTED.get(name)
        results = check_estimator(DEFAULTS[name](), on_fail=None, expected_failed_checks=expected)
    seconds = time.process_time() - began
    passed = sum(result["status"] == "passed" for result in results)
    print(f"{name}: {passed} of {len(results)} passed, {seconds:.0f} s of CPU", flush=True)
    return [
        f"  {result['status']}: {result['check_name']}: {result['exception']!r}"
        for result in results
        if result["status"] not in ("passed", "skipped", "xfail")
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(DEFAULTS))
    names = parser.parse_args().names or list(DEFAULTS)
    unknown = [name for name in names if name not in DEFAULTS]
    if unknown:
        parser.error(f"{unknown[0]} is not one of {', '.join(DEFAULTS)}")
    failed = [line for name in names for line in failures(name)]
    print("\n".join(failed))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
