"""The rational-quadratic spline and its gradient as one compiled pass each, for the CPU.

A spline of a few hundred numbers is some hundred tensor operations, each of which costs more than
its arithmetic. Here a tile of rows stays in the fastest cache from parameters to result. Tiles are
always full, so that the result for a row does not depend on the rows beside it. Between load and
store all is in double precision: steep splines enlarge what is rounded.
"""

from __future__ import annotations

import numpy as np

from .._compiled import compiled
from ._elementary import exp, log
from ._spline_limits import MIN_BIN, MIN_SLOPE, SLOPE_SHIFT

# Digest of the two files above: numba compiles anew only when the file of a kernel changes.
SOURCES = "d5a11db766e7016c"

# Rows of a tile: a multiple of every vector width, and few enough that a tile stays in cache.
_TILE = 64

# Lines of the state of a tile: the value, its bin, and in the gradient what comes from the loss.
_INPUT, _LEFT, _BELOW, _X0, _WIDTH, _Y0, _HEIGHT, _RAW0, _RAW1, _BIN = range(10)
_GRAD_OUT, _GRAD_LOG, _BY_X0, _BY_X1, _BY_Y0, _BY_Y1, _BY_RAW0, _BY_RAW1 = range(10, 18)
_N_LINES = 18


@compiled
def _load(value, parameters, group, j, start, n, tile, state):
    """Copy a tile; its rows beyond the last repeat the first, slopes get those of both ends."""
    n_bins = (parameters.shape[1] + 1) // 3
    # Zero stands for the slope of the identity.
    tile[2 * n_bins] = 0
    tile[3 * n_bins] = 0
    shared = parameters.shape[3] < len(value)
    for k in range(parameters.shape[1]):
        line = tile[k if k < 2 * n_bins else k + 1]
        if shared:
            line[:] = parameters[group, k, j, 0]
        else:
            given = parameters[group, k, j, start : start + n]
            for i in range(n):
                line[i] = given[i]
            for i in range(n, _TILE):
                line[i] = line[0]
    line = state[_INPUT]
    for i in range(n):
        line[i] = value[start + i]
    for i in range(n, _TILE):
        line[i] = line[0]


@compiled
def _share(raw, total):
    """Softmax of the lines of a tile, in place."""
    for i in range(_TILE):
        total[i] = raw[0, i]
    for k in range(1, raw.shape[0]):
        line = raw[k]
        for i in range(_TILE):
            total[i] = max(total[i], line[i])
    for k in range(raw.shape[0]):
        line = raw[k]
        for i in range(_TILE):
            line[i] = exp(line[i] - total[i])
    for i in range(_TILE):
        total[i] = 0.0
    for k in range(raw.shape[0]):
        line = raw[k]
        for i in range(_TILE):
            total[i] += line[i]
    for i in range(_TILE):
        total[i] = 1 / total[i]
    for k in range(raw.shape[0]):
        line = raw[k]
        for i in range(_TILE):
            line[i] *= total[i]


@compiled
def _locate(tile, n_bins, bound, inverse, state):
    """Shares of the bins, and the bin that each value lies in: corner, sides, raw slopes."""
    _share(tile[:n_bins], state[_LEFT])
    _share(tile[n_bins : 2 * n_bins], state[_LEFT])
    least, rest = 2 * bound * MIN_BIN, 2 * bound * (1 - n_bins * MIN_BIN)
    for i in range(_TILE):
        state[_LEFT, i] = -bound
        state[_BELOW, i] = -bound
    for k in range(n_bins):
        wide, high = tile[k], tile[n_bins + k]
        slope0, slope1 = tile[2 * n_bins + k], tile[2 * n_bins + k + 1]
        index = float(k)
        for i in range(_TILE):
            x, y = state[_LEFT, i], state[_BELOW, i]
            knot = y if inverse else x
            old_x0, old_width = state[_X0, i], state[_WIDTH, i]
            old_y0, old_height = state[_Y0, i], state[_HEIGHT, i]
            old_raw0, old_raw1, old_bin = state[_RAW0, i], state[_RAW1, i], state[_BIN, i]
            raw0, raw1 = slope0[i], slope1[i]
            width, height = least + rest * wide[i], least + rest * high[i]
            # The first bin is that of everything below the second.
            reached = (state[_INPUT, i] >= knot) | (k == 0)
            state[_X0, i] = x if reached else old_x0
            state[_WIDTH, i] = width if reached else old_width
            state[_Y0, i] = y if reached else old_y0
            state[_HEIGHT, i] = height if reached else old_height
            state[_RAW0, i] = raw0 if reached else old_raw0
            state[_RAW1, i] = raw1 if reached else old_raw1
            state[_BIN, i] = index if reached else old_bin
            state[_LEFT, i] = x + width
            state[_BELOW, i] = y + height


@compiled
def _bend(state, bound, inverse, result):
    """Value and log slope of the splines of a tile."""
    for i in range(_TILE):
        v = state[_INPUT, i]
        x0, width, y0, height = (state[_X0, i], state[_WIDTH, i], state[_Y0, i], state[_HEIGHT, i])
        raw0, raw1 = state[_RAW0, i] + SLOPE_SHIFT, state[_RAW1, i] + SLOPE_SHIFT
        slope0 = max(raw0, 0.0) + log(1.0 + exp(-abs(raw0))) + MIN_SLOPE
        slope1 = max(raw1, 0.0) + log(1.0 + exp(-abs(raw1))) + MIN_SLOPE
        clamped = min(max(v, -bound), bound)
        chord = height / width
        bend = slope0 + slope1 - 2.0 * chord
        if inverse:
            rise = clamped - y0
            a = height * (chord - slope0) + rise * bend
            b = height * slope0 - rise * bend
            c = -chord * rise
            # Rounding can push the discriminant of a root at a knot below 0.0.
            t = 2.0 * c / (-b - np.sqrt(max(b * b - 4.0 * a * c, 0.0)))
        else:
            t = (clamped - x0) / width
        bump = t * (1.0 - t)
        below = chord + bend * bump
        above = slope1 * t * t + 2.0 * chord * bump + slope0 * (1.0 - t) * (1.0 - t)
        slope = chord * chord * above / (below * below)
        # The logarithm reads bits and would make a number of NaN.
        log_slope = log(slope) + (slope - slope)
        bent = y0 + height * (chord * t * t + slope0 * bump) / below
        if inverse:
            bent, log_slope = x0 + width * t, -log_slope
        inside = clamped == v
        result[0, i] = bent if inside else v
        result[1, i] = log_slope if inside else 0.0


@compiled
def evaluate(columns, index, present, parameters, bound, inverse, by_column, out, log_slope):
    """Splines of groups of columns, one tile of rows after the other.

    Parameters
    ----------
    columns : array of shape (d, n)
        All columns.
    index, present : arrays of int64 and uint8 of shape (n_groups, width)
        Columns of each group, and whether each is one or fills up a smaller group.
    parameters : array of shape (n_groups, 3 * n_bins - 1, width, n or 1)
        Unconstrained parameters, of each row or shared by the rows.
    bound : float
        Half-width of the interval that is bent.
    inverse : bool
        Which direction.
    by_column : bool
        Whether log slopes are wanted of each column, or their sums over groups.
    out : array of shape (d, n)
        Receives the columns, those of groups mapped.
    log_slope : array of shape (n_groups * width, n) or (n_groups, n)
        Receives log derivatives, or is increased by their sums.
    """
    n_bins, n_rows = (parameters.shape[1] + 1) // 3, columns.shape[1]
    tile = np.zeros((3 * n_bins + 1, _TILE))
    state = np.zeros((_N_LINES, _TILE))
    result = np.empty((2, _TILE))
    out[:] = columns
    n_groups, width = index.shape
    for group in range(n_groups):
        for j in range(width):
            if not present[group, j]:
                continue
            value, into = columns[index[group, j]], out[index[group, j]]
            slopes = log_slope[group * width + j if by_column else group]
            for start in range(0, n_rows, _TILE):
                n = min(_TILE, n_rows - start)
                _load(value, parameters, group, j, start, n, tile, state)
                _locate(tile, n_bins, bound, inverse, state)
                _bend(state, bound, inverse, result)
                for i in range(n):
                    into[start + i] = result[0, i]
                    slopes[start + i] += result[1, i]


@compiled
def _gradient(state, bound, inverse, result):
    """Gradients by the values of a tile, and by corner and raw slopes of their bins."""
    for i in range(_TILE):
        x = state[_INPUT, i]
        x0, width, height = state[_X0, i], state[_WIDTH, i], state[_HEIGHT, i]
        raw0, raw1 = state[_RAW0, i] + SLOPE_SHIFT, state[_RAW1, i] + SLOPE_SHIFT
        grad_out, grad_log = state[_GRAD_OUT, i], state[_GRAD_LOG, i]
        small0, small1 = exp(-abs(raw0)), exp(-abs(raw1))
        slope0 = max(raw0, 0.0) + log(1.0 + small0) + MIN_SLOPE
        slope1 = max(raw1, 0.0) + log(1.0 + small1) + MIN_SLOPE
        by_raw0 = (1.0 if raw0 >= 0.0 else small0) / (1.0 + small0)
        by_raw1 = (1.0 if raw1 >= 0.0 else small1) / (1.0 + small1)
        inside = abs(x) <= bound
        chord = height / width
        bend = slope0 + slope1 - 2.0 * chord
        t = (x - x0) / width
        t = t if inside else 0.5
        rest, tt = 1.0 - t, t * t
        bump = t * rest
        below = chord + bend * bump
        above = slope1 * tt + 2.0 * chord * bump + slope0 * rest * rest
        ratio = (chord * tt + slope0 * bump) / below
        log_slope_by_t = (
            2.0 * (slope1 * t + chord * (rest - t) - slope0 * rest) / above
            - 2.0 * bend * (rest - t) / below
        )
        slope = chord * chord * above / (below * below)
        grad_y, grad_s = grad_out, grad_log
        if inverse:
            # x solves y(x) = value, so its derivatives are those of y, divided by -slope.
            by_value = (grad_out - grad_log * log_slope_by_t / width) / slope
            grad_y, grad_s = -by_value, -grad_log
        grad_y, grad_s = grad_y if inside else 0.0, grad_s if inside else 0.0
        by_t = grad_y * width * slope + grad_s * log_slope_by_t
        if not inverse:
            by_value = by_t / width
        scaled = grad_y * height / below
        by_below, by_above = 2.0 * grad_s / below, grad_s / above
        by_chord = (
            scaled * (tt - ratio * (1.0 - 2.0 * bump))
            + 2.0 * grad_s / chord
            + 2.0 * bump * by_above
            - (1.0 - 2.0 * bump) * by_below
        )
        by_width = -(by_chord * chord + by_t * t) / width
        by_height = grad_y * ratio + by_chord / width
        by_slope0 = bump * (scaled * (1.0 - ratio) - by_below) + rest * rest * by_above
        by_slope1 = tt * by_above - bump * (scaled * ratio + by_below)
        state[_BY_X0, i] = -by_t / width - by_width
        state[_BY_X1, i] = by_width
        state[_BY_Y0, i] = grad_y - by_height
        state[_BY_Y1, i] = by_height
        state[_BY_RAW0, i] = by_slope0 * by_raw0
        state[_BY_RAW1, i] = by_slope1 * by_raw1
        result[i] = by_value if inside else grad_out


@compiled
def _spread(tile, n_bins, bound, state):
    """Gradient by the parameters of a tile, in place of their shares."""
    rest = 2 * bound * (1 - n_bins * MIN_BIN)
    for half in range(2):
        at0, at1 = state[_BY_X0 + 2 * half], state[_BY_X1 + 2 * half]
        mean, bins = state[_LEFT], state[_BIN]
        shares = tile[half * n_bins : (half + 1) * n_bins]
        # A share moves all knots beyond its bin: those at both ends of the bin of the value, if
        # that bin comes later, and the upper one if it is the same.
        for i in range(_TILE):
            mean[i] = 0.0
        for k in range(n_bins):
            line, index = shares[k], float(k)
            for i in range(_TILE):
                by_share = (at0[i] if index < bins[i] else 0.0) + (
                    at1[i] if index <= bins[i] else 0.0
                )
                mean[i] += by_share * line[i]
        for k in range(n_bins):
            line, index = shares[k], float(k)
            for i in range(_TILE):
                by_share = (at0[i] if index < bins[i] else 0.0) + (
                    at1[i] if index <= bins[i] else 0.0
                )
                line[i] = rest * line[i] * (by_share - mean[i])
    by_raw0, by_raw1, bins = state[_BY_RAW0], state[_BY_RAW1], state[_BIN]
    for k in range(n_bins + 1):
        line, index, before = tile[2 * n_bins + k], float(k), float(k - 1)
        for i in range(_TILE):
            line[i] = (by_raw0[i] if index == bins[i] else 0.0) + (
                by_raw1[i] if before == bins[i] else 0.0
            )


@compiled
def differentiate(
    columns, index, present, parameters, grad, grad_log, bound, inverse, by_columns, by_parameters
):
    """Gradient of `evaluate`.

    Parameters
    ----------
    columns : array of shape (d, n)
        Those on the side of the data.
    index, present, parameters, bound, inverse
        As in `evaluate`.
    grad : array of shape (d, n)
        Gradient by all columns of the result.
    grad_log : array of shape (1, n), (n_groups, n) or (n_groups * width, n)
        Gradient by the log slopes: by the sum of all, of each group, or of each column.
    by_columns, by_parameters : arrays
        Receive the gradients, in the shapes of columns and parameters.
    """
    n_parameters, n_rows = parameters.shape[1], columns.shape[1]
    n_bins, shared = (n_parameters + 1) // 3, parameters.shape[3] < n_rows
    tile = np.zeros((3 * n_bins + 1, _TILE))
    state = np.zeros((_N_LINES, _TILE))
    result = np.empty(_TILE)
    by_columns[:] = grad
    n_groups, width = index.shape
    for group in range(n_groups):
        for j in range(width):
            if shared or not present[group, j]:
                by_parameters[group, :, j] = 0
            if not present[group, j]:
                continue
            value, given = columns[index[group, j]], grad[index[group, j]]
            into = by_columns[index[group, j]]
            slopes = grad_log[0]
            if len(grad_log) == n_groups * width:
                slopes = grad_log[group * width + j]
            elif len(grad_log) == n_groups:
                slopes = grad_log[group]
            for start in range(0, n_rows, _TILE):
                n = min(_TILE, n_rows - start)
                _load(value, parameters, group, j, start, n, tile, state)
                for i in range(n):
                    state[_GRAD_OUT, i] = given[start + i]
                    state[_GRAD_LOG, i] = slopes[start + i]
                for i in range(n, _TILE):
                    state[_GRAD_OUT, i] = 0
                    state[_GRAD_LOG, i] = 0
                _locate(tile, n_bins, bound, False, state)
                _gradient(state, bound, inverse, result)
                _spread(tile, n_bins, bound, state)
                for i in range(n):
                    into[start + i] = result[i]
                for k in range(n_parameters):
                    line = tile[k if k < 2 * n_bins else k + 1]
                    if shared:
                        by_parameters[group, k, j, 0] += line.sum()
                    else:
                        target = by_parameters[group, k, j, start : start + n]
                        for i in range(n):
                            target[i] = line[i]
