// The products of ffma.cuh on tensor cores: TF32 operands, f32 sums. Training only; its bits are nobody's norm.
// A warp holds TILES_M x TILES_N tiles of 16 points x 8 outputs; four warps stand side by side over the
// outputs, two over the points. Activations were rounded to TF32 when they were stored.
#pragma once
#include "shape.cuh"

constexpr int WARPS_M = 2, WARPS_N = 4;
constexpr int TILES_M = POINTS / 16 / WARPS_M, TILES_N = (WP / 8 + WARPS_N - 1) / WARPS_N;
static_assert(THREADS == 32 * WARPS_M * WARPS_N && POINTS % 32 == 0 && WP % 16 == 0, "a whole number of tiles");

/// Where a warp's tiles start, and the lane's place in a fragment (group of four lanes, lane in it).
struct Place {
  int m, n, group, quad;
};
__device__ __forceinline__ Place place() {
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  return {warp / WARPS_N, warp % WARPS_N, lane / 4, lane % 4};
}
/// First point (or output) of the warp's tile `i`. The last tiles of a ragged width may be missing.
__device__ __forceinline__ int point_of(Place at, int i) { return (at.m * TILES_M + i) * 16; }
__device__ __forceinline__ int output_of(Place at, int i) { return (at.n + i * WARPS_N) * 8; }
__device__ __forceinline__ bool present(Place at, int i) { return output_of(at, i) < WP; }

typedef float Sums[TILES_M][TILES_N][4];

/// sums = bias of each output.
__device__ __forceinline__ void start(Sums& sums, const float* bias, Place at) {
#pragma unroll
  for (int n = 0; n < TILES_N; ++n) {
    int j = present(at, n) ? output_of(at, n) + 2 * at.quad : 0;
    float even = bias ? bias[j] : 0.0f, odd = bias ? bias[j + 1] : 0.0f;
#pragma unroll
    for (int m = 0; m < TILES_M; ++m) {
      sums[m][n][0] = sums[m][n][2] = even;
      sums[m][n][1] = sums[m][n][3] = odd;
    }
  }
}

/// Eight terms. The weight of term k in output j stands at w[k * term + j * output].
__device__ __forceinline__ void eight(Sums& sums, const float* w, int term, int output, const float* act, Place at) {
  float a[TILES_M][4];
#pragma unroll
  for (int m = 0; m < TILES_M; ++m)
#pragma unroll
    for (int i = 0; i < 4; ++i)
      a[m][i] = act[(at.quad + i / 2 * 4) * PS + point_of(at, m) + at.group + i % 2 * 8];
#pragma unroll
  for (int n = 0; n < TILES_N; ++n)
    if (present(at, n)) {
      const float* column = w + (output_of(at, n) + at.group) * output + at.quad * term;
      float b[2] = {to_tf32(column[0]), to_tf32(column[4 * term])};
#pragma unroll
      for (int m = 0; m < TILES_M; ++m) mma_tf32(sums[m][n], a[m], b);
    }
}

/// sums[j][p] += w[k][j] * act[k][p] over `rows` of k, a multiple of eight.
__device__ __forceinline__ void multiply(Sums& sums, const float* w, const float* act, int rows, Place at) {
#pragma unroll 2
  for (int k = 0; k < rows; k += 8) eight(sums, w + k * WS, WS, 1, act + k * PS, at);
}

/// sums[i][p] += w[i][j] * act[j][p] over `columns` of j, a multiple of eight. `stride` is that of `w`.
__device__ __forceinline__ void multiply_transposed(Sums& sums, const float* w, int stride, const float* act,
                                                    int columns, Place at) {
#pragma unroll 2
  for (int j = 0; j < columns; j += 8) eight(sums, w + j, 1, stride, act + j * PS, at);
}

/// visit(output, point, one value) for all of `sums`.
template <class F>
__device__ __forceinline__ void visit(Sums& sums, Place at, F f) {
#pragma unroll
  for (int m = 0; m < TILES_M; ++m)
#pragma unroll
    for (int n = 0; n < TILES_N; ++n)
      if (present(at, n))
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float v[1] = {sums[m][n][i]};
          f(output_of(at, n) + 2 * at.quad + i % 2, point_of(at, m) + at.group + i / 2 * 8, v);
          if (i % 2) in_turn();
        }
}
template <class F>
__device__ __forceinline__ void visit_transposed(Sums& sums, Place at, F f) {
  visit(sums, at, f);
}

/// gradient[k][j] += sum over the tile's points of h[k][p] * d[j][p]. Two rows of tiles at a time; terms 2t and
/// 2t + 1 take the slots t and t + 4 of a fragment, so that a lane loads them as one word of 8 bytes.
__device__ __forceinline__ void weight_gradient(float* gradient, const float* h, const float* d) {
  Place at = place();
  for (int first = at.m * 2; first < WP / 16; first += WARPS_M * 2) {
    float sums[2][TILES_N][4] = {};
    bool second = first + 1 < WP / 16;
#pragma unroll 1
    for (int p = 2 * at.quad; p < POINTS; p += 8) {
      float a[2][4];
#pragma unroll
      for (int m = 0; m < 2; ++m)
        if (m == 0 || second)
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const float2 v = *reinterpret_cast<const float2*>(h + ((first + m) * 16 + at.group + i * 8) * PS + p);
            a[m][i] = v.x, a[m][i + 2] = v.y;
          }
#pragma unroll
      for (int n = 0; n < TILES_N; ++n)
        if (present(at, n)) {
          const float2 v = *reinterpret_cast<const float2*>(d + (output_of(at, n) + at.group) * PS + p);
          float b[2] = {v.x, v.y};
          mma_tf32(sums[0][n], a[0], b);
          if (second) mma_tf32(sums[1][n], a[1], b);
        }
    }
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < TILES_N; ++n)
        if ((m == 0 || second) && present(at, n))
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            int k = (first + m) * 16 + at.group + i * 8, j = output_of(at, n) + 2 * at.quad;
            float2* to = reinterpret_cast<float2*>(gradient + k * WS + j);
            float2 v = *to;
            *to = make_float2(v.x + sums[m][n][2 * i], v.y + sums[m][n][2 * i + 1]);
            in_turn();
          }
  }
}
