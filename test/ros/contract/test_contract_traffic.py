"""`contract check` says what observations cost on the network."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("PIL.Image", reason="pillow is not installed")

from inferential_ros.cli.contract import main
from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.traffic import tell, traffic_of

IMAGE = "sensor_msgs/msg/Image"


def contract(trigger=None, **keys):
    joints = {"topic": "j", "type": "sensor_msgs/msg/JointState", "joints": ["a", "b"]}
    output = {"topic": "o", "type": "std_msgs/msg/Float64MultiArray", "kind": "position"}
    observation = {"keys": {"state": joints, **keys}, "trigger": trigger or {"on": "state"}}
    action = {"names": ["a"], "rate_hz": 50, "outputs": [output]}
    return parse_contract(
        {"model": {"id": "policy"}, "observation": observation, "action": action}
    )


def sizes(**keys):
    return {each.name: each.size for each in traffic_of(contract(**keys))}


def test_arrays_of_known_shape_count_byte_by_byte():
    small = {"topic": "c", "type": IMAGE, "encodings": ["bgr8"]}
    found = sizes(
        camera={**small, "resize": {"width": 224, "height": 224}},
        depth={**small, "encodings": ["16UC1"], "crop": {"width": 100, "height": 50}},
        past={
            "topic": "p",
            "type": "sensor_msgs/msg/JointState",
            "joints": ["a", "b", "c"],
            "history": {"steps": 4, "every_s": 0.1},
        },
    )
    assert found == {
        "camera": 224 * 224 * 3,
        "depth": 100 * 50 * 2,
        "past": 4 * 3 * 4,
        "state": 2 * 4,
    }


def test_an_image_whose_size_only_the_camera_knows_is_taken_for_640_x_480():
    (first, _) = traffic_of(contract(camera={"topic": "c", "type": IMAGE}))
    told = "as 3 channels of uint8 at 640 x 480"
    assert (first.name, first.size, first.assumed) == ("camera", 640 * 480 * 3, told)


def test_the_contract_tells_the_size_of_an_image_whose_encoding_only_the_camera_knows():
    resized = {"topic": "c", "type": IMAGE, "resize": {"width": 200, "height": 100}}
    keys = {
        "past": {**resized, "history": {"steps": 4, "every_s": 0.1}},
        "float": {**resized, "rotate": 90, "scale": 0.1, "encodings": ["mono8", "rgb8"]},
        "decoded": {**resized, "type": "sensor_msgs/msg/CompressedImage"},
        "sent": {**resized, "send": "jpeg", "jpeg_quality": 75},
    }
    found = {each.name: (each.size, each.assumed) for each in traffic_of(contract(**keys))}
    assert found == {
        "past": (4 * 200 * 100 * 3, "as 3 channels of uint8"),
        "float": (200 * 100 * 3 * 4, "as 3 channels of float32"),
        "decoded": (200 * 100 * 3, "as 3 channels of uint8"),
        "sent": (200 * 100 * 0.20, "a JPEG of quality 75 of 200 x 100"),
        "state": (2 * 4, ""),
    }


def test_each_sample_of_a_history_of_images_counts_whose_size_only_the_camera_knows():
    past = {"topic": "c", "type": IMAGE, "encodings": ["rgb8"]}
    (first, _) = traffic_of(contract(past={**past, "history": {"steps": 4, "every_s": 0.1}}))
    assert (first.size, first.assumed) == (4 * 640 * 480 * 3, "at 640 x 480")


def test_a_jpeg_is_larger_the_better_it_is_and_far_smaller_than_the_image():
    camera = {"topic": "c", "type": IMAGE, "send": "jpeg"}
    rough, good = (
        sizes(camera={**camera, "jpeg_quality": quality})["camera"] for quality in (60, 95)
    )
    assert 0.04 < rough / (640 * 480 * 3) < 0.6 * good / (640 * 480 * 3) < 0.13


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
def test_the_figures_are_those_of_a_photograph(quality):
    pillow = pytest.importorskip("PIL.Image")
    data = pytest.importorskip("matplotlib").get_data_path()
    picture = pillow.open(Path(data) / "sample_data" / "grace_hopper.jpg").convert("RGB")
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=quality)
    camera = {"topic": "c", "type": IMAGE, "send": "jpeg", "jpeg_quality": quality}
    crop = {"width": picture.width, "height": picture.height}
    found = sizes(camera={**camera, "crop": crop})["camera"]
    assert found == pytest.approx(len(file.getvalue()), rel=0.05)


def test_a_second_of_observations_is_told_as_a_share_of_three_links():
    camera = {"topic": "c", "type": IMAGE, "encodings": ["rgb8"]}
    resized = {**camera, "resize": {"width": 200, "height": 200}}
    lines = list(tell(contract(trigger={"rate_hz": 20}, camera=resized)))
    per_observation = 200 * 200 * 3 + 2 * 4 + 150
    assert lines[0] == "an observation takes 120 kB"
    assert lines[1] == "  camera: 120 kB"
    assert lines[2] == (
        "20 a second are 2.4 MB a second:"
        " 192% of 10 Mbit/s, 19% of 100 Mbit/s, 1.9% of 1000 Mbit/s"
    )
    assert lines[3].startswith(
        f"one is on its way for at least {8e-4 * per_observation:.3g} ms at 10"
    )


def test_the_command_says_it(tmp_path, capsys):
    file = tmp_path / "robot.yaml"
    file.write_text(
        "model: {id: policy}\n"
        "observation:\n"
        "  keys:\n"
        "    camera: {topic: c, type: sensor_msgs/msg/CompressedImage}\n"
        "action:\n"
        "  names: [a]\n"
        "  rate_hz: 50\n"
        "  outputs: [{topic: o, type: std_msgs/msg/Float64MultiArray, kind: position}]\n"
    )
    assert main(["check", str(file)]) == 0
    told = capsys.readouterr().out
    assert "an observation takes about 114 kB" in told
    assert "camera: 114 kB (a JPEG as it comes of 640 x 480)" in told
    assert np.isclose(640 * 480 * 0.37, 113_664)
