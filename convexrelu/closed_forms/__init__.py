"""Training problems whose structure is known: solved by a formula or one small programme, with a proof."""

from convexrelu.closed_forms.line import SplineProgramme, train_on_line
from convexrelu.closed_forms.minimum_norm import minimum_norm
from convexrelu.closed_forms.spike_free import train_spike_free
from convexrelu.closed_forms.structure import STRUCTURES, closed_form_for, structure_of
from convexrelu.closed_forms.whitened import OrthogonalRowsOracle, train_whitened

__all__ = [
    "STRUCTURES",
    "OrthogonalRowsOracle",
    "SplineProgramme",
    "closed_form_for",
    "minimum_norm",
    "structure_of",
    "train_on_line",
    "train_spike_free",
    "train_whitened",
]
