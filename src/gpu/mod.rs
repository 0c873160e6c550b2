//! Networks on an NVIDIA GPU: kernels (`kernels/*.cu`) compiled at run time for each shape.

mod args;
mod layout;
mod plan;
mod source;

#[cfg(test)]
mod host_tests;
#[cfg(test)]
mod test_support;
