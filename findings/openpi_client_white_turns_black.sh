#!/usr/bin/env bash
# openpi-client turns what is a little brighter than white into black
#
# Version: openpi-client 0.1.2, numpy 1.26.4, Python 3.11, Linux on x86-64.
# Behaviour: `image_tools.convert_to_uint8` is what openpi's examples call on float images in [0, 1]
#   before they are sent. It multiplies by 255 and casts, and the cast wraps: a pixel of 1.004, as
#   bicubic and Lanczos resampling make at edges, becomes 0, one of -0.004 becomes 255. No warning.
#   (It also cuts off instead of rounding: 0.999 becomes 254.)
# Output seen:
#   [1.0, 1.004, 0.999, -0.004] becomes [255, 0, 254, 255]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  openpi-client==0.1.2 numpy==1.26.4 typing_extensions
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from openpi_client.image_tools import convert_to_uint8

pixels = np.array([1.0, 1.004, 0.999, -0.004], np.float32)
got = convert_to_uint8(pixels)
print([1.0, 1.004, 0.999, -0.004], "becomes", got.tolist())
assert got.tolist() == [255, 0, 254, 255]
PYTHON
