"""What a detector tells of why rows are strange: effects of columns or parts, and reasons."""

from __future__ import annotations

from sklearn.utils.validation import check_is_fitted

from ..nested import read_rows
from ..validation import container_of, errors_of_rows, in_container, remember_output
from ._reasons import Reasons, check_n_columns


class ExplainedMixin:
    """Methods of a detector that keeps `Explanations` of its densities."""

    def explain(self, X, by="features"):
        """How much each part of a row adds to its surprise, in nats.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        by : {'features', 'levels', 'tree', 'topics'}, default='features'
            'features' replaces the value of each column by typical values given the other columns,
            as likely as the first density says. The effect is the expected log density of the row
            with such values minus that of the row: 0 on average over rows that belong. For a normal
            density it is ``(z ** 2 - 1) / 2``, where ``z`` is the distance from the conditional
            mean in conditional standard deviations. With several densities, as by default, it is
            the expected rise of the score that these make together, if they make it of log
            densities, else that of the first; for this, shares below a twentieth go on linearly in
            the log density, and far below that as a logarithm. The others
            split the log density of the first density exactly, as the density itself does: by the
            scales of RGFlowDensity, by the nodes of the tree of FractalFlowDensity, or by topics
            (components of a mixture). The effect of a part is its typical value over training rows
            minus that of the row. Behind a pipeline or transformer, parts are in the units that
            the density sees.

        Returns
        -------
        effects : ndarray or DataFrame of shape (n_samples, n_parts)
            Nats, large where the row is strange; a DataFrame with named columns where `set_output`
            asks for one. Effects of features do not sum to the surprise: what two columns tell
            together counts for both.

        Raises
        ------
        InvalidParameterError
            If the density has no such parts.

        Notes
        -----
        'features' scores up to 89 rows for each value of X. For a row with missing values it is
        half as many, each with 8 draws of what is missing where the density needs draws: effects
        are a few percent off. Missing values have no effect. A training row is explained as if it
        had not been in training, as far as the density can tell: where kernels stand on training
        rows, its own is left out. Within the cells of a `TableDensity` with categories it is not
        known which kernel that is, and weights that were trained on the row stay as they are.

        An impossible row (``-inf``) has infinite effects in the columns at fault: each one whose
        change alone makes the row possible, or, where no single one does, few whose values must
        be replaced together. These are found by taking over all values of a similar training row
        and putting the row's own values back one by one. The other columns are judged as if those
        at fault were replaced. All effects are 0 if no training row makes the row possible. All
        parts of an impossible row have infinite effects.
        """
        check_is_fitted(self)
        rows, names = read_rows(self, X, reset=False), self.get_part_names(by)
        with errors_of_rows():
            effects = self._explanations.effects(rows, by, self._explained())
        return in_container(self, effects, X, names)

    def reasons(self, X, n_columns=3):
        """The columns that make rows surprising, with what would have been typical there.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        n_columns : int or None, default=3
            How many columns of each row, those of the largest effects first; None for all, even
            those that the detector leaves out, such as a running index.

        Returns
        -------
        reasons : Reasons
            Arrays of shape (n_samples, n_columns): names of the ``columns``, their ``values`` in
            the rows, and, given the other columns, ``typical`` values with the interval from
            ``low`` to ``high`` that numbers and dates are in with a probability of 0.9, or the
            ``probability`` of a level, in the units of X; ``effects`` in nats, as `explain`
            returns them for ``by='features'``. It prints as text; ``to_frame`` makes a table of
            it. What is typical of a column takes the values of the others for granted, strange
            ones too; in an impossible row, it is so as if the columns at fault were replaced.

        Raises
        ------
        InvalidParameterError
            If `n_columns` is not an int of at least 1, or None.

        Examples
        --------
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.mixture import GaussianMixture
        >>> from flowkit import DensityOutlierDetector
        >>> X = load_wine(as_frame=True).data[["alcohol", "hue", "proline"]]
        >>> detector = DensityOutlierDetector(GaussianMixture(random_state=0)).fit(X)
        >>> print(detector.reasons(X[:1].assign(hue=2.5), n_columns=2))
        row 0
            hue = 2.5, typical 0.94 (0.59 to 1.28): +26.9 nats
            alcohol = 14.23, typical 12.3 (11.3 to 13.2): +5.0 nats
        """
        check_is_fitted(self)
        check_n_columns(n_columns)
        rows = read_rows(self, X, reset=False)
        with errors_of_rows():
            account = self._explanations.account(rows, self._explained())
        labels = container_of(X).row_labels
        return Reasons.of(rows, account, self.get_part_names(), n_columns, labels)

    def get_part_names(self, by="features"):
        """Names of the columns or parts that `explain` gives effects of.

        Parameters
        ----------
        by : {'features', 'levels', 'tree', 'topics'}, default='features'
            As in `explain`.

        Returns
        -------
        names : list
            One for each column of effects: the names of the columns of X (x0, x1 and so on where
            it has none), or of the parts.

        Raises
        ------
        InvalidParameterError
            If the density has no such parts.
        """
        check_is_fitted(self)
        return self._explanations.names(by)

    def _explained(self):
        """The score that effects of columns are differences of; None for the log density."""
        scores = self._scores
        of_log_density = scores.statistic.name == "log_density"
        return scores.of_copies if scores.are_combined and of_log_density else None

    def set_output(self, *, transform=None):
        """Set what `explain` returns, as for the output of scikit-learn's transformers.

        Parameters
        ----------
        transform : {'default', 'pandas', 'polars'}, default=None
            'default' is an array, also for the rows of a DataFrame; None leaves it as it is. Not
            set, it is what ``sklearn.set_config(transform_output=...)`` says.

        Returns
        -------
        self : object
            The detector.
        """
        return remember_output(self, transform)
