"""`report(run)`: what a training came to, as a page for people who were not there.

report.py        report: reads a run, measures it, and returns a `Report`
result.py        what is measured
contenders.py    what the model is compared with: no model, and baselines of scikit-learn
uncertainty.py   intervals of metrics and of their differences, by resampling rows
curves.py        confusion matrix, ROC, precision and recall, calibration, residuals
importance.py    permutation importance of raw columns
history.py       the logs of the epochs
about.py         the model's costs, how rows were split, what became of columns, its experts
words.py         all of this in sentences
page.py          all of this as a page of HTML, of which parts are in
                 target_cards.py, class_cards.py, number_cards.py, training_section.py and
                 importance_section.py
"""

from sparse_keras.reporting.report_run import report
from sparse_keras.reporting.result import Report, TargetReport

__all__ = ["Report", "TargetReport", "report"]
