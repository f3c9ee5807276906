"""Rows of a problem as chunks that several processes share, and sums over all of them.

Chunks are runs of rows of one length, numbered through all processes: process 0 has the first rows, process 1 the next
ones, and so on. A chunk that begins in one process and ends in the next belongs to the former, which is sent the rest
of it. Chunks thus depend on all rows together, not on how many processes share them, and neither do sums, which are
made in the order of a tree (:mod:`~convexrelu.chunked.ordered_sums`).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse, vstack

from convexrelu._utils.array_functions import on_host
from convexrelu._utils.threads import in_threads
from convexrelu._utils.typing import Array
from convexrelu.chunked.group import Group
from convexrelu.chunked.ordered_sums import subtrees, sum_of_subtrees, tree_sum
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.chunked.products import Products, dense, products_with
from convexrelu.problem.training_problem import TrainingProblem

if TYPE_CHECKING:
    from convexrelu.chunked.device_rows import DeviceRows

__all__ = ["Chunk", "Rows", "needed_rows"]

# Chunks are numerous enough for the cores of a few machines, and so short that a copy of one takes some ten megabytes.
# Where they are shorter than some thousand rows, Python takes as long as products, and there are fewer of them.
_CHUNKS, _FEWER_CHUNKS = 64, 16
_FEWEST_ROWS, _ENOUGH_ROWS, _MOST_ROWS = 256, 2**12, 2**17
# Rows with which training begins; they are held in memory by every process.
_SAMPLE = 2**16
_WORTH_A_THREAD = 2**16  # entries of the arrays of a chunk
_SAMPLED_ENTRIES = 2**23  # of a dense sample of sparse inputs, at most: it takes 64 MB
# Multiplications that take as long as one in the product of sparse matrices, and entries of Gram matrices of their
# chunks, which are dense, at most.
_SPARSE_PRODUCT, _MOST_IN_GRAMS = 200, 2**26
_KEPT = 2**28  # entries of the inputs up to which chunks that are in memory are prepared once

Shape = tuple[int, ...]


class Chunk(NamedTuple):
    """One chunk without its inputs: what depends on outputs and dual points alone.

    Attributes
    ----------
    problem : TrainingProblem
        Its rows, with weights that sum to one. Inputs are zero in place of the given ones, but for `lengths` and
        `centred_inputs`, whose centre and lengths are the true ones.
    share : float
        Its part of all weight.
    is_centred : bool
        Whether `centred_inputs` differ from the inputs.
    """

    problem: TrainingProblem
    share: float
    is_centred: bool


class Rows:
    """The chunks of this process, and sums over those of all.

    Every process calls the same methods in the same order.

    Parameters
    ----------
    problem : ChunkedProblem
        The rows of this process.
    group : Group
    seed : int
        Of the rows with which training begins; the same on all processes.
    device : str
        Torch device of products with the rows; ``"cpu"`` for NumPy.

    Attributes
    ----------
    n_samples, n_chunks, length : int
        Rows and chunks of all processes, and rows of a chunk; the last one may be shorter.
    on_device : DeviceRows or None
        The inputs on another device than the processor.
    keeps : bool
        Whether inputs of chunks are prepared, or sent to the device, once, and not anew at every pass.
    template : TrainingProblem
        A sample of all rows.
    seconds : float
        Time since the beginning, as all processes agreed on it at their last meeting.
    """

    def __init__(
        self, problem: ChunkedProblem, group: Group, seed: int = 0, device: str = "cpu"
    ) -> None:
        self._began = time.perf_counter()
        self.seconds = 0.0
        self.group = group
        self.problem = problem
        self._reading = threading.Lock()  # objects that are sliced need not expect several threads
        counts = self._agreed_counts()
        self.n_samples = sum(counts)
        self.length = _length_of_chunks(self.n_samples)
        starts = [sum(counts[:rank]) for rank in range(group.size + 1)]
        self.n_chunks = math.ceil(self.n_samples / self.length)
        self._owned = [math.ceil(start / self.length) for start in starts]  # first chunks
        self._take_rests(starts)
        self.device = device
        self._chunks: dict[int, Chunk] = {}
        self._kept: dict[int, Products] = {}
        self.on_device = self._device_rows()
        self.keeps = self._has_room()
        self._weight = float(self.total(lambda k: [self._weights_of(k).sum()], ())[0])
        if not 0 < self._weight < math.inf:
            raise ValueError("sample_weight must have a positive entry")
        self._check_labels()
        self.template = self._sampled(seed)
        self._centre = np.median(self.template.y, axis=0)

    @property
    def work_of_grams(self) -> float:
        """Multiplications of the Gram matrices of all rows and of eigenvalues; infinite if sparse ones do not fit."""
        dim = self.template.design.shape[1]
        if not issparse(self.problem.X):
            return 4.0 * self.n_samples * dim**2 + 2.0 * float(dim) ** 3
        if self.n_chunks * dim**2 > _MOST_IN_GRAMS:
            return math.inf
        products = self.n_samples * (self.problem.entries_of_a_row + 1) ** 2
        return 2.0 * (_SPARSE_PRODUCT * products + float(dim) ** 3)

    # Chunks

    @property
    def own(self) -> range:
        """The chunks of this process."""
        return range(self._owned[self.group.rank], self._owned[self.group.rank + 1])

    def chunk(self, k: int) -> Chunk:
        """A chunk of this process; without weight, all of its rows count alike, and it has no share."""
        if k not in self._chunks:
            self.prepared(k)
        return self._chunks[k]

    def products(self, k: int) -> Products:
        """Products with the inputs of a chunk of this process."""
        if self.on_device is not None:
            return self.on_device.products(k, self.chunk(k).problem)
        if k in self._kept:
            return self._kept[k]
        products = products_with(self.prepared(k))
        if self.keeps:
            self._kept[k] = products
        return products

    def prepared(self, k: int) -> TrainingProblem:
        """The problem of a chunk with its inputs, made anew."""
        weights = self._weights_of(k)
        total = float(weights.sum())
        problem = self.template._replace(  # whose settings have been checked
            X=self._inputs_of(k),
            y=self._y[self._places(k)],
            weights=weights / total if total > 0 else np.full(len(weights), 1.0 / len(weights)),
        ).in_features()
        if k not in self._chunks:
            inputs = problem.centred_inputs
            nothing = np.broadcast_to(0.0, problem.X.shape)
            bare = problem._replace(X=nothing).in_features()
            bare.__dict__["lengths"] = problem.lengths
            bare.__dict__["centred_inputs"] = inputs._replace(rows=nothing)
            self._chunks[k] = Chunk(bare, total / self._weight, bool(inputs.centre.any()))
        return problem

    def around_zero(self, k: int) -> TrainingProblem:
        """The problem of a chunk for values of the dual objective: a constant is taken off all targets.

        Where only residuals count, the dual points of all rows have a sum of zero, so that a constant for all of them
        changes nothing but the rounding. One for each chunk would: its part of the sum is not zero.
        """
        problem = self.chunk(k).problem
        if not (problem.fit_intercept and problem.loss.of_residuals):
            return problem
        return problem._replace(y=problem.y - self._centre, fit_intercept=False)

    def each(
        self, function: Callable[..., Any], *arrays: Sequence[Any], columns: int = 0
    ) -> list[Any]:
        """``function(k, …)`` of the own chunks, with one entry of each list for a chunk.

        Functions that work on `columns` numbers for each row are called on several cores if that is worth while:
        threads wait for each other between short steps of NumPy. Processes of a group share the cores already, and
        threads would each send inputs to a device.
        """
        parts = list(zip(self.own, *arrays, strict=True))
        is_alone = self.group.size == 1 and self.on_device is None
        if is_alone and self.length * columns >= _WORTH_A_THREAD:
            return in_threads(lambda part: function(*part), parts)
        return [function(*part) for part in parts]

    # Meetings

    def meet(self) -> float:
        """The time that all processes agree on."""
        self.seconds = float(self.group.gather(np.array([time.perf_counter() - self._began]))[0][0])
        return self.seconds

    def total(
        self,
        function: Callable[..., Sequence[Any]],
        *shapes: Shape,
        arrays: Sequence[Any] = (),
        columns: int = 0,
    ) -> list[Array]:
        """Sums over all chunks of what the function returns: arrays of these shapes.

        Parameters
        ----------
        function : callable
            Is called with the number of a chunk, and one entry of each list of `arrays`.
        shapes : tuples
            Shapes of the arrays that it returns.
        arrays : lists
            One entry for every chunk of this process.
        columns : int
            See :meth:`each`.
        """
        terms = self.each(lambda k, *parts: _packed(function(k, *parts)), *arrays, columns=columns)
        return _unpacked(self.total_vector(terms), shapes)

    def total_vector(self, terms: Sequence[Any]) -> Array:
        """Sum over all chunks of one vector for each of the own ones, an array or a tensor."""
        nodes = [subtrees(a, b) for a, b in zip(self._owned, self._owned[1:], strict=False)]
        first = self.own.start
        sums = [tree_sum(terms[s - first : s - first + n]) for s, n in nodes[self.group.rank]]
        sums = [np.asarray(each if self.on_device is None else on_host(each)) for each in sums]
        now = np.array([time.perf_counter() - self._began])
        gathered = self.group.gather(np.concatenate([now, *sums]))
        self.seconds = float(gathered[0][0])
        found: dict[tuple[int, int], Array] = {}
        for each, vector in zip(nodes, gathered, strict=True):
            if each:
                found.update(zip(each, vector[1:].reshape(len(each), -1), strict=True))
        return sum_of_subtrees(found).copy()  # messages cannot be changed

    def numbers(self, function: Callable[..., float], *arrays: Sequence[Any]) -> Array:
        """One number for every chunk of all processes."""
        own = self.each(lambda *parts: float(function(*parts)), *arrays)
        return np.concatenate(self.group.gather(np.array(own)))

    def collected(
        self, function: Callable[..., tuple[Array, ...]], *arrays: Sequence[Any]
    ) -> list[Array]:
        """Rows of all chunks one below the other, for each of the arrays that the function returns."""
        own = self.each(function, *arrays)
        parts = [part for found in self.group.gather_objects(own) for part in found]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    # Preparation

    def sampled_rows(self, most: int) -> int:
        """Rows of a dense sample: `most`, or fewer of sparse inputs, so that it stays small."""
        if not issparse(self.problem.X):
            return most
        return min(most, max(_FEWEST_ROWS, _SAMPLED_ENTRIES // self.problem.n_features))

    def _agreed_counts(self) -> list[int]:
        """Numbers of rows; all other properties must be the same on all processes."""
        problem = self.problem
        shown = {
            "X": f"{problem.n_features} features",
            "dtype of X": str(getattr(problem.X, "dtype", "any")),
            "y": "one target" if problem.y.ndim == 1 else f"{problem.y.shape[1]} targets",
            "alpha": repr(problem.alpha),
            "loss": repr(problem.loss),
            **{name: repr(value) for name, value in problem.options.items()},
        }
        self.group.agree(shown)
        return self.group.gather_objects(problem.n_samples)

    def _take_rests(self, starts: list[int]) -> None:
        """Send the rows before the first own chunk to the process that has their chunk, and receive its like."""
        problem, rank = self.problem, self.group.rank
        n = problem.n_samples
        self._lead = min(self._owned[rank] * self.length - starts[rank], n)
        lead = slice(0, self._lead)
        rest = problem.rows(0, self._lead), problem.y[lead], problem.sample_weight[lead]
        found = self.group.gather_objects(rest)
        taken = []
        for other in range(rank + 1, self.group.size):
            if len(self.own) == 0:
                break
            taken.append(found[other])
            if self._owned[other + 1] > self._owned[other]:  # which has a chunk, and what follows
                break
        self._more = self._stacked([problem.rows(0, 0), *(part[0] for part in taken)])
        self._y = np.concatenate([problem.y[self._lead :], *(part[1] for part in taken)])
        self._weights = np.concatenate(
            [problem.sample_weight[self._lead :], *(part[2] for part in taken)]
        )

    def _places(self, k: int) -> slice:
        """Own rows of a chunk."""
        start = (k - self.own.start) * self.length
        return slice(start, min(start + self.length, len(self._y)))

    def _weights_of(self, k: int) -> Array:
        return self._weights[self._places(k)]

    def _inputs_of(self, k: int) -> Any:
        places, n_own = self._places(k), self.problem.n_samples - self._lead
        parts = []
        if places.start < n_own:
            start, stop = (self._lead + place for place in (places.start, min(places.stop, n_own)))
            with nullcontext() if isinstance(self.problem.X, np.ndarray) else self._reading:
                parts.append(self.problem.rows(start, stop))
        if places.stop > n_own:
            parts.append(self._more[max(places.start - n_own, 0) : places.stop - n_own])
        return parts[0] if len(parts) == 1 else self._stacked(parts)

    def _stacked(self, parts: list[Any]) -> Any:
        """Rows above each other: sparse where the own ones are, whatever other processes have."""
        if issparse(self.problem.X):
            return csr_array(vstack([csr_array(part) for part in parts]))
        return np.concatenate([dense(part) for part in parts])

    def _device_rows(self) -> DeviceRows | None:
        if self.device == "cpu":
            return None
        from convexrelu._utils.torch_import import check_device  # torch takes seconds to import
        from convexrelu.chunked.device_rows import DeviceRows

        check_device(self.device)
        width = self.problem.n_features + bool(self.problem.options["hidden_bias"])
        design_of = lambda k: self.prepared(k).design  # noqa: E731
        return DeviceRows(self.own, self.length, width, design_of, self.device)

    def _has_room(self) -> bool:
        """Whether the inputs of this process can be kept, in memory or on the device."""
        if self.on_device is not None:
            return self.on_device.keeps
        if issparse(self.problem.X):
            return True
        return self.problem.is_in_memory and len(self._y) * self.problem.n_features <= _KEPT

    def _check_labels(self) -> None:
        """Check classes of all processes together, which one alone need not have."""
        loss, y = self.problem.loss, self.problem.y
        if loss.takes_labels:
            rows = needed_rows(y, np.ones(len(y)), True)
            loss.checked_targets(np.concatenate(self.group.gather_objects(y[rows])))

    def _sampled(self, seed: int) -> TrainingProblem:
        """A problem of rows from all chunks; one pass over the data, which checks them.

        They have all classes with weight, and rows of weight and with targets other than zero if there are any.
        """
        share = min(1.0, self.sampled_rows(_SAMPLE) / self.n_samples)

        def rows(k: int) -> tuple[Array, Array, Array]:
            X, y, weights = self._inputs_of(k), self._y[self._places(k)], self._weights_of(k)
            random = np.random.RandomState((seed + k) % 2**32)
            drawn = random.permutation(len(y))[: math.ceil(share * len(y))]
            drawn = np.union1d(drawn, needed_rows(y, weights, self.problem.loss.takes_labels))
            return dense(X[drawn]), y[drawn], weights[drawn]

        X, y, weights = self.collected(rows)
        problem = self.problem
        sample = TrainingProblem(
            X, y, problem.alpha, loss=problem.loss, sample_weight=weights, **problem.options
        )
        return sample.in_features()


def _length_of_chunks(n_samples: int) -> int:
    length = min(math.ceil(n_samples / _FEWER_CHUNKS), _ENOUGH_ROWS)
    length = max(length, math.ceil(n_samples / _CHUNKS), _FEWEST_ROWS)
    return min(length, _MOST_ROWS)


def needed_rows(y: Array, weights: Array, takes_labels: bool) -> NDArray[np.intp]:
    """One row of every class, with weight if there is one, or else of the largest weighted target of each output.

    Of several labels, one row of both classes of each.
    """
    if takes_labels:
        order = np.argsort(-weights, kind="stable")
        columns = y[order].reshape(len(y), -1).T
        first = [np.unique(column, return_index=True)[1] for column in columns]
        return order[np.unique(np.concatenate(first))]
    largest = (weights[:, None] * np.abs(y).reshape(len(y), -1)).argmax(axis=0)
    return np.append(largest, weights.argmax())


def _packed(arrays: Sequence[Any]) -> Array:
    return np.concatenate([np.ravel(np.asarray(array, dtype=np.float64)) for array in arrays])


def _unpacked(vector: Array, shapes: Sequence[Shape]) -> list[Array]:
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(vector, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
