"""Server configuration: the schema, and loading it from YAML or JSON. Needs pydantic 2."""

from .loading import load_config
from .schema import InferentialConfig

# Where commands and nodes listen unless told otherwise; the Python API keeps the published
# default, every interface.
LOOPBACK = "tcp://127.0.0.1:5555"


def chosen_bind(config: InferentialConfig, explicit: str | None = None) -> str:
    """The address to listen on: the explicit one, else the configured one, else loopback."""
    configured = "bind" in config.transport.model_fields_set
    return explicit or (config.transport.bind if configured else LOOPBACK)


__all__ = ["LOOPBACK", "InferentialConfig", "chosen_bind", "load_config"]
