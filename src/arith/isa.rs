//! Which vector instructions the kernels are compiled for; none of them changes a bit.

/// A set of vector instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// What the target always has (NEON with FMA on aarch64).
    Scalar,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512F.
    Avx512,
}

impl Isa {
    /// All of them, narrowest first.
    pub(crate) const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// The widest that this processor has.
    pub(crate) fn detect() -> Self {
        Self::ALL.into_iter().rev().find(|i| i.supported()).unwrap_or(Self::Scalar)
    }

    /// This processor has it. The kernels ask before each use; the standard library caches the answer.
    #[inline]
    pub(crate) fn supported(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && Self::Avx2.supported(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}
