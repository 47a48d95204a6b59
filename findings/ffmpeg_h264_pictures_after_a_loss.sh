#!/usr/bin/env bash
# PyAV 18.1.0 (its wheel's FFmpeg 8.1): after a packet of an H.264 stream was lost, the decoder goes
# on as if nothing had happened. The pictures until the next key frame are made up in part of older
# ones, although `is_corrupt` is False and no error is raised, with err_detect=explode, too. The
# decoder of HEVC shows nothing until the next key frame.
# Seen (packet 5 lost, a key frame every 20 packets; where pixels differ from those without a loss by
# more than 20 of 255, they are counted):
#   h264: pictures from 14 of the 14 packets until the key frame, none marked, wrong pixels: True
#   hevc: pictures from 0 of the 14 packets until the key frame
# This fails if H.264 marks or withholds such pictures.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check av==18.1.0 numpy
"$folder/venv/bin/python" - <<'EOF'
import sys
from fractions import Fraction

import av
import numpy as np

LOST, KEY = 5, 20


def encoded(encoder, **options):
    context = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = 640, 480, "yuv420p"
    context.time_base, context.framerate, context.gop_size = Fraction(1, 30), Fraction(30), KEY
    context.options = options
    packets = []
    for index in range(KEY + 2):
        pixels = np.zeros((480, 640, 3), np.uint8)
        pixels[:, 24 * index : 24 * index + 40] = 255
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = index
        packets += context.encode(frame)
    return [bytes(packet) for packet in packets + context.encode(None)]


def decoded(codec, packets, lost):
    context = av.CodecContext.create(codec, "r")
    context.thread_count, context.options = 1, {"err_detect": "explode"}
    found = {}
    for index, data in enumerate(packets):
        if index != lost:
            packet = av.Packet(data)
            packet.pts = index
            try:
                frames = context.decode(packet)
            except av.error.FFmpegError:
                continue
            for frame in frames:
                found[frame.pts] = (frame.is_corrupt, frame.to_ndarray(format="gray").astype(int))
    return found


def after_the_loss(codec, packets):
    found = decoded(codec, packets, LOST)
    return {index: each for index, each in found.items() if LOST < index < KEY}


h264 = encoded("libx264", preset="ultrafast", tune="zerolatency")
whole, broken = decoded("h264", h264, -1), after_the_loss("h264", h264)
marked = any(corrupt for corrupt, _ in broken.values())
wrong = any(np.abs(pixels - whole[index][1]).max() > 20 for index, (_, pixels) in broken.items())
print(
    f"h264: pictures from {len(broken)} of the 14 packets until the key frame,"
    f" {'some' if marked else 'none'} marked, wrong pixels: {wrong}"
)
quiet = {"preset": "ultrafast", "x265-params": "bframes=0:log-level=none"}
hevc = after_the_loss("hevc", encoded("libx265", **quiet))
print(f"hevc: pictures from {len(hevc)} of the 14 packets until the key frame")
sys.exit(0 if len(broken) == 14 and not marked and wrong else 1)
EOF
