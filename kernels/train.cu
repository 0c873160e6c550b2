// Fits networks: all steps of all networks in one launch. A block, or several that wait for one another, has one
// network; a step draws a mini-batch, adds up the gradient tile by tile and applies Adam. Twin of the CPU's fit,
// to rounding; every sum has a fixed order, so that a run repeats itself bit for bit.
#include "shape.cuh"
#include "sine.cuh"
#include "vector.cuh"
#if HIHA_TF32
#include "mma.cuh"
#else
#include "ffma.cuh"
#endif
#include "gradient.cuh"
#include "span.cuh"
#include "weights.cuh"

struct TrainArgs {
  /// Coordinates [point][INPUTS], values [point][OUTPUTS], and the points' weights or null.
  const float *x, *y, *weight;
  /// The points of each network (blockIdx.y).
  const Span* spans;
  /// Of each network: parameters in the layout of shape.cuh, and the two moments of Adam.
  float *params, *first_moment, *second_moment;
  /// Of each block of each network: PARAMS of gradient, and DEPTH * WP * PS pre-activations; null where they
  /// stay in shared memory (the gradient of a network with several blocks never does).
  float *gradient, *turns;
  /// Rate of each layer's weights and biases: 2 * (DEPTH + 1) factors.
  const float* layer_rates;
  /// Of each step: its rate divided by 1 - beta1^t, and 1 / (1 - beta2^t).
  const float* schedule;
  /// [network][step][block]: sums of weighted squared errors; [network]: blocks that arrived, zero at first.
  float* loss;
  u32* arrived;
  u32 batch, first_step, steps;
  /// Not 0: the batch is the network's first points in order, and not drawn. So it is where a network has no more.
  u32 in_order;
  float beta1, beta2, epsilon;
  /// Not 0: leave the gradient of the last step in `gradient` and the parameters as they are (tests).
  u32 gradient_only;
};

// Shared memory: [held parameters][gradient][staged weights][coordinates][errors][activations][deltas][turns][sums].
constexpr int GRADIENT = HIHA_GRADIENT_SHARED ? PARAMS : 0, TURNS = DEPTH * WP * PS;
static_assert((HELD + GRADIENT + STAGED + (INPUTS + OUTPUTS + 2 * WP) * PS + (HIHA_TURNS_SHARED ? TURNS : 0) + 32) * 4 ==
                  HIHA_SHARED_BYTES,
              "src/gpu/plan.rs disagrees");

/// Pointers of a block.
struct Memory {
  float *held, *gradient, *staged, *x, *error, *act, *delta, *turns, *sums;
};
/// The phases of a step are functions of their own, for fewer registers; each finds shared memory by itself, so that
/// the compiler knows it for what it is. `gradient` and `turns` are the block's own, where they are not shared.
__device__ __forceinline__ Memory memory(float* gradient, float* turns) {
  HIHA_SHARED(shared);
  Memory s;
  s.held = shared;
  s.gradient = HIHA_GRADIENT_SHARED ? s.held + HELD : gradient;
  s.staged = s.held + HELD + GRADIENT;
  s.x = s.staged + STAGED;
  s.error = s.x + INPUTS * PS;
  s.act = s.error + OUTPUTS * PS;
  s.delta = s.act + WP * PS;
  s.turns = HIHA_TURNS_SHARED ? s.delta + WP * PS : turns;
  s.sums = s.delta + WP * PS + (HIHA_TURNS_SHARED ? TURNS : 0);
  return s;
}

__device__ __forceinline__ u64 mix(u64 z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}
/// Point `i` of a step's batch: splitmix64 of its number, scaled to `count`. Its twin is in the tests.
__device__ __forceinline__ u64 draw(u64 seed, u32 step, u32 i, u64 count) {
  return __umul64hi(mix(seed + 0x9e3779b97f4a7c15ull * (((u64)step << 32 | i) + 1)), count);
}

/// Activations as the products want them.
__device__ __forceinline__ float stored(float v) {
#if HIHA_TF32
  return to_tf32(v);
#else
  return v;
#endif
}

/// f(j, p, turns, out) for four points from p on: to[j][p] = what it leaves in `out`. By all threads.
template <class F>
__device__ __forceinline__ void each4(const float* turns, float* to, F f) {
  for (int i = threadIdx.x; i < WP * (POINTS / 4); i += THREADS) {
    int at = i / (POINTS / 4) * PS + i % (POINTS / 4) * 4;
    float t[4], v[4];
    load4(t, turns + at);
    f(i / (POINTS / 4), i % (POINTS / 4) * 4, t, v);
    store4(to + at, v);
  }
}

/// Points of a step of this block's network.
__device__ __forceinline__ u32 batch_of(const TrainArgs& a, Span span) {
  return span.count < a.batch ? (u32)span.count : a.batch;
}

/// Fetch the coordinates of a tile of the batch, its values in place of the errors, and the points' weights: zero
/// beyond the batch.
__device__ __forceinline__ void fetch(const TrainArgs& a, const Memory& s, Span span, u32 step, u32 tile,
                                      float* weights) {
  u32 batch = batch_of(a, span);
  bool in_order = a.in_order || span.count <= a.batch;
  for (int p = threadIdx.x; p < POINTS; p += THREADS) {
    u32 i = tile * POINTS + p;
    bool live = i < batch;
    u64 n = !live ? span.start : span.start + (in_order ? i : draw(span.seed, step, i, span.count));
    for (int k = 0; k < INPUTS; ++k) s.x[k * PS + p] = a.x[n * INPUTS + k];
    for (int o = 0; o < OUTPUTS; ++o) s.error[o * PS + p] = a.y[n * OUTPUTS + o];
    weights[p] = live ? (a.weight ? a.weight[n] : 1.0f) : 0.0f;
  }
}

/// All layers: pre-activations are kept in `turns`, the last sine layer's activations in `act`.
__device__ __noinline__ void forward(float* own_turns, const float* params) {
  Memory s = memory(nullptr, own_turns);
  Place at = place();
  Sums sums;
  for (int l = 0; l < DEPTH; ++l) {
    float* turns = s.turns + l * WP * PS;
    auto keep = [&](int j, int p, auto& z) {
      store(turns + j * PS + p, z);
      for (int q = 0; q < int(sizeof(z) / sizeof(float)); ++q) z[q] = stored(sine(z[q]));
      store(s.act + j * PS + p, z);
    };
    if (l == 0) {
      start(sums, s.held + bias_at(0), at);
#if HIHA_TF32
      // Too few inputs for tensor cores.
      visit(sums, at, [&](int j, int p, auto& z) {
        for (int k = 0; k < INPUTS; ++k) z[0] = fmaf(s.x[k * PS + p], s.held[k * WS + j], z[0]);
        keep(j, p, z);
      });
#else
      multiply(sums, s.held, s.x, INPUTS, at);
      visit(sums, at, keep);
#endif
    } else {
      start(sums, hidden_bias(s.held, l), at);
      hidden(sums, s.held, params, s.staged, s.act, l, HIHA_TF32 ? WP : WIDTH, at);
      __syncthreads();
      visit(sums, at, keep);
    }
    __syncthreads();
  }
}

/// The head, and in place of the values the derivative of the loss by each output; returns the thread's part of the
/// sum of weighted squares. `weights` lies in `delta`, which nobody needs yet.
__device__ __forceinline__ float errors(const Memory& s, u32 batch, const float* weights) {
  const float *w = head_weights(s.held), *b = w + WP * OP;
  float scale = 2.0f / ((float)batch * OUTPUTS), loss = 0.0f;
  for (int i = threadIdx.x; i < OUTPUTS * POINTS; i += THREADS) {
    int p = i % POINTS, o = i / POINTS;
    float sum = b[o];
#pragma unroll 8
    for (int k = 0; k < WIDTH; ++k) sum = fmaf(s.act[k * PS + p], w[k * OP + o], sum);
    float error = sum - s.error[o * PS + p];
    loss = fmaf(weights[p] * error, error, loss);
    s.error[o * PS + p] = scale * weights[p] * error;
  }
  __syncthreads();
  return loss;
}

/// Add the tile's gradient. On entry `act` holds the last layer's activations.
__device__ __noinline__ void backward(float* own_gradient, float* own_turns, const float* params) {
  Memory s = memory(own_gradient, own_turns);
  Place at = place();
  small_gradient<false>(s.gradient + HEAD_AT, OP, s.act, WIDTH, s.error, OUTPUTS);
  small_gradient<true>(s.gradient + bias_at(DEPTH), 0, nullptr, 1, s.error, OUTPUTS);
  const float* w = head_weights(s.held);
  each4(s.turns + (DEPTH - 1) * WP * PS, s.delta, [&](int k, int p, const float(&t)[4], float(&d)[4]) {
    float sum[4] = {}, e[4];
    for (int o = 0; o < OUTPUTS; ++o) {
      load4(e, s.error + o * PS + p);
      for (int q = 0; q < 4; ++q) sum[q] = fmaf(w[k * OP + o], e[q], sum[q]);
    }
    for (int q = 0; q < 4; ++q) d[q] = stored(sum[q] * sine_slope(t[q]));
  });
  __syncthreads();
  for (int l = DEPTH - 1; l > 0; --l) {
    const float* turns = s.turns + (l - 1) * WP * PS;
    each4(turns, s.act, [&](int, int, const float(&t)[4], float(&h)[4]) {
      for (int q = 0; q < 4; ++q) h[q] = stored(sine(t[q]));
    });
    __syncthreads();
    weight_gradient(s.gradient + layer_at(l), s.act, s.delta);
    small_gradient<true>(s.gradient + bias_at(l), 0, nullptr, 1, s.delta, WP);
    Sums sums;
#if HIHA_TF32
    start(sums, nullptr, at);
#else
    for (auto& row : sums)
      for (float& v : row) v = 0.0f;
#endif
    hidden_transposed(sums, s.held, params, s.staged, s.delta, l, at);
    __syncthreads();
    visit_transposed(sums, at, [&](int k, int p, auto& v) {
      float t[sizeof(v) / sizeof(float)];
      load(t, turns + k * PS + p);
      for (int q = 0; q < int(sizeof(v) / sizeof(float)); ++q) v[q] = stored(v[q] * sine_slope(t[q]));
      store(s.delta + k * PS + p, v);
    });
    __syncthreads();
  }
  small_gradient<false>(s.gradient, WS, s.x, INPUTS, s.delta, WP);
  small_gradient<true>(s.gradient + bias_at(0), 0, nullptr, 1, s.delta, WP);
  __syncthreads();
}

/// Sum over the block, at thread 0.
__device__ __forceinline__ float block_sum(float v, float* sums) {
  for (int m = 16; m; m /= 2) v += __shfl_xor_sync(0xffffffffu, v, m);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = v;
  __syncthreads();
  float total = 0.0f;
  if (threadIdx.x == 0)
    for (int i = 0; i < THREADS / 32; ++i) total += sums[i];
  __syncthreads();
  return total;
}

/// All blocks of a network wait for one another: what each wrote before, all may read after.
__device__ __forceinline__ void meet(u32* arrived, u32& meetings) {
  __syncthreads();
  if (gridDim.x > 1) {
    if (threadIdx.x == 0) {
      __threadfence();
      atomicAdd(arrived, 1u);
      spin_until(arrived, ++meetings * gridDim.x);
      __threadfence();
    }
    __syncthreads();
  }
}

/// One step of Adam on the block's part of the parameters; sums the blocks' gradients in order.
__device__ __forceinline__ void adam(const TrainArgs& a, const Memory& s, float* params, u32 step) {
  u64 network = (u64)blockIdx.y * PARAMS;
  float *m = a.first_moment + network, *v = a.second_moment + network;
  float rate = a.schedule[2 * step], correction = a.schedule[2 * step + 1];
  for (int i = blockIdx.x * THREADS + threadIdx.x, l = 0; i < PARAMS; i += gridDim.x * THREADS) {
    while (l < DEPTH && i >= layer_at(l + 1)) ++l;
    float g = 0.0f;
    if (gridDim.x == 1)
      g = s.gradient[i];
    else
      for (u32 b = 0; b < gridDim.x; ++b) g += __ldcg(a.gradient + (network * gridDim.x + (u64)b * PARAMS) + i);
    m[i] = fmaf(a.beta1, m[i], (1.0f - a.beta1) * g);
    v[i] = fmaf(a.beta2, v[i], (1.0f - a.beta2) * g * g);
    float change = rate * a.layer_rates[2 * l + (i >= bias_at(l))] * m[i] / (sqrtf(v[i] * correction) + a.epsilon);
    params[i] -= change;
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, HIHA_BLOCKS) siren_train(TrainArgs a) {
  u64 block = (u64)blockIdx.y * gridDim.x + blockIdx.x;
  float *own_gradient = a.gradient + block * PARAMS, *own_turns = a.turns + block * TURNS;
  Memory s = memory(own_gradient, own_turns);
  float* params = a.params + (u64)blockIdx.y * PARAMS;
  Span span = a.spans[blockIdx.y];
  if (!span.live) return;
  u32 batch = batch_of(a, span), tiles = (batch + POINTS - 1) / POINTS, meetings = 0;

  for (u32 step = a.first_step; step < a.first_step + a.steps; ++step) {
    hold(s.held, params);
    for (int i = threadIdx.x; i < PARAMS; i += THREADS) s.gradient[i] = 0.0f;
    float loss = 0.0f;
    for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
      fetch(a, s, span, step, tile, s.delta);
      __syncthreads();
      forward(own_turns, params);
      loss += errors(s, batch, s.delta);
      backward(own_gradient, own_turns, params);
    }
    loss = block_sum(loss, s.sums);
    if (threadIdx.x == 0) a.loss[((u64)blockIdx.y * a.steps + (step - a.first_step)) * gridDim.x + blockIdx.x] = loss;
    if (a.gradient_only) {
      if (HIHA_GRADIENT_SHARED)
        for (int i = threadIdx.x; i < PARAMS; i += THREADS) own_gradient[i] = s.gradient[i];
      continue;
    }
    meet(a.arrived + blockIdx.y, meetings);
    adam(a, s, params, step);
    meet(a.arrived + blockIdx.y, meetings);
  }
}
