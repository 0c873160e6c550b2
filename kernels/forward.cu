// Evaluates networks at many points: all layers in one launch. Twin of the network's forward pass in src/arith,
// whose bits it gives. Compiled without contraction: the only fused operations are those written fmaf.
#include "ffma.cuh"
#include "sine.cuh"

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

// Shared memory: [first layer, biases and head: or all parameters][staged rows][coordinates][activations].
#if HIHA_WEIGHTS_SHARED
constexpr int HELD = PARAMS, STAGED = 0;
#else
constexpr int HELD = FIRST + (DEPTH - 1) * WS + HEAD, STAGED = DEPTH > 1 ? 2 * STAGE * WS : 0;
#endif
static_assert((HELD + STAGED + (INPUTS + WP) * PS) * 4 == HIHA_SHARED_BYTES, "src/gpu/plan.rs disagrees");

/// What a block keeps of the parameters: whole layers, or all but the hidden weights.
__device__ __forceinline__ void hold(float* held, const float* params) {
#if HIHA_WEIGHTS_SHARED
  stage_all(held, params, PARAMS);
#else
  stage_all(held, params, FIRST);
  for (int l = 1; l < DEPTH; ++l) stage_all(held + FIRST + (l - 1) * WS, params + bias_at(l), WS);
  stage_all(held + FIRST + (DEPTH - 1) * WS, params + HEAD_AT, HEAD);
#endif
  copy_wait();
  __syncthreads();
}
__device__ __forceinline__ const float* hidden_bias(const float* held, int l) {
  return HIHA_WEIGHTS_SHARED ? held + bias_at(l) : held + FIRST + (l - 1) * WS;
}
__device__ __forceinline__ const float* head(const float* held) {
  return HIHA_WEIGHTS_SHARED ? held + HEAD_AT : held + FIRST + (DEPTH - 1) * WS;
}

/// One hidden layer's product, its weights from shared memory or staged through it.
__device__ __forceinline__ void hidden(Sums& sums, const float* held, const float* params, float* staged,
                                       const float* act, int l, Place at) {
#if HIHA_WEIGHTS_SHARED
  multiply(sums, held + layer_at(l), act, WIDTH, at);
#else
  const float* w = params + layer_at(l);
  stage(staged, WS, w, WS, STAGE, WP);
  for (int k = 0, b = 0; k < WIDTH; k += STAGE, b ^= 1) {
    copy_wait();
    __syncthreads();
    if (k + STAGE < WIDTH) stage(staged + (b ^ 1) * STAGE * WS, WS, w + (k + STAGE) * WS, WS, STAGE, WP);
    multiply(sums, staged + b * STAGE * WS, act + k * PS, min(STAGE, WIDTH - k), at);
  }
#endif
}

__device__ __forceinline__ void activate(const Sums& sums, float* act, Place at) {
#pragma unroll
  for (int j = 0; j < OT; ++j)
#pragma unroll
    for (int g = 0; g < PT / 4; ++g) {
      float v[4];
#pragma unroll
      for (int q = 0; q < 4; ++q) v[q] = sine(sums[j][g * 4 + q]);
      store4(act + (output_of(at, j / 4) + j % 4) * PS + point_of(at, g), v);
    }
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
      int p = i / INPUTS, input = i % INPUTS;
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
      hidden(sums, held, params, staged, act, l, at);
      __syncthreads();
      activate(sums, act, at);
      __syncthreads();
    }

    const float *w = head(held), *b = w + WP * OP;
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
