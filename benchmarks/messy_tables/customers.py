"""A made-up customer table, as people bring it: who leaves in the 90 days after 30 June 2024?

5,000 rows, 13 columns, 5 % yes. Dates in two formats, an identifier, money, percentages, a unit,
"unknown" among ages, categories in several spellings, codes with leading zeros, yes and no with
gaps, support notes. `make_customers` returns the table as text, and beside it the true probability
of each row, so that the best AUC that any model could reach is known.

The process was written down before any model of this library was fitted. Its effects were scaled
once, by about 1.15, after logistic regression, boosting and the best possible AUC had been
measured, so that the last one is about 0.8. The log odds of leaving are the sum of

    recency     0.6 log(1 + weeks since the last login); never logged in: +1.2
    tenure      -0.18 for each year since the sign-up
    tickets     0.25 for each ticket, but 0.7 in the first 180 days
    age         0.6 times the squared distance from 45 in units of 18 years, at most 2
    income      -0.35 for each standard deviation of its logarithm
    plan        basic +0.35, plus 0, pro -0.35
    discount    basic alone: -0.08 for each percent
    distance    zip codes 0 to 3 alone, where a competitor has its shops: +1.0 beyond 15 km
    season      signed up in November or December, in a campaign: +0.8; on a weekend: +0.35
    newsletter  no: +0.35; not known: +0.2
    notes       the risk of their sentences (notes_grammar.py) times 1.8 for the plan pro or in the
                first 180 days, otherwise times 0.7
    unseen      a normal variable with standard deviation 0.6, which no column shows

and a constant, which makes 5 % yes on average. "Never logged in" is 3 % of the rows; other gaps say
nothing about leaving.
"""

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from benchmarks.messy_tables.notes_grammar import write_notes

TODAY = np.datetime64("2024-06-30T00:00", "m")
TARGET, POSITIVE = "churned", "yes"
_UNSEEN = 0.6  # Standard deviation of what no column shows.
_SPELLINGS = {
    "basic": ["basic", "Basic", "BASIC", " basic", "basic "],
    "plus": ["plus", "Plus", "PLUS", "plus "],
    "pro": ["pro", "Pro", "PRO", " pro"],
}


def make_customers(seed=0, rows=5_000, base_rate=0.05):
    """Draws a customer table.

    Args:
        seed: Seed of the data.
        rows: Number of rows.
        base_rate: Expected part of the rows whose target is "yes".

    Returns:
        `(frame, probabilities)`: a DataFrame of text, to be written as CSV, and float64 `[rows]`,
        the probability of "yes" given all columns.
    """
    rng = np.random.default_rng([seed, 17])
    days = rng.integers(1, 2_000, rows)
    signup = TODAY.astype("datetime64[D]") - days
    since_login = np.minimum(rng.exponential(1, rows) ** 1.4 * 25, days - 0.5)
    minutes = (since_login * 24 * 60).astype("timedelta64[m]")
    login, never = TODAY - minutes, rng.random(rows) < 0.03
    age = np.clip(rng.normal(45, 16, rows), 18, 90).round()
    log_income = rng.normal(0, 1, rows)
    plan = rng.choice(list(_SPELLINGS), rows, p=[0.5, 0.3, 0.2])
    discount = rng.choice([0, 5, 10, 15, 20, 25, 30], rows, p=[0.4, 0.1, 0.2, 0.1, 0.1, 0.05, 0.05])
    distance = rng.gamma(1.8, 6, rows).round(1)
    zip_code = rng.choice(rng.integers(0, 100_000, 400), rows)
    tickets = rng.poisson(rng.gamma(1.5, 0.8, rows))
    newsletter = rng.choice(["yes", "no", ""], rows, p=[0.5, 0.42, 0.08])
    notes, risk = write_notes(rng, rows)

    new = days <= 180
    month = signup.astype("datetime64[M]").astype(int) % 12 + 1
    weekend = (signup.astype(int) + 3) % 7 >= 5  # 1 January 1970 was a Thursday.
    logits = (
        np.where(never, 1.2, 0.6 * np.log1p(since_login / 7))
        - 0.18 * days / 365
        + np.where(new, 0.7, 0.25) * tickets
        + 0.6 * np.minimum(((age - 45) / 18) ** 2, 2)
        - 0.35 * log_income
        + np.select([plan == "basic", plan == "pro"], [0.35, -0.35], 0.0)
        - np.where(plan == "basic", 0.08 * discount, 0.0)
        + 1.0 * ((zip_code < 40_000) & (distance > 15))
        + 0.8 * (month >= 11)
        + 0.35 * weekend
        + np.select([newsletter == "no", newsletter == ""], [0.35, 0.2], 0.0)
        + np.where(new | (plan == "pro"), 1.8, 0.7) * risk
    )
    probabilities = _given_what_is_seen(logits, base_rate)
    frame = pd.DataFrame(
        {
            "customer_id": [f"C-{10_000 + number}" for number in rng.permutation(rows)],
            "signup_date": signup.astype(str),
            "last_login": np.where(never, "", pd.to_datetime(login).strftime("%d/%m/%Y %H:%M")),
            "age": np.where(rng.random(rows) < 0.01, "unknown", age.astype(int).astype(str)),
            "income": [f"${value:,.2f}" for value in 3_500 * np.exp(0.5 * log_income)],
            "discount": [f"{value}%" for value in discount],
            "distance": [f"{value} km" for value in distance],
            "plan": [_SPELLINGS[name][rng.integers(len(_SPELLINGS[name]))] for name in plan],
            "zip": [f"{value:05d}" for value in zip_code],
            "tickets": tickets,
            "newsletter": newsletter,
            "notes": notes,
            TARGET: np.where(rng.random(rows) < probabilities, POSITIVE, "no"),
        }
    )
    return frame, probabilities


def _given_what_is_seen(logits, base_rate):
    """Probabilities, averaged over what no column shows; their mean is the base rate."""
    points, weights = np.polynomial.hermite_e.hermegauss(21)
    weights = weights / weights.sum()

    def averaged(constant):
        return expit(logits[:, None] + constant + _UNSEEN * points) @ weights

    constant = brentq(lambda value: averaged(value).mean() - base_rate, -20, 20)
    return averaged(constant)
