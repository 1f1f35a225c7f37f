"""Records which experts each token goes to, and replays it.

    with sparse_keras.routing.record(model) as recording:
        model.predict(x, batch_size=32)
    recording.save("routing.npz")

    recording = sparse_keras.routing.load("routing.npz")
    with sparse_keras.routing.replay(model, recording):
        model.fit(x, y, batch_size=32, shuffle=False)

Replay trains a policy on the choices that it acted on, or lets two trainings that differ in one
thing send each token to the same experts. Inside the `with` blocks, the model runs eagerly.
"""

from sparse_keras.routing.record import record
from sparse_keras.routing.recording import RecordedGate, Recording, load
from sparse_keras.routing.replay import replay

__all__ = ["RecordedGate", "Recording", "load", "record", "replay"]
