"""The customers, beside models of a person who cleans the table by hand.

    python -m benchmarks.messy_tables.by_hand    writes results/messy_tables/by_hand.json

For each of five data seeds, by which no setting was chosen, 5,000 customers are there to learn
from, and 10,000 others of the same process to test. `sparse-keras init` and `train` get the file as
it is. The others get a copy that was cleaned by somebody who knows the columns: numbers without
signs, days since each date, month, weekday and hour, plans in lower case, the first digit of the
zip code, notes as TF-IDF (for boosting, reduced to 30 numbers). The strength of the logistic
regression is chosen by cross-validation.
"""

import contextlib
import io
import json
import pathlib
import tempfile

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import sparse_keras
from benchmarks.messy_tables.customers import POSITIVE, TARGET, TODAY, make_customers
from sparse_keras.cli import main as command_line
from sparse_keras.evaluation.statistics import paired_difference

RESULT = pathlib.Path(__file__).resolve().parents[2] / "results" / "messy_tables" / "by_hand.json"
TRAINING_ROWS, TEST_ROWS, SEEDS = 5_000, 10_000, range(100, 105)
_NUMBERS = ["signup", "login", "hour", "age", "income", "discount", "distance", "tickets"]
_CATEGORIES = ["plan", "newsletter", "signup_month", "signup_day", "login_day", "zip"]


def cleaned(frame):
    """The table as a person would clean it."""
    today = pd.Timestamp(TODAY)
    signup = pd.to_datetime(frame["signup_date"])
    login = pd.to_datetime(frame["last_login"], format="%d/%m/%Y %H:%M", errors="coerce")
    number = {name: pd.to_numeric(frame[name], errors="coerce") for name in ("age", "tickets")}
    for name in ("income", "discount", "distance"):
        text = frame[name].str.replace(r"[^\d.]", "", regex=True)
        number[name] = pd.to_numeric(text, errors="coerce")
    return pd.DataFrame(
        {
            **number,
            "signup": (today - signup).dt.days,
            "login": (today - login).dt.total_seconds() / 86_400,
            "hour": login.dt.hour,
            "plan": frame["plan"].str.strip().str.lower(),
            "newsletter": frame["newsletter"].replace("", "missing"),
            "signup_month": signup.dt.month.astype(str),
            "signup_day": signup.dt.day_of_week.astype(str),
            "login_day": login.dt.day_of_week.astype(str),
            "zip": frame["zip"].str[0],
            "notes": frame["notes"],
        }
    )


def _texts():
    return TfidfVectorizer(min_df=2, ngram_range=(1, 2), sublinear_tf=True)


def logistic_regression(seed):
    encoding = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), _NUMBERS),
        (OneHotEncoder(handle_unknown="ignore"), _CATEGORIES),
        (_texts(), "notes"),
    )
    return GridSearchCV(
        make_pipeline(encoding, LogisticRegression(max_iter=2_000)),
        {"logisticregression__C": [0.01, 0.03, 0.1, 0.3, 1, 3]},
        scoring="roc_auc",
        cv=StratifiedKFold(5, shuffle=True, random_state=seed),
    )


def boosting(seed):
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    encoding = make_column_transformer(
        ("passthrough", _NUMBERS),
        (codes, _CATEGORIES),
        (make_pipeline(_texts(), TruncatedSVD(30, random_state=seed)), "notes"),
    )
    return make_pipeline(encoding, HistGradientBoostingClassifier(random_state=seed))


def sparse_experts(frame, test, folder, seed):
    """Probabilities of the config that `init` writes."""
    frame.to_csv(folder / "customers.csv", index=False)
    config = folder / "customers.yaml"
    with contextlib.redirect_stdout(io.StringIO()):
        csv = str(folder / "customers.csv")
        assert command_line(["init", csv, "--target", TARGET, "--output", str(config)]) == 0
    loaded = sparse_keras.load_config(config, [f"training.seed={seed}"])
    run = sparse_keras.train(loaded, output=folder, verbose=0)
    return run.model.predict(test, verbose=0)[:, 0]


def measure(seed):
    """The AUC of each model for the customers of a data seed."""
    rows, probability = make_customers(seed, TRAINING_ROWS + TEST_ROWS)
    frame, test = rows[:TRAINING_ROWS], rows[TRAINING_ROWS:].reset_index(drop=True)
    y, expected = (frame[TARGET] == POSITIVE), (test[TARGET] == POSITIVE)
    with tempfile.TemporaryDirectory() as folder:
        ours = sparse_experts(frame, test, pathlib.Path(folder), seed)
    scores = {"true probabilities": probability[TRAINING_ROWS:], "sparse experts": ours}
    x, x_test = cleaned(frame), cleaned(test)
    for name, make in {"linear": logistic_regression, "boosting": boosting}.items():
        scores[name] = make(seed).fit(x, y).predict_proba(x_test)[:, 1]
    return {name: float(roc_auc_score(expected, score)) for name, score in scores.items()}


def sentence(result):
    """The results in a sentence of Markdown."""
    of = {name: np.array(values) for name, values in result["auc"].items()}
    means = {name: f"{values.mean():.3f}" for name, values in of.items()}
    better = of["sparse experts"] - of["linear"]
    low, high = result["sparse experts minus linear"]
    return (
        f"On {len(better)} made-up tables of {result['training_rows']:,} customers, tested on "
        f"{result['test_rows']:,} others each: the true probabilities reach an AUC of "
        f"{means['true probabilities']}, the config as `init` writes it {means['sparse experts']}, "
        f"logistic regression with TF-IDF on a copy cleaned by hand {means['linear']} (difference "
        f"{better.mean():+.3f} [{low:+.3f}, {high:+.3f}], better on {(better > 0).sum()} of "
        f"{len(better)}), gradient boosting on that copy {means['boosting']}.\n"
    )


def main():
    auc = {}
    for seed in SEEDS:
        measured = measure(seed)
        print(seed, {name: round(value, 4) for name, value in measured.items()}, flush=True)
        for name, value in measured.items():
            auc.setdefault(name, []).append(value)
    difference = paired_difference(auc["sparse experts"], auc["linear"], True)
    result = {
        "training_rows": TRAINING_ROWS,
        "test_rows": TEST_ROWS,
        "auc": auc,
        "sparse experts minus linear": [difference["low"], difference["high"]],
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(sentence(result))


if __name__ == "__main__":
    main()
