"""The folder of a run, and how a training that was cut off goes on.

    folder.py          what is written into it, and whether a training can go on in it
    lock.py            one process at a time
    checkpoints.py     a file for each finished epoch, whole or recognised as damaged
    callback_state.py  what a callback has to remember
    resuming.py        the state of a training after an epoch: what is in a checkpoint
    random_state.py    the global generators of random numbers
    kept_weights.py    the weights that the model may not end with: the best epoch's, the last's

The first three do without Keras, so that the command line can tell a mistake before it starts.
"""
