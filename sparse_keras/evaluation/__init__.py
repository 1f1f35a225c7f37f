"""A config against dense twins and strong baselines, in pairs over seeds.

`comparing.py` leads: for each seed and each of `sides.py` it measures (`measuring.py`, `scores.py`,
`baselines.py`, `tuning.py`) or takes what is kept (`kept.py`), and makes a `Comparison` of it
(`statistics.py`, `comparison.py`), which `tables.py` shows. Imports nothing, so that the command
line starts at once.
"""
