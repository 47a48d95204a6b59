#!/usr/bin/env bash
# imageio's two readers of video yield 10 and 17 pictures of the same 10
#
# Version: imageio 2.38.1 with imageio-ffmpeg 0.8.1 and av 18.1.0, numpy 2.4.6, Python 3.11, Linux.
# Behaviour: a camera that left out pictures makes a video whose times have a gap. The plugin FFMPEG
#   fills the gap with repetitions, so that picture n is no longer the one that belongs to row n of
#   the actions; the plugin pyav yields what was recorded. Which of them reads where none is named
#   depends on what is installed.
# Output seen, of 10 pictures with 268 ms between the fifth and the sixth, else 33 ms:
#   FFMPEG [0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 6, 7, 8, 9]
#   pyav   [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    imageio==2.38.1 imageio-ffmpeg==0.8.1 av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from fractions import Fraction

import av
import imageio.v3 as iio
import numpy as np

TIMES_MS = (0, 33, 66, 99, 132, 400, 433, 466, 500, 533)
MILLISECOND = Fraction(1, 1000)

with av.open("camera.mp4", "w") as video:
    stream = video.add_stream("libx264", rate=30, options={"crf": "0"})
    stream.width = stream.height = 64
    stream.time_base = stream.codec_context.time_base = MILLISECOND
    for number, time_ms in enumerate(TIMES_MS):
        grey = np.full((64, 64, 3), 20 + 20 * number, np.uint8)
        picture = av.VideoFrame.from_ndarray(grey, format="rgb24")
        picture.pts, picture.time_base = time_ms, MILLISECOND
        video.mux(stream.encode(picture))
    video.mux(stream.encode())

read = {
    plugin: [round((picture.mean() - 20) / 20) for picture in iio.imiter("camera.mp4", plugin=plugin)]
    for plugin in ("FFMPEG", "pyav")
}
for plugin, numbers in read.items():
    print(f"{plugin:6}", numbers)
assert read["pyav"] == list(range(10))
assert read["FFMPEG"] == [0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 6, 7, 8, 9]
PYTHON
