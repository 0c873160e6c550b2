#!/usr/bin/env python3
"""The same networks in PyTorch: eager, torch.compile, and a captured CUDA graph. Prints the tables of benches/gpu/main.rs."""

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


def variants(torch, make):
    """Name and callable of each variant; `make(compiled)` gives a callable."""
    yield "eager", make(False)
    yield "compile", make(True)
    yield "graphed", graphed(torch, make(False))


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

            for name, call in variants(torch, make):
                seconds = median_seconds(torch, call, 3 if n > 10**6 else 20)
                print(f"| width {width} | {n:.0e} | {name} | {seconds * 1e3:.3f} | {2e-9 * parameters(net) * n / seconds:.0f} |", flush=True)


def training(torch, batches):
    print("\n| training, depth 3 | batch | variant | ms a step | GFLOP/s |\n|---|---|---|---|---|")
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
            for name, call in variants(torch, make):
                seconds = median_seconds(torch, call, STEPS)
                print(f"| width {width} | {batch} | {name} | {seconds * 1e3:.4f} | {6e-9 * weights * batch / seconds:.0f} |", flush=True)


def many(torch, networks, points):
    """Small networks at once, as batched products: what a user of PyTorch would write for 1000 chunks."""
    print(f"\n| {networks} networks at once, {points} points each | variant | ms a step | GFLOP/s |\n|---|---|---|---|")
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
        for name, call in variants(torch, make):
            seconds = median_seconds(torch, call, STEPS)
            rate = 6e-9 * count * points * networks / seconds
            print(f"| {[inputs, depth, width, outputs]} | {name} | {seconds * 1e3:.3f} | {rate:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fp32", action="store_true", help="products in FP32, not TF32")
    fp32 = parser.parse_args().fp32
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is not installed: nothing to compare with")
    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU: nothing was measured")
    torch.set_float32_matmul_precision("highest" if fp32 else "high")
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, products in {'FP32' if fp32 else 'TF32'}\n")
    evaluation(torch, (10**4, 10**6, 10**7))
    training(torch, (1024, 16384, 262144))
    many(torch, 1000, 1000)


if __name__ == "__main__":
    main()
