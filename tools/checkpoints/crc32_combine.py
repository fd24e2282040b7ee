"""CRC-32 of two strings put together, from the CRC-32 of each and the length of the second.

Appending n bytes multiplies the first CRC by x^(8n) modulo the CRC polynomial, a linear map over GF(2); for a fixed n
it is tabulated by bytes. (Mark Adler, zlib: crc32_combine.)
"""

from __future__ import annotations

POLYNOMIAL = 0xEDB88320


def multiply(a: int, b: int) -> int:
    """a * b modulo the polynomial; bit 31 is x^0."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (POLYNOMIAL if b & 1 else 0)
    return product


def power_of_x(n: int) -> int:
    result, square = 1 << 31, 1 << 30
    while n:
        if n & 1:
            result = multiply(result, square)
        square = multiply(square, square)
        n >>= 1
    return result


class Crc32Appender:
    """append(crc of A, crc of B) = crc of A + B, for B of `length` bytes."""

    def __init__(self, length: int) -> None:
        factor = power_of_x(8 * length)
        self.tables = [[multiply(byte << 8 * k, factor) for byte in range(256)] for k in range(4)]

    def __call__(self, first: int, second: int) -> int:
        a, b, c, d = self.tables
        return a[first & 255] ^ b[first >> 8 & 255] ^ c[first >> 16 & 255] ^ d[first >> 24] ^ second
