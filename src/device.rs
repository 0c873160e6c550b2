//! Where networks are evaluated and fitted.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, invalid};

/// Where networks are evaluated and fitted. What a stream decodes to does not depend on it; what a fit finds, and so
/// the bytes of a stream, does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// A GPU if there is one that works, the processor otherwise.
    Auto,
    /// The processor.
    #[default]
    Cpu,
    /// The NVIDIA GPU of this number; an error if it cannot be used.
    Cuda(u32),
}

impl Device {
    /// Whether this device can be used here; [`Auto`](Self::Auto) and [`Cpu`](Self::Cpu) always can.
    ///
    /// # Errors
    /// [`Error::Device`] says what is missing: a build with the feature `cuda`, a driver, NVRTC, the GPU.
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Auto | Self::Cpu => Ok(()),
            #[cfg(feature = "cuda")]
            Self::Cuda(number) => crate::gpu::Gpu::open(number).map(drop).map_err(|e| e.on(self)),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => {
                Err(Error::Device { device: self, what: "this build is without the feature `cuda`".into() })
            }
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// `auto`, `cpu`, `cuda` (the first GPU) or `cuda:N`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |n: &str| n.parse().ok().filter(|_| n.bytes().all(|b| b.is_ascii_digit())).map(Self::Cuda);
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => match text.strip_prefix("cuda:").and_then(number) {
                Some(device) => Ok(device),
                None => invalid(format!("device {text:?}: expected auto, cpu, cuda or cuda:N")),
            },
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Device;

    /// Both where there is a GPU and where there is none.
    #[test]
    fn a_device_works_or_says_why_not() {
        assert!(Device::Auto.check().is_ok() && Device::Cpu.check().is_ok());
        for number in [0, 4000] {
            if let Err(error) = Device::Cuda(number).check() {
                let text = error.to_string();
                let causes = ["feature `cuda`", "driver", "there is no GPU", "NVRTC", "compute capability", "memory"];
                assert!(causes.iter().any(|c| text.contains(c)), "{text}");
                assert!(text.starts_with(&format!("device cuda:{number}: ")), "{text}");
            } else {
                assert_eq!(number, 0, "nobody has so many GPUs");
            }
        }
    }

    #[test]
    fn names() {
        for (text, device) in
            [("auto", Device::Auto), ("cpu", Device::Cpu), ("cuda", Device::Cuda(0)), ("cuda:3", Device::Cuda(3))]
        {
            assert_eq!(text.parse::<Device>().unwrap(), device);
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        for text in ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:+1", "cuda:1 ", "cuda:99999999999", "cuda0"] {
            assert!(text.parse::<Device>().is_err(), "{text:?}");
        }
    }
}
