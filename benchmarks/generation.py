"""Measures milliseconds per generated token.

    python -m benchmarks.generation
    python -m benchmarks.generation --transformers PYTHON

The first command puts mixtures of experts beside the dense layer of equal active width, as graphs
and compiled by XLA. The second one runs transformers (Mixtral on PyTorch, of the same sizes) with
the interpreter PYTHON, in a process of its own; the two take turns. Each number is the smallest of
some rounds, since other programs disturb the others.
"""

import argparse
import json
import subprocess
import sys
import time

VOCABULARY, DEPTH, WIDTH, HIDDEN, HEADS, KV_HEADS, K = 4096, 2, 512, 1408, 8, 4, 2
PROMPT, TOKENS = 16, 32
EXPERTS, BATCHES = (8, 64), (1, 4, 8)


def keras_model(num_experts):
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


def keras_generate(num_experts, batch, jit_compile):
    """Returns a function of the number of new tokens, which generates them."""
    model = keras_model(num_experts)
    prompts = [[row + 1] * PROMPT for row in range(batch)]

    def generate(count):
        found = model.generate(prompts, max_new_tokens=count, jit_compile=jit_compile)
        assert all(len(text) == count for text in found)

    return generate


def transformers_generate(num_experts, batch):
    """The same by transformers."""
    import torch
    import transformers

    torch.manual_seed(0)
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "num_local_experts": num_experts,
        "num_experts_per_tok": K,
        "intermediate_size": HIDDEN // K,
    }
    model = transformers.MixtralForCausalLM(transformers.MixtralConfig(**sizes)).eval()
    prompts = torch.tensor([[row + 1] * PROMPT for row in range(batch)])

    def generate(count):
        with torch.no_grad():
            found = model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                min_new_tokens=count,
                max_new_tokens=count,
                do_sample=False,
                pad_token_id=0,
            )
        assert found.shape[1] == PROMPT + count

    return generate


def seconds(generate, count):
    start = time.perf_counter()
    generate(count)
    return time.perf_counter() - start


def per_token(generate):
    """Milliseconds per token once, without the prompt."""
    return 1000 * (seconds(generate, TOKENS + 1) - seconds(generate, 1)) / TOKENS


def beside_dense(rounds):
    """Prints milliseconds per token of mixtures and of the dense layer, in turns."""
    print(f"{'N':>2} {'compiled by':<12} {'dense':>8}", *(f"{f'E={e}':>8}" for e in EXPERTS))
    for batch in BATCHES:
        for jit_compile in (False, True):
            models = [keras_generate(count, batch, jit_compile) for count in (0, *EXPERTS)]
            for generate in models:  # This compiles.
                per_token(generate)
            times = [[per_token(generate) for generate in models] for _ in range(rounds)]
            best = [min(column) for column in zip(*times, strict=True)]
            numbers = " ".join(f"{one:8.2f}" for one in best)
            print(f"{batch:>2} {'XLA' if jit_compile else 'TensorFlow':<12} {numbers}", flush=True)


def serve(kind):
    """Measures what each line of standard input asks for, once; the answer is a line."""
    made = {}
    for line in sys.stdin:
        key = tuple(json.loads(line))
        if key not in made:
            make = transformers_generate if kind == "transformers" else keras_generate
            made[key] = make(*key)
            per_token(made[key])
        print(json.dumps(per_token(made[key])), flush=True)


def beside_transformers(python, rounds):
    """Prints tokens per second of both, which take turns."""
    programs = {
        kind: subprocess.Popen(
            [interpreter, "-m", "benchmarks.generation", "--serve", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for kind, interpreter in {"keras": sys.executable, "transformers": python}.items()
    }

    def ask(kind, *key):
        programs[kind].stdin.write(json.dumps(key) + "\n")
        programs[kind].stdin.flush()
        return float(programs[kind].stdout.readline())

    print("tokens per second of all rows together")
    print(f"{'E':>3} {'N':>2} {'transformers':>13} {'TensorFlow':>11} {'XLA':>8}")
    for experts in EXPERTS:
        for batch in BATCHES:
            times = [
                (
                    ask("transformers", experts, batch),
                    ask("keras", experts, batch, False),
                    ask("keras", experts, batch, True),
                )
                for _ in range(rounds)
            ]
            other, graph, xla = (1000 * batch / min(column) for column in zip(*times, strict=True))
            print(f"{experts:>3} {batch:>2} {other:13.0f} {graph:11.0f} {xla:8.0f}", flush=True)
    for program in programs.values():
        program.stdin.close()
        program.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--transformers", metavar="PYTHON", help="an interpreter that has it")
    parser.add_argument("--serve", choices=["keras", "transformers"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
    elif args.transformers:
        beside_transformers(args.transformers, args.rounds)
    else:
        beside_dense(args.rounds)


if __name__ == "__main__":
    main()
