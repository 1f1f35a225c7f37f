"""From a config to a trained model, and the folder of its run.

building.py    a config and its data -> a compiled model
loop.py        the one training loop: epochs or steps, early stopping, a start within an epoch
train.py       `train`: a training with everything about it in a folder
evaluation.py  exact metrics where Keras's own are approximations
load_model.py  `load_model`: what `train` saved
runs/          that folder, checkpoints, resuming
"""
