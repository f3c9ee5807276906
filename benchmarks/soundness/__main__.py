"""Attack the soundness of the package, and count what stands and what falls.

    python -m benchmarks.soundness [--seeds FIRST:LAST | --seed S] [--minutes M] [--quick]

from the root of the repository. Each seed is a random problem with a call of the package (`cases.py`); an evaluator
and a refuter that share no code with the package judge what comes back (`judge.py`). Classes of networks, constraints
on outputs, what estimators make of their data, Lipschitz constants, branch and bound on small adversarial instances,
damaged files and interruptions follow. Findings are shrunk and written as scripts to a folder.
The exit code is 1 if anything is wrong but an estimate or a time limit.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cvxpy  # noqa: F401  imports must not count for time limits
import torch  # noqa: F401

from benchmarks.common import circumstances, report, write_table
from benchmarks.soundness.cases import draw
from benchmarks.soundness.judge import FATAL, KINDS, Finding, judged
from benchmarks.soundness.shrink import shrunk, write_script

NAME = "soundness"
COUNTED = (
    "problems",
    "refused",
    "trainings",
    "certificates",
    "proofs",
    "bounds",
    "classes",
    "constraints",
    "estimators",
    "slopes",
    "boxes",
    "files",
    "interruptions",
)
QUICK = {"seeds": "0:100", "minutes": 3.0}
SEEDS = "1000:1000000000"
# What follows the problems, with its part of the time; processor time to shrink a finding.
FOLLOWING = {
    "classes": 0.1,
    "constraints": 0.1,
    "estimators": 0.05,
    "slopes": 0.05,
    "boxes": 0.15,
    "files": 0.03,
    "interruptions": 0.05,
}
SHRINKING = 40.0


def main() -> None:
    asked = _arguments()
    counts: Counter[str] = Counter()
    for finding in _findings(asked, counts):
        counts[finding.kind] += 1
        print(f"{finding.kind}, seed {finding.seed}: {finding.text}", flush=True)
        path = write_script(shrunk(finding, 0.0 if asked.quick else SHRINKING), Path(asked.out))
        print(f"    {path}", flush=True)
    rows = [{"what": name, "count": counts[name]} for name in (*COUNTED, *KINDS)]
    report(NAME, rows, write=False)
    if asked.write:
        write_table(NAME, rows)
        circumstances(NAME, seeds=asked.seeds, processor_minutes=asked.minutes, counts=counts)
    sys.exit(any(counts[kind] for kind in FATAL))


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fixed seeds, nothing written")
    parser.add_argument("--seeds", default=SEEDS, help="FIRST:LAST, without the last")
    parser.add_argument("--seed", type=int, help="one problem only")
    parser.add_argument("--minutes", type=float, default=60.0, help="of processor time, at most")
    parser.add_argument(
        "--effort", type=float, default=1.0, help="of the search for better networks"
    )
    parser.add_argument("--out", default="soundness-findings", help="folder for scripts")
    asked = parser.parse_args()
    asked.write = not asked.quick and asked.seed is None
    if asked.quick:
        asked.seeds, asked.minutes = QUICK["seeds"], QUICK["minutes"]
    return asked


def _findings(asked: Any, counts: Counter[str]) -> Iterator[Finding]:
    """Findings about problems, boxes, files and interruptions in turn."""
    one = asked.seed is not None
    first, last = (int(end) for end in asked.seeds.split(":"))
    seeds = range(asked.seed, asked.seed + 1) if one else range(first, last)
    judged(draw(0))  # first calls take longer, which must not count for time limits
    seconds = 60.0 * asked.minutes
    end = time.process_time() + (1 - sum(FOLLOWING.values())) * seconds
    for seed in seeds:
        if time.process_time() > end and not one:
            break
        findings, looked_at = judged(draw(seed), asked.effort)
        counts.update(looked_at)
        yield from findings
    for name, part in ({} if one else FOLLOWING).items():
        module = importlib.import_module(f"benchmarks.soundness.{name}")
        attack = getattr(module, "attack", None) or partial(_seed_after_seed, module.findings_of)
        for found in attack(first, part * seconds):
            counts[name] += 1
            if found is not None:
                yield found


def _seed_after_seed(
    findings_of: Callable[[int], list[Finding]], seed: int, seconds: float
) -> Iterator[Finding | None]:
    """For each seed, yield None, or findings."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        yield from findings_of(seed) or [None]
        seed += 1


if __name__ == "__main__":
    main()
