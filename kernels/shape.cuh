// Shape of a network and of its tiles, from defines; twin of src/gpu/plan.rs, which computes the same numbers.
#pragma once
#include "compat.cuh"

constexpr int INPUTS = HIHA_INPUTS, DEPTH = HIHA_DEPTH, WIDTH = HIHA_WIDTH, OUTPUTS = HIHA_OUTPUTS;
/// Points of a tile, threads of a block, points and outputs of a thread.
constexpr int POINTS = HIHA_POINTS, THREADS = HIHA_THREADS, PT = HIHA_THREAD_POINTS, OT = HIHA_THREAD_OUTPUTS;

__device__ constexpr int round_up(int n, int to) { return (n + to - 1) / to * to; }
/// Width in memory: the outputs beyond WIDTH have zero weights, so they stay zero.
constexpr int WP = round_up(WIDTH, WIDTH <= 64 ? 8 : WIDTH <= 128 ? 16 : 32);
/// Row strides that are 8 or 24 modulo 32 banks: rows below one another do not conflict.
constexpr int WS = WP + (WP % 16 == 0 ? 8 : 0);
constexpr int PS = POINTS + 8;
/// Outputs of the head in memory.
constexpr int OP = OUTPUTS <= 4 ? 4 : 8;

// Parameters of a network in memory: first layer, hidden layers, head; weights input-major, then biases.
constexpr int FIRST = (INPUTS + 1) * WS, HIDDEN = (WP + 1) * WS, HEAD = (WP + 1) * OP;
constexpr int HEAD_AT = FIRST + (DEPTH - 1) * HIDDEN, PARAMS = HEAD_AT + HEAD;
/// Where layer `l` (0 to DEPTH; DEPTH is the head) starts.
__device__ constexpr int layer_at(int l) { return l == 0 ? 0 : FIRST + (l - 1) * HIDDEN; }
/// Where its biases start.
__device__ constexpr int bias_at(int l) {
  return l == 0 ? INPUTS * WS : l < DEPTH ? layer_at(l) + WP * WS : HEAD_AT + WP * OP;
}

// Threads of a block over (outputs, points); a warp covers LJ x LP of them, so that its loads broadcast.
constexpr int TJ = WP / OT, TP = POINTS / PT;
constexpr int LJ = TJ % 4 == 0 ? 4 : TJ % 2 == 0 ? 2 : 1, LP = 32 / LJ;
static_assert(WP % OT == 0 && POINTS % PT == 0 && OT % 4 == 0 && PT % 4 == 0, "whole groups of four");

/// Rows of weights that are staged at once where a layer does not stay in shared memory.
constexpr int STAGE = 16;
constexpr int STAGE_STRIDE = STAGE + 8;
