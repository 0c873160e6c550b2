#!/usr/bin/env python3
# /// script
# dependencies = ["numpy", "netCDF4", "imagecodecs", "pcodec", "fpzip", "pysz", "matplotlib"]
# ///
"""HiHa beside SPERR, SZ3, zfp, JPEG 2000, JPEG XL, pco and fpzip on one variable, in one run on one thread.

    pip install numpy netCDF4 imagecodecs pcodec fpzip pysz matplotlib        (or: uv run benches/peers.py ...)
    benches/peers.py [--hiha target/release/hiha] [--nrmse 1e-2,1e-3] [--max-rel 1e-3] [--lossless] [--plot OUT.png] FILE.nc VAR

Every peer's parameter is searched until the same error measure is met. Then all codecs are timed in turns, `--rounds` times three
runs, in process; the tables show medians, in MB of float32 a second of CPU time, so that other programs disturb them less. JPEG 2000
codes 20-bit integers, one stream a slice; JPEG XL and pco are lossless coders behind a uniform quantiser. The second table compares
the structure of the errors with SPERR's: the power spectrum along the last axis (largest relative error over the wavenumbers that
together carry 99 % of the variance), the finite-difference gradient (RMSE over the RMS of the original gradient) and the mean bias
over the range. --plot draws bits per value against NRMSE."""
import argparse, json, os, platform, resource, statistics, subprocess, sys, tempfile, time

import netCDF4
import numpy as np
from peer_codecs import LOSSLESS, PEERS, size

MEASURES = {
    "nrmse": lambda a, b, span: float(np.sqrt(np.mean((a.astype("f8") - b) ** 2))) / span,
    "max_rel": lambda a, b, span: float(np.max(np.abs(a.astype("f8") - b))) / span,
    "lossless": lambda a, b, span: float(np.count_nonzero(a != b)),
}


class Field:
    """The values, as 2-D or 3-D float32, and what the peers need to know of them."""

    def __init__(self, path, var):
        with netCDF4.Dataset(path) as nc:
            self.file_shape = nc[var].shape
            values = np.ma.filled(nc[var][:].astype("f4"), np.nan).squeeze()
        if not np.isfinite(values).all() or values.ndim < 2 or np.ptp(values) == 0:
            sys.exit(f"{path}, {var}: the peers need a 2-D or larger field of finite, varying values")
        self.values = np.ascontiguousarray(values.reshape((-1,) + values.shape[-2:]) if values.ndim > 3 else values)
        self.low, self.span = float(values.min()), float(values.max()) - float(values.min())
        self.mb = self.values.nbytes / 1e6

    def slices(self, array):
        return array.reshape((-1,) + array.shape[-2:])


def search(f, kind, bound, peer):
    """The loosest setting whose error is at most the bound."""
    encode, decode = peer[:2]
    trial = peer[2] if len(peer) > 2 else lambda t: decode(encode(t))

    def holds(t):
        return MEASURES[kind](f.values, trial(t), f.span) <= bound

    low, high = bound / 8, bound * 32
    for _ in range(8):
        if holds(low):
            break
        low, high = low / 8, low
    else:
        return None
    while high > 1.003 * low:
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def evaluate(args, f, kind, bound, effort):
    """One run of `hiha eval`. It reports elapsed times; the share of the CPU that the program got turns them into CPU times."""
    command = [args.hiha, "eval", args.file, "--var", args.var, "--json", "--effort", str(effort)]
    command += ["--repeat", str(max(3, round(20 / f.mb)))]  # long enough for the start not to count
    command += ["--lossless"] if kind == "lossless" else ["--" + kind.replace("_", "-"), repr(bound)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    share = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / wall
    row = json.loads(run.stdout.splitlines()[0])
    return row | {key: row[key] * min(share, 1.0) for key in ("encode_s", "decode_s")}


def decoded_by_hiha(args, f, kind, bound):
    """The values through `hiha compress` and `decompress`, in one chunk as `eval` takes them."""
    with tempfile.TemporaryDirectory() as folder:
        packed, plain = os.path.join(folder, "packed.nc"), os.path.join(folder, "plain.nc")
        command = [args.hiha, "compress", args.file, packed, "--var", f"{args.var}={kind}:{bound!r}", "--threads", "1"]
        subprocess.run(command + ["--chunk", ",".join(map(str, f.file_shape))], check=True, capture_output=True)
        subprocess.run([args.hiha, "decompress", packed, plain], check=True, capture_output=True)
        return Field(plain, args.var).values


def structure(f, decoded):
    """Error of the zonal power spectrum, of the gradient, and the mean bias."""
    def power(a):
        return np.mean(np.abs(np.fft.rfft(f.slices(a).astype("f8"), axis=-1)) ** 2, axis=(0, 1))[1:]

    original, coded = power(f.values), power(decoded)
    order = np.argsort(original)[::-1]
    carried = np.cumsum(original[order])
    kept = order[: int(np.searchsorted(carried, 0.99 * carried[-1])) + 1]
    spectrum = float(np.max(np.abs(coded[kept] / original[kept] - 1)))
    a, b = f.slices(f.values).astype("f8"), f.slices(decoded).astype("f8")
    wrong = sum(np.mean((np.diff(a, axis=x) - np.diff(b, axis=x)) ** 2) for x in (1, 2))
    whole = sum(np.mean(np.diff(a, axis=x) ** 2) for x in (1, 2))
    return spectrum, float(np.sqrt(wrong / whole)), float(np.mean(b - a)) / f.span


def timed(function):
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def measure(args, f, kind, bound, codecs=PEERS, structure=True):
    """One row a codec at one bound: sizes and errors, then times of all codecs in turns; for `structure` HiHa's values, too."""
    rows, running = [], {}
    for name, make in codecs.items():
        if kind == "lossless" and name not in LOSSLESS:
            continue
        peer = make(f, kind)
        try:
            setting = 1.0 if kind == "lossless" else search(f, kind, bound, peer)
            if setting is None:
                raise ValueError("the bound is out of its reach")
            stream = peer[0](setting)
            decoded = peer[1](stream)
        except Exception as error:  # a peer that cannot take this field or bound is named and left out
            print(f"{name} left out at {kind} {bound:g}: {error}", file=sys.stderr)
            continue
        running[name] = (peer, setting, [], [])
        rows.append({"codec": name, "bytes": size(stream), "decoded": decoded})
    own = {effort: [] for effort in (5, 1)}
    for _ in range(args.rounds):
        for effort, results in own.items():
            results.append(evaluate(args, f, kind, bound, effort))
        for peer, setting, encode, decode in running.values():
            for _ in range(3):
                seconds, stream = timed(lambda: peer[0](setting))
                encode.append(seconds)
                decode.append(timed(lambda: peer[1](stream))[0])
    for row in rows:
        *_, encode, decode = running[row["codec"]]
        row |= {"encode_s": statistics.median(encode), "decode_s": statistics.median(decode)}
        row["achieved"] = MEASURES[kind](f.values, row["decoded"], f.span)
    for effort, results in reversed(own.items()):
        row = {"codec": f"HiHa effort {effort} ({results[0]['method']})", "decoded": None}
        row |= {key: results[0][key] for key in ("bytes", "achieved")}
        row |= {key: statistics.median(r[key] for r in results) for key in ("encode_s", "decode_s")}
        if kind == "lossless":
            row["achieved"] = results[0]["mismatches"]
        rows.insert(0, row)
    if kind == "nrmse" and structure:
        rows[0]["decoded"] = decoded_by_hiha(args, f, kind, bound)
    return rows


def speed_table(f, results):
    print("| bound | codec | achieved | ratio | bits/value | encode MB/s | decode MB/s | HiHa over it: ratio | encode | encode, effort 1 | decode |")
    print("|---" * 11 + "|")
    for (kind, bound), rows in results:
        for row in rows:
            over = ""
            if row not in rows[:2]:
                ours, fast = rows[:2]
                gains = [row["bytes"] / ours["bytes"], row["encode_s"] / ours["encode_s"], row["encode_s"] / fast["encode_s"]]
                over = " | ".join(f"{g:.2f}" for g in gains + [row["decode_s"] / ours["decode_s"]])
            cells = [f"{kind} {bound:g}", row["codec"], f"{row['achieved']:.3g}", f"{f.values.nbytes / row['bytes']:.2f}",
                     f"{8 * row['bytes'] / f.values.size:.4f}", f"{f.mb / row['encode_s']:.0f}", f"{f.mb / row['decode_s']:.0f}"]
            print("| " + " | ".join(cells) + " | " + (over or " | | | ") + " |")


def structure_table(f, results):
    print("\n| NRMSE | codec | achieved | power spectrum | gradient | mean bias over range |\n|---|---|---|---|---|---|")
    for (kind, bound), rows in results:
        for row in rows if kind == "nrmse" else []:
            if row["decoded"] is not None and row["codec"].split()[0] in ("HiHa", "SPERR"):
                reached = MEASURES["nrmse"](f.values, row["decoded"], f.span)
                spectrum, gradient, bias = structure(f, row["decoded"])
                print(f"| {bound:g} | {row['codec']} | {reached:.3g} | {spectrum:.2e} | {gradient:.2e} | {bias:+.1e} |")


def draw(path, title, f, results):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    curves = {}
    for (kind, _), rows in results:
        for row in rows if kind == "nrmse" else []:
            name = "HiHa" if row is rows[0] else None if row is rows[1] else row["codec"]
            if name:
                curves.setdefault(name, []).append((8 * row["bytes"] / f.values.size, row["achieved"]))
    figure, axes = plt.subplots(figsize=(7, 5), constrained_layout=True)
    for name, points in curves.items():
        bold = {"linewidth": 2.5, "color": "black"} if name == "HiHa" else {"linewidth": 1.2}
        axes.loglog(*zip(*sorted(points)), marker="o", markersize=4, label=name, zorder=3 if name == "HiHa" else 2, **bold)
    axes.set(xlabel="bits per value", ylabel="NRMSE", title=title)
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hiha", default="target/release/hiha")
    parser.add_argument("--nrmse", default="1e-2,1e-3,1e-4,1e-5", help="comma-separated; empty for none")
    parser.add_argument("--max-rel", default="1e-3,1e-4", help="comma-separated; empty for none")
    parser.add_argument("--lossless", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of three runs of each codec")
    parser.add_argument("--plot", help="PNG to write the rate-distortion plot to")
    parser.add_argument("file")
    parser.add_argument("var")
    args = parser.parse_args()
    f = Field(args.file, args.var)
    bounds = [("nrmse", float(b)) for b in args.nrmse.split(",") if b] + [("max_rel", float(b)) for b in args.max_rel.split(",") if b]
    bounds += [("lossless", 0.0)] if args.lossless else []
    results = []
    for bound in bounds:
        results.append((bound, measure(args, f, *bound)))
        print(f"measured {bound[0]} {bound[1]:g}", file=sys.stderr, flush=True)
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    title = f"{os.path.basename(args.file).removesuffix('.nc')} {args.var} {'x'.join(map(str, f.values.shape))}"
    print(f"{title}; machine: {cpu}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; one thread.\n")
    speed_table(f, results)
    structure_table(f, results)
    if args.plot:
        draw(args.plot, title, f, results)


if __name__ == "__main__":
    main()
