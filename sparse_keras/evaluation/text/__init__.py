"""What a comparison adds for texts with labels: a linear model of their words.

`contenders.py` lists it; it imports neither Keras nor scikit-learn before the model is made.
"""
