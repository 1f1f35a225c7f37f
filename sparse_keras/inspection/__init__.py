"""`inspect(model, x, labels)`: what the routers of a model do, and what each expert is for.

`inspect_model.py` runs the model and adds up the routings of each gate in a `tally.py`;
`association.py` tests which of the sums are beyond chance; `result.py` holds the results;
`words.py` describes them in sentences; `tables.py`, `plots.py` and `page.py` display them.
"""

from sparse_keras.inspection.inspect_model import inspect
from sparse_keras.inspection.result import Finding, GateInspection, Inspection

__all__ = ["Finding", "GateInspection", "Inspection", "inspect"]
