//! Parts of the coders that can be left out, to measure what each earns (`benches/ablation.py`, `benches/ABLATION.md`).
//!
//! Only with the feature `ablation`; without it [`without`] is `false` at compile time and nothing of this is left. A stream that was
//! made without parts is read only while the same parts are left out, so none must leave the process that made it.

macro_rules! parts {
    ($($part:ident = $name:literal,)*) => {
        /// A part of the coders; each place that asks for it says what stands in for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, unreachable_pub)]
        pub enum Part { $($part,)* }

        #[cfg(feature = "ablation")]
        impl Part {
            /// All parts.
            pub const ALL: &[Self] = &[$(Self::$part,)*];

            /// Its name on the command line and in tables.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$part => $name,)* }
            }
        }
    };
}

parts! {
    // Coefficients of the harmonic coder. A distribution "left out" is one for all contexts.
    SetOfRadius = "set-radius",
    SetOfParents = "set-parents",
    SetOfNear = "set-near",
    MixingWeights = "mixing-weights",
    FallingRate = "falling-rate",
    CoefficientStarts = "coefficient-starts",
    GroupZero = "group-zero",
    BandZero = "band-zero",
    PreviousSlice = "previous-slice",
    CoarserLevel = "coarser-level",
    LowerFrequencies = "lower-frequencies",
    FinestInParts = "finest-in-parts",
    // Its quantiser and transforms.
    DeadZone = "dead-zone",
    DeadZoneByNeighbours = "dead-zone-by-neighbours",
    OuterAxes = "outer-axes",
    OuterDct = "outer-dct",
    OuterKlt = "outer-klt",
    SecondWhitening = "second-whitening",
    Lapped = "lapped",
    Wavelet = "wavelet",
    CodingBoth = "coding-both",
    StepSearch = "step-search",
    AxisOrder = "axis-order",
    // Corrections of points, mask, and the section of the split's energies.
    CorrectionGroups = "correction-groups",
    CorrectionNeighbours = "correction-neighbours",
    CorrectionSigns = "correction-signs",
    MaskRows = "mask-rows",
    MaskNeighbours = "mask-neighbours",
    MaskSlice = "mask-slice",
    Plateaus = "plateaus",
    MaskFill = "mask-fill",
    SplitSection = "split-section",
    // Integers of the lattice coder.
    Packing = "packing",
    Nudges = "nudges",
    SliceMappings = "slice-mappings",
    FixedPoint = "fixed-point",
    LeastValueZone = "least-value-zone",
    Atoms = "atoms",
    Table = "table",
    CommonStep = "common-step",
    Halves = "halves",
    Glance = "glance",
    LatticeLearning = "lattice-learning",
    LearningWeights = "learning-weights",
    CellsBeside = "cells-beside",
    FarTaps = "far-taps",
    SliceTaps = "slice-taps",
    SliceCornerTaps = "slice-corner-taps",
    OlderTaps = "older-taps",
    Copies = "copies",
    Joined = "joined",
    Edges = "edges",
    EdgePattern = "edge-pattern",
    EdgeDistance = "edge-distance",
    Room = "room",
    Phase = "phase",
    BlendOfEnergy = "blend-energy",
    BlendOfLeans = "blend-leans",
    BlendWeights = "blend-weights",
    ResidualStarts = "residual-starts",
}

/// Is the part left out?
#[cfg(not(feature = "ablation"))]
#[inline(always)]
pub(crate) const fn without(_: Part) -> bool {
    false
}

#[cfg(feature = "ablation")]
pub use on::leave_out;
#[cfg(feature = "ablation")]
pub(crate) use on::without;

#[cfg(feature = "ablation")]
mod on {
    use super::Part;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    static OUT: [AtomicBool; Part::ALL.len()] = [const { AtomicBool::new(false) }; Part::ALL.len()];

    /// Leave out these parts and no others, in both directions and in all threads, from now on.
    pub fn leave_out(parts: &[Part]) {
        for part in Part::ALL {
            OUT[*part as usize].store(parts.contains(part), Relaxed);
        }
    }

    /// Is the part left out?
    #[inline]
    pub(crate) fn without(part: Part) -> bool {
        OUT[part as usize].load(Relaxed)
    }
}

/// `value`, or its default if the part is left out.
#[inline(always)]
pub(crate) fn unless<T: Default>(part: Part, value: T) -> T {
    if without(part) { T::default() } else { value }
}
