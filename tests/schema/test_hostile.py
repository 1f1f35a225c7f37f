"""A stranger's config cannot run code, nor take memory or time: it ends in an error, quickly."""

import gc
import time

import pytest

from sparse_keras.schema import ConfigError, load_config
from tests.support.timing import limit

BASE = "version: 1\nmodel: {type: dense_mlp, hidden_dim: 4}\n"


def extended(text):
    return f"{text}\nversion: 1\nmodel: {{type: dense_mlp, hidden_dim: 4}}\n"


BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
)

HOSTILE = {
    "a tag that calls": BASE + "description: !!python/object/apply:os.system ['touch owned']\n",
    "a tag that names": BASE + "description: !!python/name:os.system\n",
    "a tag of its own": BASE + "description: !include /etc/passwd\n",
    "a tag directive": "%TAG ! tag:yaml.org,2002:python/\n---\n" + BASE,
    "a binary tag": BASE + "description: !!binary aGVsbG8=\n",
    "a dotted name as a type": BASE.replace("dense_mlp", "os.system"),
    "a dotted name as an activation": BASE.replace("4}", "4, activation: os.system}"),
    "a lambda": BASE.replace("4}", "4, activation: 'lambda x: x'}"),
    "a class of Keras": BASE + "optimizer: {class_name: Lambda, config: {function: os.system}}\n",
    "a module of Keras": BASE
    + "optimizer: {module: builtins, class_name: eval, config: {}, registered_name: eval}\n",
    "an optimizer that is not on the list": BASE + "optimizer: {type: keras.optimizers.Adam}\n",
    "an import": BASE + "import: os\n",
    "imports": BASE + "plugins: [os]\n",
    "anchors that explode": extended(BOMB),
    "an alias to itself": BASE + "description: &a [*a]\n",
    "a merge key": BASE + "training:\n  <<: {epochs: 3}\n",
    "deep lists": BASE + "description: " + "[" * 20_000 + "]" * 20_000 + "\n",
    "deep mappings": BASE + "description: " + "{a: " * 9_000 + "1" + "}" * 9_000 + "\n",
    "deep blocks": BASE + "".join(" " * i + "a:\n" for i in range(250)),
    "a long text": BASE + "description: " + "x" * 1_000_000 + "\n",
    "a long number": BASE + "training: {epochs: " + "9" * 40_000 + "}\n",
    "a large number": BASE.replace("hidden_dim: 4", "hidden_dim: 1" + "0" * 30),
    "a number beyond floats": BASE + "optimizer: {type: adam, learning_rate: 1e999}\n",
    "many keys": BASE + "".join(f"k{i}: 1\n" for i in range(4_000)),
    "many documents": BASE + "---\n" * 5_000,
    "control characters": BASE + "description: \x07\x1b[2J\n",
    "an escape in a key": BASE + '"\\x1b[2Jmodel": 1\n',
    "another file as its base": "extends: /etc/passwd\n" + BASE,
    "a file far outside as its base": "extends: ../../../../../../etc/passwd.yaml\n" + BASE,
    "a device as its base": "extends: /dev/zero.yaml\n" + BASE,
    "an address as its base": "extends: https://example.com/x.yaml\n" + BASE,
    "a variable of the environment": BASE.replace("hidden_dim: 4", "hidden_dim: ${HOME}"),
    "a template": BASE.replace("hidden_dim: 4", "hidden_dim: '{{ 2 + 2 }}'"),
}


@pytest.fixture(autouse=True)
def no_garbage_collection():
    """It would walk through everything that other tests left, in the time that is measured."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("attack", HOSTILE)
def test_it_ends_in_an_error_quickly(attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.yaml"
    path.write_text(HOSTILE[attack], encoding="utf-8")
    start = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert time.process_time() - start < limit(1.0)
    assert {file.name for file in tmp_path.iterdir()} == {"hostile.yaml"}
    message = str(caught.value)
    assert "hostile.yaml" in message
    # Nothing in it moves the cursor of a terminal, and it can be read.
    assert all(character.isprintable() or character == "\n" for character in message)
    assert len(message) < 10_000


@pytest.mark.parametrize(
    "override",
    [
        "model=!!python/name:os.system",
        "model.hidden_dim=__import__('os').system('touch owned')",
        "description=" + "[" * 20_000,
        "__class__.__init__=1",
        "a" + ".b" * 50_000 + "=1",
    ],
)
def test_overrides_neither(override, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = time.process_time()
    with pytest.raises(ConfigError):
        load_config("tabular/sparse_mlp", [override])
    assert time.process_time() - start < limit(1.0)
    assert not list(tmp_path.iterdir())
