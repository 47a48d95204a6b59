#!/usr/bin/env bash
# safetensors writes a transposed numpy array with its numbers in another order, and says nothing
#
# Version: safetensors 0.8.0 and 0.5.3, numpy 2.2.6, Python 3.11, Linux.
# Behaviour: `safetensors.numpy.save` and `save_file` write the memory of an array as it lies there,
#   under the shape of the array. Weights that go from JAX to PyTorch are transposed (a kernel `w`
#   becomes `w.T`), and numpy transposes without moving a number: the file has the right shape and
#   wrong weights. The same call of 0.5.3 wrote them right. (The docstring asks for contiguous
#   arrays; numpy calls this one F-contiguous. safetensors.torch refuses such tensors.)
# Output seen, of [[0, 1, 2], [3, 4, 5]] transposed, saved and loaded again:
#   0.8.0: [[0, 1], [2, 3], [4, 5]]
#   0.5.3: [[0, 3], [1, 4], [2, 5]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > transposed.py <<'PYTHON'
import sys

import numpy as np
from safetensors import __version__
from safetensors.numpy import load_file, save_file

kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
save_file({"weight": kernel.T}, "model.safetensors")
loaded = load_file("model.safetensors")["weight"].astype(int).tolist()
print(f"{__version__}: {loaded}")
right = kernel.T.astype(int).tolist()
scrambled = [[0, 1], [2, 3], [4, 5]]
assert loaded == {"0.8.0": scrambled, "0.5.3": right}[sys.argv[1]]
PYTHON
for version in 0.8.0 0.5.3; do
    python3 -m venv "venv-$version"
    "venv-$version/bin/pip" install --quiet --disable-pip-version-check \
        "safetensors==$version" numpy==2.2.6
    "venv-$version/bin/python" transposed.py "$version"
done
