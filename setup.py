"""Installs the Python packages with pip, without ROS 2. colcon does not use this file.

The metadata stand here and not in pyproject.toml so that the setuptools of Ubuntu 22.04 reads
them too. The version is that of package.xml.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def version() -> str:
    """The one version, from package.xml."""
    found = re.search(r"<version>([^<]+)</version>", (ROOT / "package.xml").read_text("utf-8"))
    if found is None:
        raise RuntimeError("package.xml names no <version>")
    return found[1]


def readme() -> str:
    """The page shown in a package index."""
    path = ROOT / "README.md"
    return path.read_text("utf-8") if path.exists() else ""


def shared() -> list[tuple[str, list[str]]]:
    """Contracts, configurations and message definitions, where colcon puts them as well."""
    files = [*(ROOT / "config").rglob("*.*"), *(ROOT / "msg").glob("*.msg")]
    folders = sorted({file.parent.relative_to(ROOT) for file in files})
    return [
        (
            f"share/inferential/{folder}",
            sorted(str(f.relative_to(ROOT)) for f in files if f.parent == ROOT / folder),
        )
        for folder in folders
    ]


IMAGES = ["pillow>=9"]
JPEG = ["simplejpeg>=1.7"]
VIDEO = ["av>=12"]
BFLOAT16 = ["ml_dtypes>=0.3"]
WEB = ["starlette>=0.27", "uvicorn>=0.23", "prometheus_client>=0.9"]
YAML = "ruamel.yaml>=0.17.16"
WATCH = "watchdog>=2.1"
LEROBOT_DOOR = ["grpcio>=1.60"]
DOORS = ["websockets>=12", "msgpack>=1"]
LOCAL = ["pydantic>=2", YAML, WATCH, "rich>=12", *WEB, *DOORS, *IMAGES, *JPEG, *BFLOAT16]
SERVER = ["ray[serve]>=2.40", *LOCAL]
DEMO = ["mujoco>=3.1", "matplotlib>=3.5", "rich>=12", YAML, *WEB]
BAGS = ["lz4>=3.1", "mcap>=1.5", "rosbags>=0.9.20", "zstandard>=0.18", YAML]
DEV = [
    "grpcio-tools>=1.60",
    "hypothesis>=6",
    "mypy>=1.8",
    "psutil>=5.9",
    "pytest>=6.2",
    "pytest-timeout>=2.1",
    "pytest-xdist>=2.5",
    "ruff>=0.6",
    "types-protobuf",
]

setup(
    name="inferential",
    version=version(),
    description="One inference server for a fleet of robots: deadlines, batching, action chunks",
    long_description=readme(),
    long_description_content_type="text/markdown",
    author="Inferential maintainers",
    license="Apache-2.0",
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering",
    ],
    python_requires=">=3.10",
    packages=[
        *find_packages(include=["inferential_core*", "inferential_ros*"]),
        "inferential_demo",
    ],
    package_dir={"inferential_demo": "examples/demo/inferential_demo"},
    package_data={
        "": ["py.typed", "*.pyi", "*.xml", "*.yaml"],
        "inferential_core.web": ["page/*"],
    },
    data_files=shared(),
    zip_safe=False,
    install_requires=["numpy>=1.21", "protobuf>=4.21", "pyzmq>=22.3"],
    extras_require={
        "images": IMAGES,
        "bfloat16": BFLOAT16,
        "doors": DOORS,
        "lerobot-door": LEROBOT_DOOR,
        "local": LOCAL,
        "onnx": ["onnxruntime>=1.16"],
        "server": SERVER,
        "demo": DEMO,
        "bags": BAGS,
        "video": VIDEO,
        "dev": [
            *DEV,
            *IMAGES,
            *BFLOAT16,
            "pydantic>=2",
            YAML,
            WATCH,
            *DOORS,
            *LEROBOT_DOOR,
            "PyYAML>=5.4",
        ],
    },
    entry_points={"console_scripts": ["inferential = inferential_core.cli:main"]},
)
