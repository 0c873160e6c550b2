// The points of one network, and what is its own in a fit; twin of `Span` in src/gpu/batch.rs.
#pragma once
#include "compat.cuh"

struct Span {
  u64 start, count;
  /// What its mini-batches are drawn from: no two networks' draws depend on one another.
  u64 seed;
  /// 0: leave this network as it is.
  u64 live;
};
