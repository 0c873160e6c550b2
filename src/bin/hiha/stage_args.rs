//! Which stages to use, on the command line.

use clap::Args;
use hiha::{Coder, Config, Cutoffs, Profile, Stage};
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
    /// Cut-offs of the harmonic split, omega sqrt(6 / n) cycles along an axis and three times that: omega and n for the chunk,
    /// then those for blocks that are decomposed again.
    #[arg(long, value_name = "OMEGA,N[,OMEGA,N]", default_value = "14,256,22,128", value_parser = parse_cutoffs)]
    split: Cutoffs,
}

impl StageArgs {
    /// A configuration with these stages.
    pub(crate) fn apply(&self, config: Config) -> Config {
        let Self { coder, low, mid, time, profile, split } = *self;
        Config { coder, low, mid, time, profile, split, ..config }
    }
}

/// As in JSON.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // The error lists the variants.
    serde_json::from_value(text.into()).map_err(|e| e.to_string())
}

/// Parse `14,256` or `14,256,22,128`.
fn parse_cutoffs(text: &str) -> Result<Cutoffs, String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let wrong = || format!("{text:?}: expected OMEGA,N or OMEGA,N,OMEGA,N such as 14,256,22,128");
    let pair = |at: usize, omega: &mut f32, n: &mut u16| {
        let [a, b] = parts.get(at..at + 2).and_then(|p| p.try_into().ok()).ok_or_else(wrong)?;
        (*omega, *n) = (a.parse().map_err(|_| wrong())?, b.parse().map_err(|_| wrong())?);
        Ok::<(), String>(())
    };
    let mut cutoffs = Cutoffs::PAPER;
    pair(0, &mut cutoffs.omega, &mut cutoffs.n)?;
    if parts.len() != 2 {
        pair(2, &mut cutoffs.omega_again, &mut cutoffs.n_again)?;
    }
    if parts.len() > 4 {
        return Err(wrong());
    }
    cutoffs.validate().map_err(|e| e.to_string())?;
    Ok(cutoffs)
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

    #[test]
    fn cutoffs_are_one_pair_or_two() {
        let some = Cutoffs { omega: 30.5, n: 64, ..Cutoffs::PAPER };
        assert_eq!(parse_cutoffs("30.5,64"), Ok(some));
        assert_eq!(parse_cutoffs("30.5, 64, 10, 32"), Ok(Cutoffs { omega_again: 10.0, n_again: 32, ..some }));
        for bad in ["", "14", "14,256,22", "14,256,22,128,1", "0,256", "14,0", "14,x", "nan,256", "14,70000"] {
            assert!(parse_cutoffs(bad).is_err(), "{bad}");
        }
    }
}
