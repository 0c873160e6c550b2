//! What the caller asks for: the error bound, the meaning of the axes, effort.
//!
//! The same configuration has three spellings: this struct, JSON (Zarr metadata,
//! `codec-spec/zarr.md`) and HDF5 `cd_values` (`codec-spec/hdf5.md`).

use crate::Device;
use crate::error::{Error, Result, invalid};
use crate::format::Cutoffs;
use crate::reference::Reference;
use serde::{Deserialize, Serialize};

/// The promise about error. "Range" is maximum minus minimum of the array's finite values,
/// fill values excluded. A bound that the encoder returns without error holds for the decoded array.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Every value within this distance of the original, in the data's unit.
    MaxAbs(f64),
    /// Every value within this fraction of the range.
    MaxRel(f64),
    /// Root mean square error at most this, in the data's unit.
    Rmse(f64),
    /// Root mean square error at most this fraction of the range.
    Nrmse(f64),
    /// Peak signal-to-noise ratio of at least this many dB, with the range as peak.
    Psnr(f64),
    /// Every bit kept (NaN payloads excepted).
    Lossless,
}

impl Bound {
    /// Name of the bound as in configurations: `max_abs`, `max_rel`, `rmse`, `nrmse`, `psnr`, `lossless`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MaxAbs(_) => "max_abs",
            Self::MaxRel(_) => "max_rel",
            Self::Rmse(_) => "rmse",
            Self::Nrmse(_) => "nrmse",
            Self::Psnr(_) => "psnr",
            Self::Lossless => "lossless",
        }
    }

    /// The bound's number; 0 for lossless.
    #[must_use]
    pub const fn value(&self) -> f64 {
        match *self {
            Self::MaxAbs(v) | Self::MaxRel(v) | Self::Rmse(v) | Self::Nrmse(v) | Self::Psnr(v) => v,
            Self::Lossless => 0.0,
        }
    }

    /// Code of the kind in streams and `cd_values`.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Lossless => 0,
            Self::MaxAbs(_) => 1,
            Self::MaxRel(_) => 2,
            Self::Rmse(_) => 3,
            Self::Nrmse(_) => 4,
            Self::Psnr(_) => 5,
        }
    }

    pub(crate) fn from_code(code: u8, value: f64) -> Option<Self> {
        Some(match code {
            0 => Self::Lossless,
            1 => Self::MaxAbs(value),
            2 => Self::MaxRel(value),
            3 => Self::Rmse(value),
            4 => Self::Nrmse(value),
            5 => Self::Psnr(value),
            _ => return None,
        })
    }

    /// # Errors
    /// `InvalidArgument` when the number is not finite or not positive.
    pub fn validate(&self) -> Result<()> {
        let v = self.value();
        match self {
            Self::Lossless => Ok(()),
            _ if v.is_finite() && v > 0.0 => Ok(()),
            _ => invalid(format!("bound {} must be a positive finite number, got {v}", self.kind())),
        }
    }

    /// The same promise for data whose range is known, free of that range: `max_rel` becomes
    /// `max_abs`, `nrmse` and `psnr` become `rmse`. Rounded toward the stricter bound; a range of 0
    /// gives `lossless`. Use it to share one absolute bound among the chunks of a variable.
    #[must_use]
    pub fn resolve(&self, range: f64) -> Self {
        let strict = |v: f64| if v > 0.0 && v.is_finite() { v } else { 0.0 };
        let resolved = match *self {
            Self::MaxRel(v) => Self::MaxAbs(strict((v * range).next_down())),
            Self::Nrmse(v) => Self::Rmse(strict((v * range).next_down())),
            Self::Psnr(db) => Self::Rmse(strict((range * 10f64.powf(-db / 20.0)).next_down())),
            other => other,
        };
        if resolved.value() == 0.0 { Self::Lossless } else { resolved }
    }
}

/// What an axis of the array means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Time, forecast step, ensemble member: similar frames, one after the other.
    Time,
    /// Vertical level: pressure, height, depth.
    Level,
    /// Latitude, or y of a regional grid.
    Latitude,
    /// Longitude, or x of a regional grid.
    Longitude,
    /// Wavelength, tracer, variable: a stack of related fields.
    Channel,
    /// Nothing known.
    Other,
}

impl Axis {
    /// The role that a dimension of this name usually has (CF and common model names).
    #[must_use]
    pub fn from_dimension_name(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "time" | "t" | "valid_time" | "step" | "forecast_time" | "lead_time" | "member" | "number" | "ensemble"
            | "realization" | "time_counter" | "xtime" => Self::Time,
            "lev" | "level" | "levels" | "plev" | "pressure" | "pressure_level" | "isobaricinhpa" | "height"
            | "altitude" | "depth" | "z" | "bottom_top" | "deptht" | "hybrid" | "model_level" | "ilev" | "olevel" => {
                Self::Level
            }
            "lat" | "latitude" | "y" | "rlat" | "south_north" | "j" | "nlat" | "yc" | "row" | "rows" => Self::Latitude,
            "lon" | "longitude" | "x" | "rlon" | "west_east" | "i" | "nlon" | "xc" | "col" | "cols" | "column" => {
                Self::Longitude
            }
            "channel" | "band" | "bands" | "wavelength" | "frequency" | "variable" | "tracer" => Self::Channel,
            _ => Self::Other,
        }
    }
}

/// Which detail coder to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coder {
    /// Whichever gives fewer bytes.
    #[default]
    Auto,
    /// Lapped harmonic pyramid, sparse coefficients (floating point data, lossy bounds).
    Harmonic,
    /// Integers on a lattice, predicted.
    Lattice,
    /// The points that the networks miss, one by one in compressed sparse rows: the paper's sparse storage.
    Spatial,
}

/// What the defaults of the other fields are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The smallest stream: stages stay where bytes fall.
    #[default]
    Default,
    /// The paper's pipeline with its layer sizes, for comparison: large networks for low and middle band, frame by frame where
    /// an axis is time, and the sparse storage of points, all of them whether bytes fall or not. Slow.
    Paper,
}

/// Whether to use a stage of the hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Where it makes the stream smaller.
    #[default]
    Auto,
    /// Wherever it can be.
    On,
    /// Never.
    Off,
}

impl Stage {
    /// Code in `cd_values`.
    const fn code(self) -> u32 {
        match self {
            Self::Auto => 0,
            Self::On => 1,
            Self::Off => 2,
        }
    }

    const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::Auto),
            1 => Some(Self::On),
            2 => Some(Self::Off),
            _ => None,
        }
    }
}

/// How to encode an array.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The promise about error.
    pub bound: Bound,
    /// 1 (fast) to 9 (small); 5 by default. Every effort keeps the bound. 1 and 2 choose transforms by small samples and code
    /// once; from 5 on a better quantiser step is sought under a bound on single values, from 7 on networks are tried, too.
    pub effort: u8,
    /// Meaning of each axis, outermost first; empty: the last two axes are latitude and longitude.
    pub axes: Vec<Axis>,
    /// True when the longitude axis spans the globe, so that its ends are neighbours.
    pub periodic: bool,
    /// Detail coder.
    pub coder: Coder,
    /// What `Auto` stands for below and in `coder`.
    pub profile: Profile,
    /// The low band: a small SIREN for the whole chunk, below the harmonic coder (paper, MIM).
    pub low: Stage,
    /// The middle band: SIRENs on the blocks of an octree (paper, IDM). `Auto` tries it at effort 9.
    pub mid: Stage,
    /// Low and middle band frame by frame along the first outer axis (paper, TRC). `Auto` leaves it out but in the paper's
    /// profile where an axis is time: a transform along time is smaller.
    pub time: Stage,
    /// Cut-offs of the harmonic split whose energies [`inspect`](crate::inspect()) shows, and of that of blocks in the middle band.
    pub split: Cutoffs,
    /// Declared fill value: one element in native byte order, or up to four, one after the other. Elements with these bits come
    /// back exactly.
    pub fill_value: Option<Vec<u8>>,
    /// Known to the decoder too: the harmonic coder may subtract it, where that makes the stream smaller.
    pub reference: Option<Reference>,
    /// Most worker threads to use; the bytes do not depend on it. So far encoding a chunk takes one:
    /// encode several chunks side by side.
    pub threads: usize,
    /// Where networks are fitted. The processor by default: other devices find other networks, so the bytes differ.
    pub device: Device,
}

impl Config {
    /// Default effort.
    pub const DEFAULT_EFFORT: u8 = 5;

    /// The defaults with this bound.
    #[must_use]
    pub const fn new(bound: Bound) -> Self {
        Self {
            bound,
            effort: Self::DEFAULT_EFFORT,
            axes: Vec::new(),
            periodic: false,
            coder: Coder::Auto,
            profile: Profile::Default,
            low: Stage::Auto,
            mid: Stage::Auto,
            time: Stage::Auto,
            split: Cutoffs::PAPER,
            fill_value: None,
            reference: None,
            threads: 1,
            device: Device::Cpu,
        }
    }

    /// # Errors
    /// `InvalidArgument` naming the field that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.bound.validate()?;
        if !(1..=9).contains(&self.effort) {
            return invalid(format!("effort must be 1 to 9, got {}", self.effort));
        }
        self.split.validate()
    }

    /// The `cd_values` of this configuration for an HDF5 filter (`codec-spec/hdf5.md`):
    /// bound kind, the bound's f64 as low and high word, effort, flags; then, where they are not the default, the split's cut-offs.
    /// Axes, fill value and reference are not part of them: the filter asks HDF5 for shape and fill value itself.
    #[must_use]
    pub fn to_cd_values(&self) -> Vec<u32> {
        let bits = self.bound.value().to_bits();
        let coder = match self.coder {
            Coder::Auto => 0,
            Coder::Harmonic => 2,
            Coder::Lattice => 4,
            Coder::Spatial => 6,
        };
        let stages = (self.low.code() << 3) | (self.mid.code() << 5) | (self.time.code() << 7);
        let profile = if self.profile == Profile::Paper { 1 << 9 } else { 0 };
        let mut words = vec![
            self.bound.code().into(),
            bits as u32,
            (bits >> 32) as u32,
            self.effort.into(),
            u32::from(self.periodic) | coder | stages | profile,
        ];
        if self.split != Cutoffs::PAPER {
            let Cutoffs { omega, n, omega_again, n_again } = self.split;
            words.extend([omega.to_bits(), n.into(), omega_again.to_bits(), n_again.into()]);
        }
        words
    }

    /// Inverse of [`to_cd_values`](Self::to_cd_values); what follows the bound may be absent, and no words at all mean lossless.
    ///
    /// # Errors
    /// `InvalidArgument` naming the word that is wrong.
    pub fn from_cd_values(words: &[u32]) -> Result<Self> {
        if words.is_empty() {
            return Ok(Self::new(Bound::Lossless));
        }
        if words[0] != 0 && words.len() < 3 || words.len() > 5 && words.len() != 9 {
            return invalid(format!(
                "cd_values must be: bound kind (0-5), f64 low word, f64 high word [, effort [, flags [, omega, n, omega, n]]]; \
                 got {words:?}"
            ));
        }
        let word = |i: usize| words.get(i).copied().unwrap_or(0);
        let value = f64::from_bits(u64::from(word(1)) | u64::from(word(2)) << 32);
        let bound = u8::try_from(words[0]).ok().and_then(|k| Bound::from_code(k, value)).ok_or_else(|| {
            Error::InvalidArgument(format!("cd_values[0]: bound kind must be 0 to 5, got {}", words[0]))
        })?;
        let mut config = Self::new(bound);
        if let Some(&effort) = words.get(3).filter(|&&e| e != 0) {
            config.effort = effort.min(255) as u8;
        }
        let flags = word(4);
        config.periodic = flags & 1 != 0;
        config.coder = match flags & 6 {
            0 => Coder::Auto,
            2 => Coder::Harmonic,
            4 => Coder::Lattice,
            _ => Coder::Spatial,
        };
        let stages = [3, 5, 7].map(|shift| Stage::from_code(flags >> shift & 3));
        let (true, [Some(low), Some(mid), Some(time)]) = (flags < 1 << 10, stages) else {
            return invalid(format!("cd_values[4]: unknown flags {flags:#x}"));
        };
        (config.low, config.mid, config.time) = (low, mid, time);
        config.profile = if flags >> 9 & 1 == 1 { Profile::Paper } else { Profile::Default };
        if let Some(&[omega, n, omega_again, n_again]) = words.get(5..9) {
            let (omega, omega_again) = (f32::from_bits(omega), f32::from_bits(omega_again));
            // What does not fit is as wrong as 0.
            let width = |n: u32| u16::try_from(n).unwrap_or(0);
            config.split = Cutoffs { omega, n: width(n), omega_again, n_again: width(n_again) };
        }
        config.validate()?;
        Ok(config)
    }
}

/// The JSON spelling: exactly one bound key, the rest optional.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    max_abs: Option<f64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    max_rel: Option<f64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    rmse: Option<f64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    nrmse: Option<f64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    psnr: Option<f64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    lossless: Option<bool>,
    #[serde(default = "default_effort", skip_serializing_if = "is_default_effort")]
    effort: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    axes: Vec<Axis>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    periodic: bool,
    #[serde(default, skip_serializing_if = "is_auto")]
    coder: Coder,
    #[serde(default, skip_serializing_if = "is_automatic")]
    low: Stage,
    #[serde(default, skip_serializing_if = "is_automatic")]
    mid: Stage,
    #[serde(default, skip_serializing_if = "is_automatic")]
    time: Stage,
    #[serde(default, skip_serializing_if = "is_default")]
    profile: Profile,
    #[serde(default, deserialize_with = "object", skip_serializing_if = "is_default")]
    split: Cutoffs,
}

/// A key that stands there needs a value: null is refused.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(d: D) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

/// Fields by name: serde would take a list of them too.
fn object<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(d: D) -> std::result::Result<T, D::Error> {
    let fields = serde_json::Map::deserialize(d)?;
    T::deserialize(serde_json::Value::Object(fields)).map_err(serde::de::Error::custom)
}
const fn default_effort() -> u8 {
    Config::DEFAULT_EFFORT
}
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_default_effort(e: &u8) -> bool {
    *e == Config::DEFAULT_EFFORT
}
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_auto(c: &Coder) -> bool {
    matches!(c, Coder::Auto)
}

#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_automatic(s: &Stage) -> bool {
    matches!(s, Stage::Auto)
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_default<T: Default + PartialEq>(v: &T) -> bool {
    *v == T::default()
}

/// JSON as in Zarr metadata. Fill value, reference, threads and device are the container's business and not part of it.
impl Serialize for Config {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut json = Json {
            max_abs: None,
            max_rel: None,
            rmse: None,
            nrmse: None,
            psnr: None,
            lossless: None,
            effort: self.effort,
            axes: self.axes.clone(),
            periodic: self.periodic,
            coder: self.coder,
            low: self.low,
            mid: self.mid,
            time: self.time,
            profile: self.profile,
            split: self.split,
        };
        match self.bound {
            Bound::MaxAbs(v) => json.max_abs = Some(v),
            Bound::MaxRel(v) => json.max_rel = Some(v),
            Bound::Rmse(v) => json.rmse = Some(v),
            Bound::Nrmse(v) => json.nrmse = Some(v),
            Bound::Psnr(v) => json.psnr = Some(v),
            Bound::Lossless => json.lossless = Some(true),
        }
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        use serde::de::Error as _;
        let json = Json::deserialize(deserializer)?;
        let mut bounds = [
            json.max_abs.map(Bound::MaxAbs),
            json.max_rel.map(Bound::MaxRel),
            json.rmse.map(Bound::Rmse),
            json.nrmse.map(Bound::Nrmse),
            json.psnr.map(Bound::Psnr),
            json.lossless.filter(|&l| l).map(|_| Bound::Lossless),
        ]
        .into_iter()
        .flatten();
        let (Some(bound), None) = (bounds.next(), bounds.next()) else {
            return Err(D::Error::custom(
                "exactly one bound is needed: max_abs, max_rel, rmse, nrmse, psnr, or lossless: true",
            ));
        };
        let config = Self {
            effort: json.effort,
            axes: json.axes,
            periodic: json.periodic,
            coder: json.coder,
            low: json.low,
            mid: json.mid,
            time: json.time,
            profile: json.profile,
            split: json.split,
            ..Self::new(bound)
        };
        config.validate().map_err(D::Error::custom)?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_spelling() {
        let c: Config = serde_json::from_str(r#"{"max_abs": 0.01}"#).unwrap();
        assert_eq!(c, Config::new(Bound::MaxAbs(0.01)));
        let text = r#"{"nrmse":0.001,"effort":7,"axes":["time","latitude","longitude"],"periodic":true,"coder":"harmonic","low":"off","mid":"on","time":"off","profile":"paper","split":{"omega":30.5,"n":64,"omega_again":22.0,"n_again":128}}"#;
        let c: Config = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&c).unwrap(), text);
        let c: Config = serde_json::from_str(r#"{"max_abs":1,"split":{"omega":20,"n":100}}"#).unwrap();
        assert_eq!(c.split, Cutoffs { omega: 20.0, n: 100, ..Cutoffs::PAPER });
        for bad in [
            "{}",
            r#"{"max_abs":1,"nrmse":1}"#,
            r#"{"max_abs":1,"colour":2}"#,
            r#"{"max_abs":-1}"#,
            r#"{"max_abs":1,"effort":10}"#,
            r#"{"lossless":false}"#,
            r#"{"max_abs":1,"nrmse":null}"#,
            r#"{"max_abs":1,"split":{"omega":0}}"#,
            r#"{"max_abs":1,"split":{"n":65536}}"#,
            r#"{"max_abs":1,"split":{"width":256}}"#,
            r#"{"max_abs":1,"split":[14,256]}"#,
        ] {
            assert!(serde_json::from_str::<Config>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cd_values_round_trip() {
        for bound in [
            Bound::MaxAbs(0.1),
            Bound::MaxRel(1e-5),
            Bound::Rmse(3.0),
            Bound::Nrmse(1e-3),
            Bound::Psnr(60.0),
            Bound::Lossless,
        ] {
            for coder in [Coder::Auto, Coder::Harmonic, Coder::Lattice, Coder::Spatial] {
                for low in [Stage::Auto, Stage::On, Stage::Off] {
                    let c = Config { effort: 3, periodic: true, coder, low, ..Config::new(bound) };
                    assert_eq!(Config::from_cd_values(&c.to_cd_values()).unwrap(), c);
                    let c = Config { mid: low, time: Stage::Off, profile: Profile::Paper, ..c };
                    assert_eq!(Config::from_cd_values(&c.to_cd_values()).unwrap(), c);
                    let c = Config { split: Cutoffs { omega: 0.1, n_again: 65535, ..Cutoffs::PAPER }, ..c };
                    assert_eq!(Config::from_cd_values(&c.to_cd_values()).unwrap(), c);
                }
            }
        }
        assert_eq!(Config::from_cd_values(&[]).unwrap().bound, Bound::Lossless);
        assert!(Config::from_cd_values(&[1]).is_err());
        assert!(Config::from_cd_values(&[9, 0, 0]).is_err());
        assert!(Config::from_cd_values(&[1, 0, 0]).is_err());
        let one = [1, 0, 0x3ff0_0000, 5];
        assert!(Config::from_cd_values(&[&one[..], &[96]].concat()).is_err());
        let (omega, again) = (14f32.to_bits(), 22f32.to_bits());
        assert!(Config::from_cd_values(&[&one[..], &[0, omega, 256, again, 128]].concat()).is_ok());
        for bad in
            [&[omega, 256][..], &[omega, 1 << 16, again, 128], &[0, 256, again, 128], &[omega, 256, 1 << 31, 128]]
        {
            assert!(Config::from_cd_values(&[&one[..], &[0], bad].concat()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn resolving_never_loosens() {
        assert!(Bound::MaxRel(1e-3).resolve(80.0).value() <= 0.08);
        assert_eq!(Bound::Nrmse(1e-3).resolve(0.0), Bound::Lossless);
        assert_eq!(Bound::MaxAbs(0.5).resolve(0.0), Bound::MaxAbs(0.5));
    }
}
