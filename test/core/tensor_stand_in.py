"""What answers need of PyTorch's tensors, without PyTorch.

`test/torch` checks this stand-in against the real one.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Dtype:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


float32, bfloat16 = Dtype("float32"), Dtype("bfloat16")


class Tensor:
    def __init__(self, data: np.ndarray, dtype: Dtype, requires_grad: bool) -> None:
        self._data = data
        self.dtype = dtype
        self.requires_grad = requires_grad

    def detach(self) -> Tensor:
        return Tensor(self._data, self.dtype, False)

    def cpu(self) -> Tensor:
        return self

    def float(self) -> Tensor:
        return Tensor(self._data, float32, self.requires_grad)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.dtype is bfloat16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self._data


def tensor(data: Any, dtype: Dtype = float32, requires_grad: bool = False) -> Tensor:
    return Tensor(np.array(data, np.float32), dtype, requires_grad)
