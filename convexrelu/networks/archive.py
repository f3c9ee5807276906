"""Files of arrays: every one of them is there, nothing else is, and a checksum covers them all."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Mapping
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["read_archive", "write_archive"]

# For each array the shapes that it may have. Letters stand for lengths, equal ones for equal lengths.
Layout = Mapping[str, list[tuple[str | int, ...]]]

_NUMBERS, _BYTES = np.dtype("<f8"), np.dtype("u1")
_CHECKSUM = "sha256"


def write_archive(path: str | os.PathLike[str], kind: str, arrays: Mapping[str, Any]) -> None:
    """Write arrays of float64 to an uncompressed ``.npz`` archive, with a checksum of them and of `kind`."""
    members = {name: np.asarray(array, dtype=_NUMBERS, order="C") for name, array in arrays.items()}
    checksum = np.frombuffer(_digest(kind, members), dtype=_BYTES)
    numbers: dict[str, Any] = {**members, _CHECKSUM: checksum}
    with open(path, "wb") as file:
        # Not with allow_pickle=False, which old NumPys would store as a member; numbers are not pickled.
        np.savez(file, **numbers)


def read_archive(path: str | os.PathLike[str], kind: str, layout: Layout) -> dict[str, Array]:
    """Read an archive written by :func:`write_archive`, or raise a ValueError.

    Its members are not compressed, so that they are no larger than the file. Names, types and shapes are compared
    with `layout` before an array is read.
    """
    with open(path, "rb") as file:
        try:
            return _read(file, kind, layout)
        except Exception as error:  # whatever the readers of a damaged file stumble over
            raise ValueError(f"path: {os.fspath(path)!r} is not a saved {kind}: {error}") from error


def _read(file: IO[bytes], kind: str, layout: Layout) -> dict[str, Array]:
    size = os.fstat(file.fileno()).st_size
    with ZipFile(file) as archive, warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns of headers that it has to mend
        members = {info.filename: info for info in archive.infolist()}
        names = [*layout, _CHECKSUM]
        if len(archive.infolist()) != len(names) or members.keys() != {f"{n}.npy" for n in names}:
            raise ValueError(f"it has the members {sorted(members)}, expected {sorted(names)}")
        infos = {name: members[f"{name}.npy"] for name in names}
        for name, info in infos.items():
            if info.compress_type != ZIP_STORED or not info.file_size == info.compress_size <= size:
                raise ValueError(f"{name} is compressed or larger than the file")
        shapes = {name: _shape(archive, info, name) for name, info in infos.items()}
        _check_shapes(shapes, {**layout, _CHECKSUM: [(hashlib.sha256().digest_size,)]})
        arrays = {name: _array(archive, infos[name], name, shapes[name]) for name in names}
    if arrays.pop(_CHECKSUM).tobytes() != _digest(kind, arrays):
        raise ValueError("its checksum is another, so that it is damaged or of another kind")
    return arrays


def _header(member: IO[bytes], name: str) -> tuple[int, ...]:
    """The shape in the header of an array, if that is of the right type."""
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError(f"{name} is of another version")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(member)
    if by_columns or dtype != (_BYTES if name == _CHECKSUM else _NUMBERS):
        raise ValueError(f"{name} has the type {dtype}")
    return shape


def _shape(archive: ZipFile, info: ZipInfo, name: str) -> tuple[int, ...]:
    """The shape of an array, if its entries are all that is behind the header."""
    with archive.open(info) as member:
        shape, start = _header(member, name), member.tell()
    dtype = _BYTES if name == _CHECKSUM else _NUMBERS
    if min(shape, default=0) < 0 or start + math.prod(shape) * dtype.itemsize != info.file_size:
        raise ValueError(f"{name} has shape {shape}, which does not fit its size")
    return shape


def _check_shapes(shapes: Mapping[str, tuple[int, ...]], layout: Layout) -> None:
    lengths: dict[str, int] = {}
    for name, shape in shapes.items():
        allowed = [expected for expected in layout[name] if len(expected) == len(shape)]
        if not allowed or any(
            size != (lengths.setdefault(wanted, size) if isinstance(wanted, str) else wanted)
            for size, wanted in zip(shape, allowed[0], strict=True)
        ):
            raise ValueError(f"{name} has shape {shape}, which does not fit the others")


def _array(archive: ZipFile, info: ZipInfo, name: str, shape: tuple[int, ...]) -> Array:
    with archive.open(info) as member:
        _header(member, name)
        content: Any = np.frombuffer(member.read(), _BYTES if name == _CHECKSUM else _NUMBERS)
    return content.reshape(shape)


def _digest(kind: str, arrays: Mapping[str, Array]) -> bytes:
    """SHA-256 of the kind, and of names, shapes and entries in the order of the names."""
    digest = hashlib.sha256(kind.encode())
    for name in sorted(arrays):
        digest.update(f"\n{name} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.digest()
