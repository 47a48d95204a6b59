"""Server configuration: the schema, and loading it from YAML or JSON. Needs pydantic 2."""

from .loading import load_config
from .schema import InferentialConfig

__all__ = ["InferentialConfig", "load_config"]
