"""Exports of fitted estimators: PyTorch, ONNX and source text, of the network or of what ``predict`` says."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from convexrelu.interop.heads import Classes, SeveralLabels, head_of
from convexrelu.networks.gated import GatedNetwork
from convexrelu.networks.two_layer import TwoLayerNetwork

if TYPE_CHECKING:
    import onnx
    import torch

__all__ = ["Exports"]


class Exports:
    """Methods of the estimators that have a network."""

    def to_torch(
        self,
        dtype: torch.dtype | None = None,
        device: str = "cpu",
        *,
        raw: bool = False,
        head: str | None = None,
    ) -> torch.nn.Sequential:
        """The network as ``Sequential(Linear, ReLU, Linear)``, see :func:`convexrelu.interop.torch.to_torch`.

        With the Poisson loss an exponential follows, so that the module says what ``predict`` says. The outputs of
        a classifier's module are scores, as ``network_.forward`` has them, unless `head` asks for more.

        Parameters
        ----------
        dtype : torch.dtype, optional
            Type of the parameters; ``torch.float64`` by default.
        device : str
            Device of the parameters.
        raw : bool
            Leave the exponential out: for further training, and for :func:`~convexrelu.certify`. The same as
            ``head="outputs"``.
        head : {"outputs", "predict", "predict_proba"}, optional
            What follows the network. ``"predict"``: what ``predict`` returns, in its shape; for a classifier the
            position of the label in ``classes_``, or zeros and ones of several labels. ``"predict_proba"``:
            probabilities of all classes.

        Returns
        -------
        torch.nn.Sequential

        Raises
        ------
        ValueError
            For a network that has no such form, where ``network_.to_relu(X)`` makes one of a gated network; or a head
            that the estimator does not have.

        Examples
        --------
        >>> import torch
        >>> from convexrelu import ConvexReLUClassifier
        >>> model = ConvexReLUClassifier(random_state=0).fit([[0.0], [1.0], [2.0]], ["a", "b", "a"])
        >>> module = model.to_torch(head="predict")
        >>> model.classes_[module(torch.tensor([[1.0], [3.0]], dtype=torch.float64))]
        array(['b', 'a'], dtype='<U1')
        """
        network = self._two_layers()
        from convexrelu.interop.torch import to_torch, with_head

        if raw and head not in (None, "outputs"):
            raise ValueError(f"raw=True and head={head!r} exclude each other")
        if head is None:
            exponential = self._predicts_logarithms and not raw
            return to_torch(network, dtype=dtype, device=device, exponential=exponential)
        network = head_of(self, head).network(network)
        return with_head(to_torch(network, dtype=dtype, device=device), self, head)

    def to_onnx(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        raw: bool = False,
        dtype: str = "float32",
    ) -> onnx.ModelProto:
        """What ``predict`` and ``predict_proba`` say, as an ONNX graph; see :func:`convexrelu.interop.onnx.to_onnx`.

        Whole pipelines are exported by :func:`convexrelu.to_onnx`.

        Parameters
        ----------
        path : path, optional
            File to write as well.
        raw : bool
            Outputs of the network only, without exponential, labels and probabilities.
        dtype : {"float32", "float64"}
            Type of inputs, outputs and all that is between.

        Returns
        -------
        onnx.ModelProto
        """
        check_is_fitted(self, "network_")
        from convexrelu.interop.onnx import to_onnx

        return to_onnx(self, path, raw=raw, dtype=dtype)

    def to_source(
        self, language: str = "python", *, head: str = "predict", name: str = "predict"
    ) -> str:
        """What ``predict`` says as a function in Python or C; see :func:`convexrelu.interop.source.to_source`.

        Parameters
        ----------
        language : {"python", "c"}
        head : {"outputs", "predict", "predict_proba"}
        name : str
            Name of the function.

        Returns
        -------
        str
            The text of a file without dependencies.
        """
        self._two_layers()
        from convexrelu.interop.source import to_source

        return to_source(self, language, head=head, name=name)

    # What skl2onnx looks for in models that it does not know.

    def onnx_parser(self) -> Callable[..., Any]:
        """For skl2onnx: names and types of the outputs."""
        from convexrelu.interop.skl2onnx import parser_of

        return parser_of(self)

    def onnx_shape_calculator(self) -> Callable[[Any], None]:
        """For skl2onnx: shapes of the outputs."""
        check_is_fitted(self, "network_")
        from convexrelu.interop.skl2onnx import set_shapes

        return set_shapes

    def onnx_converter(self) -> Callable[[Any, Any, Any], None]:
        """For skl2onnx: a function that writes the nodes."""
        check_is_fitted(self, "network_")
        from convexrelu.interop.skl2onnx import convert, register

        register(type(self), convert)  # skl2onnx compares options with those that are registered
        return convert

    def _two_layers(self) -> TwoLayerNetwork:
        """The network, if it has weights of two layers."""
        check_is_fitted(self, "network_")
        network: Any = self.network_  # type: ignore[attr-defined]
        if not isinstance(network, TwoLayerNetwork):
            gated = isinstance(network, GatedNetwork)
            raise ValueError(
                f"activation={self.activation!r} has no Sequential(Linear, ReLU, Linear) form; "  # type: ignore[attr-defined]
                + ("use network_.to_relu(X), or to_onnx()" if gated else "use to_onnx()")
            )
        return network

    @property
    def _predicts_logarithms(self) -> bool:
        """Whether outputs of the network are logarithms of what ``predict`` says."""
        return False

    def _several_labels(self) -> SeveralLabels | None:
        """Several labels of each sample, if it has a column of ``y`` for each."""
        return None

    def _classes_of_outputs(self) -> Classes | None:
        """The classes of a classifier, and how outputs become their scores."""
        return None
