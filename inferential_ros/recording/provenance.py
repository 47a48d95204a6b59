"""What a recording says of itself: the contract, and whose plans are in it.

They travel in the MCAP file, the contract as an attachment and the rest as metadata, so that
`inferential replay` needs nothing but the recording.
"""

from __future__ import annotations

from dataclasses import dataclass

from inferential_ros.contract.errors import ContractError
from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.contract.yaml_file import parse_yaml
from inferential_ros.recording.bag import Bag
from inferential_ros.recording.errors import BagError
from inferential_ros.recording.writing import BagWriter

CONTRACT = "contract.yaml"  # the attachment
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


def attach_contract(writer: BagWriter, content: bytes) -> None:
    """Let the contract's file travel in a recording."""
    writer.attach(CONTRACT, "application/yaml", content)


def contract_in(bag: Bag) -> Contract:
    """The contract that a recording brings; BagError where it brings none, or a broken one."""
    content = bag.extras.attachments.get(CONTRACT)
    if content is None:
        raise BagError("the recording brings no contract: name one by --contract FILE")
    try:
        return parse_contract(parse_yaml(content.decode()))
    except (ContractError, UnicodeDecodeError) as error:
        raise BagError(
            f"the contract in the recording: {error}; --contract FILE replaces it"
        ) from None
