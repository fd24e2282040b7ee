#!/usr/bin/env python3
"""What a loader is held against: reads whole files with some threads, as fast as preadv does.

    bench/runtime/plain_read.py FILE... [--threads 2] [--runs 3]

Once into buffers of 8 MiB that are used again and again, once into memory as large as the files that nobody has
touched, as a loader's devices are. The best run of each counts. Standard library alone.
"""
import argparse
import mmap
import os
import threading
import time

PIECE = 8 << 20

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("files", nargs="+")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--runs", type=int, default=3)
args = parser.parse_args()

pieces = []  # (descriptor, offset in the file, bytes, offset in all)
total = 0
for path in args.files:
    descriptor, size = os.open(path, os.O_RDONLY), os.path.getsize(path)
    for at in range(0, size, PIECE):
        count = min(PIECE, size - at)
        pieces.append((descriptor, at, count, total))
        total += count


def seconds(fresh):
    memory = mmap.mmap(-1, total if fresh else args.threads * PIECE)
    view = memoryview(memory)

    def read(thread):
        for descriptor, at, count, place in pieces[thread::args.threads]:
            start = place if fresh else thread * PIECE
            while count > 0:
                got = os.preadv(descriptor, [view[start:start + count]], at)
                if got == 0:
                    raise SystemExit("a file became shorter")
                at, start, count = at + got, start + got, count - got

    if not fresh:
        view[:] = bytes(len(view))
    threads = [threading.Thread(target=read, args=(i,)) for i in range(args.threads)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - start
    view.release()
    memory.close()
    return took


for name, fresh in (("into used buffers", False), ("into fresh memory", True)):
    best = min(seconds(fresh) for _ in range(args.runs))
    print(f"{name}: {total / 2**30:.2f} GiB in {best:.2f} s, {total / best / 1e9:.2f} GB/s")
