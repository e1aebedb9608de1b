"""Muon: momentum whose update is made orthogonal, for the matrices of the decoder.

After Keller Jordan's Muon (2024, github.com/KellerJordan/Muon). torch ships one too, but it always casts to
bf16, which is slow on processors without it.
"""

from collections.abc import Callable
from typing import Any

import torch


class Muon(torch.optim.Optimizer):
    """Updates 2-D parameters only. `lr` is the step's spectral size for a square matrix."""

    def __init__(
        self, params: Any, lr: float, dtype: torch.dtype, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        """`dtype` is that of the Newton-Schulz iteration; it needs no more than bf16."""
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = closure() if closure else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        nesterov = parameter.grad.lerp(state["momentum"], group["momentum"])  # type: ignore[union-attr]
        tall = max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(orthogonal(nesterov.to(self._dtype)).to(parameter.dtype), alpha=-group["lr"] * tall)


def orthogonal(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest matrix whose singular values are about 1, by the quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315  # the coefficients of the original: fastest, values end in 0.7..1.2
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: torch.Tensor = x.T if matrix.shape[0] > matrix.shape[1] else x
    return result
