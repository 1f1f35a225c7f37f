# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From your own table to a model that predicts
#
# A table as people bring it: dates in two formats, money, percentages, "unknown" among numbers,
# free text, and few "yes". In this notebook we
#
# 1. let `sparse-keras init` read it and write a config,
# 2. see what happens to a typo, and to a column that would be misread,
# 3. train, and look at metrics that mean something for rare classes,
# 4. choose a threshold,
# 5. predict a new file, on the command line and in Python,
# 6. compare with gradient boosting and logistic regression, and see what to do if they are better.
#
# Every claim is checked by an `assert`.

# %%
# To install what this notebook needs, in a clone of the repository: pip install ".[notebooks]"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Hides TensorFlow's start-up messages.

import json
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import PrecisionRecallDisplay, roc_auc_score

import sparse_keras
from sparse_keras.callbacks import RoutingWarning
from sparse_keras.evaluation.tabular.sklearn_baselines import Boosting, Linear

# With so few rows, some experts get none. The command line also warns; once is enough.
warnings.simplefilter("ignore", RoutingWarning)


def run(command, expect=0):
    """Runs a `sparse-keras` command as in a shell. Prints and returns its output."""
    words = shlex.split(command)[1:]
    # Notebooks ask programs for colours, which would be escape codes here.
    plain = {name: value for name, value in os.environ.items() if "FORCE" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "sparse_keras", *words], capture_output=True, text=True, env=plain
    )
    output = (done.stdout + done.stderr).replace(str(Path.cwd()), "...")
    print(f"$ {command}\n{output}")
    assert done.returncode == expect, done.returncode
    return output


# %% [markdown]
# ## 1. A table, and a config for it
#
# The customers are made up, so that we know why they leave: after a long time without a login,
# with many tickets, and after notes about cancelling; on the plan "pro" notes matter more.


# %%
def customers(rows, seed):
    rng = np.random.default_rng(seed)
    today = pd.Timestamp("2024-06-30")
    signup = today - pd.to_timedelta(rng.integers(1, 2000, rows), unit="D")
    idle = np.minimum(rng.exponential(25, rows), (today - signup).days)
    login = today - pd.to_timedelta(idle, unit="D")
    tickets, plan = rng.poisson(1, rows), rng.choice(["basic", "plus", "pro"], rows)
    praise = ["asked about the invoice", "is happy with the service", "changed the address"]
    blame = ["wants to cancel", "calls it too expensive", "compares it with another provider"]
    unhappy = rng.random(rows) < 0.15
    notes = np.where(unhappy, rng.choice(blame, rows), rng.choice(praise, rows))
    names = rng.choice(["The customer", "A colleague", "She", "He"], rows)
    days = rng.choice(["on Monday", "by mail", "on the phone", "in the shop", "again"], rows)
    calls = [f"ticket {number}" for number in rng.integers(1000, 9999, rows)]
    logit = -4.9 + 0.03 * idle + 0.4 * tickets + unhappy * np.where(plan == "pro", 3.0, 1.2)
    frame = pd.DataFrame(
        {
            "customer": [f"C-{number:05}" for number in rng.permutation(rows)],
            "signup": signup.strftime("%Y-%m-%d"),
            "last_login": login.strftime("%d/%m/%Y %H:%M"),
            "age": rng.integers(18, 80, rows).astype(str),
            "income": [f"${amount:,.2f}" for amount in rng.gamma(4, 1000, rows)],
            "discount": [f"{percent}%" for percent in rng.integers(0, 30, rows)],
            "plan": plan,
            "tickets": tickets,
            "notes": [" ".join(words) for words in zip(names, notes, days, calls, strict=True)],
        }
    )
    frame.loc[rng.random(rows) < 0.01, "age"] = "unknown"
    frame.loc[rng.random(rows) < 0.03, "notes"] = ""
    leaves = rng.random(rows) < 1 / (1 + np.exp(-logit))
    return frame, np.where(leaves, "yes", "no")


table, churned = customers(4000, seed=0)
table.assign(churned=churned).to_csv("customers.csv", index=False)
print(f"{np.mean(churned == 'yes'):.1%} leave")
table.head(3)

# %%
output = run("sparse-keras init customers.csv --target churned")
config_text = Path("customers.yaml").read_text()
print("\n".join(config_text.splitlines()[1:]))  # The first line tells editors where the schema is.

assert 'last_login: {type: date, format: "%d/%m/%Y %H:%M"}' in config_text
assert "customer: ignore" in config_text and "notes: {type: text" in config_text

# %% [markdown]
# `init` shows what becomes of each column, the most surprising first. Nothing is dropped without
# being shown, and each decision is a line of the config that you can change:
#
# * dates become year, month, weekday, hour, and the days before the newest training row,
# * `$1,250.50` and `10%` become numbers,
# * "unknown" is declared to be a missing value,
# * notes become TF-IDF, weighted counts of words, beside the other columns.
#
# ## 2. Nothing is ignored, nothing is guessed
#
# Many programs ignore a typo in a config and use the default. This one raises an error:

# %%
Path("typo.yaml").write_text(config_text.replace("dropout", "droput"))
output = run("sparse-keras check typo.yaml", expect=2)
assert "did you mean 'dropout'?" in output

# %% [markdown]
# And a config that does not say what the columns hold does not take each of 4,000 dates for a
# category. All columns that need a decision are listed at once, with the keys that make it:

# %%
data_key = "data: {type: csv, path: customers.csv, target: churned}"
Path("short.yaml").write_text(f"version: 1\nextends: tabular/sparse_mlp\n{data_key}\n")
output = run("sparse-keras check short.yaml --build", expect=2)
assert "7 columns cannot be used as they are" in output

# %% [markdown]
# ## 3. Train
#
# Training writes everything about the run to a folder: the config as written and as resolved,
# versions, the history, the test metrics, and `model.keras`, which includes the preprocessing.
# `--report` adds a page, `report.html`, with curves, calibration, what each column and each expert
# contributes, and baselines on the same rows: open it in a browser.

# %%
output = run("sparse-keras train customers.yaml --report")
(folder,) = Path("runs/customers").iterdir()
metrics = json.loads((folder / "metrics.json").read_text())
print(sorted(path.name for path in folder.iterdir()))

assert "report.html" in [path.name for path in folder.iterdir()]

# %% [markdown]
# Of the test rows, 94 % are "no": an accuracy of 0.94 is what a model reaches that says "no" to
# everybody. So look at AUC (0.5 is chance) and at average precision (chance is the base rate):

# %%
for name in ("base_rate", "baseline_accuracy", "accuracy", "auc", "average_precision", "f1"):
    print(f"{name:18} {metrics[name]:.3f}")

assert metrics["auc"] > 0.7
assert metrics["average_precision"] > 2 * metrics["base_rate"]

# %% [markdown]
# ## 4. The threshold
#
# A model predicts probabilities; from which one on a customer gets a call is a decision. The config
# says `threshold: f1`, so that it was chosen on the validation rows, and saved with the model. It
# is far below 0.5, as always where "yes" is rare. If a call costs 1 and a lost customer 20, the
# best threshold of a calibrated model is 1 / 21.

# %%
config = sparse_keras.load_config("customers.yaml")
data = sparse_keras.load_data(config)
model = sparse_keras.load_model(folder)
test = data.frames["test"]
probability = model.predict(test, verbose=0)[:, 0]
leaves = (test["churned"] == "yes").to_numpy()
print(f"threshold {model.threshold:.3f}: {np.mean(probability >= model.threshold):.1%} get a call")

figure, axis = plt.subplots(figsize=(5, 3.5))
PrecisionRecallDisplay.from_predictions(leaves, probability, plot_chance_level=True, ax=axis)
axis.plot(metrics["recall"], metrics["precision"], "o", label="the threshold")
axis.legend()

assert model.threshold < 0.5
np.testing.assert_allclose(roc_auc_score(leaves, probability), metrics["auc"], atol=1e-6)

# %% [markdown]
# ## 5. Predict a new file
#
# Other customers, in the same format; one plan that did not exist, and a date that is missing:

# %%
new, _ = customers(500, seed=1)
new.loc[0, ["plan", "last_login"]] = ["family", ""]
new.to_csv("new.csv", index=False)
run(f"sparse-keras predict {folder} new.csv --keep customer --output predictions.csv")
predictions = pd.read_csv("predictions.csv")
predictions.head()

# %% [markdown]
# The same in Python. A frame may also hold numbers and datetimes as such; a dict is a single row:

# %%
frame = model.predict_frame(new, verbose=0)
typed = new.assign(
    income=new["income"].str.replace("[$,]", "", regex=True).astype(float),
    last_login=pd.to_datetime(new["last_login"], format="%d/%m/%Y %H:%M"),
)
print(f"one customer: {model.predict(new.iloc[1].to_dict(), verbose=0).item():.1%}")

for same in (frame, model.predict_frame(typed, verbose=0)):
    np.testing.assert_allclose(same["probability_yes"], predictions["probability_yes"], atol=1e-5)
    assert same["prediction"].tolist() == predictions["prediction"].tolist()

# %% [markdown]
# ## 6. Was it worth it?
#
# On small tables, gradient boosting and linear models are strong. Here they get the same columns,
# as `sparse-keras compare` gives them: dates in parts, texts as TF-IDF (for boosting, reduced to 32
# numbers).

# %%
rows = pd.concat([data.frames["train"], data.frames["validation"]], ignore_index=True)
scores = {"sparse experts": metrics["auc"]}
for name, baseline in {"gradient boosting": Boosting, "logistic regression": Linear}.items():
    predicted = baseline(data.features).fit(rows).predict(test)[:, 0]
    scores[name] = roc_auc_score(leaves, predicted)
for name, auc in scores.items():
    print(f"{name:20} test AUC {auc:.3f}")

# With so few customers who leave, the standard error of an AUC is large (Hanley and McNeil, 1982).
error = np.sqrt(metrics["auc"] * (1 - metrics["auc"]) / leaves.sum())
print(f"standard error, at most {error:.3f}")

assert max(scores.values()) - scores["sparse experts"] < 3 * error

# %% [markdown]
# With a single seed and some fifty customers who leave, differences of one standard error mean
# nothing: `sparse-keras compare customers.yaml --seeds 5` gives paired intervals.
#
# If boosting is better, and by more than that:
#
# * Look at the report: columns without importance can be left out (`ignore`, or `data.features`).
# * Regularise: more `dropout`, fewer and narrower experts, `optimizer.weight_decay`; a larger
#   `ensemble` averages more models that share most weights.
# * Where rules are sharp thresholds of single columns, trees stay ahead. Take them:
#   the report and `compare` show what you would lose, and nothing here forces you to use experts.
#
# Next steps: [docs/data.md](../docs/data.md) on kinds of columns and splits,
# [docs/imbalance.md](../docs/imbalance.md) on rare classes, [docs/report.md](../docs/report.md) on
# the page, [docs/estimators.md](../docs/estimators.md) on scikit-learn, and
# [docs/configs.md](../docs/configs.md) for all keys. `sparse-keras export` writes a TensorFlow
# SavedModel that takes raw rows and does not need Python.
