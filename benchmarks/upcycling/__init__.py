"""A dense language model upcycled, beside the same model trained on; and mixtures made smaller.

`python -m benchmarks.upcycling` measures; `page.py` makes the tables of docs/upcycling.md from what
it wrote.
"""
