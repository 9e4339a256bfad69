"""Argo Rollouts: a controller in virtual time that writes what Rollouts 1.5 to 1.10 write."""

from argoscope.simulator.engine.rollouts.controller import RolloutController

__all__ = ["RolloutController"]
