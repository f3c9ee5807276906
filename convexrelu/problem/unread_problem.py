"""A training problem on inputs that are copied when something asks for them."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.problem.evaluation import CentredInputs
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.unread import COPY, Unread

__all__ = ["UnreadProblem", "problem_on"]


class UnreadProblem(TrainingProblem):
    """A :class:`~convexrelu.TrainingProblem` whose `X` is a copy that is made when it is first used.

    Whoever has a deadline asks :meth:`~convexrelu.problem.design.Design.design_fits` before, or reads chunks.

    Examples
    --------
    >>> import numpy as np
    >>> inputs = Unread(np.array([[-1.0], [1.0]], dtype=np.float32))
    >>> problem = UnreadProblem(inputs, [0.0, 1.0], alpha=0.1)
    >>> problem.objective(problem.zero_network()), inputs.is_read
    (0.125, False)
    >>> problem.X.dtype.name, inputs.is_read
    ('float64', True)
    """

    _unread: Unread

    def __getstate__(self) -> dict[str, Any]:
        state = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name != "X"
        }
        return {"X": self._unread, **state}

    def __setstate__(self, values: dict[str, Any]) -> None:
        rest = dict(values)
        object.__setattr__(self, "_unread", rest.pop("X"))
        super().__setstate__(rest)

    def _kind_on(self, inputs: Any) -> type[TrainingProblem]:
        return UnreadProblem if isinstance(inputs, Unread) else TrainingProblem

    @cached_property
    def X(self) -> Array:
        """The inputs, of shape (n, d)."""
        return self._unread.read

    @cached_property
    def centred_inputs(self) -> CentredInputs:
        """``X`` less an offset, some rows at a time unless there is a copy."""
        return (
            CentredInputs.of(self.X) if self._unread.is_read else CentredInputs.unread(self._unread)
        )

    @property
    def rows_to_read(self) -> Unread:
        """The inputs in their own precision."""
        return self._unread

    def rows_at(self, samples: NDArray[np.intp]) -> Unread:
        """Inputs of some samples, not copied yet either."""
        return self._unread.taken(samples)

    @property
    def n_samples(self) -> int:
        """Number of samples ``n``."""
        return self._unread.shape[0]

    @property
    def n_features(self) -> int:
        """Number of features ``d``, without the bias."""
        return self._unread.shape[1]

    @property
    def is_sparse(self) -> bool:
        """Never."""
        return False

    @property
    def work_of_reading(self) -> float:
        """Multiplications that take as long as the copy, until there is one."""
        return 0.0 if self._unread.is_read else COPY * self.n_entries


def problem_on(X: Any, *args: Any, **options: Any) -> TrainingProblem:
    """The training problem on inputs that are an array or a sparse matrix, or not read yet."""
    kind = UnreadProblem if isinstance(X, Unread) else TrainingProblem
    return kind(X, *args, **options)
