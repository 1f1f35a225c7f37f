"""Balance without a loss: a small language model whose experts are balanced in several ways.

    python -m benchmarks.studies.loss_free_balance           # 16 seeds: 40 minutes on one core
    python -m benchmarks.studies.loss_free_balance --docs    # only draws and writes the tables

A causal model of characters with two blocks of attention and sparse experts learns Shakespeare's
plays: with nothing that balances, with the auxiliary loss at two weights, and with the selection
bias that each step moves against the load, at two rates and without any loss. All of a seed start
from the same weights and see the same windows in the same order.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np

from benchmarks.studies import loss_free_balance_report as report
from benchmarks.studies import pages, plays

STUDY = "loss_free_balance"
OUTPUT = pages.RESULTS / f"{STUDY}.json"
PICTURE = pages.PICTURES / f"{STUDY}.svg"
# Toy figures must not land on measured ones, so --quick writes elsewhere.
QUICK_OUTPUT = pathlib.Path(tempfile.gettempdir()) / f"sparse_keras_{STUDY}_quick.json"

# What the router of each variant gets. The bias is moved with no auxiliary loss beside it.
VARIANTS = {
    "nothing": {"balance_loss": 0.0},
    "loss_0.001": {"balance_loss": 0.001},
    "loss_0.01": {"balance_loss": 0.01},
    "bias_0.001": {
        "balance_loss": 0.0,
        "select_on": "score_plus_bias",
        "bias_update_rate": 0.001,
    },
    "bias_0.01": {"balance_loss": 0.0, "select_on": "score_plus_bias", "bias_update_rate": 0.01},
}
SETTINGS = {
    "steps": 800,
    "epochs": 20,  # Between which the violation of the training batches is noted.
    "batch_size": 32,
    "length": 32,
    "learning_rate": 3e-3,
    "blocks": 2,
    "width": 32,
    "heads": 2,
    "experts": 8,
    "hidden_dim": 64,
    "k": 2,
    "validation_windows": 2048,
}
QUICK = {"steps": 4, "epochs": 2, "experts": 4, "length": 8, "validation_windows": 64}


def build(settings, alphabet, router):
    """The language model, and a model of the experts that each block's tokens are sent to."""
    import keras

    from sparse_keras.layers import MixtureOfExperts, MLPExperts, TopKRouter

    layers, width = keras.layers, settings["width"]
    inputs = keras.Input((settings["length"],), dtype="int32")
    x = layers.Embedding(alphabet, width)(inputs)
    positions = layers.Embedding(settings["length"], width)
    x = x + positions(keras.ops.arange(settings["length"]))
    chosen = []
    for block in range(settings["blocks"]):
        normal = layers.LayerNormalization()(x)
        attention = layers.MultiHeadAttention(settings["heads"], width // settings["heads"])
        x = x + attention(normal, normal, use_causal_mask=True)
        mixture = MixtureOfExperts(
            MLPExperts(settings["experts"], settings["hidden_dim"]),
            router=TopKRouter(k=settings["k"], **router),
            name=f"block_{block}_mixture",
        )
        y, routing = mixture(layers.LayerNormalization()(x), return_routing=True)
        chosen.append(routing["expert_index"])
        x = x + y
    logits = layers.Dense(alphabet)(layers.LayerNormalization()(x))
    return keras.Model(inputs, logits), keras.Model(inputs, chosen)


class Training:
    """A variant, compiled once; each run starts from weights drawn for its seed."""

    def __init__(self, settings, alphabet, router):
        import keras

        self.settings, self.alphabet, self.router = settings, alphabet, router
        self.model, self.routing = build(settings, alphabet, router)
        rate = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], settings["steps"])
        self.model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=settings["steps"] // settings["epochs"],
        )

    def run(self, seed, train, validation):
        """Trains afresh.

        Returns:
            A dict: `loss` on the validation windows in nats for a character; `violations`, of the
            load on all of them, one for each layer; `history`, the worst layer's violation over
            the training batches of each epoch.
        """
        import keras

        from sparse_keras.callbacks import ExpertLoad

        settings = self.settings
        keras.utils.set_random_seed(seed)
        self.model.set_weights(build(settings, self.alphabet, self.router)[0].get_weights())
        for variable in self.model.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        rng = np.random.default_rng(seed)
        per_epoch = settings["steps"] // settings["epochs"] * settings["batch_size"]
        watching, history = ExpertLoad(warn=False), []  # Collapse is measured here.
        for _ in range(settings["epochs"]):
            x, y = plays.windows(train, per_epoch, settings["length"], rng)
            found = self.model.fit(
                x,
                y,
                batch_size=settings["batch_size"],
                shuffle=False,
                callbacks=[watching],
                verbose=0,
            )
            history.append(found.history["load_violation"][0])
        x, y = validation
        loss = self.model.evaluate(x, y, batch_size=256, verbose=0)
        chosen = self.routing.predict(x, batch_size=256, verbose=0)
        return {
            "loss": float(loss),
            "violations": [violation(index, settings["experts"]) for index in chosen],
            "history": [float(one) for one in history],
        }


def violation(expert_index, num_experts):
    """The largest load over the mean load, minus 1."""
    load = np.bincount(np.ravel(expert_index), minlength=num_experts)
    return float(load.max() / load.mean() - 1)


def measure(seeds, settings, keep, texts, say=print):
    """All runs of the study.

    Args:
        seeds: Number of seeds, from 0.
        settings: A dict like `SETTINGS`.
        keep: Function that gets the result so far, after each seed.
        texts: Texts to train on, and texts to validate on.
        say: Function that gets a line on progress.

    Returns:
        The result, as it is published.
    """
    start = time.process_time()
    characters = plays.Characters(texts[0])
    train, held_out = (characters.encode(part) for part in texts)
    validation = plays.cut(held_out, settings["length"], settings["validation_windows"])
    trainings = {
        name: Training(settings, characters.size, router) for name, router in VARIANTS.items()
    }
    model = trainings["nothing"].model
    result = {
        "settings": {**settings, "characters": [len(train), len(held_out), characters.size]},
        "parameters": int(sum(np.prod(weight.shape) for weight in model.trainable_weights)),
        "runs": {name: {"loss": [], "violations": [], "history": []} for name in VARIANTS},
    }
    for seed in range(seeds):
        for name, training in trainings.items():
            for key, value in training.run(seed, train, validation).items():
                result["runs"][name][key].append(value)
        result["seeds"] = seed + 1
        command = f"python -m benchmarks.studies.{STUDY} --seeds {seed + 1}"
        result["provenance"] = pages.provenance(command, time.process_time() - start)
        keep(result)
        say(f"{seed + 1} seeds, {result['provenance']['cpu_seconds']} s")
    return result


def publish(result):
    """Draws the picture and writes the tables of a result."""
    report.draw(result, PICTURE)
    text = pages.PAGE.read_text(encoding="utf-8")
    pages.PAGE.write_text(pages.render(text, STUDY, report.BLOCKS, result), encoding="utf-8")


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.studies.{STUDY}", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("--seeds", type=int, default=16)
    add("--quick", action="store_true", help="toy sizes and a toy text, to see that all runs")
    add("--docs", action="store_true", help="only draw and write the tables")
    add("--output", type=pathlib.Path, help=f"default: {OUTPUT.relative_to(pages.ROOT)}")
    args = parser.parse_args(arguments)
    if args.seeds < 3:
        parser.error(f"--seeds must be at least 3, for intervals. Received: {args.seeds}")
    output = args.output or (QUICK_OUTPUT if args.quick else OUTPUT)
    if args.docs:
        publish(pages.read(OUTPUT))
        return
    result = measure(
        3 if args.quick else args.seeds,
        {**SETTINGS, **(QUICK if args.quick else {})},
        keep=lambda result: pages.write(result, output),
        texts=plays.generated() if args.quick else plays.load(),
        say=lambda line: print(line, flush=True),
    )
    if args.quick:
        report.draw(result, output.with_suffix(".svg"))
    elif output == OUTPUT:
        publish(pages.read(output))
    print(f"Wrote {output}")


if __name__ == "__main__":
    main()
