//! The kernels' text: NVRTC gets one file, so the parts are joined in the order in which they include one another.

use super::plan::Plan;
use super::small::SmallPlan;

const COMPAT: (&str, &str) = ("compat.cuh", include_str!("../../kernels/compat.cuh"));
const SHAPE: (&str, &str) = ("shape.cuh", include_str!("../../kernels/shape.cuh"));
const SINE: (&str, &str) = ("sine.cuh", include_str!("../../kernels/sine.cuh"));
const VECTOR: (&str, &str) = ("vector.cuh", include_str!("../../kernels/vector.cuh"));
const FFMA: (&str, &str) = ("ffma.cuh", include_str!("../../kernels/ffma.cuh"));
const MMA: (&str, &str) = ("mma.cuh", include_str!("../../kernels/mma.cuh"));
const GRADIENT: (&str, &str) = ("gradient.cuh", include_str!("../../kernels/gradient.cuh"));
const WEIGHTS: (&str, &str) = ("weights.cuh", include_str!("../../kernels/weights.cuh"));
const FORWARD: (&str, &str) = ("forward.cu", include_str!("../../kernels/forward.cu"));
const PEAK: (&str, &str) = ("peak.cu", include_str!("../../kernels/peak.cu"));
const SPAN: (&str, &str) = ("span.cuh", include_str!("../../kernels/span.cuh"));
const SMALL: (&str, &str) = ("small.cuh", include_str!("../../kernels/small.cuh"));
const MEMORY: (&str, &str) = ("memory.cuh", include_str!("../../kernels/memory.cuh"));
const SYSTEM: (&str, &str) = ("system.cuh", include_str!("../../kernels/system.cuh"));
const NEWTON: (&str, &str) = ("newton.cu", include_str!("../../kernels/newton.cu"));
const TRAIN: (&str, &str) = ("train.cu", include_str!("../../kernels/train.cu"));

/// A kernel to be compiled, and what a launch of it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) kernel: &'static str,
    pub(crate) text: String,
    /// `HIHA_NAME=value`.
    pub(crate) defines: Vec<String>,
    pub(crate) threads: usize,
    pub(crate) shared_bytes: usize,
}

impl Source {
    /// The kernel of a plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let (kernel, parts): (_, &[(&str, &str)]) = match plan.training {
            None => ("siren_forward", &[COMPAT, SHAPE, SINE, VECTOR, FFMA, WEIGHTS, FORWARD]),
            Some(t) if t.tf32 => ("siren_train", &[COMPAT, SHAPE, SINE, VECTOR, MMA, GRADIENT, SPAN, WEIGHTS, TRAIN]),
            Some(_) => ("siren_train", &[COMPAT, SHAPE, SINE, VECTOR, FFMA, GRADIENT, SPAN, WEIGHTS, TRAIN]),
        };
        let (threads, shared_bytes) = (plan.threads, plan.shared_bytes);
        Self { kernel, text: join(parts), defines: plan.defines(), threads, shared_bytes }
    }

    /// Levenberg-Marquardt.
    pub(crate) fn newton(plan: &SmallPlan) -> Self {
        let text = join(&[COMPAT, SINE, SMALL, MEMORY, SPAN, SYSTEM, NEWTON]);
        let (threads, shared_bytes) = (plan.threads, plan.shared_bytes);
        Self { kernel: "siren_newton", text, defines: plan.defines(), threads, shared_bytes }
    }

    /// The chip's most in one kind of arithmetic.
    pub(crate) fn peak(tensor_cores: bool) -> Self {
        let kernel = if tensor_cores { "peak_tf32" } else { "peak_ffma" };
        Self { kernel, text: join(&[COMPAT, PEAK]), defines: Vec::new(), threads: 256, shared_bytes: 0 }
    }
}

#[cfg(test)]
impl Source {
    /// What the kernel calls its arguments.
    pub(crate) fn arguments(&self) -> &'static str {
        match self.kernel {
            "siren_forward" => "ForwardArgs",
            "siren_train" => "TrainArgs",
            "siren_newton" => "NewtonArgs",
            _ => "PeakArgs",
        }
    }
}

/// One text. Lines keep their numbers, and errors name the file they are in.
fn join(parts: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, part) in parts {
        text.push_str(&format!("#line 1 \"{name}\"\n"));
        for line in part.lines() {
            let joined = line.starts_with("#include") || line == "#pragma once";
            text.push_str(if joined { "" } else { line });
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::network::Shape;
    use crate::gpu::plan::H100_SHARED;

    /// Every file that a part includes has been joined before it.
    #[test]
    fn the_parts_stand_in_order() {
        let shape = Shape::new(3, 2, 64, 1).unwrap();
        let plans = [
            Plan::forward(shape, H100_SHARED),
            Plan::training(shape, H100_SHARED, false, false),
            Plan::training(shape, H100_SHARED, true, false),
        ];
        let all = [
            COMPAT, SHAPE, SINE, VECTOR, FFMA, MMA, GRADIENT, SPAN, SMALL, MEMORY, SYSTEM, WEIGHTS, FORWARD, TRAIN,
            NEWTON,
        ];
        let newton = Source::newton(&SmallPlan::new(shape, H100_SHARED).unwrap());
        for source in plans.iter().map(|p| Source::new(p.as_ref().unwrap())).chain([newton]) {
            let text = source.text;
            let place = |name: &str| text.find(&format!("#line 1 \"{name}\""));
            for (name, part) in all {
                let Some(here) = place(name) else { continue };
                for line in part.lines().filter_map(|l| l.strip_prefix("#include \"")) {
                    let other = line.trim_end_matches('"');
                    let of_the_other_path = other == "host/shim.h" || (other == "ffma.cuh" || other == "mma.cuh");
                    assert!(of_the_other_path || place(other).is_some_and(|p| p < here), "{name} before {other}");
                }
            }
        }
    }
}
