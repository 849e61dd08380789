"""Distributions over returns on fixed atoms (Bellemare, Dabney, Munos 2017, arXiv 1707.06887)."""

import torch
from torch import Tensor


def support(v_min: float, v_max: float, num_atoms: int, device: torch.device) -> Tensor:
    """The atoms z [Z], evenly spaced from `v_min` to `v_max`."""
    return torch.linspace(v_min, v_max, num_atoms, device=device)


def project(prob: Tensor, return_: Tensor, discount: Tensor, atoms: Tensor) -> Tensor:
    """Distribution of `return_ + discount * z`, put back on the atoms: [B, Z].

    Each shifted atom is clipped to the support and shares its mass among its two neighbours:

        Tz_j = clip(return_ + discount * z_j, v_min, v_max)
        out_i = sum_j max(0, 1 - |Tz_j - z_i| / dz) * prob_j

    Args:
        prob: [B, Z] of the atoms in the next state.
        return_: [B] of the n steps until there.
        discount: [B] of the value there; 0 where the episode ended on the way.
        atoms: [Z] evenly spaced.
    """
    spacing = (atoms[-1] - atoms[0]) / (len(atoms) - 1)
    shifted = (return_[:, None] + discount[:, None] * atoms).clamp(min=atoms[0], max=atoms[-1])
    share = (1 - (shifted[:, None, :] - atoms[:, None]).abs() / spacing).clamp_(min=0)  # [B, i, j]
    return torch.bmm(share, prob.unsqueeze(-1)).squeeze(-1)
