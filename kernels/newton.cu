// Fits small networks by Levenberg-Marquardt, all steps of all networks in one launch: a block has one network at a time.
// Twin of src/encode/siren/gauss_newton.rs and head.rs, to rounding: normal equations summed in f32, solved in f64, the
// linear head solved anew after each step. Every sum has a fixed order, so that a run repeats itself bit for bit.
#include "memory.cuh"
#include "small.cuh"
#include "span.cuh"
#include "system.cuh"

struct NewtonArgs {
  /// Coordinates [point][INPUTS] and values [point][OUTPUTS].
  const float *x, *y;
  const Span* spans;
  /// [network][PARAMS], and the sums of squared residuals at the end.
  float* params;
  double* loss;
  /// Of each block: ROWS x ROWS and HEAD_ROWS x HEAD_ROWS sums of products, ROWS x ROWS of a factor.
  float *sums, *head;
  double* factor;
  u32 networks;
  /// Most steps; tries of a step with more and more damping.
  u32 steps, tries;
  /// Stop when this many steps together lower the loss by less than `least` of it.
  u32 patience;
  double least, damping;
  /// Relative to the mean of the diagonal: added to that of the head's equations, and of all.
  double ridge, floor;
};

/// f(tape, is it the first tile) for all tiles of a network's samples.
template <class F>
__device__ __forceinline__ void each_tile(const NewtonArgs& a, Span span, F f) {
  Tape tape = tape_at(memory().tape);
  for (u64 at = 0; at < span.count; at += SAMPLES) {
    fetch(tape, a.x, a.y, span.start + at, (int)min((u64)SAMPLES, span.count - at));
    f(tape, at == 0);
    __syncthreads();
  }
}

/// Sum of squared residuals.
__device__ __noinline__ double loss_of(const NewtonArgs& a, Span span, bool trial) {
  Memory s = memory();
  const float* params = trial ? s.trial : s.params;
  double sum = 0.0;
  each_tile(a, span, [&](Tape& tape, bool) {
    forward<false, true>(tape, params);
    for (int i = threadIdx.x; i < OUTPUTS * SAMPLES; i += THREADS) {
      double r = tape.residual[i];
      sum = fma(r, r, sum);
    }
  });
  return total(sum, s.partial);
}

/// matrix = the lower triangle of `sums`, with `damping` of the diagonal and `add` added to the diagonal's first `n`.
__device__ __forceinline__ void damped(double* matrix, const float* sums, int n, int rows, double damping, double add) {
  for (int i = threadIdx.x; i < rows * rows; i += THREADS) {
    int row = i / rows, column = i % rows;
    double v = sums[i];
    if (row == column && row < n) v += damping * v + add;
    if (column <= row) matrix[(u64)row * ROWS + column] = v;
  }
  __syncthreads();
}

__device__ __forceinline__ double mean_of_diagonal(const float* sums, int n, int rows) {
  double sum = 0.0;
  for (int i = threadIdx.x; i < n; i += THREADS) sum += sums[(u64)i * rows + i];
  return total(sum, memory().partial) / n;
}

/// Replace the head of the parameters, or of the trial, by the best one; nothing changes if the equations have no solution.
__device__ __noinline__ void solve_head(const NewtonArgs& a, Span span, bool trial) {
  Memory s = memory();
  float* params = trial ? s.trial : s.params;
  float* sums = a.head + (u64)blockIdx.x * HEAD_ROWS * HEAD_ROWS;
  double* matrix = a.factor + (u64)blockIdx.x * ROWS * ROWS;
  each_tile(a, span, [&](Tape& tape, bool first) {
    forward<false, false>(tape, params);
    regressors(tape, s.tile);
    add_products<1>(sums, HEAD_ROWS, s.tile, STRIDE, SAMPLES, 0, HEAD_ROWS, first);
  });
  damped(matrix, sums, REGRESSORS, HEAD_ROWS, 0.0, a.ridge * mean_of_diagonal(sums, REGRESSORS, HEAD_ROWS));
  if (!factor(matrix, REGRESSORS, HEAD_ROWS)) return;
  for (int o = 0; o < OUTPUTS; ++o) {
    back_substitute(matrix, REGRESSORS, REGRESSORS + o, s.vector, s.panel);
    for (int i = threadIdx.x; i < REGRESSORS; i += THREADS) params[HEAD_AT + i * OUTPUTS + o] = (float)s.vector[i];
    __syncthreads();
  }
}

/// The normal equations at the block's parameters.
__device__ __noinline__ void equations(const NewtonArgs& a, Span span, float* sums) {
  Memory s = memory();
  each_tile(a, span, [&](Tape& tape, bool first) {
    forward<true, true>(tape, s.params);
    for (int o = 0; o < OUTPUTS; ++o) {
      backward(tape, s.params, o);
      jacobian(tape, s.tile, o);
      add_products<1>(sums, ROWS, s.tile, STRIDE, SAMPLES, 0, ROWS, first && o == 0);
      __syncthreads();
    }
  });
}

/// One step that lowers `loss`, with as much damping as it takes; false if none does. Damping after Nielsen (1999).
__device__ __forceinline__ bool try_steps(const NewtonArgs& a, Span span, const float* sums, double& loss, double& damping) {
  Memory s = memory();
  double* matrix = a.factor + (u64)blockIdx.x * ROWS * ROWS;
  double add = a.floor * mean_of_diagonal(sums, PARAMS, ROWS), grow = 2.0;
  for (u32 t = 0; t < a.tries; ++t, damping *= grow, grow *= 2.0) {
    damped(matrix, sums, PARAMS, ROWS, damping, add);
    if (!factor(matrix, PARAMS, ROWS)) continue;
    back_substitute(matrix, PARAMS, PARAMS, s.vector, s.panel);
    double part = 0.0;
    for (int i = threadIdx.x; i < PARAMS; i += THREADS) {
      double step = s.vector[i], diagonal = sums[(u64)i * ROWS + i], right = sums[(u64)PARAMS * ROWS + i];
      part += step * (damping * diagonal * step + right);
      s.trial[i] = s.params[i] + (float)step;
    }
    double expected = total(part, s.partial);
    solve_head(a, span, true);
    double now = loss_of(a, span, true);
    if (now < loss) {
      double miss = 2.0 * ((loss - now) / expected) - 1.0;
      damping = fmax(damping * fmin(fmax(1.0 - miss * miss * miss, 0.1), 2.0), 1e-9);
      loss = now;
      for (int i = threadIdx.x; i < PARAMS; i += THREADS) s.params[i] = s.trial[i];
      __syncthreads();
      return true;
    }
  }
  return false;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) siren_newton(NewtonArgs a) {
  Memory s = memory();
  float* sums = a.sums + (u64)blockIdx.x * ROWS * ROWS;
  for (u32 n = blockIdx.x; n < a.networks; n += gridDim.x) {
    Span span = a.spans[n];
    for (int i = threadIdx.x; i < PARAMS; i += THREADS) s.params[i] = a.params[(u64)n * PARAMS + i];
    __syncthreads();
    solve_head(a, span, false);
    double loss = loss_of(a, span, false), damping = a.damping;
    if (threadIdx.x == 0) s.losses[0] = loss;
    for (u32 step = 0; step < a.steps; ++step) {
      equations(a, span, sums);
      if (!try_steps(a, span, sums, loss, damping)) break;
      double before = step >= a.patience ? s.losses[(step + 1 - a.patience) % HISTORY] : 0.0;
      __syncthreads();
      if (threadIdx.x == 0) s.losses[(step + 1) % HISTORY] = loss;
      if (step >= a.patience && before - loss < a.least * loss) break;
    }
    for (int i = threadIdx.x; i < PARAMS; i += THREADS) a.params[(u64)n * PARAMS + i] = s.params[i];
    if (threadIdx.x == 0) a.loss[n] = loss;
    __syncthreads();
  }
}
