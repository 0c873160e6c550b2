//! Which stages to use, on the command line.

use clap::Args;
use hiha::{Coder, Config, Profile, Stage};
use serde::de::DeserializeOwned;

/// Stages of the hierarchy.
#[derive(Debug, Clone, Args)]
pub(crate) struct StageArgs {
    /// Detail coder: auto, harmonic, lattice, or spatial (the paper's sparse storage).
    #[arg(long, default_value = "auto", value_parser = parse::<Coder>)]
    coder: Coder,
    /// Low band, a small SIREN below the harmonic coder: auto (tried at effort 7 and more), on or off.
    #[arg(long, default_value = "auto", value_parser = parse::<Stage>)]
    low: Stage,
    /// Middle band, SIRENs on the blocks of an octree: auto (tried at effort 9), on or off.
    #[arg(long, default_value = "auto", value_parser = parse::<Stage>)]
    mid: Stage,
    /// Low and middle band frame by frame along the first axis: auto (only in the paper's profile), on or off.
    #[arg(long, default_value = "auto", value_parser = parse::<Stage>)]
    time: Stage,
    /// What auto stands for: default, or paper (the paper's stages and layer sizes, for comparison; slow, and large files).
    #[arg(long, default_value = "default", value_parser = parse::<Profile>)]
    profile: Profile,
}

impl StageArgs {
    /// A configuration with these stages.
    pub(crate) fn apply(&self, config: Config) -> Config {
        let Self { coder, low, mid, time, profile } = *self;
        Config { coder, low, mid, time, profile, ..config }
    }
}

/// As in JSON.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // The error lists the variants.
    serde_json::from_value(text.into()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        assert_eq!(parse::<Coder>("spatial"), Ok(Coder::Spatial));
        assert_eq!(parse::<Profile>("paper"), Ok(Profile::Paper));
        assert!(parse::<Stage>("maybe").unwrap_err().contains("auto"));
    }
}
