"""Dense models made sparse: their feed-forward layers become mixtures of experts.

upcycle.py        the function: which layers, how many experts, how they start
finding.py        the feed-forward layers of a model, and those that are chosen by name
feed_forward.py   a feed-forward layer, of whatever class: its matrices, and a bank like it
chains.py         feed-forward layers that are two `Dense` of a Keras model
experts.py        the weights of experts: copies, parts, noise, drawn again
routers.py        the weights of routers, for which the outputs are the dense model's
"""

from sparse_keras.upcycling.upcycle import upcycle

__all__ = ["upcycle"]
