"""A published encoder fine-tuned: dense, upcycled, and beside the same architecture from scratch.

`python -m benchmarks.encoders` measures; `page.py` makes the table of docs/upcycling.md from what
it wrote.
"""
