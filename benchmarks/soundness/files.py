"""Saved networks whose files are damaged: reading one gives the same network, or a ValueError."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soundness.judge import Finding
from convexrelu import TwoLayerNetwork
from convexrelu.networks.threshold import ThresholdNetwork

DAMAGES = 25  # of each file


def attack(seed: int, seconds: float) -> Iterator[Finding | None]:
    """Damage files of random networks; for each, yield None, or a finding if its trouble is a new one."""
    end, rng = time.process_time() + seconds, np.random.default_rng([seed, 4])
    known: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        while time.process_time() < end:
            network = _network(rng)
            network.save(path)
            whole = path.read_bytes()
            for _ in range(DAMAGES):
                content, how = _damaged(whole, rng)
                path.write_bytes(content)
                text = _trouble(network, path)
                kind = text.partition("(")[0]  # of an exception
                if not text or kind in known:
                    yield None
                    continue
                known.add(kind)
                name = type(network).__name__
                code = f"from convexrelu.networks import {name}\ncontent = {content!r}\n"
                code += f"open('network.npz', 'wb').write(content)\nprint(vars({name}.load('network.npz')))\n"
                yield Finding("file", seed, f"{name}, {how}: {text}", code=code)


def _network(rng: Any) -> Any:
    m, d, k = (int(rng.integers(low, 5)) for low in (0, 1, 1))
    if rng.random() < 0.3:
        return ThresholdNetwork(rng.standard_normal((m, d + 1)), rng.standard_normal(m), 0.5, True)
    skip = rng.standard_normal((k, d)) if rng.random() < 0.3 else None
    return TwoLayerNetwork(
        rng.standard_normal((m, d)),
        rng.standard_normal(m),
        rng.standard_normal((k, m)),
        rng.standard_normal(k),
        negative_slope=float(rng.choice([0.0, -1.0, 0.01])),
        skip_weights=skip,
    )


def _damaged(whole: bytes, rng: Any) -> tuple[bytes, str]:
    content, at = bytearray(whole), int(rng.integers(len(whole)))
    match rng.integers(5):
        case 0:
            content[at] ^= 1 << int(rng.integers(8))
            return bytes(content), f"a bit of byte {at} flipped"
        case 1:
            return bytes(content[:at]), f"truncated to {at} bytes"
        case 2:
            content[at : at + 8] = rng.bytes(len(content[at : at + 8]))
            return bytes(content), f"eight random bytes at {at}"
        case 3:
            del content[at : at + int(rng.integers(1, 40))]
            return bytes(content), f"bytes left out at {at}"
    return bytes(content) + rng.bytes(20), "random bytes at the end"


def _trouble(network: Any, path: Path) -> str:
    """What is wrong with reading the file; empty if nothing is."""
    try:
        other = type(network).load(path)
    except ValueError:
        return ""
    except Exception as error:
        return f"raised {error!r}"
    first, second = io.BytesIO(), io.BytesIO()
    _write(network, first), _write(other, second)
    return "" if first.getvalue() == second.getvalue() else "read as another network"


def _write(network: Any, file: io.BytesIO) -> None:
    for name in sorted(vars(network)):
        value = getattr(network, name)
        file.write(f"{name} {np.shape(value)} ".encode())
        file.write(b"None" if value is None else np.asarray(value, dtype=float).tobytes())
