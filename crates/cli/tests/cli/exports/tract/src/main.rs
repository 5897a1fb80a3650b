//! Holds ONNX files to lenet's logits, by tract.
//!
//!     exports-tract FOLDER
//!
//! The folder is as check_onnx.py describes it.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use tract_onnx::prelude::*;

/// Of logits up to 25 in f32: another order of adding moves them by less.
const TOLERANCE: f32 = 1e-5;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1);
    let folder = folder.context("usage: exports-tract FOLDER")?;
    let folder = Path::new(&folder);
    let cases = fs::read_to_string(folder.join("cases.txt"))?;
    for case in cases.lines() {
        let words: Vec<&str> = case.split_whitespace().collect();
        let [name, kind, input, classes] = words[..] else {
            bail!("{case:?} is no case");
        };
        println!(
            "{name}: {}",
            check(folder, name, kind, input, classes.parse()?)?
        );
    }
    println!("{} files agree", cases.lines().count());
    Ok(())
}

fn check(folder: &Path, name: &str, kind: &str, input: &str, classes: usize) -> Result<String> {
    let expected = floats(&fs::read(folder.join(format!("{name}.logits")))?);
    let images = expected.len() / classes;
    let bytes = fs::read(folder.join(format!("{name}.input")))?;
    let shape = [images, 1, 28, 28];
    let (fact, tensor) = match input {
        "u8" => (u8::fact(shape), Tensor::from_shape(&shape, &bytes)?),
        _ => (
            f32::fact(shape),
            Tensor::from_shape(&shape, &floats(&bytes))?,
        ),
    };
    let model = tract_onnx::onnx()
        .model_for_path(folder.join(format!("{name}.onnx")))?
        .with_input_fact(0, fact.into())?
        .into_optimized()?
        .into_runnable()?;
    let logits = model.run(tvec!(tensor.into()))?;
    let found = logits[0].to_plain_array_view::<f32>()?;
    ensure!(
        found.shape() == [images, classes],
        "shape {:?}",
        found.shape()
    );
    let found: Vec<f32> = found.iter().copied().collect();
    let pairs = || std::iter::zip(&found, &expected);
    let largest = pairs().fold(0_f32, |most, (a, b)| most.max((a - b).abs()));
    if kind == "f32" {
        ensure!(largest <= TOLERANCE, "{name}: logits differ by {largest}");
        return Ok(format!("largest difference {largest:.1e}"));
    }
    let best = |logits: &[f32]| (0..classes).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    let rows = std::iter::zip(found.chunks(classes), expected.chunks(classes));
    let same = rows.filter(|(a, b)| best(a) == best(b)).count();
    ensure!(
        same * 1_000 >= images * 995,
        "{name}: {same} of {images} classes are the same"
    );
    Ok(format!(
        "{same} of {images} classes are the same, largest difference {largest:.3}"
    ))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|&word| f32::from_le_bytes(word)).collect()
}
