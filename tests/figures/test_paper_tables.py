"""Tables of the papers: rows by configuration, numbers with their errors, and the paper's beside them."""

import csv
import io
import math

import pytest

from landscape.comparison.identity import renamed
from landscape.comparison.readings import train_nll
from landscape.figures.papers.networks import smoothing_of
from landscape.figures.papers.tables import predictions, table
from landscape.report.tables import as_csv, as_latex, as_markdown, printed, write_table
from landscape.results.estimate import Estimate
from landscape.zoo import parse
from tests.figures.paper_results import SPECS, configured, family
from tests.figures.planes import surface
from tests.figures.prediction_results import ensemble
from tests.figures.synthetic import evaluation

PLAIN = "cifar-resnet20:dropout=0.2"


@pytest.fixture(scope="module")
def results():
    return family(["evaluation", "ensemble", "surface"])


def column(found, heading):
    index = found.columns.index(heading)
    return {row[0]: row[index] for row in found.rows}


def test_rows_are_the_roles_in_the_papers_order(results):
    found = table("Table E.1", renamed(results))
    assert column(found, "network") == {
        "deterministic": "gap",
        "deterministic + S": "gap-blur",
        "MC dropout": "mcd-gap",
        "MC dropout + S": "mcd-gap-blur",
    }
    assert list(column(found, "network")) == [row[0] for row in found.rows]
    assert found.columns[-1] == "P1 (ResNet-18, CIFAR-10): NLL / accuracy / ECE"
    assert found.rows[2][-1] == "0.157 / 95.2 / 1.14"


def test_the_largest_ensemble_is_taken_and_else_the_evaluation(results):
    found = table("Table E.1", renamed(results))
    assert column(found, "N") == {
        "deterministic": "1", "deterministic + S": "1", "MC dropout": "12", "MC dropout + S": "12",
    }  # fmt: skip
    last = results["mcd-gap"]["ensemble"].isel(size=-1)
    nll = Estimate(float(last["nll"]), float(last["nll_standard_error"]))
    assert column(found, "NLL")["MC dropout"] == nll
    accuracy = column(found, "accuracy (%)")["MC dropout"]
    assert accuracy.value == pytest.approx(100 * float(last["accuracy"]))
    assert accuracy.error == pytest.approx(100 * float(last["accuracy_standard_error"]))
    alone = results["gap"]["evaluation"]
    assert column(found, "ECE (%)")["deterministic"].error == 100 * float(alone["ece_standard_error"])


def test_training_likelihood_is_that_of_the_evaluation_or_of_the_centre_of_the_surface(results):
    kinds = renamed(results)["mcd-gap"]
    centre = kinds["surface"].sel(x=0, y=0)
    assert train_nll(kinds) == Estimate(float(centre["nll"]), float(centre["standard_error"]))
    trained = configured(evaluation("mcd-gap", nll=0.03, error=0.002), PLAIN)  # its split is train
    assert train_nll(renamed({"": {**kinds, "other": trained}})[""]) == Estimate(0.03, 0.002)
    test = configured(surface("mcd-gap"), PLAIN, data={"split": "test", "samples": 10})
    assert train_nll({"surface": test}) is None
    off_centre = kinds["surface"].isel(x=slice(3, None))
    assert train_nll({"surface": off_centre}) is None
    found = table("Table C.1", renamed(results))
    assert column(found, "train NLL")["GAP"].value == float(centre["nll"])
    assert found.selection.absent == ("max", "median")


def test_an_evaluation_on_training_images_is_no_test_result():
    found = renamed({"gap": {"evaluation": configured(evaluation("gap"), SPECS["gap"])}})
    assert predictions(found["gap"]) is None
    assert table("Table E.1", renamed(found)).rows == ()


@pytest.mark.parametrize(
    ("spec", "surgery", "expected"),
    [
        (PLAIN, "", ("none", 1, None)),
        (f"{PLAIN},blur", "", ("tanh", 2, None)),
        (f"{PLAIN},blur,stages=2", "", ("tanh", 2, (2,))),
        (f"{PLAIN},kernel=1-2-1,prob=relu6", "", ("relu6", 3, None)),
        (PLAIN, "relu6@smooth1,smooth2,smooth3", ("relu6", 1, None)),
        (PLAIN, "prob-blur5@layer2", ("tanh", 5, (2,))),
        (PLAIN, "blur@fc", None),
        (PLAIN, "blur@smooth1+relu6@smooth2", None),
        ("vgg11:head=gap", "blur@layer1", ("none", 2, (2,))),
        (f"{PLAIN},blur", "blur@layer1.0", None),
        ("cifar-preresnet20:blur", "", None),
    ],
)
def test_smoothing_is_read_from_the_configuration_or_the_surgery(spec, surgery, expected):
    assert smoothing_of({"config": parse(spec).to_dict(), "surgery": surgery}) == expected


def test_ablation_has_trained_networks_before_those_inserted():
    every = "@smooth1,smooth2,smooth3"
    made = {
        "plain": (PLAIN, ""),
        "blur": (f"{PLAIN},kernel=1-1,prob=none", ""),
        "blur+": (PLAIN, f"blur{every}"),
        "relu6+": (PLAIN, f"relu6-blur{every}"),
        "one": (PLAIN, "relu6@smooth1"),
    }
    results = {
        name: {"ensemble": configured(ensemble(name), spec, surgery=surgery)}
        for name, (spec, surgery) in made.items()
    }
    found = table("Table B.1", renamed(results))
    assert column(found, "network") == {
        "no smoothing": "plain", "blur": "blur", "blur ∘ ReLU6, inserted": "relu6+",
    }  # fmt: skip
    assert column(found, found.columns[-1]) == {
        "no smoothing": "0.848", "blur": "0.806", "blur ∘ ReLU6, inserted": None,
    }  # fmt: skip
    assert "blur ∘ ReLU6" not in found.selection.absent
    assert "ReLU6" in found.selection.absent


def test_rows_of_other_samples_are_said(results):
    fewer = configured(ensemble("mcd-gap"), PLAIN, data={"samples": 7, "split": "test", "source": "demo"})
    found = table("Table E.1", renamed(results | {"mcd-gap": {"ensemble": fewer}}))
    assert "Rows of different samples do not compare" in found.note
    assert "7 test samples of demo (MC dropout)" in found.note
    assert "do not compare" not in table("Table E.1", renamed(results)).note


def test_pre_activation_stands_beside_the_plain_network(results):
    found = table("Table C.2", renamed(results))
    assert column(found, "network") == {
        "deterministic": "gap", "deterministic, pre-activation": "gap-preact", "MC dropout": "mcd-gap",
    }  # fmt: skip
    assert found.selection.absent == ("MC dropout, pre-activation",)


@pytest.fixture
def small():
    found = {
        "a_b": {"evaluation": configured(evaluation("a_b", nll=1 / 3), SPECS["gap"], data={"split": "test"})}
    }
    return table("Table E.1", renamed(found))


def test_csv_has_numbers_in_full_with_their_errors(small):
    (row,) = csv.DictReader(io.StringIO(as_csv(small)))
    assert float(row["NLL"]) == 1 / 3
    assert float(row["NLL standard error"]) == 0.01
    assert row["network"] == "a_b"
    assert "network standard error" not in row


def test_latex_has_rules_and_nothing_that_latex_takes_for_its_own(small):
    text = as_latex(small, "100 % of a_b & c\n\nnotes, of 8 seeds", "p1-tablec1")
    assert "\\label{tab:p1-tablec1}" in text
    assert "% notes, of 8 seeds\n" in text
    inside = text.partition("\\begin{adjustbox}{max width=\\linewidth}\n")[2].partition("\\end{adjustbox}")[0]
    assert inside.startswith("\\begin{tabular}{")
    assert inside.endswith("\\end{tabular}\n")
    assert text.count("\\toprule") == text.count("\\midrule") == text.count("\\bottomrule") == 1
    assert r"\caption{100 \% of a\_b \& c}" in text
    body = next(line for line in text.splitlines() if "a\\_b &" in line)
    assert r"0.333~$\pm$~0.020" in body
    assert body.count(" & ") == len(small.columns) - 1
    assert text.isascii()


def test_markdown_is_a_table_with_its_caption(small):
    lines = as_markdown(small, "words").splitlines()
    assert len({line.count("|") for line in lines[:3]}) == 1
    assert "0.333\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.020" in lines[2]
    assert lines[-1] == "words"


def test_cells_that_are_not_known_are_a_dash(tmp_path, small):
    assert printed(None) == "–"
    assert printed(Estimate(2.0, None)) == "2.00"
    paths = write_table(small, tmp_path / "t", "words")
    assert [path.suffix for path in paths] == [".csv", ".tex", ".md"]
    assert all(path.stat().st_size for path in paths)
    assert math.isfinite(small.rows[0][3].value)
