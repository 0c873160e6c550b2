// Four floats at a time.
#pragma once
#include "compat.cuh"

__device__ __forceinline__ void load4(float (&to)[4], const float* from) {
  float4 v = *reinterpret_cast<const float4*>(from);
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
__device__ __forceinline__ void store4(float* to, const float (&v)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
}

// One or four, as the products hand them out.
__device__ __forceinline__ void load(float (&to)[4], const float* from) { load4(to, from); }
__device__ __forceinline__ void load(float (&to)[1], const float* from) { to[0] = *from; }
__device__ __forceinline__ void store(float* to, const float (&v)[4]) { store4(to, v); }
__device__ __forceinline__ void store(float* to, const float (&v)[1]) { *to = v[0]; }
