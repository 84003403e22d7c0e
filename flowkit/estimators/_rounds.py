"""Training on incomplete rows: rounds of completing them, then of training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..missing import Completion, CompletionNoise
from ..modules import Evaluator
from ..training import TrainingRecord

# Completions of a row that training chooses from, as far as memory goes, and of one held out.
_N_COMPLETIONS, _N_HELD_COMPLETIONS = 8, 4
_MAX_POOL_VALUES = 2**25
# Fewer epochs are not worth another round of training.
_MIN_ROUND_EPOCHS = 10


def completed_fit(
    trainer, module, completion: Completion, X, Z, weight, training, hold_out, checks: bool
):
    """Monte Carlo expectation maximisation, in as many epochs as complete rows would get.

    What early stopping leaves of the epochs goes into further rounds, on completions by the
    density as the last round left it. A round that does not raise the density of what is known of
    the hold-out is undone, and ends the training.

    Parameters
    ----------
    trainer : Trainer
        Trains on complete rows.
    module : DensityModule
        Where training begins.
    completion : Completion
        With a fitted mixture.
    X, Z : ndarray of shape (n, n_features)
        Rows as they are and standardised, NaN where values are missing.
    weight : ndarray of shape (n,) or None
        Their weights.
    training, hold_out : ndarray of int
        Indices of either; None for no hold-out.
    checks : bool
        Whether completed rows may lie outside the domain of the map.

    Returns
    -------
    module : DensityModule
        With the best weights.
    record : TrainingRecord
        One record of all rounds.
    """
    density, run = trainer.density, trainer.fit_run
    records, n_left, highest = [], density.max_epochs, -np.inf
    while n_left >= _MIN_ROUND_EPOCHS or not records:
        before, again = module, bool(records)
        if again and run.is_over(density.max_time):
            break
        try:
            draws_from = Evaluator(module, trainer.device)
            by_density = again or density.n_iter_ > 0
            rows, held, options = _completed_rows(
                trainer,
                completion,
                draws_from,
                by_density,
                Z,
                weight,
                training,
                hold_out,
                n_left,
                checks,
            )
            module, record = trainer.run(module, rows, held, options)
            records.append(record)
            if hold_out is None or not record.n_epochs or (record.broken_off and not again):
                break
            known, _ = completion.marginal(X[hold_out], None, Evaluator(module, trainer.device))
        except KeyboardInterrupt:
            if not records:
                raise
            records[-1] = replace(records[-1], ended_by="interrupt")
            break
        reached = np.average(known, weights=None if weight is None else weight[hold_out])
        if not reached > highest:
            module = before
            records[-1] = replace(record, best_epoch=0)
            break
        if record.broken_off:
            break
        highest, n_left = reached, n_left - record.n_epochs
        # Other batches and masks in the next round.
        run.batches, run.dropout = run.batches + 1, run.dropout + 1
    return module, _joined(records)


def _completed_rows(
    trainer, completion, evaluator, by_density, Z, weight, training, hold_out, max_epochs, checks
):
    """Rows with several completions each, of which every epoch draws one; the hold-out; options."""
    rng = trainer.fit_run.start
    n = int(np.clip(_MAX_POOL_VALUES // Z.size, 1, _N_COMPLETIONS))

    def completed(rows, n_draws):
        copies = completion.draws(rows, n_draws, rng, evaluator if by_density else None)
        if checks:
            trainer.refuse_outside_support(evaluator.module, copies[0])
        return copies

    copies = completed(Z[training], n)
    pool = np.concatenate([~np.isnan(Z[training]), *copies], 1)
    held = None
    if hold_out is not None:
        rows = trainer.columns.spread_ties(Z[hold_out], rng)
        copies = completed(rows, _N_HELD_COMPLETIONS)
        index = np.tile(hold_out, _N_HELD_COMPLETIONS)
        held = trainer.rows(np.concatenate(copies), weight, index)
    options = trainer.options(len(training), max_epochs, hold_out is not None)
    noise = CompletionNoise(**vars(options.noise), n_completions=n)
    return trainer.rows(pool, weight, training), held, replace(options, noise=noise)


def _joined(records):
    """One record of rounds of training that follow each other."""
    first, *others = records
    history, n_epochs, best = dict(first.history), first.n_epochs, first.best_epoch
    for record in others:
        # The first entry of a round repeats the last one of the round before.
        new = {name: values[1:] for name, values in record.history.items()}
        new["epoch"] = new["epoch"] + n_epochs
        history = {name: np.append(values, new[name]) for name, values in history.items()}
        best = n_epochs + record.best_epoch if record.best_epoch else best
        n_epochs += record.n_epochs
    # Others follow a round that patience has ended, so that they say nothing of late gains.
    last = records[-1].ended_by
    return TrainingRecord(history, n_epochs, best, last if last == "interrupt" else first.ended_by)
