#!/usr/bin/env bash
# zarr cuts values that are larger than the place they are assigned to, and says nothing
#
# Version: zarr 3.1.6 (also as format 2, which replay buffers of diffusion policies have),
#   h5py 3.16.0, numpy 2.2.6, Python 3.11, Linux.
# Behaviour: an episode of 4 steps that is assigned to the last 2 rows of a replay buffer loses its
#   last two steps, whether the slice ends with the buffer or reaches past its end. Actions of 3
#   columns lose their last column in a buffer of 2. numpy and h5py refuse all of these. Values that
#   are too few are refused by zarr, too.
# Output seen:
#   numpy: past the end ValueError, too many steps ValueError, too many columns ValueError, too few steps ValueError
#   h5py: past the end TypeError, too many steps TypeError, too many columns TypeError, too few steps TypeError
#   zarr, format 2: past the end [[1, 2], [4, 5]], too many steps [[1, 2], [4, 5]], too many columns [[1, 2], [4, 5]], too few steps ValueError
#   zarr, format 3: past the end [[1, 2], [4, 5]], too many steps [[1, 2], [4, 5]], too many columns [[1, 2], [4, 5]], too few steps ValueError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  zarr==3.1.6 h5py==3.16.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import h5py
import numpy as np
import zarr

ACTIONS = np.arange(1, 13).reshape(4, 3)  # four steps of three columns
CASES = {
    "past the end": (slice(8, 12), ACTIONS[:, :2]),
    "too many steps": (slice(8, 10), ACTIONS[:, :2]),
    "too many columns": (slice(8, 10), ACTIONS[:2]),
    "too few steps": (slice(6, 10), ACTIONS[:2, :2]),
}
SHAPE = (10, 2)


def written(make, case: str):
    """The last two rows of a buffer after the assignment, or the error that refuses it."""
    buffer, (rows, actions) = make(case), CASES[case]
    try:
        buffer[rows] = actions
    except (TypeError, ValueError) as error:
        return type(error).__name__
    return np.asarray(buffer[8:]).tolist()


file = h5py.File(f"{sys.argv[1]}/buffer.hdf5", "w")
makers = {
    "numpy": lambda name: np.zeros(SHAPE, int),
    "h5py": lambda name: file.create_dataset(name, SHAPE, int),
    "zarr, format 2": lambda name: zarr.create_array({}, shape=SHAPE, dtype=int, zarr_format=2),
    "zarr, format 3": lambda name: zarr.create_array({}, shape=SHAPE, dtype=int, zarr_format=3),
}
found = {who: {case: written(make, case) for case in CASES} for who, make in makers.items()}
for who, told in found.items():
    print(f"{who}:", ", ".join(f"{case} {got}" for case, got in told.items()))
for who in ("numpy", "h5py"):
    assert all(isinstance(got, str) for got in found[who].values())
for who in ("zarr, format 2", "zarr, format 3"):
    *cut, refused = found[who].values()
    assert cut == [[[1, 2], [4, 5]]] * 3 and refused == "ValueError"
PYTHON
