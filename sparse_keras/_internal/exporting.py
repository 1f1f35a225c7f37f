"""Exports that a backend cannot do are refused before anything is written."""

from sparse_keras._internal.keras_private import export_format


def refuse_portable(backend: str) -> None:
    """Raises a ValueError if the caller is part of an export to ONNX, LiteRT or OpenVINO.

    Args:
        backend: Keras's backend, on which these formats cannot hold a mixture of experts.
    """
    exported = export_format()
    if exported in ("onnx", "litert", "openvino"):
        raise ValueError(
            f"A mixture of experts cannot be exported to {exported!r} on the Keras backend "
            f"{backend!r}: the file would serve one size of batch or none. Nothing was written. "
            "Save the model as a .keras file, start Python with KERAS_BACKEND=tensorflow, load it "
            "and export it there."
        )
