"""Training problems whose structure is known: solved by a formula or one small program, with a proof."""

from convexrelu._moved import names_of
from convexrelu.closed_forms.constant import is_proved_constant, train_constant
from convexrelu.closed_forms.line import SplineProgram, train_on_line
from convexrelu.closed_forms.spike_free import train_spike_free
from convexrelu.closed_forms.structure import STRUCTURES, closed_form_for, structure_of
from convexrelu.closed_forms.whitened import OrthogonalRowsOracle, train_whitened

__all__ = [
    "STRUCTURES",
    "OrthogonalRowsOracle",
    "SplineProgram",
    "closed_form_for",
    "is_proved_constant",
    "structure_of",
    "train_constant",
    "train_on_line",
    "train_spike_free",
    "train_whitened",
]

__getattr__ = names_of(__name__)  # names that this room had before
