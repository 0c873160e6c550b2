#!/usr/bin/env python3
"""The same networks in PyTorch: eager, torch.compile, and both as a captured CUDA graph. Prints the tables of
benches/gpu/main.rs. What fails or comes after the time is up is named on stderr and left out."""

import argparse
import statistics
import sys
import time

WIDTHS = (16, 32, 64, 128, 256)
STEPS = 50


def siren(torch, width, depth=3, inputs=3, outputs=1):
    class Sine(torch.nn.Module):
        def forward(self, x):
            return torch.sin(6.283185307179586 * x)

    layers = []
    for i in range(depth):
        layers += [torch.nn.Linear(inputs if i == 0 else width, width), Sine()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, outputs)).cuda()


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def median_seconds(torch, call, repeats):
    call()
    times = []
    for _ in range(5):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) / repeats)
    return statistics.median(times)


def graphed(torch, call):
    """Capture `call`, warmed up on a side stream as PyTorch wants it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


DEADLINE = float("inf")


def measured(torch, make, repeats, what):
    """Name and seconds of each variant; `make(compiled)` gives a callable."""
    variants = {
        "eager": lambda: make(False),
        "graphed": lambda: graphed(torch, make(False)),
        "compiled": lambda: make(True),
        "compiled, graphed": lambda: graphed(torch, make(True)),
    }
    for name, variant in variants.items():
        if time.monotonic() > DEADLINE:
            print(f"{what}, {name}: no time left", file=sys.stderr)
            continue
        # Without it the compiler gives up after some networks, for good and silently.
        torch.compiler.reset()
        try:
            yield name, median_seconds(torch, variant(), repeats)
        except Exception as error:  # the compiler of one variant may be missing: the others are still of use
            print(f"{what}, {name}: {type(error).__name__}: {str(error).splitlines()[:1]}", file=sys.stderr)
            torch.cuda.synchronize()


def evaluation(torch, points):
    print("| evaluation, depth 3 | points | " + "variant | ms | GFLOP/s |\n|---|---|---|---|---|")
    for width in WIDTHS:
        for n in points:
            net = siren(torch, width)
            x = torch.rand(n, 3, device="cuda")

            def make(compiled):
                call = torch.compile(net) if compiled else net

                def run():
                    with torch.no_grad():
                        call(x)

                return run

            for name, seconds in measured(torch, make, 3 if n > 10**6 else 20, f"evaluation, width {width}, {n} points"):
                print(f"| width {width} | {n:.0e} | {name} | {seconds * 1e3:.3f} | {2e-9 * parameters(net) * n / seconds:.0f} |", flush=True)


def training(torch, batches):
    print("| training, depth 3 | batch | variant | ms a step | GFLOP/s |\n|---|---|---|---|---|")
    for width in WIDTHS:
        for batch in batches:
            x, y = torch.rand(10**6, 3, device="cuda"), torch.rand(10**6, 1, device="cuda")

            def make(compiled):
                net = siren(torch, width)
                optimiser = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True, capturable=True)
                call = torch.compile(net) if compiled else net

                def step():
                    chosen = torch.randint(0, x.shape[0], (batch,), device="cuda")
                    optimiser.zero_grad(set_to_none=False)
                    torch.nn.functional.mse_loss(call(x[chosen]), y[chosen]).backward()
                    optimiser.step()

                return step

            weights = parameters(siren(torch, width))
            for name, seconds in measured(torch, make, STEPS, f"training, width {width}, batch {batch}"):
                print(f"| width {width} | {batch} | {name} | {seconds * 1e3:.4f} | {6e-9 * weights * batch / seconds:.0f} |", flush=True)


def many(torch, networks, points):
    """Small networks at once, as batched products: what a user of PyTorch would write for 1000 chunks."""
    print(f"| {networks} networks at once, {points} points each | variant | ms a step | GFLOP/s |\n|---|---|---|---|")
    for inputs, depth, width, outputs in ((3, 3, 12, 1), (3, 2, 16, 1), (3, 2, 24, 1), (3, 3, 32, 1), (3, 3, 64, 1)):
        sizes = [inputs] + [width] * depth + [outputs]
        x = torch.rand(networks, points, inputs, device="cuda")
        y = torch.rand(networks, points, outputs, device="cuda")

        def make(compiled):
            def array(*shape):
                return torch.nn.Parameter(torch.rand(*shape, device="cuda") - 0.5)

            weights = [array(networks, a, b) for a, b in zip(sizes, sizes[1:])]
            biases = [array(networks, 1, b) for b in sizes[1:]]
            optimiser = torch.optim.Adam(weights + biases, lr=1e-4, fused=True, capturable=True)

            def loss():
                h = x
                for i, (w, b) in enumerate(zip(weights, biases)):
                    h = torch.baddbmm(b, h, w)
                    h = torch.sin(6.283185307179586 * h) if i < depth else h
                return ((h - y) ** 2).mean(dim=(1, 2)).sum()

            call = torch.compile(loss) if compiled else loss

            def step():
                optimiser.zero_grad(set_to_none=False)
                call().backward()
                optimiser.step()

            return step

        count = sum((a + 1) * b for a, b in zip(sizes, sizes[1:]))
        for name, seconds in measured(torch, make, STEPS, f"many networks, {[inputs, depth, width, outputs]}"):
            rate = 6e-9 * count * points * networks / seconds
            print(f"| {[inputs, depth, width, outputs]} | {name} | {seconds * 1e3:.3f} | {rate:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("evaluate", "train", "many"))
    parser.add_argument("--fp32", action="store_true", help="products in FP32, not TF32")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing after so many")
    args = parser.parse_args()
    fp32 = args.fp32
    global DEADLINE
    DEADLINE = time.monotonic() + args.seconds
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is not installed: nothing to compare with")
    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU: nothing was measured")
    torch.set_float32_matmul_precision("highest" if fp32 else "high")
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, products in {'FP32' if fp32 else 'TF32'}\n")
    if args.part == "evaluate":
        evaluation(torch, (10**4, 10**6, 10**7))
    elif args.part == "train":
        training(torch, (1024, 16384, 262144))
    else:
        many(torch, 1000, 1000)


if __name__ == "__main__":
    main()
