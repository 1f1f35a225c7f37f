"""Routings recorded, and replayed."""

from sparse_keras.routing.recorded import RecordedGate, Recording, load, record, replay

__all__ = ["RecordedGate", "Recording", "load", "record", "replay"]
