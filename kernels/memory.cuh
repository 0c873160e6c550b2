// Shared memory of the Levenberg-Marquardt kernel.
#pragma once
#include "small.cuh"

/// Losses that are remembered.
constexpr int HISTORY = 16;
/// Columns that are factored at a time, and the doubles between two of them.
constexpr int PANEL = SAMPLES / 2, PANEL_STRIDE = ROWS + 2;

// Shared memory: [parameters][trial][tape][tile or panel][vector][partial sums][losses, pivots].
static_assert((2 * HELD + TAPE + SAMPLES * STRIDE + 2 * (ROWS + THREADS + HISTORY + PANEL)) * 4 == HIHA_SHARED_BYTES,
              "src/gpu/small.rs disagrees");

/// Functions that are not inlined find shared memory by themselves, so that the compiler knows it for what it is.
struct Memory {
  float *params, *trial, *tape, *tile;
  double *panel, *vector, *partial, *losses, *pivots;
};
__device__ __forceinline__ Memory memory() {
  HIHA_SHARED(shared);
  Memory s;
  s.params = shared;
  s.trial = s.params + HELD;
  s.tape = s.trial + HELD;
  s.tile = s.tape + TAPE;
  s.panel = reinterpret_cast<double*>(s.tile);
  s.vector = reinterpret_cast<double*>(s.tile + SAMPLES * STRIDE);
  s.partial = s.vector + ROWS;
  s.losses = s.partial + THREADS;
  s.pivots = s.losses + HISTORY;
  return s;
}
