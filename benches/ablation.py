#!/usr/bin/env python3
"""What each part of the coder earns: `hiha eval` with and without it, on one variable of each of the files given.

    cargo build --release --features cli,ablation
    benches/ablation.py [--hiha target/release/hiha] [--results FILE.json] [--only PART,PART] [--jobs N] FILE.nc ...

A part is left out in both directions of the coder, so that all streams are decoded and checked. It concerns the cells (field and
bound) whose whole stream uses its coder; in others nothing can change. A part of the lattice coder is measured with that coder
forced, so that its cells do not go over to the harmonic one. Prints Markdown tables, one row a part: the bytes without
it over those with it, less 1: geometric means over the cells it concerns and over all cells, the greatest and the least cell. Below 0
the streams are smaller without the part. Times say nothing here: most of what stands in takes as long. --results keeps what was
measured, so that a run can go on where it was stopped. Exits 1 if a bound is missed."""
import argparse, json, math, os, platform, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

BOUNDS = [(kind, t) for kind in ("nrmse", "max_rel") for t in ("1e-2", "1e-3", "1e-4")] + [("lossless", "0")]
FEW = [("nrmse", "1e-2"), ("nrmse", "1e-3"), ("max_rel", "1e-2")]

harmonic = lambda row: row["method"] == "harmonic"
lattice = lambda row: row["method"] == "lattice"
volume = lambda row: math.prod(row["shape"][:-2]) > 1
bound = lambda kind: lambda row: row["bound"] == kind
section = lambda name: lambda row: row["stages"].get(name, 0) > 0
both = lambda *tests: lambda row: all(test(row) for test in tests)
lapped = lambda row: row.get("basis") == "lapped"
wavelet = lambda row: row.get("basis") == "wavelet"

# Part, what stands in for it, the cells it concerns.
PARTS = {
    "Harmonic coder: coefficients": [
        ("set-radius", "first distribution of the mixture (both together, class of frequency) without contexts", harmonic),
        ("set-parents", "second (lower frequencies, coarser level or slice before) without contexts", harmonic),
        ("set-near", "third (nearest magnitudes themselves) without contexts", harmonic),
        ("mixing-weights", "equal weights for the three", harmonic),
        ("falling-rate", "distributions learn at the last rate from the start", harmonic),
        ("coefficient-starts", "distributions start alike in all contexts", harmonic),
        ("group-zero", "no flags for 16 quiet coefficients", harmonic),
        ("band-zero", "no flags for bands of zeros", harmonic),
        ("previous-slice", "nothing from the slice before", both(harmonic, volume)),
        ("coarser-level", "nothing from the coarser level", harmonic),
        ("lower-frequencies", "coarser level in place of the bands of lower frequencies", lapped),
        ("finest-in-parts", "finest level in one part (parts are for threads)", harmonic),
    ],
    "Harmonic coder: quantiser and transforms": [
        ("dead-zone", "plain rounding", harmonic),
        ("dead-zone-by-neighbours", "one dead zone (0.62) for all coefficients", harmonic),
        ("outer-axes", "no transform along time, level, band", both(harmonic, volume)),
        ("outer-dct", "no DCT there", both(harmonic, volume)),
        ("outer-klt", "no Karhunen-Loeve basis there", both(harmonic, volume)),
        ("second-whitening", "one such basis tried, not two or three", both(harmonic, volume)),
        ("lapped", "wavelet only (cells with the lapped pyramid)", lapped),
        ("wavelet", "lapped pyramid only (cells with the wavelet)", wavelet),
        ("coding-both", "the basis by its estimate alone", harmonic),
        ("step-search", "bounds on single values: the first step", both(harmonic, bound("max_rel"))),
        ("correction-groups", "corrections: flags of groups without contexts", section("corrections")),
        ("correction-neighbours", "corrections: flags of points without contexts", section("corrections")),
        ("correction-signs", "corrections: signs without contexts", section("corrections")),
    ],
    "Lattice coder": [
        ("packing", "the lattice of packed data is not looked for", lattice),
        ("nudges", "packed data that no offset and step reproduce: as floats", both(lattice, bound("lossless"))),
        ("slice-mappings", "one lattice for all slices", both(lattice, volume)),
        ("fixed-point", "native floats in the order of their bit patterns only", both(lattice, bound("lossless"))),
        ("least-value-zone", "no dead zone at the least value", both(lattice, bound("nrmse"))),
        ("atoms", "lattices begin at the least value, not at frequent ones", both(lattice, bound("nrmse"))),
        ("table", "no tables of values", lattice),
        ("common-step", "integers and bit patterns count by ones", both(lattice, bound("lossless"))),
        ("halves", "rows in one part (halves are for threads)", lattice),
        ("lattice-learning", "fixed weights: west + north - north-west, or with the slice before", lattice),
        ("learning-weights", "all elements count alike in learning", lattice),
        ("cells-beside", "weights from 32 columns alone", lattice),
        ("far-taps", "5 neighbours in the slice, not 10", lattice),
        ("slice-taps", "nothing from the slice before", both(lattice, volume)),
        ("slice-corner-taps", "5 neighbours in the slice before, not 9", both(lattice, volume)),
        ("older-taps", "nothing from two slices before", both(lattice, volume)),
        ("copies", "no flags of integers that a neighbour has as well", lattice),
        ("joined", "slices always coded beside those before", both(lattice, volume)),
        ("edges", "nothing of the ends of the values", lattice),
        ("edge-pattern", "flag of an end without neighbours that are there", lattice),
        ("edge-distance", "flag of an end without distance", lattice),
        ("room", "distributions do not know the room to an end", lattice),
        ("phase", "distributions do not know the fraction of the prediction", lattice),
        ("blend-energy", "first distribution of the blend (energy, room, fraction) without contexts", lattice),
        ("blend-leans", "second (how the residuals west and north lean, energy) without contexts", lattice),
        ("blend-weights", "equal weights for the two", lattice),
        ("residual-starts", "distributions start alike in all contexts", lattice),
    ],
    "Both": [
        ("glance", "always the lattice coder's own estimate (a glance saves time)", lambda row: row["bound"] != "lossless"),
        ("mask-rows", "mask: no flags for rows like the one above", section("mask")),
        ("mask-neighbours", "mask: no contexts", section("mask")),
        ("mask-slice", "mask: nothing from the slice before", section("mask")),
        ("mask-fill", "masked elements as their neighbour to the west, for transforms", both(harmonic, section("mask"))),
        ("plateaus", "no values of large areas in the mask", section("mask")),
        ("axis-order", "maps last, however small", lambda row: min(row["shape"][-2:]) < 8 or math.prod(row["shape"][-2:]) < 1024),
        ("split-section", "no energies of the split in the stream", section("split")),
    ],
}
# Options with the part, options without, cells and bounds tried.
OPTIONS = [
    ("harmonic coder", "lattice coder only", [], ["--coder", "lattice"], harmonic, BOUNDS),
    ("lattice coder", "harmonic coder only", [], ["--coder", "harmonic"], both(lattice, lambda row: row["bound"] != "lossless"), BOUNDS),
    ("effort 5", "effort 1", [], ["--effort", "1"], lambda row: True, BOUNDS),
    ("effort 9", "effort 5", ["--effort", "9"], [], harmonic, FEW),
    ("low", "effort 7: no low band", ["--effort", "7"], ["--effort", "7", "--low", "off"], harmonic, FEW),
    ("mid", "effort 9: no middle band", ["--effort", "9"], ["--effort", "9", "--mid", "off"], harmonic, FEW),
]
WIDTH = "| part | what stands in for it | cells | its cells | all cells | greatest | least |"


class Runs:
    """Results of `hiha eval` by file and options, each measured once."""

    def __init__(self, args):
        self.args, self.known = args, {}
        if args.results and os.path.exists(args.results):
            self.known = {tuple(map(str, key)): rows for key, rows in json.load(open(args.results))}

    def rows(self, path, options, bounds):
        """One row a bound."""
        key = lambda b: (path, " ".join(options), *b)
        missing = [b for b in bounds if key(b) not in self.known]
        if missing:
            command = [self.args.hiha, "eval", path, "--var", self.args.var, "--json", *options]
            for kind, t in missing:
                command += ["--lossless"] if kind == "lossless" else ["--" + kind.replace("_", "-"), t]
            run = subprocess.run(command, capture_output=True, text=True)
            rows = [json.loads(line) for line in run.stdout.splitlines()]
            if len(rows) != len(missing):
                sys.exit(f"{' '.join(command)}: {run.stderr.strip()}")
            for row in rows:
                b = next(b for b in missing if b[0] == row["bound"] and float(b[1]) == row["value"])
                keep = ("method", "bytes", "holds", "shape", "bound", "stages")
                self.known[key(b)] = {k: row[k] for k in keep}
        return {b: self.known[key(b)] for b in bounds}

    def whole(self, path, options, bounds):
        """The rows of whole streams, with the basis of harmonic ones: it is the wavelet where its absence shows."""
        rows = self.rows(path, options, bounds)
        transformed = [b for b, row in rows.items() if harmonic(row) and not options]
        for b, row in self.rows(path, ["--without", "wavelet"], transformed).items():
            rows[b]["basis"] = "lapped" if row["bytes"] == rows[b]["bytes"] else "wavelet"
        return rows

    def save(self):
        if self.args.results:
            json.dump([[list(k), v] for k, v in self.known.items()], open(self.args.results, "w"))


def percent(x):
    return f"{100 * x:+.2f} %"


def table_row(runs, name, stand_in, base, out, concerns, bounds):
    """Measure, and the row of the table; whether all bounds held."""
    args = runs.args

    def field(path):
        whole = {b: r for b, r in runs.whole(path, base, bounds).items() if concerns(r)}
        return [(path, b, whole[b], r) for b, r in runs.rows(path, out, list(whole)).items()] if whole else []

    with ThreadPoolExecutor(args.jobs) as pool:
        cells = [cell for part in pool.map(field, args.files) for cell in part]
    runs.save()
    if not cells:
        return f"| {name} | {stand_in} | 0 | | | | |", True
    changes = [(without["bytes"] / whole["bytes"], path, b) for path, b, whole, without in cells]
    logs = [math.log(c[0]) for c in changes]
    count = len(args.files) * len(bounds)
    label = lambda c: f"{percent(c[0] - 1)} ({os.path.basename(c[1]).removesuffix('.nc')}, {c[2][0]}{'' if c[2][0] == 'lossless' else ' ' + c[2][1]})"
    means = [percent(math.expm1(sum(logs) / n)) for n in (len(cells), count)]
    columns = [name, stand_in, str(len(cells)), *means, label(max(changes)), label(min(changes))]
    return "| " + " | ".join(columns) + " |", all(cell[3]["holds"] for cell in cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hiha", default="target/release/hiha")
    parser.add_argument("--var", default="field")
    parser.add_argument("--results", help="JSON file of what was measured: read, and written after each part")
    parser.add_argument("--only", help="comma-separated parts")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    only = args.only.split(",") if args.only else None
    runs, held = Runs(args), True
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    print(f"Machine: {cpu}; {len(args.files)} files, {len(BOUNDS)} bounds each.")
    forced = lambda title: ["--coder", "lattice"] if title == "Lattice coder" else []
    tables = {title: [(n, s, [], ["--without", n] + forced(title), c, BOUNDS) for n, s, c in parts] for title, parts in PARTS.items()}
    for title, rows in (tables | {"Choices": OPTIONS}).items():
        rows = [r for r in rows if not only or r[0] in only]
        if rows:
            print(f"\n## {title}\n\n{WIDTH}\n" + "|---" * 7 + "|")
        for row in rows:
            text, good = table_row(runs, *row)
            held &= good
            print(text, flush=True)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
