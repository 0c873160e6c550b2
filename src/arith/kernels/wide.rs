//! Integer code of other modules, compiled for wide vectors too.

/// Run `f`, which should be `#[inline(always)]` down to its loops, with AVX2 and BMI where the processor has them.
/// It must be integers or IEEE operations that are not fused, so that no instruction set changes a bit.
#[inline]
pub(crate) fn run_wide<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2")]
        fn wide<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has the instructions.
            return unsafe { wide(f) };
        }
    }
    f()
}
