"""The folder of a run, and how a training that was interrupted resumes.

    folder.py                 RunFolder: its files, and whether a training can resume in it
    starting.py, finding.py   the folder of a new run; the runs that are there
    listing.py                what tells them apart
    identity.py               what a run was trained with, by which a change is noticed
    lock.py                   one process at a time
    checkpoints.py            files with the state of a training, whole or recognised as damaged
    callback_state.py         the state of a callback
    resuming.py               writes and reads checkpoints: the state of a training
    random_state.py           the global generators of random numbers
    best_and_last_weights.py  weights that the model may not end with: the best epoch's, the last's

The first five lines do without Keras, so that the command line reports mistakes before it starts.
"""
