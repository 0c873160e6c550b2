// Products of a tile by ordered fused multiply-add: a thread holds PT points of OT outputs in registers.
// Twin of the layer loop in src/arith: each output starts at its bias and takes its inputs in ascending order.
#pragma once
#include "shape.cuh"

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

__device__ __forceinline__ void load4(float (&to)[4], const float* from) {
  float4 v = *reinterpret_cast<const float4*>(from);
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
__device__ __forceinline__ void store4(float* to, const float (&v)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
}

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
#pragma unroll 4
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

/// Copy `rows` x `columns` floats into shared memory, asynchronously, by all threads.
__device__ __forceinline__ void stage(float* to, int to_stride, const float* from, int from_stride, int rows, int columns) {
  int groups = columns / 4;
  for (int i = threadIdx.x; i < rows * groups; i += THREADS)
    copy_async(to + i / groups * to_stride + i % groups * 4, from + i / groups * from_stride + i % groups * 4);
}

/// Copy `count` floats, a multiple of four, into shared memory, asynchronously, by all threads.
__device__ __forceinline__ void stage_all(float* to, const float* from, int count) {
  for (int i = threadIdx.x * 4; i < count; i += THREADS * 4) copy_async(to + i, from + i);
}
