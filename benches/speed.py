#!/usr/bin/env python3
"""Speed of HiHa beside zfp and SZ3 at the same NRMSE, in one run on one thread.

    pip install numpy netCDF4 zfpy pysz
    benches/speed.py [--hiha target/release/hiha] [--nrmse 1e-3] [--repeat 9] FILE.nc VAR

Medians of in-process times, MB of float32 a second; the ratio column is HiHa's speed over the peer's."""
import argparse, json, statistics, subprocess, time

import netCDF4
import numpy as np


def median_time(f, repeat):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = f()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def nrmse(a, b):
    return float(np.sqrt(np.mean((a.astype("f8") - b.astype("f8")) ** 2)) / (float(a.max()) - float(a.min())))


def peer(data, target, repeat, compress, decompress):
    """Largest tolerance whose NRMSE is at most the target, then medians at it."""
    low, high = 1e-7 * np.ptp(data), np.ptp(data)
    for _ in range(24):
        tolerance = float(np.sqrt(low * high))
        if nrmse(data, decompress(compress(tolerance))) <= target:
            low = tolerance
        else:
            high = tolerance
    encode, stream = median_time(lambda: compress(float(low)), repeat)
    decode, _ = median_time(lambda: decompress(stream), repeat)
    return encode, decode, data.nbytes / len(bytes(stream))


def peers(data, target, repeat):
    try:
        import zfpy

        yield "zfp", peer(data, target, repeat, lambda t: zfpy.compress_numpy(data, tolerance=t), zfpy.decompress_numpy)
    except ImportError:
        print("zfpy is not installed: no zfp")
    try:
        from pysz import sz, szConfig, szErrorBoundMode

        def compress(t):
            config = szConfig()
            config.errorBoundMode, config.absErrorBound = szErrorBoundMode.ABS, t
            return sz.compress(data, config)[0]

        yield "SZ3", peer(data, target, repeat, compress, lambda s: sz.decompress(s, np.float32, data.shape)[0])
    except ImportError:
        print("pysz is not installed: no SZ3")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hiha", default="target/release/hiha")
    parser.add_argument("--nrmse", default="1e-3")
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("file")
    parser.add_argument("var")
    args = parser.parse_args()
    with netCDF4.Dataset(args.file) as nc:
        data = np.ascontiguousarray(np.ma.filled(nc[args.var][:].astype("f4"), np.nan))
    command = [args.hiha, "eval", args.file, "--var", args.var, "--nrmse", args.nrmse, "--repeat", str(args.repeat), "--json"]
    ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0])
    mb = data.nbytes / 1e6
    print("| codec | ratio | encode MB/s | decode MB/s | HiHa over it, encode | decode |\n|---|---|---|---|---|---|")
    print(f"| HiHa | {ours['ratio']:.1f} | {mb / ours['encode_s']:.0f} | {mb / ours['decode_s']:.0f} | | |")
    for name, (encode, decode, ratio) in peers(data, float(args.nrmse), args.repeat):
        gain = f"{encode / ours['encode_s']:.2f} | {decode / ours['decode_s']:.2f}"
        print(f"| {name} | {ratio:.1f} | {mb / encode:.0f} | {mb / decode:.0f} | {gain} |", flush=True)


if __name__ == "__main__":
    main()
