// Runs a .cu file on the CPU, for tests: each CUDA thread is a fiber; barriers, shuffles and tensor-core
// instructions mean what they mean on the device. The blocks of a launch run at the same time, as after a
// cooperative launch, so that they may wait for one another.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

typedef uint32_t u32;
typedef uint64_t u64;
struct float2 {
  float x, y;
};
struct float4 {
  float x, y, z, w;
};
struct double2 {
  double x, y;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
using std::max;
using std::min;

#define __global__
#define __device__
#define __forceinline__ inline
#define __noinline__
#define __restrict__ __restrict
#define __launch_bounds__(...)

namespace host {
/// Threads that wait for one another; used again and again.
struct Barrier {
  unsigned members = 0, arrived = 0, generation = 0;
};
struct Warp {
  Barrier barrier;
  uint32_t word[32][6];
};
struct Block {
  dim3 index;
  std::vector<float> shared;
  Barrier barrier;
  std::vector<Warp> warps;
};
// A fiber starts as a context of its own and then goes to and fro by long jumps: those need no system call.
struct Fiber {
  ucontext_t context;
  jmp_buf place;
  bool started = false;
  std::vector<char> stack;
  Block* block = nullptr;
  dim3 thread;
  bool done = false;
};

// Of one kernel each: no `inline`, or the kernels of a process would share them.
static Fiber* current;
static jmp_buf scheduler;
static dim3 grid, block;
static std::function<void()> body;

static void yield() {
  if (!_setjmp(current->place)) _longjmp(scheduler, 1);
}
static void resume(Fiber* fiber) {
  current = fiber;
  if (_setjmp(scheduler)) return;
  if (fiber->started) _longjmp(fiber->place, 1);
  fiber->started = true;
  setcontext(&fiber->context);
}
static void wait(Barrier& b) {
  unsigned generation = b.generation;
  if (++b.arrived == b.members) {
    b.arrived = 0;
    ++b.generation;
    return;
  }
  while (b.generation == generation) yield();
}
static void run() {
  body();
  current->done = true;
  _longjmp(scheduler, 1);
}
static Warp& warp() { return current->block->warps[current->thread.x / 32]; }
static unsigned lane() { return current->thread.x % 32; }

/// Run `kernel` for all threads of all blocks; shared memory starts as NaN, as nobody may rely on it.
static void launch(dim3 g, dim3 b, size_t shared_bytes, std::function<void()> kernel) {
  grid = g;
  block = b;
  body = std::move(kernel);
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<std::unique_ptr<Fiber>> fibers;
  for (unsigned y = 0; y < g.y; ++y)
    for (unsigned x = 0; x < g.x; ++x) {
      auto here = std::make_unique<Block>();
      here->index = {x, y, 0};
      here->shared.assign(shared_bytes / 4 + 4, std::nanf(""));
      here->barrier.members = b.x;
      here->warps.resize((b.x + 31) / 32);
      for (unsigned t = 0; t < b.x; ++t) {
        ++here->warps[t / 32].barrier.members;
        auto fiber = std::make_unique<Fiber>();
        fiber->block = here.get();
        fiber->thread = {t, 0, 0};
        fiber->stack.resize(64 << 10);
        getcontext(&fiber->context);
        fiber->context.uc_stack.ss_sp = fiber->stack.data();
        fiber->context.uc_stack.ss_size = fiber->stack.size();
        makecontext(&fiber->context, run, 0);
        fibers.push_back(std::move(fiber));
      }
      blocks.push_back(std::move(here));
    }
  for (bool live = true; live;) {
    live = false;
    for (auto& fiber : fibers)
      if (!fiber->done) {
        live = true;
        resume(fiber.get());
      }
  }
  body = nullptr;
}

inline float from_bits(uint32_t v) {
  float f;
  std::memcpy(&f, &v, 4);
  return f;
}
inline uint32_t to_bits(float v) {
  uint32_t u;
  std::memcpy(&u, &v, 4);
  return u;
}
inline float* aligned(std::vector<float>& v) {
  return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(v.data()) + 15) / 16 * 16);
}
}  // namespace host

#define threadIdx (host::current->thread)
#define blockIdx (host::current->block->index)
#define blockDim (host::block)
#define gridDim (host::grid)
#define HIHA_SHARED(name) float* name = host::aligned(host::current->block->shared)

static void __syncthreads() { host::wait(host::current->block->barrier); }
inline void __threadfence() {}
static float __shfl_xor_sync(unsigned, float v, int mask) {
  host::Warp& w = host::warp();
  w.word[host::lane()][0] = host::to_bits(v);
  host::wait(w.barrier);
  float r = host::from_bits(w.word[host::lane() ^ mask][0]);
  host::wait(w.barrier);
  return r;
}
inline u32 atomicAdd(u32* at, u32 v) {
  u32 before = *at;
  *at += v;
  return before;
}
inline u64 __umul64hi(u64 a, u64 b) { return (u64)((unsigned __int128)a * b >> 64); }
inline float __ldcg(const float* p) { return *p; }

inline void copy_async(float* to, const float* from) {
  if ((uintptr_t)to % 16 || (uintptr_t)from % 16) __builtin_trap();
  std::memcpy(to, from, 16);
}
inline void copy_wait() {}
inline void in_turn() {}
static void spin_until(const u32* counter, u32 target) {
  while ((int32_t)(*counter - target) < 0) host::yield();
}

/// Nearest with ten bits of mantissa, ties away from zero.
inline float to_tf32(float v) {
  if (!std::isfinite(v)) return v;
  return host::from_bits((host::to_bits(v) + 0x1000u) & ~0x1fffu);
}
/// Operands are read as TF32: their low 13 bits do not count.
static void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  host::Warp& w = host::warp();
  unsigned lane = host::lane(), g = lane / 4, t = lane % 4;
  for (int i = 0; i < 4; ++i) w.word[lane][i] = host::to_bits(a[i]) & ~0x1fffu;
  for (int i = 0; i < 2; ++i) w.word[lane][4 + i] = host::to_bits(b[i]) & ~0x1fffu;
  host::wait(w.barrier);
  for (int i = 0; i < 4; ++i) {
    unsigned row = g + i / 2 * 8, column = 2 * t + i % 2;
    for (unsigned k = 0; k < 8; ++k) {
      float x = host::from_bits(w.word[row % 8 * 4 + k % 4][row / 8 + k / 4 * 2]);
      float y = host::from_bits(w.word[column * 4 + k % 4][4 + k / 4]);
      d[i] += x * y;
    }
  }
  host::wait(w.barrier);
}
