"""Measures how fast language models generate, beside dense layers and beside other libraries.

    python -m benchmarks.generation dense
    python -m benchmarks.generation libraries --python PYTHON

The first command puts mixtures of experts beside the dense layer of equal active width. The second
one makes a Mixtral checkpoint of random weights with transformers, and lets transformers on
PyTorch, KerasHub and this library generate from the same weights, each in a process of its own;
they take turns, and must generate the same tokens. PYTHON is an interpreter that has torch,
transformers and keras-hub, too. Each number is the smallest of some rounds, since other programs
disturb the others. Results are written to results/language_models/generation.json, from which
`python -m benchmarks.language_models.page` makes the tables of docs/language_models.md.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

RESULT = (
    pathlib.Path(__file__).resolve().parents[1] / "results" / "language_models" / "generation.json"
)
VOCABULARY, DEPTH, WIDTH, HIDDEN, HEADS, KV_HEADS, K = 4096, 2, 512, 1408, 8, 4, 2
PROMPT, TOKENS = 16, 32
EXPERTS, BATCHES = (8, 64), (1, 4, 8)
LIBRARIES = ("transformers", "keras_hub", "keras_hub XLA", "sparse_keras", "sparse_keras XLA")


def prompts_of(batch):
    return [[7 * row + column + 1 for column in range(PROMPT)] for row in range(batch)]


def new_model(num_experts):
    """A language model: dense blocks, or experts of which the active ones are as wide together."""
    from sparse_keras.models import causal_lm

    sparse = {
        "experts": {"type": "glu", "num_experts": num_experts, "hidden_dim": HIDDEN // K},
        "router": {"type": "top_k", "k": K},
    }
    return causal_lm(
        vocabulary_size=VOCABULARY,
        depth=DEPTH,
        width=WIDTH,
        num_heads=HEADS,
        num_kv_heads=KV_HEADS,
        tie_embeddings=False,
        **(sparse if num_experts else {"hidden_dim": HIDDEN}),
    )


# Each of these returns a function of a number of tokens that generates so many for each prompt.


def by_sparse_keras(model, batch, jit_compile):
    prompts = prompts_of(batch)
    return lambda count: model.generate(prompts, max_new_tokens=count, jit_compile=jit_compile)


def by_transformers(folder, batch):
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    prompts = torch.tensor(prompts_of(batch))

    def generate(count):
        with torch.no_grad():
            texts = model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                min_new_tokens=count,
                max_new_tokens=count,
                do_sample=False,
                pad_token_id=0,
            )
        return texts[:, PROMPT:].tolist()

    return generate


def by_keras_hub(folder, batch, jit_compile):
    import keras_hub
    import numpy as np

    backbone = keras_hub.models.Backbone.from_preset(folder)
    model = keras_hub.models.MixtralCausalLM(backbone, preprocessor=None)
    model.compile(sampler="greedy", jit_compile=jit_compile)

    def generate(count):
        # It generates until a row is full, and reads the whole row as a prompt first.
        token_ids = np.zeros((batch, PROMPT + count), "int32")
        token_ids[:, :PROMPT] = prompts_of(batch)
        inputs = {"token_ids": token_ids, "padding_mask": (token_ids > 0).astype("int32")}
        return np.asarray(model.generate(inputs, stop_token_ids=None)["token_ids"])[
            :, PROMPT:
        ].tolist()

    return generate


def generator(library, folder, batch):
    name, _, compiler = library.partition(" ")
    if name == "transformers":
        return by_transformers(folder, batch)
    if name == "keras_hub":
        return by_keras_hub(folder, batch, bool(compiler))
    import sparse_keras

    return by_sparse_keras(sparse_keras.load_pretrained(folder), batch, bool(compiler))


def seconds(generate, count):
    start = time.perf_counter()
    generate(count)
    return time.perf_counter() - start


def per_token(generate):
    """Milliseconds per token once, without the prompt."""
    return 1000 * (seconds(generate, TOKENS + 1) - seconds(generate, 1)) / TOKENS


def beside_dense(rounds):
    """Returns milliseconds per token of the dense layer and of mixtures, which take turns."""
    cases = []
    for batch in BATCHES:
        for jit_compile in (False, True):
            names = ("dense", *(f"E={count}" for count in EXPERTS))
            models = [
                by_sparse_keras(new_model(count), batch, jit_compile) for count in (0, *EXPERTS)
            ]
            for generate in models:  # This compiles.
                per_token(generate)
            times = [[per_token(generate) for generate in models] for _ in range(rounds)]
            best = map(min, zip(*times, strict=True))
            cases.append(
                {
                    "batch": batch,
                    "xla": jit_compile,
                    "milliseconds": dict(zip(names, best, strict=True)),
                }
            )
            print(cases[-1], flush=True)
    return cases


def save_checkpoint(folder, num_experts):
    """Writes a Mixtral checkpoint of random weights, by transformers."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.MixtralConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        num_local_experts=num_experts,
        num_experts_per_tok=K,
        intermediate_size=HIDDEN // K,
        sliding_window=None,
        eos_token_id=None,
    )
    transformers.MixtralForCausalLM(config).save_pretrained(folder)


def serve(library, folder):
    """Measures what each line of standard input asks for, once; the answer is a line."""
    made = {}
    for line in sys.stdin:
        key = tuple(json.loads(line))
        experts, batch = key
        if key not in made:
            made[key] = generator(library, str(pathlib.Path(folder, str(experts))), batch)
            per_token(made[key])
        answer = {"milliseconds": per_token(made[key]), "texts": made[key](TOKENS)}
        print(json.dumps(answer), flush=True)


def beside_libraries(python, rounds, folder, numbers_of_experts, batches):
    """Returns tokens per second of each library, which take turns."""
    script = [python, "-m", "benchmarks.generation"]
    for experts in numbers_of_experts:
        path = str(pathlib.Path(folder, str(experts)))
        subprocess.run([*script, "save", "--folder", path, "--experts", str(experts)], check=True)
    programs = {
        library: subprocess.Popen(
            [*script, "serve", "--library", library, "--folder", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        )
        for library in LIBRARIES
    }

    def ask(library, *key):
        program = programs[library]
        program.stdin.write(json.dumps(key) + "\n")
        program.stdin.flush()
        answer = program.stdout.readline()
        if not answer:
            raise RuntimeError(f"{library} ended: run `serve` by hand to see why.")
        return json.loads(answer)

    cases = []
    for experts in numbers_of_experts:
        for batch in batches:
            answers = [
                {name: ask(name, experts, batch) for name in programs} for _ in range(rounds)
            ]
            texts = {name: one["texts"] for name, one in answers[0].items()}
            cases.append(
                {
                    "experts": experts,
                    "batch": batch,
                    "tokens_per_second": {
                        name: 1000 * batch / min(one[name]["milliseconds"] for one in answers)
                        for name in programs
                    },
                    "same_text": {
                        name: text == texts["transformers"] for name, text in texts.items()
                    },
                }
            )
            print(cases[-1], flush=True)
    for program in programs.values():
        program.stdin.close()
        program.wait()
    return cases


def write(name, cases):
    from sparse_keras.evaluation.machine import machine

    content = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    content[name] = {"machine": machine(), "cases": cases}
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["dense", "libraries", "save", "serve"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has all")
    parser.add_argument("--experts", type=int, nargs="+", default=EXPERTS)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    # What the processes of `libraries` are started with.
    parser.add_argument("--library", choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.what == "serve":
        serve(args.library, args.folder)
    elif args.what == "save":
        save_checkpoint(args.folder, *args.experts)
    elif args.what == "dense":
        write("dense", beside_dense(args.rounds))
    else:
        with tempfile.TemporaryDirectory() as folder:
            cases = beside_libraries(args.python, args.rounds, folder, args.experts, args.batches)
            write("libraries", cases)


if __name__ == "__main__":
    main()
