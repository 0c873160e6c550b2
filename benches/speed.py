#!/usr/bin/env python3
# /// script
# dependencies = ["numpy", "netCDF4", "imagecodecs", "pcodec", "fpzip", "pysz", "matplotlib"]
# ///
"""Speed of HiHa over that of SPERR, JPEG 2000 and JPEG XL at the same error: a row for each field and bound, one thread.

    pip install numpy netCDF4 imagecodecs pcodec fpzip pysz matplotlib        (or: uv run benches/speed.py ...)
    benches/speed.py [--hiha target/release/hiha] [--bounds nrmse:1e-2,lossless:0] [--rounds 2] [--var field] FILE.nc ...

Measured as `benches/peers.py` does, medians of CPU times; above 1 HiHa is faster. Files that the peers do not take (missing values) are named
on standard error and left out."""
import argparse, math, os, sys

import peers

PEERS = ("SPERR", "JPEG 2000", "JPEG XL")
BOUNDS = "nrmse:1e-2,nrmse:1e-3,nrmse:1e-4,max_rel:1e-3,lossless:0"
# Column, peer, time, effort, and the coder whose rows are summed up.
COLUMNS = [
    ("encode at effort 1 over SPERR", "SPERR", "encode_s", 1, None),
    ("encode at effort 5 over JPEG 2000", "JPEG 2000", "encode_s", 5, None),
    ("decode over SPERR", "SPERR", "decode_s", 5, "harmonic"),
    ("decode over JPEG XL", "JPEG XL", "decode_s", 5, "lattice"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hiha", default="target/release/hiha")
    parser.add_argument("--var", default="field")
    parser.add_argument("--bounds", default=BOUNDS, help=f"comma-separated; default {BOUNDS}")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of three runs of each codec")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    codecs = {name: peers.PEERS[name] for name in PEERS}
    print("| field | bound | coder | MB/s: encode, effort 1 | effort 5 | decode | " + " | ".join(c[0] for c in COLUMNS) + " |")
    print("|---" * (6 + len(COLUMNS)) + "|")
    ratios = {column[0]: [] for column in COLUMNS}
    for args.file in args.files:
        try:
            f = peers.Field(args.file, args.var)
        except SystemExit as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        for kind, bound in (b.split(":") for b in args.bounds.split(",")):
            default, quick, *rest = peers.measure(args, f, kind, float(bound), codecs, structure=False)
            coder, others = default["codec"].split("(")[1].rstrip(")"), {row["codec"]: row for row in rest}
            cells = [f"{f.mb / row[time]:.0f}" for row, time in ((quick, "encode_s"), (default, "encode_s"), (default, "decode_s"))]
            for column, peer, time, effort, only in COLUMNS:
                if peer not in others:
                    cells.append("")
                    continue
                ratio = others[peer][time] / (quick if effort == 1 else default)[time]
                cells.append(f"{ratio:.2f}")
                if only in (None, coder):
                    ratios[column].append(ratio)
            field = os.path.basename(args.file).removesuffix(".nc")
            print(f"| {field} | {kind} {float(bound):g} | {coder} | " + " | ".join(cells) + " |", flush=True)
    print()
    for column, *_, only in COLUMNS:
        if values := ratios[column]:
            mean = math.exp(sum(map(math.log, values)) / len(values))
            rows = f"{len(values)} {only + ' ' if only else ''}rows"
            print(f"- {column}: geometric mean {mean:.2f}, least {min(values):.2f}, most {max(values):.2f}; {sum(v < 1 for v in values)} of {rows} below 1")


if __name__ == "__main__":
    main()
