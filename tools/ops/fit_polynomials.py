#!/usr/bin/env python3
"""Fits the polynomials of src/ops/float_math.h and prints their coefficients and errors.

Needs mpmath and numpy. Chebyshev interpolation in 40 digits comes within a factor of about two of
the best polynomial of that degree, and the degrees are chosen so that this lies below what f32
arithmetic adds. Coefficients are printed rounded to f32, or f64 where they are of that, as
hexadecimal floats, lowest power first.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 40

GELU_P = mp.mpf("0.25")  # t = 1 / (1 + GELU_P * |x|) maps [0, inf) onto (0, 1]


def chebyshev_nodes(low, high, count):
    return [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * count))
            for i in range(count)]


def fit(name, function, low, high, degree, kind=np.float32):
    nodes = chebyshev_nodes(mp.mpf(low), mp.mpf(high), degree + 1)
    matrix = mp.matrix(degree + 1, degree + 1)
    for i, x in enumerate(nodes):
        for j in range(degree + 1):
            matrix[i, j] = x**j
    exact = mp.lu_solve(matrix, mp.matrix([function(x) for x in nodes]))
    rounded = [mp.mpf(float(kind(float(c)))) for c in exact]

    def worst(coefficients):
        return max(abs(sum(c * x**k for k, c in enumerate(coefficients)) / function(x) - 1)
                   for x in chebyshev_nodes(mp.mpf(low), mp.mpf(high), 1000))

    print(f"{name}, [{float(low):.4g}, {float(high):.4g}]: relative error {float(worst(exact)):.1e}, "
          f"with rounded coefficients {float(worst(rounded)):.1e}")
    for power, c in enumerate(rounded):
        print(f"  x^{power}: {float(c).hex()}{'f' if kind is np.float32 else ''}  // {float(c):.9g}")


def exp_tail(r):
    """(exp(r) - 1 - r) / r^2"""
    return (mp.expm1(r) - r) / r**2 if abs(r) > 1e-9 else mp.mpf(1) / 2 + r / 6


def exp2_slope(r):
    """(2^r - 1) / r"""
    return (mp.mpf(2) ** r - 1) / r if abs(r) > 1e-12 else mp.log(2)


def gelu_tail(t):
    """Q(x) * exp(x^2 / 2) / t, where Q(x) = 1 - Phi(x) of the normal distribution"""
    x = (1 / t - 1) / GELU_P
    return mp.erfc(x / mp.sqrt(2)) / 2 * mp.exp(x * x / 2) / t


def sine_tail(u):
    """(sin(r) - r) / r^3 for u = r^2"""
    r = mp.sqrt(u)
    return (mp.sin(r) - r) / r**3 if u > 1e-9 else -mp.mpf(1) / 6 + u / 120


def cosine_tail(u):
    """(cos(r) - 1 + r^2 / 2) / r^4 for u = r^2"""
    return (mp.cos(mp.sqrt(u)) - 1 + u / 2) / u**2 if u > 1e-9 else mp.mpf(1) / 24 - u / 720


def half_pi_in_parts():
    """Of 28 bits, so that their products with whole numbers of 25 bits are exact; the rest last."""
    rest = mp.pi / 2
    for _ in range(2):
        unit = mp.mpf(2) ** (mp.floor(mp.log(rest, 2)) - 27)
        part = mp.floor(rest / unit) * unit
        rest -= part
        print(f"half pi: {float(part).hex()}")
    print(f"half pi: {float(rest).hex()}")


if __name__ == "__main__":
    half = mp.log(2) / 2 * mp.mpf("1.0001")
    fit("exp_tail", exp_tail, -half, half, 4)
    fit("exp2_slope", exp2_slope, -mp.mpf("0.50001"), mp.mpf("0.50001"), 5)
    quarter = (mp.pi / 4 * mp.mpf("1.0001")) ** 2
    fit("sine_tail", sine_tail, 0, quarter, 3, np.float64)
    fit("cosine_tail", cosine_tail, 0, quarter, 3, np.float64)
    half_pi_in_parts()
    fit("gelu_tail", gelu_tail, 1 / (1 + GELU_P * 14), 1, 9)
