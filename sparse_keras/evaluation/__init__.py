"""Comparisons of a config with dense twins and strong baselines, paired over seeds.

`compare.py` runs a comparison: for each seed it measures each contender (`contenders.py`,
`measure.py`), unless the result is in the cache (`cache.py`), and summarises the
results (`statistics.py`) in a `Comparison` (`result.py`), which `tables.py` displays.
`standard_contenders.py` lists a config, its dense twins (`dense_baselines.py`) and the baselines of
its kind of data, such as those of tables (`tabular/`); `ablations.py` lists variants of the config.

This file imports nothing, so that the command line starts without Keras.
"""
