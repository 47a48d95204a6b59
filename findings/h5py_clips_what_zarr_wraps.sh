#!/usr/bin/env bash
# The two stores of robot datasets keep other pixels of one picture: h5py clips, and zarr wraps
#
# Version: h5py 3.16.0, zarr 3.1.6, numpy 2.4.6, Python 3.11, Linux.
# Behaviour: a picture that was made brighter in int16 is put into a dataset of uint8, in HDF5 as
#   robomimic has its demonstrations, or in zarr as diffusion policies have their replay buffers.
#   HDF5 makes of what is too large the largest value, zarr does as numpy does and keeps the lower
#   eight bits: white becomes black. Neither says so. In h5py it matters even where the
#   type is asked for: before the brackets HDF5 converts, behind them numpy does.
# Output seen, of the pixels 1, 300 and -1:
#   written by h5py:         [1, 255, 0]
#   written by zarr:         [1, 44, 255]
#   h5py, astype(uint8)[:]:  [1, 255, 0]
#   h5py, [:].astype(uint8): [1, 44, 255]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    h5py==3.16.0 zarr==3.1.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import h5py
import numpy as np
import zarr

bright = np.array([1, 300, -1], np.int16)
with h5py.File("demonstrations.hdf5", "w") as file:
    stored = file.create_dataset("camera", (3,), np.uint8)
    stored[:] = bright
    raw = file.create_dataset("bright", data=bright)
    seen = {
        "written by h5py": stored[:].tolist(),
        "written by zarr": [],
        "h5py, astype(uint8)[:]": raw.astype(np.uint8)[:].tolist(),
        "h5py, [:].astype(uint8)": raw[:].astype(np.uint8).tolist(),
    }
buffer = zarr.create_array("buffer.zarr", shape=(3,), dtype=np.uint8, zarr_format=2)
buffer[:] = bright
seen["written by zarr"] = buffer[:].tolist()

for what, pixels in seen.items():
    print(f"{what + ':':24} {pixels}")
assert list(seen.values()) == [[1, 255, 0], [1, 44, 255], [1, 255, 0], [1, 44, 255]]
PYTHON
