//! `lenet checks`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use candle_core::utils;
use lenet_data::{Search, locate, registry};
use lenet_engine::engine::Precision;
use lenet_engine::pool;
use serde::Serialize;

use crate::arguments::{Checks, Format};
use crate::device::{CANDLE_VERSION, instruction_set};
use crate::failure::Outcome;
use crate::output;

/// What this machine offers.
#[derive(Debug, Serialize)]
struct Machine {
    lenet: &'static str,
    candle: &'static str,
    system: &'static str,
    architecture: &'static str,
    instruction_set: &'static str,
    bf16: bool,
    cores: usize,
    physical_cores: usize,
    cuda: bool,
    metal: bool,
    /// Where each data set is, by its name; null if it is not here.
    data: BTreeMap<&'static str, Option<String>>,
}

pub fn run(arguments: &Checks) -> Outcome {
    let search = Search::new(None);
    let data = registry::ALL.iter().map(|spec| {
        let origin = locate(spec, &search).ok();
        (spec.name, origin.map(|origin| origin.to_string()))
    });
    let machine = Machine {
        lenet: env!("CARGO_PKG_VERSION"),
        candle: CANDLE_VERSION,
        system: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        instruction_set: instruction_set(),
        bf16: Precision::Bf16.is_available(),
        cores: pool::cores(),
        physical_cores: pool::physical_cores(),
        cuda: utils::cuda_is_available(),
        metal: utils::metal_is_available(),
        data: data.collect(),
    };
    match arguments.format {
        Format::Json => output::json(&machine)?,
        Format::Text => print(&machine)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(machine: &Machine) -> Outcome<()> {
    let built = |is: bool| if is { "built in" } else { "not built in" };
    let bf16 = if machine.bf16 {
        "on AMX, with `lenet train --precision bf16`"
    } else {
        "no AMX that this process may use"
    };
    let (cores, physical) = (machine.cores, machine.physical_cores);
    output::line(format!(
        "lenet            {}\n\
         candle           {}\n\
         system           {} {}\n\
         instruction set  {}\n\
         bf16             {bf16}\n\
         cores            {cores}, physical {physical}\n\
         CUDA             {}\n\
         Metal            {}",
        machine.lenet,
        machine.candle,
        machine.system,
        machine.architecture,
        machine.instruction_set,
        built(machine.cuda),
        built(machine.metal),
    ))?;
    for (name, origin) in &machine.data {
        let missing = || format!("not here; `lenet data download {name}` fetches it");
        let origin = origin.clone().unwrap_or_else(missing);
        output::line(format!("{name:<17}{origin}"))?;
    }
    Ok(())
}
