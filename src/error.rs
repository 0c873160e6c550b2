//! One error type, by cause.

/// What went wrong, by cause. Messages say what was expected, what was found, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is valid but this version cannot serve it (a data type, a newer format version).
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// The stream contradicts itself or fails its checksum.
    #[error("corrupt stream at byte {offset}: {what}")]
    Corrupt {
        /// Byte offset in the stream.
        offset: usize,
        /// What was expected and what was found.
        what: String,
    },
    /// The stream ends before its content does.
    #[error("truncated stream: {what} needs {needed} bytes at byte {offset}, {available} available")]
    Truncated {
        /// Byte offset in the stream.
        offset: usize,
        /// The part that is cut.
        what: &'static str,
        /// Bytes needed from `offset`.
        needed: usize,
        /// Bytes there are from `offset`.
        available: usize,
    },
    /// The caller's arguments or configuration are wrong.
    #[error("invalid argument: {0}")]
    InvalidArgument(String),
    /// The stream was coded against a [`Reference`](crate::Reference) that is not at hand.
    #[error(
        "the stream was coded against the reference (climatology) with hash {needed}; {}",
        given.as_ref().map_or_else(|| "none was given".to_owned(), |g| format!("the one given has hash {g}"))
    )]
    Reference {
        /// Hash of the reference that is needed.
        needed: String,
        /// Hash of the one given, if any.
        given: Option<String>,
    },
    /// The device that was asked for by name cannot be used, or failed at work.
    #[error("device {device}: {what}")]
    Device {
        /// The device.
        device: crate::Device,
        /// The cause.
        what: String,
    },
    /// Decoding would need more memory than the caller allows.
    #[error("limit exceeded: {what} needs {needed} bytes, the limit is {limit}")]
    Limit {
        /// What asked for the memory.
        what: &'static str,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

/// `Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn invalid<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::InvalidArgument(what.into()))
}

pub(crate) fn corrupt<T>(offset: usize, what: impl Into<String>) -> Result<T> {
    Err(Error::Corrupt { offset, what: what.into() })
}
