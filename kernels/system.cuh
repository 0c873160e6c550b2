// Symmetric linear systems of a block: sums of products, Cholesky factor, back-substitution. Each element has one
// owner and a fixed order of summation. Twin of src/encode/siren/normal.rs, to rounding.
//
// A matrix lies in global memory, rows of `stride`, and its lower triangle counts. Rows beyond the unknowns are right
// sides: after the factorisation they hold what forward substitution would give.
#pragma once
#include "memory.cuh"

// A group of 16 bytes.
__device__ __forceinline__ void load_group(float (&to)[4], const float* from) {
  float4 v = *reinterpret_cast<const float4*>(from);
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
__device__ __forceinline__ void load_group(double (&to)[2], const double* from) {
  double2 v = *reinterpret_cast<const double2*>(from);
  to[0] = v.x, to[1] = v.y;
}
__device__ __forceinline__ void store_group(float* to, const float (&v)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
}
__device__ __forceinline__ void store_group(double* to, const double (&v)[2]) {
  *reinterpret_cast<double2*>(to) = make_double2(v[0], v[1]);
}
__device__ __forceinline__ float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ double fused(double a, double b, double c) { return fma(a, b, c); }

/// The row of element `t` of a triangle that is counted row by row.
__device__ __forceinline__ int triangle_row(int t) {
  int i = (int)((sqrtf(8.0f * t + 1.0f) - 1.0f) * 0.5f);
  while ((i + 1) * (i + 2) / 2 <= t) ++i;
  while (i * (i + 1) / 2 > t) --i;
  return i;
}

/// matrix[i][j] += SIGN * sum over `terms` of tile[k][i] * tile[k][j], for first <= j <= i < rows (some j > i too). `tile`
/// is in shared memory, rows of `tile_stride`. `first` and `rows` are multiples of the squares' side. `fresh`: = for +=.
template <int SIGN, class T>
__device__ __forceinline__ void add_products(T* matrix, int stride, const T* tile, int tile_stride, int terms, int first,
                                             int rows, bool fresh) {
  constexpr int G = 16 / sizeof(T), SIDE = 2 * G;
  int squares = (rows - first) / SIDE;
  for (int t = threadIdx.x; t < squares * (squares + 1) / 2; t += THREADS) {
    int i = triangle_row(t), j = t - i * (i + 1) / 2;
    // Every other four squares take their halves in the other order, or lanes would meet in a bank.
    int low = (j >> 2 & 1) * G, high = G - low;
    const T *a = tile + first + i * SIDE, *b = tile + first + j * SIDE;
    T sum[SIDE][2][G] = {};
#pragma unroll 2
    for (int k = 0; k < terms; ++k) {
      T x[2][G], y[2][G];
      load_group(x[0], a + k * tile_stride), load_group(x[1], a + k * tile_stride + G);
      load_group(y[0], b + k * tile_stride + low), load_group(y[1], b + k * tile_stride + high);
#pragma unroll
      for (int r = 0; r < SIDE; ++r)
#pragma unroll
        for (int h = 0; h < 2; ++h)
#pragma unroll
          for (int q = 0; q < G; ++q) sum[r][h][q] = fused(x[r / G][r % G], y[h][q], sum[r][h][q]);
    }
#pragma unroll
    for (int r = 0; r < SIDE; ++r)
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        T* to = matrix + (u64)(first + i * SIDE + r) * stride + first + j * SIDE + (h ? high : low);
        T old[G] = {};
        if (!fresh) load_group(old, to);
#pragma unroll
        for (int q = 0; q < G; ++q) old[q] += SIGN > 0 ? sum[r][h][q] : -sum[r][h][q];
        store_group(to, old);
        in_turn();
      }
  }
}

/// Sum over the block, for all its threads.
__device__ __forceinline__ double total(double v, double* partial) {
  constexpr int half = THREADS > 512 ? 512 : THREADS > 256 ? 256 : THREADS > 128 ? 128 : 64;
  partial[threadIdx.x] = v;
  __syncthreads();
  for (int n = half; n > 0; n /= 2) {
    if (threadIdx.x < n && threadIdx.x + n < THREADS) partial[threadIdx.x] += partial[threadIdx.x + n];
    __syncthreads();
  }
  double sum = partial[0];
  __syncthreads();
  return sum;
}

/// Factor columns `k0` to `k0 + n` of a panel whose first row is `k0`; false if a pivot is not positive.
__device__ __forceinline__ bool factor_panel(double* panel, double* pivots, int k0, int n, int rows) {
  for (int c = 0; c < n; ++c) {
    const double* column = panel + c * PANEL_STRIDE;
    double pivot = column[k0 + c];
    if (!(pivot > 0.0) || pivot > 1e300) return false;
    for (int row = k0 + c + 1 + threadIdx.x; row < rows; row += THREADS) {
      double l = column[row] / pivot;
      for (int d = c + 1; d < n; ++d) panel[d * PANEL_STRIDE + row] = fma(-l, column[k0 + d], panel[d * PANEL_STRIDE + row]);
    }
    __syncthreads();
  }
  for (int c = threadIdx.x; c < n; c += THREADS) pivots[c] = 1.0 / sqrt(panel[c * PANEL_STRIDE + k0 + c]);
  __syncthreads();
  for (int i = threadIdx.x; i < n * (rows - k0); i += THREADS) {
    int c = i / (rows - k0), row = k0 + i % (rows - k0);
    panel[c * PANEL_STRIDE + row] *= pivots[c];
  }
  __syncthreads();
  return true;
}

/// Replace the first `n` columns of `rows` rows (a multiple of eight) by the Cholesky factor; false where there is none.
__device__ __noinline__ bool factor(double* matrix, int n, int rows) {
  double *panel = memory().panel, *pivots = memory().pivots;
  for (int k0 = 0; k0 < n; k0 += PANEL) {
    int columns = min(PANEL, n - k0);
    for (int i = threadIdx.x; i < PANEL * (rows - k0); i += THREADS) {
      int c = i % PANEL, row = k0 + i / PANEL;
      panel[c * PANEL_STRIDE + row] = c < columns && k0 + c <= row ? matrix[(u64)row * ROWS + k0 + c] : 0.0;
    }
    __syncthreads();
    if (!factor_panel(panel, pivots, k0, columns, rows)) {
      __syncthreads();
      return false;
    }
    for (int i = threadIdx.x; i < PANEL * (rows - k0); i += THREADS) {
      int c = i % PANEL, row = k0 + i / PANEL;
      if (c < columns && k0 + c <= row) matrix[(u64)row * ROWS + k0 + c] = panel[c * PANEL_STRIDE + row];
    }
    if (k0 + PANEL < n) add_products<-1>(matrix, ROWS, panel, PANEL_STRIDE, PANEL, k0 + PANEL, rows, false);
    __syncthreads();
  }
  return true;
}

/// `vector` = the solution for the right side in row `right` of a factored matrix of `n` unknowns.
__device__ __forceinline__ void back_substitute(const double* matrix, int n, int right, double* vector, double* square) {
  for (int k = threadIdx.x; k < n; k += THREADS) vector[k] = matrix[(u64)right * ROWS + k];
  for (int k0 = (n - 1) / PANEL * PANEL; k0 >= 0; k0 -= PANEL) {
    int columns = min(PANEL, n - k0);
    for (int i = threadIdx.x; i < columns * PANEL; i += THREADS)
      if (i % PANEL <= i / PANEL) square[i] = matrix[(u64)(k0 + i / PANEL) * ROWS + k0 + i % PANEL];
    __syncthreads();
    for (int c = columns - 1; c >= 0; --c) {
      double x = vector[k0 + c] / square[c * PANEL + c];
      __syncthreads();
      if (threadIdx.x == 0) vector[k0 + c] = x;
      for (int d = threadIdx.x; d < c; d += THREADS) vector[k0 + d] = fma(-x, square[c * PANEL + d], vector[k0 + d]);
      __syncthreads();
    }
    for (int j = threadIdx.x; j < k0; j += THREADS) {
      double sum = vector[j];
      for (int c = 0; c < columns; ++c) sum = fma(-vector[k0 + c], matrix[(u64)(k0 + c) * ROWS + j], sum);
      vector[j] = sum;
    }
    __syncthreads();
  }
}
