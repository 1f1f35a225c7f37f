"""When do experts help? Regions with rules of their own, and the same inputs without regions.

    python -m benchmarks.studies.planted_regions           # 5 seeds: 12 minutes on one core
    python -m benchmarks.studies.planted_regions --docs    # only draws and writes the tables

Sparse experts, their dense twins of equal active FLOPs and of equal parameters, the same experts
behind a router that stays as it was drawn, and gradient boosting learn the same rows
(`planted_data`), at five shares of the target's variance that regions explain.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np

from benchmarks.studies import pages
from benchmarks.studies import planted_regions_report as report

STUDY = "planted_regions"
OUTPUT = pages.RESULTS / f"{STUDY}.json"
PICTURE = pages.PICTURES / f"{STUDY}.svg"
# Toy figures must not land on measured ones, so --quick writes elsewhere.
QUICK_OUTPUT = pathlib.Path(tempfile.gettempdir()) / f"sparse_keras_{STUDY}_quick.json"

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SETTINGS = {
    "rows": [20_000, 2_000, 8_000],  # training, validation, test
    "epochs": 20,
    "batch_size": 256,
    "learning_rate": 1e-2,
    "experts": 32,
    "hidden_dim": 8,
    "k": 2,
    "stem": 32,
    "trees": 500,
}
QUICK = {"rows": [128, 32, 64], "epochs": 1, "batch_size": 64, "experts": 4, "trees": 5}


class Networks:
    """The networks, compiled once; each training starts from weights drawn for its seed."""

    def __init__(self, settings):
        self.settings = settings
        self._steps = settings["rows"][0] // settings["batch_size"]
        self.widths = self._twin_widths()
        self._models = {name: self._compiled(name) for name in self.builders()}

    def builders(self):
        """Dict from a network's name to what builds it."""
        return {
            "experts": self._sparse,
            "frozen_router": lambda: self._sparse(trainable=False),
            "equal_flops": lambda: self._dense(self.widths["equal_flops"]),
            "equal_params": lambda: self._dense(self.widths["equal_params"]),
        }

    def costs(self):
        """Parameters and FLOPs of each network, and the hidden width of the dense ones."""
        from sparse_keras.models import flops_per_example, total_params

        return {
            name: {
                "parameters": int(total_params(model)),
                "flops": int(flops_per_example(model)),
                "hidden_dim": self.widths.get(name),
            }
            for name, model in self._models.items()
        }

    def fit(self, name, seed, train, validation):
        """Trains a network afresh and keeps the best epoch's weights. Returns the model."""
        import keras

        settings, model = self.settings, self._models[name]
        keras.utils.set_random_seed(seed)
        model.set_weights(self.builders()[name]().get_weights())
        for variable in model.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        best = keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=settings["epochs"], restore_best_weights=True
        )
        rows = self._steps * settings["batch_size"]
        model.fit(
            train[0][:rows],
            train[1][:rows],
            batch_size=settings["batch_size"],
            epochs=settings["epochs"],
            validation_data=validation[:2],
            validation_batch_size=len(validation[0]),
            callbacks=[best],
            verbose=0,
        )
        return model

    def _compiled(self, name):
        import keras

        model = self.builders()[name]()
        steps = self._steps * self.settings["epochs"]
        rate = keras.optimizers.schedules.CosineDecay(self.settings["learning_rate"], steps)
        model.compile(keras.optimizers.Adam(rate), "mse", steps_per_execution=self._steps)
        return model

    def _sparse(self, trainable=True):
        from sparse_keras.models import sparse_mlp

        settings = self.settings
        return sparse_mlp(
            experts={
                "type": "mlp",
                "num_experts": settings["experts"],
                "hidden_dim": settings["hidden_dim"],
                "activation": "relu",
            },
            router={
                "type": "top_k",
                "k": settings["k"],
                "use_bias": True,
                "trainable": trainable,
            },
            **self._around(),
        )

    def _dense(self, hidden_dim):
        from sparse_keras.models import dense_mlp

        return dense_mlp(hidden_dim=hidden_dim, **self._around())

    def _around(self):
        from benchmarks.studies import planted_data
        from sparse_keras.data import TableInputs

        return {
            "inputs": TableInputs(planted_data.DIM),
            "task": "regression",
            "stem": self.settings["stem"],
        }

    def _twin_widths(self):
        """Hidden widths of the dense twins: costs grow by the same amount with each unit."""
        from sparse_keras.models import flops_per_example, total_params

        widths, sparse = {}, self._sparse()
        for name, cost in (("equal_flops", flops_per_example), ("equal_params", total_params)):
            one, two = (cost(self._dense(width)) for width in (1, 2))
            widths[name] = max(1, round(1 + (cost(sparse) - one) / (two - one)))
        return widths


def chosen_experts(model, x):
    """The expert of the largest weight for each row, int `[B]`."""
    import keras

    layer = model.get_layer("block_0_mixture")
    _, routing = layer(keras.Model(model.input, layer.input)(x), return_routing=True)
    return keras.ops.convert_to_numpy(routing["expert_index"])[:, 0]


def unexplained(y, prediction):
    """Share of the target's variance that a prediction leaves."""
    return float(np.mean((np.ravel(prediction) - np.ravel(y)) ** 2) / np.var(y))


def measure_one(networks, seed, strength, settings):
    """Errors of all models on one data set, and what the routers agree with the regions."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import adjusted_mutual_info_score

    from benchmarks.studies import planted_data

    train, validation, test = planted_data.draw(seed, strength, settings["rows"])
    errors, agreement = {}, {}
    for name in networks.builders():
        model = networks.fit(name, seed, train, validation)
        prediction = model.predict(test[0], batch_size=len(test[0]), verbose=0)
        errors[name] = unexplained(test[1], prediction)
        if name in ("experts", "frozen_router"):
            experts = chosen_experts(model, test[0])
            agreement[name] = float(adjusted_mutual_info_score(test[2], experts))
    boosting = HistGradientBoostingRegressor(
        max_iter=settings["trees"], early_stopping=True, random_state=seed
    )
    x, y, _ = (np.concatenate(pair) for pair in zip(train, validation, strict=True))
    boosting.fit(x, y.ravel())
    errors["boosting"] = unexplained(test[1], boosting.predict(test[0]))
    return errors, agreement


def measure(seeds, settings, keep, strengths=STRENGTHS, say=print):
    """All errors of the study.

    Args:
        seeds: Number of seeds, from 0.
        settings: A dict like `SETTINGS`.
        keep: Function that gets the result so far, after each seed.
        strengths: Shares of the target's variance that regions explain.
        say: Function that gets a line on progress.

    Returns:
        The result, as it is published.
    """
    from benchmarks.studies import planted_data

    start = time.process_time()
    networks = Networks(settings)
    result = {
        "settings": {
            **settings,
            "dim": planted_data.DIM,
            "regions": planted_data.REGIONS,
            "noise_variance": planted_data.NOISE_VARIANCE,
        },
        "strengths": list(strengths),
        "costs": networks.costs(),
    }
    found = []
    for seed in range(seeds):
        found.append([measure_one(networks, seed, one, settings) for one in strengths])
        for position, part in enumerate(("errors", "agreement")):
            result[part] = {
                name: [
                    [of_seed[number][position][name] for of_seed in found]
                    for number in range(len(strengths))
                ]
                for name in found[0][0][position]
            }
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
        prog="python -m benchmarks.studies.planted_regions", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("--seeds", type=int, default=5)
    add("--quick", action="store_true", help="toy sizes, to see that everything runs")
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
        strengths=STRENGTHS[-1:] if args.quick else STRENGTHS,
        say=lambda line: print(line, flush=True),
    )
    if args.quick:
        report.draw(result, output.with_suffix(".svg"))
    elif output == OUTPUT:
        publish(pages.read(output))
    print(f"Wrote {output}")


if __name__ == "__main__":
    main()
