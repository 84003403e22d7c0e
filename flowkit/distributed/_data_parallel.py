"""Training by several processes or GPUs, which Hugging Face accelerate brings together."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from datetime import timedelta

from .._optional import require
from ..exceptions import InvalidParameterError, LostProcessError
from ..training import Processes, trained_by


@contextlib.contextmanager
def data_parallel(accelerator=None, *, timeout: float = 600.0) -> Iterator[Processes]:
    """Context in which each batch of every fit is shared by the processes of a launcher.

    A script that ``accelerate launch`` or ``torchrun`` starts several times fits in this context.
    Every process reads all rows and draws the same batches; it computes the gradient of its share
    of each, and all make the same step of the sum. So `batch_size` is that of all processes
    together, and the fit is that of one process, to rounding: with ``dropout=0`` weights agree to
    about 1e-5 in float32 after some hundred steps. What comes before training, such as
    initialisation, each process does by itself, and all begin at the weights of the first.

    Parameters of the estimators, and what callbacks decide, must be the same in all processes; a
    `random_state` of None and times that `max_time` limits are those of the first one. It alone
    writes checkpoints and shows progress, and should be the one that saves. Ctrl-C ends the fit
    with a `KeyboardInterrupt`, whatever `on_interrupt` is.

    `StackedDensity` decides by the clock of each process which fits there is time for: do not give
    it a `max_time` here. Fits in processes of joblib (``n_jobs``) are not shared.

    Parameters
    ----------
    accelerator : accelerate.Accelerator or None, default=None
        What the processes talk through; None makes one. Its mixed precision is not used.
    timeout : float, default=600.0
        Seconds after which a process that does not answer is given up, where `accelerator` is None.
        One that was killed, or left the context by an error, is noticed at once.

    Yields
    ------
    Processes
        With `rank`, `n` and `is_main` of this process; one alone without a launcher.

    Raises
    ------
    LostProcessError
        If another process was killed, failed, or did not answer in time. The estimator is as it was
        before, and a checkpoint keeps the training.
    InvalidParameterError
        If `timeout` is not positive.
    MissingDependencyError
        If accelerate is not installed.

    Examples
    --------
    In a script that ``torchrun --nproc_per_node 2 script.py`` starts; started by itself it is one
    process:

    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FlowDensity, save
    >>> from flowkit.distributed import data_parallel
    >>> with data_parallel() as processes:  # doctest: +SKIP
    ...     density = FlowDensity(random_state=0).fit(load_iris().data)
    >>> if processes.is_main:  # doctest: +SKIP
    ...     save(density, "iris.flow")
    """
    if not timeout > 0:
        raise InvalidParameterError(f"timeout must be a positive number of seconds, got {timeout}.")
    accelerate = require("accelerate", "flowkit.distributed.data_parallel")
    if accelerator is None:
        options = accelerate.utils.InitProcessGroupKwargs(timeout=timedelta(seconds=timeout))
        accelerator = accelerate.Accelerator(kwargs_handlers=[options])
    processes = Processes()
    if accelerator.num_processes > 1:
        processes = _Accelerated(accelerator, accelerate.utils)
    try:
        with trained_by(processes):
            yield processes
    except BaseException:
        # The others would wait for this process.
        accelerator.end_training()
        # Connections close with the group of processes, which objects in cycles refer to.
        gc.collect()
        raise


class _Accelerated(Processes):
    """Processes that talk through accelerate.

    Parameters
    ----------
    accelerator : accelerate.Accelerator
        Of this process.
    utils : module
        accelerate.utils.
    """

    def __init__(self, accelerator, utils):
        self.rank, self.n = accelerator.process_index, accelerator.num_processes
        self._device, self._utils = accelerator.device, utils

    def add_up(self, tensor):
        with self._answered():
            return self._utils.reduce(tensor.to(self._device), "sum").to(tensor.device)

    def copy_from_main(self, tensor):
        with self._answered():
            tensor.copy_(self._utils.broadcast(tensor.to(self._device).contiguous()))

    def from_main(self, value):
        with self._answered():
            return self._utils.broadcast_object_list([value])[0]

    def gather(self, value):
        with self._answered():
            return self._utils.gather_object([value])

    @contextlib.contextmanager
    def _answered(self):
        """Context in which silence of other processes is an error of flowkit."""
        try:
            yield
        except RuntimeError as error:
            raise LostProcessError(
                f"process {self.rank} of {self.n} lost another one, which was killed, failed or "
                f"did not answer in time ({str(error).splitlines()[0]}). See what that process "
                "printed, and start all of them again: a checkpoint lets training go on."
            ) from error
