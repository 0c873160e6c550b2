//! Kernels and their launches: beside `nvrtc_api.rs` the only unsafe code of this folder.

use std::sync::Arc;

use cudarc::driver::sys::{self, CUfunction_attribute_enum};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, DriverError, LaunchConfig,
    PushKernelArg, result,
};
use cudarc::nvrtc::Ptx;

use super::args::{ForwardArgs, NewtonArgs, NewtonHow, PeakArgs, TrainArgs};
use super::device::driver_error;
use super::error::GpuError;
use super::newton::{self, Newton};
use super::plan::Plan;
use super::small::SmallPlan;
use super::source::Source;
use crate::arith::{BETA, EPSILON};

// SAFETY: plain words in C's layout, as the kernels declare them.
unsafe impl DeviceRepr for ForwardArgs {}
// SAFETY: plain words in C's layout, as the kernels declare them.
unsafe impl DeviceRepr for TrainArgs {}
// SAFETY: plain words in C's layout, as the kernels declare them.
unsafe impl DeviceRepr for NewtonArgs {}
// SAFETY: plain words in C's layout, as the kernels declare them.
unsafe impl DeviceRepr for PeakArgs {}

/// A loaded kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    function: CudaFunction,
    threads: u32,
    shared_bytes: u32,
    /// Blocks that run at once on a multiprocessor.
    pub(super) resident: usize,
}

/// What an evaluation reads and writes.
pub(super) struct Points<'a> {
    pub(super) plan: &'a Plan,
    pub(super) params: &'a CudaSlice<f32>,
    pub(super) x: &'a CudaSlice<f32>,
    pub(super) y: &'a mut CudaSlice<f32>,
    /// Points of a plane, and those to be evaluated.
    pub(super) plane: usize,
    pub(super) count: usize,
}

/// What training reads and writes.
#[derive(Debug)]
pub(super) struct Arrays {
    pub(super) x: CudaSlice<f32>,
    pub(super) y: CudaSlice<f32>,
    pub(super) spans: CudaSlice<u64>,
    pub(super) rates: CudaSlice<f32>,
    pub(super) schedule: CudaSlice<f32>,
    pub(super) params: CudaSlice<f32>,
    pub(super) moments: [CudaSlice<f32>; 2],
    pub(super) gradient: CudaSlice<f32>,
    pub(super) turns: CudaSlice<f32>,
    pub(super) loss: CudaSlice<f32>,
    pub(super) arrived: CudaSlice<u32>,
}

/// Steps of one launch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) batch: usize,
}

/// Start the driver.
pub(super) fn initialise() -> Result<(), GpuError> {
    result::init().map_err(|e| match e.0 {
        sys::CUresult::CUDA_ERROR_NO_DEVICE => GpuError::NoDevice { wanted: 0, count: 0 },
        _ => driver_error(e),
    })
}

/// Load the driver; the newest CUDA that it serves, 12090 for 12.9.
pub(super) fn driver_version() -> Result<i32, GpuError> {
    // SAFETY: loading the driver runs its initialisers only.
    if !unsafe { sys::is_culib_present() } {
        return Err(GpuError::NoDriver);
    }
    let mut version = 0;
    // SAFETY: the driver writes one integer.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result().map_err(driver_error)?;
    Ok(version)
}

impl Kernel {
    /// Load what NVRTC `version` compiled of `source`.
    pub(super) fn load(
        context: &Arc<CudaContext>,
        source: &Source,
        image: Vec<u8>,
        version: &str,
    ) -> Result<Self, GpuError> {
        let refused = |e: DriverError| match driver_error(e) {
            GpuError::Driver(why) => GpuError::Refused { version: version.into(), why },
            other => other,
        };
        let (threads, shared_bytes) = (source.threads as u32, source.shared_bytes);
        let module = context.load_module(Ptx::from_binary(image)).map_err(refused)?;
        let function = module.load_function(source.kernel).map_err(refused)?;
        // Beyond 48 KiB a launch fails without it.
        let attribute = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(attribute, shared_bytes as i32).map_err(driver_error)?;
        let resident = function.occupancy_max_active_blocks_per_multiprocessor(threads, shared_bytes, None);
        let resident = resident.map_err(driver_error)?;
        if resident == 0 {
            return Err(GpuError::Driver(format!("no block of {} fits a multiprocessor", source.kernel)));
        }
        Ok(Self { function, threads, shared_bytes: shared_bytes as u32, resident: resident as usize })
    }

    /// Evaluate the network `params` at the first `count` points of `x`, into `y`; both hold planes of `plane` points.
    pub(super) fn forward(&self, stream: &CudaStream, points: &mut Points<'_>, blocks: usize) -> Result<(), GpuError> {
        let (layout, plane) = (points.plan.layout, points.plane);
        let shape = layout.shape();
        assert!(points.params.len() >= layout.parameters() && points.count <= plane);
        assert!(points.x.len() >= shape.inputs() * plane && points.y.len() >= shape.outputs() * plane);
        let (params, _params) = points.params.device_ptr(stream);
        let (x, _x) = points.x.device_ptr(stream);
        let (y, _y) = points.y.device_ptr_mut(stream);
        let args = ForwardArgs {
            params,
            x,
            y,
            points: points.count as u64,
            x_network: 0,
            x_point: 1,
            x_input: plane as u64,
            y_network: 0,
            y_point: 1,
            y_output: plane as u64,
        };
        // SAFETY: the arguments are of `siren_forward`, and the arrays as large as asserted above.
        unsafe { self.launch(stream, &args, blocks, 1, false) }
    }

    /// Some steps of training, on `crew.0` blocks for each of `crew.1` networks.
    pub(super) fn train(
        &self,
        stream: &CudaStream,
        plan: &Plan,
        arrays: &mut Arrays,
        steps: &Steps,
        crew: (usize, usize),
    ) -> Result<(), GpuError> {
        let (blocks, networks) = crew;
        let parameters = networks * plan.layout.parameters();
        let last = steps.first + steps.count;
        assert!([&arrays.params, &arrays.moments[0], &arrays.moments[1]].iter().all(|a| a.len() >= parameters));
        assert!(arrays.gradient.len() >= blocks * parameters && arrays.turns.len() >= blocks * networks * plan.turns());
        assert!(arrays.loss.len() >= blocks * networks * steps.count && arrays.schedule.len() >= 2 * last);
        assert!(arrays.arrived.len() >= networks && arrays.spans.len() >= 4 * networks);
        assert!(arrays.rates.len() >= 2 * plan.layout.shape().layers());
        let ((x, _a), (y, _b)) = (arrays.x.device_ptr(stream), arrays.y.device_ptr(stream));
        let ((spans, _c), (layer_rates, _d)) = (arrays.spans.device_ptr(stream), arrays.rates.device_ptr(stream));
        let ((schedule, _e), (params, _f)) = (arrays.schedule.device_ptr(stream), arrays.params.device_ptr_mut(stream));
        let [m, v] = &mut arrays.moments;
        let ((first_moment, _g), (second_moment, _h)) = (m.device_ptr_mut(stream), v.device_ptr_mut(stream));
        let ((gradient, _i), (turns, _j)) =
            (arrays.gradient.device_ptr_mut(stream), arrays.turns.device_ptr_mut(stream));
        let ((loss, _k), (arrived, _l)) = (arrays.loss.device_ptr_mut(stream), arrays.arrived.device_ptr_mut(stream));
        let args = TrainArgs {
            x,
            y,
            weight: 0,
            spans,
            params,
            first_moment,
            second_moment,
            gradient,
            turns,
            layer_rates,
            schedule,
            loss,
            arrived,
            batch: steps.batch as u32,
            first_step: steps.first as u32,
            steps: steps.count as u32,
            in_order: 0,
            beta1: BETA[0],
            beta2: BETA[1],
            epsilon: EPSILON,
            gradient_only: 0,
        };
        // SAFETY: the arguments are of `siren_train`, the arrays as large as asserted above, and the spans lie within
        // the samples: `Batch` made both. Blocks that wait for one another are launched together.
        unsafe { self.launch(stream, &args, blocks, networks, blocks > 1) }
    }

    /// Levenberg-Marquardt, `crew.0` blocks for `crew.1` networks.
    pub(super) fn newton(
        &self,
        stream: &CudaStream,
        plan: &SmallPlan,
        arrays: &mut newton::Arrays,
        how: &Newton,
        crew: (usize, usize),
    ) -> Result<(), GpuError> {
        let (blocks, networks) = crew;
        let (rows, head) = (SmallPlan::rows(plan.shape).pow(2), SmallPlan::head_rows(plan.shape).pow(2));
        assert!(arrays.params.len() >= networks * plan.shape.parameters() && arrays.loss.len() >= networks);
        assert!(arrays.sums.len() >= blocks * rows && arrays.factor.len() >= blocks * rows);
        assert!(arrays.head.len() >= blocks * head && arrays.spans.len() >= 4 * networks);
        let ((x, _a), (y, _b)) = (arrays.x.device_ptr(stream), arrays.y.device_ptr(stream));
        let ((spans, _c), (params, _d)) = (arrays.spans.device_ptr(stream), arrays.params.device_ptr_mut(stream));
        let ((loss, _e), (sums, _f)) = (arrays.loss.device_ptr_mut(stream), arrays.sums.device_ptr_mut(stream));
        let ((head, _g), (factor, _h)) = (arrays.head.device_ptr_mut(stream), arrays.factor.device_ptr_mut(stream));
        let args = NewtonArgs { x, y, spans, params, loss, sums, head, factor, how: NewtonHow::new(networks, how) };
        // SAFETY: the arguments are of `siren_newton`, the arrays as large as asserted above, and the spans lie within
        // the samples: `Points` made both.
        unsafe { self.launch(stream, &args, blocks, 1, false) }
    }

    /// One of the peak kernels.
    pub(super) fn peak(
        &self,
        stream: &CudaStream,
        out: &mut CudaSlice<f32>,
        rounds: u32,
        blocks: usize,
    ) -> Result<(), GpuError> {
        assert!(out.len() >= blocks * self.threads as usize);
        let (address, _guard) = out.device_ptr_mut(stream);
        // SAFETY: the arguments are of the peak kernels, which write a float a thread.
        unsafe { self.launch(stream, &PeakArgs { out: address, rounds }, blocks, 1, false) }
    }

    /// Launch on `blocks` x `networks` blocks. `together`: all of them run at once, so that they may wait for one
    /// another; the driver refuses if they cannot.
    ///
    /// # Safety
    /// `args` must be those of this kernel, and its addresses of arrays on the stream's device that are as large as the
    /// kernel's plan, `blocks` and `networks` want them, and that are freed in the stream's order.
    unsafe fn launch<T: DeviceRepr>(
        &self,
        stream: &CudaStream,
        args: &T,
        blocks: usize,
        networks: usize,
        together: bool,
    ) -> Result<(), GpuError> {
        let config = LaunchConfig {
            grid_dim: (blocks as u32, networks as u32, 1),
            block_dim: (self.threads, 1, 1),
            shared_mem_bytes: self.shared_bytes,
        };
        let mut launch = stream.launch_builder(&self.function);
        launch.arg(args);
        // SAFETY: as this function's caller promises.
        let result = unsafe { if together { launch.launch_cooperative(config) } else { launch.launch(config) } };
        result.map(drop).map_err(driver_error)
    }
}
