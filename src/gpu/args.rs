//! Arguments of the kernels, as `kernels/*.cu` declare them. Addresses are of the device.

use super::newton::Newton;

/// Twin of `ForwardArgs`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct ForwardArgs {
    pub(crate) params: u64,
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) points: u64,
    pub(crate) x_network: u64,
    pub(crate) x_point: u64,
    pub(crate) x_input: u64,
    pub(crate) y_network: u64,
    pub(crate) y_point: u64,
    pub(crate) y_output: u64,
}

/// Twin of `PeakArgs` in `kernels/peak.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct PeakArgs {
    pub(crate) out: u64,
    pub(crate) rounds: u32,
}

/// Twin of `TrainArgs`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct TrainArgs {
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) weight: u64,
    /// Four words for each network: see `batch::span`.
    pub(crate) spans: u64,
    pub(crate) params: u64,
    pub(crate) first_moment: u64,
    pub(crate) second_moment: u64,
    pub(crate) gradient: u64,
    pub(crate) turns: u64,
    pub(crate) layer_rates: u64,
    pub(crate) schedule: u64,
    pub(crate) loss: u64,
    pub(crate) arrived: u64,
    pub(crate) batch: u32,
    pub(crate) first_step: u32,
    pub(crate) steps: u32,
    pub(crate) in_order: u32,
    pub(crate) beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) epsilon: f32,
    pub(crate) gradient_only: u32,
}

/// Twin of `NewtonArgs`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct NewtonArgs {
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) spans: u64,
    pub(crate) params: u64,
    pub(crate) loss: u64,
    pub(crate) sums: u64,
    pub(crate) head: u64,
    pub(crate) factor: u64,
    pub(crate) how: NewtonHow,
}

/// The rest of `NewtonArgs`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct NewtonHow {
    networks: u32,
    steps: u32,
    tries: u32,
    patience: u32,
    least: f64,
    damping: f64,
    ridge: f64,
    floor: f64,
}

impl NewtonHow {
    pub(crate) fn new(networks: usize, how: &Newton) -> Self {
        let Newton { steps, tries, patience, least, damping, ridge, floor } = *how;
        let [networks, steps, tries, patience] = [networks, steps, tries, patience].map(|n| n as u32);
        Self { networks, steps, tries, patience, least, damping, ridge, floor }
    }
}
