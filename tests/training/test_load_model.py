"""`load_model`: files that were edited or damaged, each a `ValueError` that names the file."""

import json
import re
import zipfile
from pathlib import Path

import keras
import pytest

import sparse_keras

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "files" / "table_run" / "model.keras"


def edited(tmp_path, change=lambda text: text, encrypted=False):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(GOLDEN) as given, zipfile.ZipFile(path, "w") as written:
        for name in given.namelist():
            content = given.read(name)
            if name == "config.json":
                content = change(content.decode())
            written.writestr(name, content)
    if encrypted:  # As the flags of its members say, in both of the places.
        content = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            for found in re.finditer(signature, bytes(content)):
                content[found.start() + offset] |= 1
        path.write_bytes(content)
    return path


def features_changed(change):
    def edit(text):
        config = json.loads(text)
        change(config["config"]["preprocessor"]["config"]["features"])
        return json.dumps(config)

    return edit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('"float32"', '"float17"'), "float17"),
        (
            lambda text: text.replace('"config"', f'"a": {"[" * 10**5}{"]" * 10**5}, "config"', 1),
            "",
        ),
        (features_changed(lambda it: it["categorical"][0]["vocabulary"].pop()), "'job' .* 4 codes"),
        (features_changed(lambda it: it["numeric"][0]["boundaries"].pop()), "'numeric': 47"),
        (features_changed(lambda it: it["numeric"].pop()), "inputs of these widths"),
        (
            features_changed(lambda it: it["target"].update(task="multiclass", classes=[1, 2, 3])),
            r"outputs of these widths: {'rich': 3}. Received one with {'rich': 1}",
        ),
        (features_changed(lambda it: it["numeric"][0].update(std=-1)), "numeric.0.std"),
        (features_changed(lambda it: it["numeric"][0].update(other=1)), "other"),
    ],
)
def test_an_edited_file(change, message, tmp_path):
    path = edited(tmp_path, change)
    with pytest.raises(ValueError, match=f"{path}.*{message}"):
        sparse_keras.load_model(path)


def test_an_encrypted_member(tmp_path):
    path = edited(tmp_path, encrypted=True)
    with pytest.raises(ValueError, match=f"{path}.*encrypted"):
        sparse_keras.load_model(path)


def test_what_is_no_model(tmp_path):
    path = edited(
        tmp_path, lambda _: json.dumps(keras.saving.serialize_keras_object(keras.Layer()))
    )
    with pytest.raises(ValueError, match=f"{path}"):
        sparse_keras.load_model(path)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(ValueError, match="Expected the folder of a run"):
        sparse_keras.load_model(tmp_path)
    with pytest.raises(ValueError, match="There is no file"):
        sparse_keras.load_model(tmp_path / "nowhere")
