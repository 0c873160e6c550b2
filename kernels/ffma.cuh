// Products of a tile by ordered fused multiply-add: a thread holds PT points of OT outputs in registers.
// Twin of the layer loop in src/arith: each output starts at its bias and takes its inputs in ascending order.
#pragma once
#include "shape.cuh"
#include "vector.cuh"

/// Which outputs and points a thread has: groups of four, TJ (or TP) groups apart, so that neighbouring
/// threads load neighbouring 16-byte words.
struct Place {
  int j, p;
};
__device__ __forceinline__ Place place() {
  constexpr int across = TJ / LJ;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  return {(warp % across * LJ + lane / LP) * 4, (warp / across * LP + lane % LP) * 4};
}
/// Index of the thread's group `g` of outputs (or points).
__device__ __forceinline__ int output_of(Place at, int g) { return at.j + g * TJ * 4; }
__device__ __forceinline__ int point_of(Place at, int g) { return at.p + g * TP * 4; }

typedef float Sums[OT][PT];

/// sums = bias of each output.
__device__ __forceinline__ void start(Sums& sums, const float* bias, Place at) {
#pragma unroll
  for (int j = 0; j < OT; ++j) {
    float b = bias[output_of(at, j / 4) + j % 4];
#pragma unroll
    for (int p = 0; p < PT; ++p) sums[j][p] = b;
  }
}

/// sums[j][p] += w[k][j] * act[k][p], k ascending over `rows`. `w` has stride `WS`.
__device__ __forceinline__ void multiply(Sums& sums, const float* w, const float* act, int rows, Place at) {
#pragma unroll 2
  for (int k = 0; k < rows; ++k) {
    float a[PT / 4][4], b[OT / 4][4];
#pragma unroll
    for (int g = 0; g < PT / 4; ++g) load4(a[g], act + k * PS + point_of(at, g));
#pragma unroll
    for (int g = 0; g < OT / 4; ++g) load4(b[g], w + k * WS + output_of(at, g));
#pragma unroll
    for (int j = 0; j < OT; ++j)
#pragma unroll
      for (int p = 0; p < PT; ++p) sums[j][p] = fmaf(a[p / 4][p % 4], b[j / 4][j % 4], sums[j][p]);
  }
}

/// sums[i][p] += w[k][j] * act[j][p] over `columns` of j (a multiple of four); the thread's rows k are
/// TJ apart (tj + i * TJ), which spreads them over the banks. `stride` is that of `w`.
__device__ __forceinline__ void multiply_transposed(Sums& sums, const float* w, int stride, const float* act,
                                                    int columns, Place at) {
  w += at.j / 4 * stride;
#pragma unroll 1
  for (int j = 0; j < columns; j += 4) {
    float b[OT][4];
#pragma unroll
    for (int i = 0; i < OT; ++i) load4(b[i], w + i * TJ * stride + j);
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      float a[PT / 4][4];
#pragma unroll
      for (int g = 0; g < PT / 4; ++g) load4(a[g], act + (j + q) * PS + point_of(at, g));
#pragma unroll
      for (int i = 0; i < OT; ++i)
#pragma unroll
        for (int p = 0; p < PT; ++p) sums[i][p] = fmaf(a[p / 4][p % 4], b[i][q], sums[i][p]);
    }
  }
}

/// f(output, first point, four values) for all of `sums`; `output(i)` is the output of row i.
template <class Output, class F>
__device__ __forceinline__ void visit_rows(Sums& sums, Place at, Output output, F f) {
#pragma unroll
  for (int i = 0; i < OT; ++i)
#pragma unroll
    for (int g = 0; g < PT / 4; ++g) {
      float v[4];
#pragma unroll
      for (int q = 0; q < 4; ++q) v[q] = sums[i][g * 4 + q];
      f(output(i), point_of(at, g), v);
      in_turn();
    }
}

/// The same after `multiply`.
template <class F>
__device__ __forceinline__ void visit(Sums& sums, Place at, F f) {
  visit_rows(sums, at, [&](int i) { return output_of(at, i / 4) + i % 4; }, f);
}

/// The same after `multiply_transposed`.
template <class F>
__device__ __forceinline__ void visit_transposed(Sums& sums, Place at, F f) {
  visit_rows(sums, at, [&](int i) { return at.j / 4 + i * TJ; }, f);
}
