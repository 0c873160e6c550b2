// Twin of src/arith/sine.rs (normative): sin(2 pi t) for t in turns, and its derivative (training only).
#pragma once
#include "compat.cuh"

/// p(u) with s * p(s * s) = sin(2 pi s) on [-1/4, 1/4].
__device__ __forceinline__ float sine_polynomial(float u) {
  float p = 40.87591f;
  p = fmaf(p, u, -76.72798f);
  p = fmaf(p, u, 81.608635f);
  p = fmaf(p, u, -41.341766f);
  return fmaf(p, u, 6.2831855f);
}

/// sin(2 pi t), bit for bit the CPU's. Zero where t is not finite or too large to have a phase.
__device__ __forceinline__ float sine(float t) {
  float r = t - rintf(t);
  float a = fabsf(r);
  a = a > 0.25f ? 0.5f - a : a;
  float s = copysignf(a, r);
  float value = s * sine_polynomial(s * s);
  return fabsf(t) < 4194304.0f ? value : 0.0f;
}

/// d sine / d t = 2 pi cos(2 pi t): the cosine of r is the sine of a quarter turn less |r|.
__device__ __forceinline__ float sine_slope(float t) {
  float s = 0.25f - fabsf(t - rintf(t));
  float value = 6.2831855f * (s * sine_polynomial(s * s));
  return fabsf(t) < 4194304.0f ? value : 0.0f;
}
