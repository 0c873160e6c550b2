// What the chip can do at most: fused multiply-adds, and TF32 products on tensor cores, from registers alone.
// For benches/gpu; no CPU twin.
#include "compat.cuh"

struct PeakArgs {
  float* out;
  u32 rounds;
};

/// 64 * 16 fused multiply-adds a round and thread.
extern "C" __global__ void __launch_bounds__(256) peak_ffma(PeakArgs a) {
  float v[16], x = 0.999f + 1e-6f * threadIdx.x, y = 1e-3f * threadIdx.x;
  for (int i = 0; i < 16; ++i) v[i] = i + y;
  for (u32 r = 0; r < a.rounds; ++r)
#pragma unroll
    for (int k = 0; k < 64; ++k)
#pragma unroll
      for (int i = 0; i < 16; ++i) v[i] = fmaf(v[i], x, y);
  float sum = 0.0f;
  for (int i = 0; i < 16; ++i) sum += v[i];
  a.out[blockIdx.x * 256 + threadIdx.x] = sum;
}

/// 16 * 8 products of 16x8x8 a round and warp.
extern "C" __global__ void __launch_bounds__(256) peak_tf32(PeakArgs a) {
  float d[8][4] = {}, x[4], y[2];
  for (int i = 0; i < 4; ++i) x[i] = to_tf32(0.1f * i + threadIdx.x);
  for (int i = 0; i < 2; ++i) y[i] = to_tf32(0.2f * i - threadIdx.x);
  for (u32 r = 0; r < a.rounds; ++r)
#pragma unroll
    for (int k = 0; k < 16; ++k)
#pragma unroll
      for (int i = 0; i < 8; ++i) mma_tf32(d[i], x, y);
  float sum = 0.0f;
  for (int i = 0; i < 8; ++i)
    for (int q = 0; q < 4; ++q) sum += d[i][q];
  a.out[blockIdx.x * 256 + threadIdx.x] = sum;
}
