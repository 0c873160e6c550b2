//! How many fused multiply-adds this core can do: the yardstick of the benches.

use super::simd::{Simd, for_each_isa};

/// Independent sums: enough to hide the latency.
const SUMS: usize = 12;

for_each_isa!(
    /// `rounds` times 12 vectors of fused multiply-adds that stay in registers; returns the lanes of a vector, and a
    /// value that depends on all of them.
    fused_multiply_adds(rounds: usize, start: f32) -> (usize, f32), body
);

#[inline(always)]
fn body<S: Simd>(s: S, rounds: usize, start: f32) -> (usize, f32) {
    let (a, b) = (s.splat(start), s.splat(1.0 - start));
    let mut sums = [a; SUMS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = s.mul_add(*sum, a, b);
        }
    }
    let mut all = a;
    for sum in sums {
        all = s.mul_add(all, a, sum);
    }
    let mut lanes = [0.0; 16];
    // SAFETY: no vector has more than 16 lanes.
    unsafe { s.store(lanes.as_mut_ptr(), all) };
    (S::LANES, lanes.iter().sum())
}
