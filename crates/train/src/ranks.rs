//! Processes that share a training: what they must have in common.

use lenet_data::sha256;
use lenet_engine::engine::Precision;
use lenet_engine::{Exchange, Isa};
use lenet_files::{Error, Kind, Result};
use lenet_model::LeNet5;

use crate::run::{Setup, identity};

/// Images of a block, the least that a process computes.
const BLOCK: usize = 16;

/// Bytes of a text that processes compare.
const TEXT: usize = 16;

/// Waits for the other processes of a training, and checks that all are about to train the same in
/// the same way. A single process has nothing to check.
///
/// # Errors
/// [`Kind::Usage`] if there are more processes than blocks in a batch, or if they differ in the
/// version of lenet, configuration, data or instruction set.
pub fn meet(setup: &Setup) -> Result<()> {
    let Some(exchange) = setup.backend.exchange() else {
        return Ok(());
    };
    let (config, images) = (&setup.config, &setup.images);
    let batch = config.batch_size.min(images.train.len());
    let least = match config.precision {
        Precision::F32 => BLOCK,
        Precision::Bf16 => 2 * BLOCK,
    };
    let blocks = batch.div_ceil(least);
    let ranks = exchange.ranks();
    if ranks > blocks {
        return Err(Error::usage(format!(
            "{ranks} processes share batches of {batch} images, which have {blocks} blocks: start at \
             most {blocks} processes, or train with a larger --batch-size"
        )));
    }
    let isa = Isa::current().name();
    check_same(
        exchange,
        Kind::Usage,
        "instruction set",
        isa,
        "set LENET_ISA for all of them",
    )?;
    let own = format!("{} {:?}", env!("CARGO_PKG_VERSION"), identity(setup));
    let own = digest(own.as_bytes());
    let hint = "they must see the same files, and be the same program";
    let what = "digest of version, configuration and data";
    check_same(exchange, Kind::Usage, what, &own, hint)
}

/// Checks that all processes have the same parameters, as they must after each epoch.
pub(crate) fn check_parameters(
    exchange: Option<&dyn Exchange>,
    model: &LeNet5,
    epoch: u32,
) -> Result<()> {
    let Some(exchange) = exchange else {
        return Ok(());
    };
    let values = model.parameters().values()?;
    let bytes: Vec<u8> = (values.iter().flatten())
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let what = format!("digest of the parameters after epoch {epoch}");
    let hint = "a process computes wrong, or on another kind of processor";
    check_same(exchange, Kind::Internal, &what, &digest(&bytes), hint)
}

fn digest(bytes: &[u8]) -> String {
    sha256(bytes)[..16].to_owned()
}

/// Compares a text of at most 16 bytes with those of the other processes.
fn check_same(
    exchange: &dyn Exchange,
    kind: Kind,
    what: &str,
    own: &str,
    hint: &str,
) -> Result<()> {
    let mut bytes = [0; TEXT];
    bytes[..own.len()].copy_from_slice(own.as_bytes());
    let words = bytes.as_chunks::<4>().0.iter();
    let words = words.map(|word| f32::from_le_bytes(*word));
    // The first word is the exchange's own.
    let mut part: Vec<f32> = std::iter::once(0.).chain(words).collect();
    let lens = vec![part.len(); exchange.ranks()];
    let mut all = vec![0.; part.len() * lens.len()];
    exchange.gather(&mut part, &lens, &mut all);
    let texts = all.chunks(part.len()).map(|part| {
        let bytes = part[1..].iter().flat_map(|word| word.to_le_bytes());
        let bytes: Vec<u8> = bytes.take_while(|&byte| byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let texts: Vec<String> = texts.collect();
    let others = (0..texts.len()).filter(|&rank| texts[rank] != texts[0]);
    let others: Vec<String> = others
        .map(|rank| format!("rank {rank} {}", texts[rank]))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let (first, others) = (&texts[0], others.join(", "));
    Err(Error::new(
        kind,
        format!("the {what} of the processes differs: rank 0 has {first}, {others}: {hint}"),
    ))
}
