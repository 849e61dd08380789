"""Encoders, memory, heads, and the actor-critic made of them."""

from fvm_learners.networks.actor_critic import NETWORKS, ActorCritic

__all__ = ["NETWORKS", "ActorCritic"]
