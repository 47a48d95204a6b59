"""Equations of motion of the cart-pole, for whole batches of states at once. numpy only.

State (..., 4): cart position x [m], pole angle theta [rad, 0 upright, positive towards +x],
and their rates. Input: force on the cart [N]. The numbers are those of config/demo/cartpole.xml
(a test compares the two).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CartPole:
    """Physical parameters, SI units."""

    cart_mass: float = 1.0
    pole_mass: float = 0.2
    pole_com: float = 0.9  # pivot to centre of mass
    pole_inertia: float = 0.054  # about the centre of mass
    cart_damping: float = 0.2
    pole_damping: float = 0.005
    max_force: float = 20.0
    gravity: float = 9.81

    def derivative(self, state: np.ndarray, force: np.ndarray) -> np.ndarray:
        """d(state)/dt, (..., 4), from Lagrange's equations of the two joints.

        With m the pole's mass, l its pivot-to-centre distance, J its inertia about the pivot:
            (M + m) x''   + m l cos(theta) theta'' = force - b x' + m l sin(theta) theta'^2
            m l cos(theta) x'' + J theta''         = m g l sin(theta) - c theta'
        """
        theta, x_rate, theta_rate = state[..., 1], state[..., 2], state[..., 3]
        sin, cos = np.sin(theta), np.cos(theta)
        ml = self.pole_mass * self.pole_com
        inertia = self.pole_inertia + ml * self.pole_com
        mass = self.cart_mass + self.pole_mass
        on_cart = force - self.cart_damping * x_rate + ml * sin * theta_rate**2
        on_pole = ml * self.gravity * sin - self.pole_damping * theta_rate
        determinant = mass * inertia - (ml * cos) ** 2
        out = np.empty_like(state)
        out[..., 0] = x_rate
        out[..., 1] = theta_rate
        out[..., 2] = (inertia * on_cart - ml * cos * on_pole) / determinant
        out[..., 3] = (mass * on_pole - ml * cos * on_cart) / determinant
        return out

    def step(self, state: np.ndarray, force: np.ndarray, period_s: float) -> np.ndarray:
        """State after `period_s` of constant force (one step of the midpoint rule)."""
        middle = state + 0.5 * period_s * self.derivative(state, force)
        return state + period_s * self.derivative(middle, force)
