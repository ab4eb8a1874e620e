"""burn SECONDS: as burn.c."""
import os
import sys
import time


def spin(n):
    v = n
    while n:
        v = (v * 1664525 + n) & 0xFFFFFFFF
        n -= 1
    return v


def inner(n):
    return spin(n)


def alpha(n):
    return inner(n)


def beta(n):
    return spin(n)


def main():
    r = 1
    while time.process_time() < float(sys.argv[1]):
        r = (r * 1103515245 + 12345) & 0x7FFFFFFF
        part = 300 + (r >> 8) % 1200
        alpha(7 * part)
        beta(3 * part)
    print(f"pid {os.getpid()}\ncpu {time.process_time_ns()}")


main()
