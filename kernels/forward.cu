// Evaluates networks at many points: all layers in one launch. Twin of the network's forward pass in src/arith,
// whose bits it gives. Compiled without contraction: the only fused operations are those written fmaf.
#include "ffma.cuh"
#include "sine.cuh"
#include "weights.cuh"

struct ForwardArgs {
  /// One set of parameters for each network (blockIdx.y), in the layout of shape.cuh.
  const float* params;
  /// Coordinates: input i of point p of network n at [n * x_network + p * x_point + i * x_input]; outputs likewise.
  const float* x;
  float* y;
  u64 points;
  u64 x_network, x_point, x_input;
  u64 y_network, y_point, y_output;
};

// Shared memory: [held parameters][staged weights][coordinates][activations].
static_assert((HELD + STAGED + (INPUTS + WP) * PS) * 4 == HIHA_SHARED_BYTES, "src/gpu/plan.rs disagrees");

/// act = sine of `sums`.
__device__ __forceinline__ void activate(Sums& sums, float* act, Place at) {
  visit(sums, at, [&](int j, int p, const float (&z)[4]) {
    float h[4] = {sine(z[0]), sine(z[1]), sine(z[2]), sine(z[3])};
    store4(act + j * PS + p, h);
  });
}

extern "C" __global__ void __launch_bounds__(THREADS, HIHA_BLOCKS) siren_forward(ForwardArgs args) {
  HIHA_SHARED(shared);
  float *held = shared, *staged = held + HELD, *coordinates = staged + STAGED, *act = coordinates + INPUTS * PS;
  const float* params = args.params + (u64)blockIdx.y * PARAMS;
  const float* x = args.x + blockIdx.y * args.x_network;
  float* y = args.y + blockIdx.y * args.y_network;
  Place at = place();
  hold(held, params);

  for (u64 first = (u64)blockIdx.x * POINTS; first < args.points; first += (u64)gridDim.x * POINTS) {
    int count = (int)min((u64)POINTS, args.points - first);
    for (int i = threadIdx.x; i < INPUTS * POINTS; i += THREADS) {
      int p = i % POINTS, input = i / POINTS;
      coordinates[input * PS + p] = p < count ? x[(first + p) * args.x_point + input * args.x_input] : 0.0f;
    }
    __syncthreads();

    Sums sums;
    start(sums, held + bias_at(0), at);
    multiply(sums, held, coordinates, INPUTS, at);
    activate(sums, act, at);
    __syncthreads();
    for (int l = 1; l < DEPTH; ++l) {
      start(sums, hidden_bias(held, l), at);
      hidden(sums, held, params, staged, act, l, WIDTH, at);
      __syncthreads();
      activate(sums, act, at);
      __syncthreads();
    }

    const float *w = head_weights(held), *b = w + WP * OP;
    for (int i = threadIdx.x; i < OUTPUTS * POINTS; i += THREADS) {
      int p = i % POINTS, o = i / POINTS;
      float sum = b[o];
#pragma unroll 8
      for (int k = 0; k < WIDTH; ++k) sum = fmaf(act[k * PS + p], w[k * OP + o], sum);
      if (p < count) y[(first + p) * args.y_point + o * args.y_output] = sum;
    }
    __syncthreads();
  }
}
