#!/usr/bin/env python3
"""Training steps a second of our SIREN engine and of jitted JAX, on one core, in turns.

    pip install jax
    benches/siren.py [--rounds 5]

Each step is the loss, its gradient and Adam on 16 384 points, float32. Builds and runs the bench `siren` with cargo, or
the program that --bench names. Prints a Markdown table of medians."""
import argparse, json, os, platform, statistics, subprocess, time

NETWORKS = [(3, 2, 16, 1), (4, 2, 24, 1), (4, 3, 64, 5), (4, 3, 128, 1)]
POINTS = 16_384


def one_core():
    """Hold this process, and JAX's threads in it, to one core."""
    core = sorted(os.sched_getaffinity(0))[-1]
    os.sched_setaffinity(0, {core})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ.update(JAX_PLATFORMS="cpu", OMP_NUM_THREADS="1")


def build():
    command = ["cargo", "bench", "--features", "bench", "--bench", "siren", "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "siren")


def jax_step(inputs, depth, width, outputs):
    """A jitted Adam step and its first state."""
    import jax, jax.numpy as jnp

    sizes = [inputs] + [width] * depth + [outputs]
    keys = jax.random.split(jax.random.PRNGKey(0), len(sizes))
    weights = [jax.random.uniform(k, (i, o), minval=-1, maxval=1) * (6 / i) ** 0.5 for k, i, o in zip(keys, sizes, sizes[1:])]
    p = [(w, jnp.zeros(w.shape[1])) for w in weights]
    x = jax.random.uniform(keys[-1], (POINTS, inputs), minval=-1, maxval=1)
    y = jnp.sin(3 * x[:, :1]) * jnp.ones(outputs)

    def loss(p):
        h = x
        for w, b in p[:-1]:
            h = jnp.sin(h @ w + b)
        return jnp.mean((h @ p[-1][0] + p[-1][1] - y) ** 2)

    @jax.jit
    def step(state):
        p, m, v, n = state
        g = jax.grad(loss)(p)
        n = n + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, v, g)
        rate = 1e-4 * jnp.sqrt(1 - 0.99**n) / (1 - 0.9**n)
        p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), p, m, v)
        return p, m, v, n

    zeros = jax.tree.map(jnp.zeros_like, p)
    return step, (p, zeros, zeros, jnp.float32(0))


def jax_rate(step, state, seconds):
    import jax

    state = jax.block_until_ready(step(state))
    start, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(5):
            state = step(state)
        jax.block_until_ready(state)
        count += 5
    return count / (time.process_time() - cpu)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--bench")
    args = parser.parse_args()
    program = args.bench or build()
    one_core()
    import jax

    steps = [jax_step(*n) for n in NETWORKS]
    ours, theirs = [[] for _ in NETWORKS], [[] for _ in NETWORKS]
    for _ in range(args.rounds):
        for i, (network, (step, state)) in enumerate(zip(NETWORKS, steps)):
            command = [program, "steps", "-".join(map(str, network)), str(POINTS), str(args.seconds)]
            ours[i].append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
            theirs[i].append(jax_rate(step, state, args.seconds))
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    print(f"{cpu}, one core, CPU time; JAX {jax.__version__}; medians of {args.rounds} rounds.\n")
    print("| network | HiHa steps/s | JAX steps/s | HiHa / JAX | HiHa GFLOP/s | measured FMA peak | share |\n|---|---|---|---|---|---|---|")
    for (i, d, w, o), a, b in zip(NETWORKS, ours, theirs):
        rate, flops, peak = (statistics.median(r[k] for r in a) for k in ("steps_per_s", "gflops", "peak_gflops"))
        share = statistics.median(r["gflops"] / r["peak_gflops"] for r in a)
        ratio = statistics.median(r["steps_per_s"] / t for r, t in zip(a, b))
        name = "-".join(map(str, [i] + [w] * d + [o]))
        print(f"| {name} | {rate:.0f} | {statistics.median(b):.0f} | {ratio:.2f} | {flops:.0f} | {peak:.0f} | {100 * share:.0f} % |")


if __name__ == "__main__":
    main()
