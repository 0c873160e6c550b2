// The few things that differ between NVRTC and the host shim of the tests (host/shim.h).
#pragma once
#ifdef HIHA_HOST
#include "host/shim.h"
#else
typedef unsigned int u32;
typedef unsigned long long u64;

/// Dynamic shared memory under `name`.
#define HIHA_SHARED(name) extern __shared__ __align__(16) float name[]

/// Start copying 16 bytes from global to shared memory.
__device__ __forceinline__ void copy_async(float* to, const float* from) {
  u32 address = (u32)__cvta_generic_to_shared(to);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(from) : "memory");
}
/// All copies that this thread started are complete and visible to it.
__device__ __forceinline__ void copy_wait() { asm volatile("cp.async.wait_all;" ::: "memory"); }

/// Nearest TF32 number, ties away from zero.
__device__ __forceinline__ float to_tf32(float v) {
  u32 r;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(v));
  return __uint_as_float(r);
}

/// d += a * b for a 16x8 tile over 8 terms, on tensor cores. Fragments as in the PTX manual (m16n8k8, tf32).
__device__ __forceinline__ void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
        "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

/// Loads and stores stay on their side of it: keeps the compiler from loading for a whole unrolled loop at once.
__device__ __forceinline__ void in_turn() { asm volatile("" ::: "memory"); }

/// Wait until another block has brought `counter` to `target`.
__device__ __forceinline__ void spin_until(const u32* counter, u32 target) {
  u32 seen;
  do {
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(counter) : "memory");
  } while ((int)(seen - target) < 0);
}
#endif
