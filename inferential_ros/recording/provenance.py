"""What a recording says about itself: the contract, and the model version of its plans.

They travel in the MCAP file, the contract as an attachment and the rest as metadata, so that
`inferential replay` needs nothing but the recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inferential_ros.contract.loading import load_contract, parse_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.options import stand_ins
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_file import parse_yaml, read_yaml
from inferential_ros.recording.bag import Bag
from inferential_ros.recording.errors import BagError
from inferential_ros.recording.matching import Names
from inferential_ros.recording.writing import BagWriter

CONTRACT, URDF = "contract.yaml", "robot.urdf"  # the attachments
DESCRIPTIONS = ("robot_description", "/robot_description")  # in the namespace first
METADATA = "inferential"  # the metadata's name


@dataclass(frozen=True)
class Provenance:
    """Of which bridge a recording is. remap: rules FROM:=TO that the bridge had."""

    model: str = ""
    model_version: str = ""  # that answered last, '' where the server reported none
    namespace: str = ""
    remap: tuple[str, ...] = ()

    def write(self, writer: BagWriter) -> None:
        """Into a recording, in place of what was written before."""
        values = {
            "model": self.model,
            "model_version": self.model_version,
            "namespace": self.namespace,
            "remap": "\n".join(self.remap),
        }
        writer.describe(METADATA, values)

    @classmethod
    def of(cls, bag: Bag) -> Provenance:
        """That of a recording; empty where `inferential record` did not write it."""
        values = bag.extras.metadata.get(METADATA, {})
        return cls(
            model=values.get("model", ""),
            model_version=values.get("model_version", ""),
            namespace=values.get("namespace", ""),
            remap=tuple(rule for rule in values.get("remap", "").split("\n") if rule),
        )


def attach_contract(writer: BagWriter, path: Path) -> None:
    """Let a contract's file travel in a recording, and the URDF that it names."""
    writer.attach(CONTRACT, "application/yaml", path.read_bytes())
    named = read_yaml(path).get("urdf")
    if named is not None:
        writer.attach(URDF, "application/xml", (path.parent / named).read_bytes())


def contract_for(bag: Bag, path: str, namespace: str) -> Contract:
    """The contract in a file, or in the recording for ''; its types may be only recorded ones.

    Limits that are the robot's own are those of the URDF that was recorded. BagError where the
    recording lacks what is needed, ContractError where the contract is wrong.
    """

    def load(description: str | None) -> Contract:
        return load_contract(path, description) if path else _brought(bag, description)

    stand_ins.learn(bag.definitions)
    contract = load(None)
    if not contract.awaits_urdf:
        return contract
    names = Names(bag.types, namespace, {})
    for topic in map(names.resolved, DESCRIPTIONS):
        for recorded in bag.messages([topic]):
            return load(str(recorded.message.data))
    raise BagError(
        f"{contract.awaits_urdf}.limits: urdf: /robot_description is not in the recording; name a"
        " file under urdf"
    )


def _brought(bag: Bag, description: str | None) -> Contract:
    extras = bag.extras.attachments
    if CONTRACT not in extras:
        raise BagError("the recording brings no contract: name one by --contract FILE")
    try:
        values = parse_yaml(extras[CONTRACT].decode())
        if URDF in extras:
            description = extras[URDF].decode()
            values = {key: value for key, value in values.items() if key != "urdf"}
        return parse_contract(values, description)
    except (ContractError, UnicodeDecodeError) as error:
        told = f"the contract in the recording: {error}; --contract FILE replaces it"
        raise BagError(told) from None
