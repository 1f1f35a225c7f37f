"""Language models with experts beside their dense twins: loss against steps, FLOPs and seconds.

`python -m benchmarks.language_models` measures; `page.py` makes the table and the picture of
docs/language_models.md from what it wrote.
"""
