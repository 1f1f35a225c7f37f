"""Seeing what routers do: `inspect(model, x, labels)`.

`inspecting.py` runs the model and shows its routings to a `tally.py` for each gate;
`association.py` says what of the sums is more than chance; `inspection.py` holds the results,
`words.py` puts them into sentences, and `tables.py`, `plots.py` and `page.py` show them.
"""

from sparse_keras.inspection.inspect_model import inspect
from sparse_keras.inspection.result import Finding, GateInspection, Inspection

__all__ = ["Finding", "GateInspection", "Inspection", "inspect"]
