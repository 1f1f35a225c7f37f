"""Messy tables: the command line on files as they are, beside scikit-learn on the same rows.

    python -m benchmarks.messy_tables                      # all tables that have no result yet
    python -m benchmarks.messy_tables --table customers    # one table

customers.py     a made-up customer table, whose true probabilities are known
"""
