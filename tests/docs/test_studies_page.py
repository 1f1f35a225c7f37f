"""docs/studies.md shows what is in results/studies; its statistics are the textbooks'."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from benchmarks.studies import loss_free_balance, mmoe_synthetic, pages, paired, planted_regions

STUDIES = [mmoe_synthetic, planted_regions, loss_free_balance]
TEXT = pages.PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.STUDY)
def test_the_tables_are_those_of_the_file(study):
    shown = re.findall(rf"<!-- study: {study.STUDY} (\S+) -->", TEXT)
    assert sorted(shown) == sorted(study.report.BLOCKS)
    if study.OUTPUT.is_file():
        rendered = pages.render(TEXT, study.STUDY, study.report.BLOCKS, pages.read(study.OUTPUT))
        assert rendered == TEXT, f"run `python -m benchmarks.studies.{study.STUDY} --docs`"
        assert study.PICTURE.stat().st_size < 150_000


def test_an_unknown_block_is_an_error():
    with pytest.raises(ValueError, match="'nothing'"):
        pages.render("<!-- study: one nothing -->\n<!-- end of study -->", "one", {}, {})


def test_paired_comparison():
    rng = np.random.default_rng(0)
    theirs = np.exp(rng.normal(size=30))
    ours = theirs * np.exp(rng.normal(-0.2, 0.3, size=30))
    found = paired.compare(ours, theirs)
    test = stats.ttest_rel(np.log(ours), np.log(theirs))
    assert found["t_p"] == pytest.approx(test.pvalue)
    low, high = (math.exp(bound) for bound in test.confidence_interval(0.95))
    assert (found["ratio"]["low"], found["ratio"]["high"]) == pytest.approx((low, high))
    assert found["wilcoxon_p"] == pytest.approx(stats.wilcoxon(ours, theirs).pvalue)
    assert found["difference"]["mean"] == pytest.approx(np.mean(ours - theirs))
    assert found["wins"] == sum(ours < theirs) and found["count"] == 30
    # The interval of d excludes 0 exactly where the t test is below 0.05, and d is t / sqrt(n).
    effect = found["effect"]
    assert effect["mean"] == pytest.approx(test.statistic / math.sqrt(30))
    assert (effect["high"] < 0) == (test.pvalue < 0.05)
    # At the bounds, what was seen has probability 2.5 %.
    t, root = effect["mean"] * math.sqrt(30), math.sqrt(30)
    assert stats.nct.sf(t, 29, effect["low"] * root) == pytest.approx(0.025, abs=1e-6)
    assert stats.nct.cdf(t, 29, effect["high"] * root) == pytest.approx(0.025, abs=1e-6)


def test_a_large_effect_of_few_seeds_has_an_interval():
    """t = 20 with 4 degrees of freedom, where SciPy's own distribution fails."""
    differences = 1.0 + np.array([-2, -1, 0, 1, 2]) * math.sqrt(5) / math.sqrt(2.5) / 20
    effect = paired.standardised(differences)
    assert effect["mean"] == pytest.approx(20 / math.sqrt(5))
    # The chi distribution's quantiles bound the ratio: s lies in [0.348, 1.669] with 95 %.
    assert effect["low"] == pytest.approx(0.348 * effect["mean"], rel=0.05)
    assert effect["high"] == pytest.approx(1.669 * effect["mean"], rel=0.05)


def test_holm():
    # Sorted: 0.01 * 3 = 0.03; 0.03 * 2 = 0.06; 0.04 * 1, but not below the one before: 0.06.
    assert paired.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert paired.holm([0.9, 0.8]) == [1.0, 1.0]


def test_p_values_are_printed_short():
    assert [pages.probability(p) for p in (0.25, 0.0012, 0.00034, 2e-12)] == [
        "0.250",
        "0.001",
        "3e-4",
        "2e-12",
    ]


def test_results_are_written_short(tmp_path):
    file = tmp_path / "a.json"
    pages.write({"losses": [[0.12345678, 2.0], [3.0]], "seeds": 2}, file)
    assert '"losses": [\n  [ 0.123457, 2.0 ]' in file.read_text()
    assert pages.read(file) == {"losses": [[0.123457, 2.0], [3.0]], "seeds": 2}
