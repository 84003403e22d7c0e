"""A cluster of two small processes: scores, a grid search, and the threads of each."""

from __future__ import annotations

import dask
import dask.array as da
import joblib
import pytest
import torch
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_info

from flowkit import FlowDensity, distributed

from .. import processes
from .examples import SMALL, X, assert_same, fitted


class Threads(FlowDensity):
    """Tells by its scores how many threads the process has."""

    def score(self, X, y=None):
        pools = [pool["num_threads"] for pool in threadpool_info()]
        return -float(max([torch.get_num_threads(), *pools]))


@pytest.fixture(scope="module")
def client():
    processes.serve()
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_a_cluster_scores_rows(client):
    density = fitted("flow")
    rows = da.from_array(X, chunks=(20, 4))
    assert_same(distributed.score_samples(density, rows).compute(), density.score_samples(X))


def test_a_grid_search_runs_there_with_one_thread_a_task(client):
    search = GridSearchCV(Threads(**SMALL), {"hidden_units": [4, 8]}, cv=2)
    with joblib.parallel_config(backend="dask"):
        search.fit(X)
    assert list(search.cv_results_["mean_test_score"]) == [-1.0, -1.0]
    assert search.best_estimator_.n_iter_ == 2
