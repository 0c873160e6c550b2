// Where a block finds the parameters: all of them in shared memory, or the hidden weights staged through it.
// `Sums` and the two products are those of ffma.cuh or of mma.cuh.
#pragma once
#include "shape.cuh"

#if HIHA_WEIGHTS_SHARED
constexpr int HELD = PARAMS, STAGED = 0, STAGE_BUFFER = 0;
#else
constexpr int HELD = FIRST + (DEPTH - 1) * WS + HEAD;
/// Rows of weights, and for training columns of them.
constexpr int STAGE_BUFFER = HIHA_TRAINING && WP * STAGE_STRIDE > STAGE * WS ? WP * STAGE_STRIDE : STAGE * WS;
constexpr int STAGED = DEPTH > 1 ? 2 * STAGE_BUFFER : 0;
#endif

/// Copy `rows` x `columns` floats into shared memory, asynchronously, by all threads.
__device__ __forceinline__ void stage(float* to, int to_stride, const float* from, int from_stride, int rows, int columns) {
  int groups = columns / 4;
#pragma unroll 1
  for (int i = threadIdx.x; i < rows * groups; i += THREADS)
    copy_async(to + i / groups * to_stride + i % groups * 4, from + i / groups * from_stride + i % groups * 4);
}

/// Copy `count` floats, a multiple of four, into shared memory, asynchronously, by all threads.
__device__ __forceinline__ void stage_all(float* to, const float* from, int count) {
  for (int i = threadIdx.x * 4; i < count; i += THREADS * 4) copy_async(to + i, from + i);
}

/// Fetch what a block holds: everything, or all but the hidden weights.
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
__device__ __forceinline__ const float* head_weights(const float* held) {
  return HIHA_WEIGHTS_SHARED ? held + HEAD_AT : held + FIRST + (DEPTH - 1) * WS;
}

/// sums += weights of hidden layer `l` times `rows` inputs of it, in ascending order.
__device__ __forceinline__ void hidden(Sums& sums, const float* held, const float* params, float* staged,
                                       const float* act, int l, int rows, Place at) {
#if HIHA_WEIGHTS_SHARED
  multiply(sums, held + layer_at(l), act, rows, at);
#else
  const float* w = params + layer_at(l);
  stage(staged, WS, w, WS, min(STAGE, rows), WP);
  for (int k = 0, b = 0; k < rows; k += STAGE, b ^= 1) {
    copy_wait();
    __syncthreads();
    if (k + STAGE < rows) {
      int next = k + STAGE;
      stage(staged + (b ^ 1) * STAGE_BUFFER, WS, w + next * WS, WS, min(STAGE, rows - next), WP);
    }
    multiply(sums, staged + b * STAGE_BUFFER, act + k * PS, min(STAGE, rows - k), at);
  }
#endif
}

/// sums += transposed weights of hidden layer `l` times all WP rows of `act`.
__device__ __forceinline__ void hidden_transposed(Sums& sums, const float* held, const float* params, float* staged,
                                                  const float* act, int l, Place at) {
#if HIHA_WEIGHTS_SHARED
  multiply_transposed(sums, held + layer_at(l), WS, act, WP, at);
#else
  const float* w = params + layer_at(l);
  stage(staged, STAGE_STRIDE, w, WS, WP, min(STAGE, WP));
  for (int j = 0, b = 0; j < WP; j += STAGE, b ^= 1) {
    copy_wait();
    __syncthreads();
    if (j + STAGE < WP) {
      int next = j + STAGE;
      stage(staged + (b ^ 1) * STAGE_BUFFER, STAGE_STRIDE, w + next, WS, WP, min(STAGE, WP - next));
    }
    multiply_transposed(sums, staged + b * STAGE_BUFFER, STAGE_STRIDE, act + j * PS, min(STAGE, WP - j), at);
  }
#endif
}
