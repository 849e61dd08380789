"""Linear layers with learned noise on their weights (Fortunato et al. 2018, arXiv 1706.10295, eq. 9 to 11).

    y = (mu_w + sigma_w * e_out e_in^T) x + mu_b + sigma_b * e_out        e = f(normal), f(x) = sgn(x) sqrt|x|
      = mu_w x + mu_b + e_out * (sigma_w (e_in * x) + sigma_b)

The second line forms no weights, so each row of a batch may have noise of its own.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def factorised(normal: Tensor) -> Tensor:
    """Returns f(x) = sgn(x) sqrt|x|."""
    return normal.sign() * normal.abs().sqrt()


class NoisyLinear(nn.Module):
    """Mu starts uniform within 1/sqrt(inputs), sigma at sigma0/sqrt(inputs) (section 3.2)."""

    def __init__(self, num_inputs: int, num_outputs: int, sigma0: float, rng: torch.Generator) -> None:
        super().__init__()
        self.num_inputs, self.num_outputs, self.sigma0 = num_inputs, num_outputs, sigma0
        bound = 1 / math.sqrt(num_inputs)
        self.weight = nn.Parameter(
            torch.empty(num_outputs, num_inputs).uniform_(-bound, bound, generator=rng)
        )
        self.bias = nn.Parameter(torch.empty(num_outputs).uniform_(-bound, bound, generator=rng))
        self.weight_sigma = nn.Parameter(torch.empty_like(self.weight))
        self.bias_sigma = nn.Parameter(torch.empty_like(self.bias))
        self.reset_sigmas()

    @property
    def num_noise(self) -> int:
        """Random numbers it needs a row."""
        return self.num_inputs + self.num_outputs

    @torch.no_grad()
    def reset_sigmas(self) -> None:
        """Put the noise's scale back to where it started."""
        for sigma in (self.weight_sigma, self.bias_sigma):
            sigma.fill_(self.sigma0 / math.sqrt(self.num_inputs))

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """Returns the outputs [B, num_outputs].

        Args:
            x: [B, num_inputs].
            noise: [B or 1, num_noise] of `factorised`; None for the weights' means.
        """
        if noise is None:
            return F.linear(x, self.weight, self.bias)
        e_in, e_out = torch.split(noise, [self.num_inputs, self.num_outputs], dim=-1)
        if len(noise) == 1:  # the first equation: one product with x instead of two
            weight = torch.addcmul(self.weight, self.weight_sigma, e_out.T @ e_in)
            return F.linear(x, weight, torch.addcmul(self.bias, self.bias_sigma, e_out[0]))
        mean = F.linear(x, self.weight, self.bias)
        return torch.addcmul(mean, e_out, F.linear(e_in * x, self.weight_sigma, self.bias_sigma))
