// A small network on a tile of samples, forward and back, with the derivative of an output by each parameter. All that
// the block needs lies in shared memory; parameters are in the order of the stream. Twin of src/encode/siren/tape.rs.
#pragma once
#include "compat.cuh"
#include "sine.cuh"

constexpr int INPUTS = HIHA_INPUTS, DEPTH = HIHA_DEPTH, WIDTH = HIHA_WIDTH, OUTPUTS = HIHA_OUTPUTS;
/// Samples of a tile, threads of a block.
constexpr int SAMPLES = HIHA_SAMPLES, THREADS = HIHA_THREADS;
static_assert(SAMPLES % 8 == 0 && THREADS % 32 == 0, "whole groups");

__device__ constexpr int round_up(int n, int to) { return (n + to - 1) / to * to; }
// Layer by layer the weights, input-major, then the biases.
constexpr int FIRST = (INPUTS + 1) * WIDTH, HIDDEN = (WIDTH + 1) * WIDTH, HEAD_AT = FIRST + (DEPTH - 1) * HIDDEN;
constexpr int PARAMS = HEAD_AT + (WIDTH + 1) * OUTPUTS, HELD = round_up(PARAMS, 4);
__device__ constexpr int layer_at(int l) { return l == 0 ? 0 : FIRST + (l - 1) * HIDDEN; }
/// Rows of the normal equations: the parameters, the residual, and zeros; and of those of the head.
constexpr int ROWS = round_up(PARAMS + 1, 8), REGRESSORS = WIDTH + 1, HEAD_ROWS = round_up(REGRESSORS + OUTPUTS, 8);
/// From one sample of a tile of rows to the next: four lanes at most meet in a bank.
constexpr int STRIDE = ROWS + 4;

/// Rows of a tile's samples.
struct Tape {
  /// Coordinates; activations of all sine layers; their slopes; adjoints of their pre-activations.
  float *x, *act, *slope, *delta;
  /// Adjoints of the outputs; targets, and after the forward pass residuals.
  float *seed, *residual;
  int count;
};
constexpr int TAPE = (INPUTS + 3 * DEPTH * WIDTH + 2 * OUTPUTS) * SAMPLES;
__device__ __forceinline__ Tape tape_at(float* memory) {
  constexpr int layers = DEPTH * WIDTH * SAMPLES;
  float *x = memory, *act = x + INPUTS * SAMPLES, *slope = act + layers, *delta = slope + layers, *seed = delta + layers;
  return {x, act, slope, delta, seed, seed + OUTPUTS * SAMPLES, 0};
}

/// f(unit, sample) for all of `units` rows, by all threads.
template <class F>
__device__ __forceinline__ void each(int units, F f) {
  for (int i = threadIdx.x; i < units * SAMPLES; i += THREADS) f(i / SAMPLES, i % SAMPLES);
}

/// Fetch the samples from `first` on, `count` of them; the rest of the tile is 0.
__device__ __forceinline__ void fetch(Tape& t, const float* x, const float* y, u64 first, int count) {
  t.count = count;
  each(INPUTS, [&](int i, int p) { t.x[i * SAMPLES + p] = p < count ? x[(first + p) * INPUTS + i] : 0.0f; });
  each(OUTPUTS, [&](int o, int p) { t.residual[o * SAMPLES + p] = p < count ? y[(first + p) * OUTPUTS + o] : 0.0f; });
  __syncthreads();
}

/// Bias and weighted inputs in ascending order, as the decoder has it.
template <int IN, int OUT>
__device__ __forceinline__ float pre_activation(const float* layer, const float* in, int j, int p) {
  float sum = layer[IN * OUT + j];
#pragma unroll 4
  for (int k = 0; k < IN; ++k) sum = fmaf(in[k * SAMPLES + p], layer[k * OUT + j], sum);
  return sum;
}

/// All layers, with the slopes if `BACK`. Leaves target - output in `residual`, 0 beyond the samples, unless `!HEAD`.
template <bool BACK, bool HEAD>
__device__ __forceinline__ void forward(const Tape& t, const float* params) {
  for (int l = 0; l < DEPTH; ++l) {
    const float *layer = params + layer_at(l), *in = t.act + (l - 1) * WIDTH * SAMPLES;
    each(WIDTH, [&](int j, int p) {
      float z = l == 0 ? pre_activation<INPUTS, WIDTH>(layer, t.x, j, p) : pre_activation<WIDTH, WIDTH>(layer, in, j, p);
      int at = (l * WIDTH + j) * SAMPLES + p;
      t.act[at] = sine(z);
      if (BACK) t.slope[at] = sine_slope(z);
    });
    __syncthreads();
  }
  if (HEAD) {
    const float* in = t.act + (DEPTH - 1) * WIDTH * SAMPLES;
    each(OUTPUTS, [&](int o, int p) {
      float y = pre_activation<WIDTH, OUTPUTS>(params + HEAD_AT, in, o, p);
      int at = o * SAMPLES + p;
      t.residual[at] = p < t.count ? t.residual[at] - y : 0.0f;
    });
    __syncthreads();
  }
}

/// Adjoints of all pre-activations for a 1 at output `output` of the tile's samples.
__device__ __forceinline__ void backward(const Tape& t, const float* params, int output) {
  each(OUTPUTS, [&](int o, int p) { t.seed[o * SAMPLES + p] = o == output && p < t.count ? 1.0f : 0.0f; });
  __syncthreads();
  for (int l = DEPTH - 1; l >= 0; --l) {
    const float* above = params + layer_at(l + 1);
    const float* from = t.delta + (l + 1) * WIDTH * SAMPLES;
    each(WIDTH, [&](int i, int p) {
      float sum = 0.0f;
      if (l == DEPTH - 1)
        for (int o = 0; o < OUTPUTS; ++o) sum = fmaf(params[HEAD_AT + i * OUTPUTS + o], t.seed[o * SAMPLES + p], sum);
      else
#pragma unroll 4
        for (int j = 0; j < WIDTH; ++j) sum = fmaf(above[i * WIDTH + j], from[j * SAMPLES + p], sum);
      int at = (l * WIDTH + i) * SAMPLES + p;
      t.delta[at] = sum * t.slope[at];
    });
    __syncthreads();
  }
}

/// rows[p][at + i * OUT + j] = in[i][p] * adjoint[j][p]; the last i is the bias.
template <int IN, int OUT>
__device__ __forceinline__ void derivatives(float* rows, int at, const float* in, const float* adjoint) {
  each((IN + 1) * OUT, [&](int e, int p) {
    float h = e < IN * OUT ? in[e / OUT * SAMPLES + p] : 1.0f;
    rows[p * STRIDE + at + e] = h * adjoint[e % OUT * SAMPLES + p];
  });
}

/// For each sample a row: the derivative of output `o` by each parameter, then the residual, then zeros.
__device__ __forceinline__ void jacobian(const Tape& t, float* rows, int o) {
  derivatives<INPUTS, WIDTH>(rows, 0, t.x, t.delta);
  for (int l = 1; l < DEPTH; ++l)
    derivatives<WIDTH, WIDTH>(rows, layer_at(l), t.act + (l - 1) * WIDTH * SAMPLES, t.delta + l * WIDTH * SAMPLES);
  derivatives<WIDTH, OUTPUTS>(rows, HEAD_AT, t.act + (DEPTH - 1) * WIDTH * SAMPLES, t.seed);
  each(ROWS - PARAMS, [&](int e, int p) { rows[p * STRIDE + PARAMS + e] = e == 0 ? t.residual[o * SAMPLES + p] : 0.0f; });
  __syncthreads();
}

/// For each sample a row: the last sine layer, 1, the targets, then zeros. All 0 beyond the samples.
__device__ __forceinline__ void regressors(const Tape& t, float* rows) {
  const float* h = t.act + (DEPTH - 1) * WIDTH * SAMPLES;
  each(HEAD_ROWS, [&](int e, int p) {
    float v = e < WIDTH ? h[e * SAMPLES + p] : e == WIDTH ? 1.0f : 0.0f;
    if (e >= REGRESSORS && e < REGRESSORS + OUTPUTS) v = t.residual[(e - REGRESSORS) * SAMPLES + p];
    rows[p * STRIDE + e] = p < t.count ? v : 0.0f;
  });
  __syncthreads();
}
