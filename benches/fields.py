#!/usr/bin/env python3
"""Ratio, error and speed of `hiha eval` on every variable of the files given.

    benches/fields.py [--hiha target/release/hiha] [--peers best.json] FILE.nc ...

Prints a Markdown table: one row a field, one column a target (NRMSE, maximum error over range, lossless). With
--peers (a JSON object: field -> T1|T2|LL -> target -> {"ratio": r}) each cell also shows our ratio over the best peer's,
and geometric means follow. Exits 1 if a bound is missed."""
import argparse, json, math, os, platform, subprocess, sys

TARGETS = ["1e-2", "1e-3", "1e-4", "1e-5"]
KINDS = [("nrmse", "T1", TARGETS), ("max_rel", "T2", TARGETS), ("lossless", "LL", ["0"])]


def evaluate(hiha, path):
    command = [hiha, "eval", path, "--json", "--lossless"]
    for kind, _, targets in KINDS[:2]:
        for t in targets:
            command += ["--" + kind.replace("_", "-"), t]
    run = subprocess.run(command, capture_output=True, text=True)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    if not rows:
        sys.exit(f"{path}: {run.stderr.strip()}")
    return rows, run.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hiha", default="target/release/hiha")
    parser.add_argument("--peers")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    peers = json.load(open(args.peers)) if args.peers else {}
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    print(f"Machine: {cpu}; one thread. Ratio (over the best peer) coder.\n")
    print("| field | " + " | ".join(f"{kind} {t}" for kind, _, ts in KINDS for t in ts) + " |")
    print("|---" * 10 + "|")
    gains, held = {}, True
    for path in args.files:
        name = os.path.basename(path).removesuffix(".nc")
        rows, good = evaluate(args.hiha, path)
        held &= good
        for var in dict.fromkeys(r["var"] for r in rows if len(r["shape"]) > 1):
            cells = []
            for kind, code, targets in KINDS:
                for t in targets:
                    row = next(r for r in rows if r["var"] == var and r["bound"] == kind and float(r["value"]) == float(t))
                    best = next((e["ratio"] for k, e in peers.get(name, {}).get(code, {}).items() if float(k) == float(t)), None)
                    gain = ""
                    if best:
                        gains.setdefault(kind, []).append(row["ratio"] / best)
                        gain = f" ({row['ratio'] / best:.2f})"
                    cells.append(f"{row['ratio']:.2f}{gain} {row['method'][0]}")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print()
    for kind, g in gains.items():
        mean = math.exp(sum(map(math.log, g)) / len(g))
        print(f"{kind}: geometric mean over the best peer {mean:.3f}, least {min(g):.2f}, of {len(g)}")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
