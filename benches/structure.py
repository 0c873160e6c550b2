#!/usr/bin/env python3
# /// script
# dependencies = ["numpy", "netCDF4", "imagecodecs", "pcodec", "fpzip", "pysz"]
# ///
"""The structure of HiHa's errors beside SPERR's at the same NRMSE: the last table of `peers.py`, for many files.

    benches/structure.py [--hiha target/release/hiha] [--nrmse 1e-2,1e-3,1e-4] [--var field] FILE.nc ...

One row a field and target: for both codecs the largest relative error of the zonal power spectrum over the wavenumbers that together
carry 99 % of the variance, the RMSE of the finite-difference gradient over the RMS of the original's, and the mean bias over the range.
SPERR's tolerance is searched until its NRMSE is just below the target. Fields with missing values are left out: SPERR takes none.
Means leave out what came back to the bit."""
import argparse, math, os, sys

from peer_codecs import PEERS
from peers import MEASURES, Field, decoded_by_hiha, search, structure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hiha", default="target/release/hiha")
    parser.add_argument("--nrmse", default="1e-2,1e-3,1e-4")
    parser.add_argument("--var", default="field")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    print("| field | NRMSE | achieved: HiHa | SPERR | power spectrum: HiHa | SPERR | gradient: HiHa | SPERR | mean bias: HiHa | SPERR |")
    print("|---" * 10 + "|")
    over = {}
    for args.file in args.files:
        try:
            f = Field(args.file, args.var)
        except SystemExit as why:
            print(why, file=sys.stderr)
            continue
        for target in args.nrmse.split(","):
            bound = float(target)
            peer = PEERS["SPERR"](f, "nrmse")
            decoded = decoded_by_hiha(args, f, "nrmse", bound), peer[1](peer[0](search(f, "nrmse", bound, peer)))
            reached = [MEASURES["nrmse"](f.values, d, f.span) for d in decoded]
            ours, theirs = (structure(f, d) for d in decoded)
            if reached[0] > 0:
                over.setdefault(target, []).append([a / b for a, b in zip(ours[:2], theirs)])
            cells = [f"{x:.3g}" for x in reached] + [f"{x:.1e}" for pair in zip(ours[:2], theirs) for x in pair]
            cells += [f"{x:+.1e}" for x in (ours[2], theirs[2])]
            print(f"| {os.path.basename(args.file).removesuffix('.nc')} | {target} | " + " | ".join(cells) + " |", flush=True)
    print("\nHiHa's error over SPERR's, geometric mean (least to largest):\n\n| NRMSE | power spectrum | gradient |\n|---|---|---|")
    for target, pairs in over.items():
        cells = [f"{math.exp(sum(map(math.log, r)) / len(r)):.2f} ({min(r):.2f} to {max(r):.2f})" for r in zip(*pairs)]
        print(f"| {target} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
