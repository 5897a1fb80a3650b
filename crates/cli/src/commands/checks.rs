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
    /// Where each data set is, by its name; null where it is not here.
    data: BTreeMap<&'static str, Option<String>>,
}

pub fn run(arguments: &Checks) -> Outcome {
    let search = Search::new(None);
    let found = |spec: &lenet_data::DatasetSpec| {
        let origin = locate(spec, &search).ok();
        (spec.name, origin.map(|origin| origin.to_string()))
    };
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
        data: registry::ALL.iter().map(found).collect(),
    };
    match arguments.format {
        Format::Json => output::json(&machine)?,
        Format::Text => print(&machine)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(machine: &Machine) -> Outcome<()> {
    let built = |with: bool| if with { "built in" } else { "not built in" };
    let mut rows = vec![
        ("lenet", machine.lenet.to_owned()),
        ("candle", machine.candle.to_owned()),
        (
            "system",
            format!("{} {}", machine.system, machine.architecture),
        ),
        ("instruction set", machine.instruction_set.to_owned()),
        (
            "bf16",
            match machine.bf16 {
                true => "on AMX, with `lenet train --precision bf16`".to_owned(),
                false => "no AMX that this process may use".to_owned(),
            },
        ),
        (
            "cores",
            format!("{}, physical {}", machine.cores, machine.physical_cores),
        ),
        ("CUDA", built(machine.cuda).to_owned()),
        ("Metal", built(machine.metal).to_owned()),
    ];
    for (name, origin) in &machine.data {
        let missing = || format!("not here; `lenet data download {name}` fetches it");
        rows.push((name, origin.clone().unwrap_or_else(missing)));
    }
    for (name, value) in rows {
        output::line(format!("{name:<17}{value}"))?;
    }
    Ok(())
}
