"""Messy tables: the command line on files as they are, beside scikit-learn on the same rows.

    python -m benchmarks.messy_tables               all tables that have no result yet
    python -m benchmarks.messy_tables customers     one table, printed

customers.py     a made-up customer table, whose true probabilities are known
notes_grammar.py what is written in its notes
files.py         ten data files as their packages ship them
verbs.py         a table through every verb of the command line
table.py         the results as Markdown
"""
