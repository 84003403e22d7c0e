"""Tutorials and the examples of the guides run, and what they say of their results is true."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))


def density_in_five_minutes(names):
    probability = np.exp(names["density"].score_samples(names["grid"])).sum() * names["cell"]
    assert probability == pytest.approx(1, abs=0.01)
    threshold = names["threshold"]
    assert np.mean(names["normal"] < threshold) < 0.15
    assert np.mean(names["anomalous"] < threshold) > 0.6


def topics_in_a_table(names):
    density, X, topic = names["density"], names["X_test"], names["topic"]
    assert density.predict_proba(X).shape == (len(X), 3)
    assert names["normalized_mutual_info_score"](names["grape_test"], topic) > 0.6
    for k in range(3):
        assert np.mean(density.predict(density.sample(200, random_state=9, topics=k)) == k) > 0.9
    assert density.score(names["middle"]) > density.score(names["average"])
    perplexity, text, counts = (names[name] for name in ("perplexity", "text", "counts"))
    assert perplexity["topics"] < 0.8 * perplexity["LDA"] < 0.8 * perplexity["frequencies of words"]
    told = text.describe_topics(7, X=names["pages_test"])
    assert np.mean([topic["coherence"] for topic in told]) > 0.15
    trees = counts.loc[["DecisionTreeRegressor", "ExtraTreeClassifier"]]
    assert (text.predict(trees) == names["tree"]).all()
    steered = names["steered"].values()
    assert len({row.to_numpy().sum() for row in steered}) == 1
    shares = [text.predict_proba(row)[0, names["tree"]] for row in steered]
    assert shares == sorted(shares)
    likely = [text.score(row) for row in steered]
    assert min(likely[1:-1]) < min(likely[0], likely[-1])


def scales_of_an_image(names):
    assert np.abs(names["difference"]).max() < 1e-9
    assert names["taken_for_fine"] > 2 * names["taken_for_coarse"]
    spread = {t: drawn.sum(1).std() for t, drawn in names["samples"].items()}
    assert spread[1.0] > 1.3 * names["X_test"].sum(1).std()
    assert spread[1.0] > spread[0.7] > spread[0.4]
    errors = names["errors"]
    order = ["linear regression", "most likely values", "mean of the training digits", "one draw"]
    assert sorted(order, key=errors.get) == order
    assert errors["mean of the four draws"] < errors["mean of the training digits"]
    if names["has_faces"]:
        assert names["brightness"]["coarse"] > names["brightness"]["fine"]
        assert names["alike"]["coarse"] < names["alike"]["fine"]


def polynomial_hierarchical_vae(names):
    assert min(names["by_score"]["noisy"], names["by_error"]["noisy"]) > 0.95
    assert names["by_score"]["two halves"] > 0.8
    assert names["by_error"]["two halves"] < names["by_score"]["two halves"]
    assert names["by_error"]["faded"] < 0.5 < names["by_score"]["faded"]
    assert names["rebuilt"] == sorted(names["rebuilt"], reverse=True)
    assert names["moved"] == sorted(names["moved"], reverse=True)
    score = names["results"]
    assert score["PHVAE"] > score["without a prior flow"] + 2
    assert score["PHVAE"] == pytest.approx(score["one order, prior flow"], abs=1)
    assert score["plain, 8 latent columns"] > score["plain autoencoder"]


def anomalies_with_reasons(names):
    flagged = {name: np.mean(values <= 0.05) for name, values in names["p_values"].items()}
    assert flagged["benign"] < 0.1
    assert flagged["malignant"] > 0.5
    assert np.mean(names["rates"]) < 0.06
    assert (names["reasons"].idxmax(axis=1) == "mean radius").mean() > 0.9
    assert list(names["reasons"].columns) == list(names["benign"].columns)
    assert names["first"] > 0.8
    assert names["found"].sum() > 5
    assert (names["found"] & names["belong"]).sum() <= 0.3 * names["found"].sum()


def comparing_models_honestly(names):
    assert type(names["wrong"].best_params_["scaler"]).__name__ == "MinMaxScaler"
    assert type(names["right"].best_params_["transformer"]).__name__ == "PowerTransformer"
    scores = {name: values.mean() for name, values in names["log_densities"].items()}
    assert scores["Gaussian"] == min(scores.values())
    assert names["metres"] != names["centimetres"]


def tables_as_they_are(names):
    assert names["density"].kinds_ == ["categorical", "bounded", "integer", "circular"]
    assert np.isneginf(names["density"].score_samples(names["impossible"])).all()
    seam = names["density"].score_samples(names["midnight"])
    assert seam[0] == pytest.approx(seam[1], abs=1e-6)
    assert list(names["drawn"].dtypes) == list(names["X"].dtypes)
    assert np.isfinite(names["incomplete"].score_samples(names["known"])).all()
    assert names["off"] == pytest.approx(0.2 * 2**0.5, rel=0.3)


def questions_to_a_density(names):
    fan, levels = names["fan"], names["levels"]
    assert (np.diff(fan, axis=1) > 0).all()
    assert (fan[-1] > fan[0]).all()
    assert fan[-1, -1] - fan[-1, 0] > fan[0, -1] - fan[0, 0]
    assert len(levels) == fan.shape[1]
    assert np.histogram(names["shares"], 10, (0, 1))[0].max() < 22
    assert names["conditional"] > names["regression"]
    whole = names["density"].score_samples(names["X_test"])
    np.testing.assert_allclose(names["parts"], whole, atol=1e-9)
    j = names["j"]
    assert names["patients"][:, j].mean() > names["everyone"][:, j].mean() + 20


def regression_with_distributions(names):
    assert names["flow"] > names["one_scale"] + 0.5
    shares = np.histogram(names["shares"], 10, (0, 1))[0] / len(names["shares"])
    assert np.abs(shares - 0.1).max() < 0.06
    assert names["inside"][True] > names["inside"][False]
    assert names["inside"][True] == pytest.approx(0.9, abs=0.04)
    assert names["width"][True] > names["width"][False]


def filling_holes(names):
    order = ["density and trees", "iterative ridge", "mean of the column"]
    assert sorted(names["error"], key=names["error"].get) == order
    assert 0.8 < names["coverage"] < 0.97
    spread = names["spread"]
    assert spread["means filled in"] < 0.98 * spread["true values"]
    assert spread["draws filled in"] == pytest.approx(spread["true values"], rel=0.04)


def synthetic_tables(names):
    for shares in (names["zeros"], names["gaps"]):
        assert shares["draws"] == pytest.approx(shares["table"], abs=0.04)
    assert names["sofas"]["price"].median() > 5 * names["drawn"]["price"].median()
    assert (names["dear"]["price"] > 100).all()
    assert 0.1 < names["share"] < 0.6
    assert names["right"]["draws"] > names["right"]["real rows"] - 0.15
    assert names["likely"]["new rows"] > names["likely"]["rows of training"] - 1


CLAIMS = {
    "01_density_in_five_minutes": density_in_five_minutes,
    "02_topics_in_a_table": topics_in_a_table,
    "03_scales_of_an_image": scales_of_an_image,
    "04_polynomial_hierarchical_vae": polynomial_hierarchical_vae,
    "05_anomalies_with_reasons": anomalies_with_reasons,
    "06_comparing_models_honestly": comparing_models_honestly,
    "07_tables_as_they_are": tables_as_they_are,
    "08_questions_to_a_density": questions_to_a_density,
    "09_regression_with_distributions": regression_with_distributions,
    "10_filling_holes": filling_holes,
    "11_synthetic_tables": synthetic_tables,
}


def test_every_tutorial_has_its_claims():
    assert [script.stem for script in TUTORIALS] == list(CLAIMS)


@pytest.mark.parametrize("script", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs_and_tells_the_truth(script, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    try:
        CLAIMS[script.stem](runpy.run_path(str(script), run_name="__main__"))
        assert plt.get_fignums()
    finally:
        plt.close("all")
    assert script.read_text().startswith('"""'), "sphinx-gallery needs a title in the docstring"


def test_picture_of_the_first_page_is_drawn(tmp_path):
    script = ROOT / "tutorials" / "images" / "first_page.py"
    runpy.run_path(str(script))["main"](tmp_path / "picture.png")
    assert 10_000 < (tmp_path / "picture.png").stat().st_size < 150_000


def examples(name):
    """The Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(), re.DOTALL | re.MULTILINE)


def test_example_of_the_readme_runs(capsys):
    (density,) = examples("README.md")
    exec(density, {})
    normal, anomalous = map(float, capsys.readouterr().out.splitlines()[0].split())
    assert normal > anomalous
