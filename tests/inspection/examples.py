"""What tests of Displays read from a figure."""

from flowkit import PHVAE, FractalFlowDensity, RGFlowDensity


def tiny(n_topics=3, **parameters):
    return FractalFlowDensity(
        n_topics,
        **{"n_blocks": 1, "hidden_units": 8, "max_epochs": 1, "random_state": 0},
        **{"lda_backend": None, **parameters},
    )


def texts(artists):
    return [artist.get_text() for artist in artists]


def lattice(**parameters):
    return RGFlowDensity(
        **{"hidden_units": 8, "n_layers": 1, "max_epochs": 2, "random_state": 0, **parameters}
    )


def polynomial(**parameters):
    return PHVAE(
        **{"n_components": 2, "degree": 2, "hidden_units": 8, "max_epochs": 1, **parameters},
        random_state=0,
    )


INFINITY = "\N{INFINITY}"
MINUS = "\N{MINUS SIGN}"


def legend_of(ax):
    return texts(ax.get_legend().get_texts())
