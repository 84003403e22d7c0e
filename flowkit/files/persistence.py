"""Estimators in files that can be loaded without running anyone's code."""

from __future__ import annotations

import hashlib
import json
import os

from sklearn.base import BaseEstimator

from .._replacing import replacing
from ..estimators import resolve_device
from ..exceptions import DamagedFileError, FlowkitFileError, InvalidParameterError
from . import _archive, _tensors
from ._allowed import name_of
from ._card import card_text, make_card
from ._document import Decoder, Encoder
from ._failures import about
from ._json import fits, parse
from ._memory import FACTOR, SLACK
from ._versions import FORMAT, check_format, compare, versions

# In their order.
MANIFEST, MODEL, TENSORS = "manifest.json", "model.json", "tensors.safetensors"


def save(estimator, path, *, scores=None, note=None) -> None:
    """Save an estimator to one file, which `load` reads without running code.

    The file is a zip archive of three entries, which other tools can read: ``manifest.json`` has
    the version of the format, the versions that wrote it, the checksums of the other entries, and
    what `model_card` shows; ``model.json`` has parameters and fitted attributes, with the names of
    their classes; ``tensors.safetensors`` has all arrays, exactly. The same estimator always gives
    the same file.

    A crash, a full disk or Ctrl-C while saving leaves an older file of this name as it was.

    Parameters
    ----------
    estimator : estimator
        Any of flowkit, fitted or not, alone or in a `Pipeline` with transformers of scikit-learn.
    path : str or path-like
        The file. One that is there is replaced.
    scores : dict of float, default=None
        Scores by what they are of, for `model_card`.
    note : str, default=None
        Anything else that a reader should know, for `model_card`.

    Raises
    ------
    UntrustedTypeError
        If part of the estimator is no plain value, array or instance of a class of flowkit or of
        one of scikit-learn's that files may hold, such as functions, callbacks and bijections of
        your own. The message names the part. Nothing is written.
    MissingFileError
        If the folder does not exist.
    FlowkitFileError
        If the file cannot be written, or would have more than 4 GiB.
    InvalidParameterError
        If `estimator` is none, `path` is no path, or `scores` or `note` cannot be shown.

    See Also
    --------
    load : The way back.
    model_card : What a file is, without loading it.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FlowDensity, load, model_card, save
    >>> X = load_iris().data
    >>> density = FlowDensity(max_epochs=3, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "iris.flow")
    ...     save(density, path, scores={"all rows": density.score(X)}, note="Three kinds of iris.")
    ...     again, card = load(path), model_card(path)
    >>> bool((again.score_samples(X) == density.score_samples(X)).all())
    True
    >>> print("\\n".join(card.splitlines()[:3]))
    model: flowkit.FlowDensity
    estimator: FlowDensity(max_epochs=3, random_state=0)
    trained on: 150 rows of 4 columns
    """
    if not isinstance(estimator, BaseEstimator):
        raise InvalidParameterError(
            f"estimator must be an instance of an estimator, got {type(estimator).__name__}."
        )
    card = make_card(estimator, scores, note)
    with about("save", path) as name:
        encoder = Encoder()
        encoder.value(estimator)
        text = _json(encoder.objects)
        parts = {MODEL: [text], TENSORS: _tensors.pieces(encoder.arrays)}
        n_bytes = sum(piece.nbytes for pieces in parts.values() for piece in pieces)
        if not fits(bytes(text), n_bytes) or encoder.taken > FACTOR * n_bytes + SLACK:
            raise FlowkitFileError(
                "the estimator would take far more memory than its file when it is loaded, as very "
                "many single values outside of arrays do, or trees with very small leaves. Use "
                "pickle."
            )
        manifest = {
            "format": FORMAT,
            "class": name_of(type(estimator)),
            "versions": versions(),
            "sha256": {name: _checksum(pieces) for name, pieces in parts.items()},
            "card": card,
        }
        with replacing(name) as file:
            _archive.write(file, {MANIFEST: [_json(manifest)], **parts})


def load(path, *, device=None, strict=False):
    """Load an estimator that `save` saved.

    No pickle is read and no code in the file is run: names of classes are looked up among those of
    flowkit and some of scikit-learn's, and instances get their attributes assigned. Every byte of
    the file is checked against its checksums before anything is made of it. It may become four
    times its size, and 64 MiB, before its networks are put into double precision.

    Checksums tell of damage, not of its author: a file that someone made to mislead can hold any
    numbers. It cannot run code.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or torch.device, default=None
        Where its densities are to be trained and evaluated from now on, ``'auto'`` for a GPU where
        there is one. None leaves them where they were, or on the CPU if that device is not here.
    strict : bool, default=False
        Whether to refuse files of other major versions of flowkit, torch, scikit-learn or numpy,
        instead of warning.

    Returns
    -------
    estimator : estimator
        As it was saved: its scores are the same to the last bit, given the same versions and the
        same device.

    Raises
    ------
    MissingFileError
        If there is no such file.
    DamagedFileError
        If the file is not as it was saved, or was not saved by `save`.
    UntrustedTypeError
        If it holds a class that files may not hold.
    FileVersionError
        If it has a later format, or with `strict` other major versions wrote it.
    FlowkitFileError
        If it cannot be read; all of the above are such errors.
    InvalidParameterError
        If `path` is no path.
    DeviceUnavailableError
        If this machine does not have the device.
    MissingDependencyError
        If it holds a table of pandas or polars, which is not installed.

    Warns
    -----
    FileVersionWarning
        If other major versions wrote it.

    See Also
    --------
    save : Has an example.
    """
    if device is not None:
        device = str(resolve_device(device))
    with about("load", path) as name, open(name, "rb") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        entry, manifest = _manifest(file, n_bytes)
        compare(manifest["versions"], strict)
        model = _archive.find(file, MODEL, n_bytes, entry)
        tensors = _archive.find(file, TENSORS, n_bytes, model)
        _archive.check_contents(file, [entry, model, tensors], n_bytes)
        text = _archive.read(file, model)
        _compare_checksums(manifest, MODEL, hashlib.sha256(text))
        objects, hasher = parse(text, MODEL, n_bytes), hashlib.sha256()
        del text
        file.seek(tensors.start)
        arrays = _tensors.read(file, tensors.size, hasher)
        _compare_checksums(manifest, TENSORS, hasher)
        decoder = Decoder(arrays, FACTOR * n_bytes + SLACK, device)
        estimator = decoder.read(objects)
        if not isinstance(estimator, BaseEstimator):
            raise DamagedFileError("it holds no estimator.")
        return estimator


def model_card(path) -> str:
    """What is in a file, told without loading it: what it is, trained on what, with which scores.

    Parameters
    ----------
    path : str or path-like
        A file that `save` saved.

    Returns
    -------
    card : str
        Several lines: the class, its parameters that are not the defaults, the rows and columns
        that it was trained on, where it had a hold-out the mean log density there, the scores and
        the note that `save` was given, and the versions that wrote the file. It is what the file
        states; only `load` checks the rest of it.

    Raises
    ------
    FlowkitFileError
        As in `load`.

    See Also
    --------
    save : Has an example.
    """
    with about("read", path) as name, open(name, "rb") as file:
        _, manifest = _manifest(file, os.fstat(file.fileno()).st_size)
        return card_text(manifest["card"], manifest["class"], manifest["versions"])


def _manifest(file, n_bytes):
    """The first entry, and what it says."""
    entry = _archive.find(file, MANIFEST, n_bytes)
    manifest = parse(_archive.read(file, entry), MANIFEST, n_bytes)
    check_format(manifest["format"])
    return entry, manifest


def _json(value):
    return memoryview(json.dumps(value, separators=(",", ":"), allow_nan=False).encode())


def _checksum(pieces):
    hasher = hashlib.sha256()
    for piece in pieces:
        hasher.update(piece)
    return hasher.hexdigest()


def _compare_checksums(manifest, name, hasher):
    if manifest["sha256"][name] != hasher.hexdigest():
        raise DamagedFileError(f"its entry {name!r} has another checksum than its manifest says.")
