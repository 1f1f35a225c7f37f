"""What a comparison adds for tables: baselines of scikit-learn, and models of single targets.

`contenders.py` lists them; it imports neither Keras nor scikit-learn before a baseline is made.
"""
