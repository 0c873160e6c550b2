//! `hiha filter-params`: the HDF5 filter's id and parameters as each tool spells them.

use crate::args::BoundArgs;
use anyhow::Result;
use hiha::Config;

/// Arguments of `hiha filter-params`.
#[derive(Debug, clap::Args)]
pub(crate) struct FilterParamsArgs {
    #[command(flatten)]
    pub(crate) bound: BoundArgs,
    /// 1 (fast) to 9 (small).
    #[arg(long, default_value_t = Config::DEFAULT_EFFORT, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) effort: u8,
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Run the verb.
pub(crate) fn run(args: &FilterParamsArgs) -> Result<bool> {
    let config = Config { effort: args.effort, ..Config::new(args.bound.required()?) };
    let (id, words) = (hiha::HDF5_FILTER_ID, config.to_cd_values());
    if args.json {
        println!("{}", serde_json::json!({ "id": id, "cd_values": words }));
        return Ok(true);
    }
    let list = words.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    println!("id         {id}");
    println!("cd_values  {list}");
    println!("nccopy     nccopy -F \"VAR,{id},{list}\" IN OUT");
    println!("h5repack   h5repack -f VAR:UD={id},0,{},{list} IN OUT", words.len());
    println!("h5py       compression={id}, compression_opts=({list})");
    println!("xarray     encoding={{\"VAR\": {{\"compression\": {id}, \"compression_opts\": ({list})}}}}");
    Ok(true)
}
