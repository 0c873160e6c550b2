// Sums over a tile's points for the gradient of the parameters. Each element has one owner and a fixed order of
// summation, so that a run repeats itself bit for bit. Twin of the backward pass of the CPU, to rounding.
#pragma once
#include "shape.cuh"
#include "vector.cuh"

#if !HIHA_TF32
/// Side of a thread's square of weights, and threads along a side of the layer.
constexpr int SIDE = WP >= 64 ? 8 : 4, ALONG = WP / SIDE, SQUARES = ALONG * ALONG;
/// Threads that share a square, each with its part of the points: a power of two.
__device__ constexpr int sharers() {
  int n = 1;
  while (2 * n * SQUARES <= THREADS && 2 * n <= SIDE * SIDE && 8 * n <= POINTS) n *= 2;
  return n < 16 ? n : 16;
}
constexpr int SHARERS = sharers();
static_assert(WP % SIDE == 0 && THREADS % SHARERS == 0, "whole squares");

/// Add up the squares of `SHARERS` neighbouring lanes; each lane is left with its part, from `part` on.
template <int N>
__device__ __forceinline__ void share(float (&sum)[SIDE * SIDE], int lane, int& part) {
  if constexpr (N < SIDE * SIDE) {
    constexpr int bit = SHARERS * N / (SIDE * SIDE);
    bool upper = lane & bit;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      float mine = upper ? sum[i + N] : sum[i], theirs = upper ? sum[i] : sum[i + N];
      sum[i] = mine + __shfl_xor_sync(0xffffffffu, theirs, bit);
    }
    part += upper ? N : 0;
    if constexpr (bit > 1) share<N / 2>(sum, lane, part);
  }
}

/// gradient[k][j] += sum over the tile's points of h[k][p] * d[j][p].
__device__ __forceinline__ void weight_gradient(float* gradient, const float* h, const float* d) {
  int lane = threadIdx.x % SHARERS;
  for (int first = 0; first < SQUARES; first += THREADS / SHARERS) {
    int square = first + threadIdx.x / SHARERS;
    bool live = square < SQUARES;
    int k = live ? square / ALONG : 0, j = live ? square % ALONG : 0;
    float sum[SIDE * SIDE] = {};
#pragma unroll 1
    for (int p = lane * 4; p < POINTS; p += SHARERS * 4) {
      float b[SIDE][4];
#pragma unroll
      for (int i = 0; i < SIDE; ++i) load4(b[i], d + (j + i * ALONG) * PS + p);
#pragma unroll
      for (int i = 0; i < SIDE; ++i) {
        float a[4];
        load4(a, h + (k + i * ALONG) * PS + p);
#pragma unroll
        for (int q = 0; q < 4; ++q)
#pragma unroll
          for (int c = 0; c < SIDE; ++c) sum[i * SIDE + c] = fmaf(a[q], b[c][q], sum[i * SIDE + c]);
      }
    }
    int part = 0;
    if constexpr (SHARERS > 1) share<SIDE * SIDE / 2>(sum, lane, part);
    if (live)
#pragma unroll
      for (int i = 0; i < SIDE * SIDE / SHARERS; ++i)
        gradient[(k + (part + i) / SIDE * ALONG) * WS + j + (part + i) % SIDE * ALONG] += sum[i];
  }
}
#endif

/// gradient[r][c] += sum over the tile's points of a[r][p] * b[c][p] (of b[c][p] alone where ONES), for the few
/// rows of first layer, head and biases. Four lanes share an element.
template <bool ONES>
__device__ __forceinline__ void small_gradient(float* gradient, int stride, const float* a, int rows, const float* b,
                                               int columns) {
  int lane = threadIdx.x % 4, elements = rows * columns;
  for (int first = 0; first < elements; first += THREADS / 4) {
    int element = first + threadIdx.x / 4;
    bool live = element < elements;
    int r = live ? element / columns : 0, c = live ? element % columns : 0;
    float sum = 0.0f;
#pragma unroll 4
    for (int p = lane * 4; p < POINTS; p += 16) {
      float x[4] = {1.0f, 1.0f, 1.0f, 1.0f}, y[4];
      if constexpr (!ONES) load4(x, a + r * PS + p);
      load4(y, b + c * PS + p);
#pragma unroll
      for (int q = 0; q < 4; ++q) sum = fmaf(x[q], y[q], sum);
    }
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    if (live && lane == 0) gradient[r * stride + c] += sum;
  }
}
