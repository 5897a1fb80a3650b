//! ONNX, computed by onnxruntime, by ONNX's own reference and by tract.

use std::fs;
use std::path::Path;
use std::process::Command;

use lenet_data::Splits;
use lenet_export::quantize::Quantized;
use lenet_export::{OnnxInput, onnx, onnx_int8};
use lenet_model::Weights;

use super::{
    IMAGES, PYTHON, TRACT, bytes_of, checked, embedded_network, fails, floats, mnist, normalized,
    other, other_network, pixels, script, succeeds,
};

/// Writes a case as check_onnx.py and tract read it: NAME.onnx, NAME.input, NAME.logits, and its
/// line of cases.txt.
fn case(folder: &Path, name: &str, kind: &str, file: &[u8], weights: &Weights, logits: &[f32]) {
    let pixels = pixels(&mnist().test, IMAGES);
    fs::write(folder.join(format!("{name}.onnx")), file).unwrap();
    fs::write(folder.join(format!("{name}.logits")), bytes_of(logits)).unwrap();
    let (input, bytes) = if name.contains("pixels") {
        ("u8", pixels)
    } else {
        // What everybody feeds, whatever the recipe's scaling is.
        let unit = pixels.into_iter().map(|pixel| f32::from(pixel) / 255.);
        ("f32", bytes_of(&unit.collect::<Vec<_>>()))
    };
    fs::write(folder.join(format!("{name}.input")), bytes).unwrap();
    let list = folder.join("cases.txt");
    let mut lines = fs::read_to_string(&list).unwrap_or_default();
    let classes = weights.metadata.class_names.len();
    lines += &format!("{name} {kind} {input} {classes}\n");
    fs::write(list, lines).unwrap();
}

/// Every form of the graph, with what lenet computes for it.
fn cases(folder: &Path) {
    let Splits { train, test, .. } = mnist();
    let labels: Vec<u8> = test.iter().take(IMAGES).map(|(_, label)| label).collect();
    fs::write(folder.join("labels"), labels).unwrap();
    for (network, mut unfolded) in [("embedded", embedded_network()), ("other", other_network())] {
        unfolded.metadata.temperature = 0.7;
        // What the command line computes with.
        let weights = unfolded.folded().unwrap();
        let images = normalized(&weights, test, IMAGES);
        let logits = floats(&weights.model.forward(&images).unwrap());
        let calibration = normalized(&weights, train, 500);
        let quantized = Quantized::new(&weights, &calibration).unwrap();
        let integers = test.iter().take(IMAGES);
        let integers: Vec<f32> = integers
            .flat_map(|(image, _)| quantized.logits(image))
            .map(|logit| logit as f32 / 65_536.)
            .collect();
        for (input, form) in [(OnnxInput::Unit, "unit"), (OnnxInput::Pixels, "pixels")] {
            let file = onnx(&unfolded, input).unwrap();
            let name = format!("{network}-{form}");
            case(folder, &name, "f32", &file, &weights, &logits);
            let file = onnx_int8(&quantized, input).unwrap();
            let name = format!("{network}-int8-{form}");
            case(folder, &name, "int8", &file, &weights, &integers);
        }
    }
}

#[test]
fn onnxruntime_computes_the_same() {
    let Some(python) = other(PYTHON) else { return };
    let folder = tempfile::tempdir().unwrap();
    cases(folder.path());
    let mut command = Command::new(python);
    let said = checked(command.arg(script("check_onnx.py")).arg(folder.path()));
    assert!(said.contains("8 files agree"), "{said}");
}

#[test]
fn tract_computes_the_same() {
    let Some(program) = other(TRACT) else { return };
    let folder = tempfile::tempdir().unwrap();
    cases(folder.path());
    let said = checked(Command::new(program).arg(folder.path()));
    assert!(said.contains("8 files agree"), "{said}");
}

/// The command writes what the library makes, and overwrites nothing without --force.
#[test]
fn the_command_writes_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let weights = embedded_network();
    let export = "export --format onnx --output a.onnx";
    for (flags, input) in [
        ("", OnnxInput::Unit),
        ("--normalize --force", OnnxInput::Pixels),
    ] {
        succeeds(folder, &format!("{export} {flags}"));
        assert!(fails(folder, export, 2).contains("pass --force to overwrite it"));
        let written = fs::read(folder.join("a.onnx")).unwrap();
        assert_eq!(written, onnx(&weights, input).unwrap());
    }
    let said = fails(folder, "export --format hf --output b --normalize", 2);
    let only = "--normalize is only for --format onnx or onnx-int8";
    assert!(said.contains(only), "{said}");
    let said = fails(folder, "export --format onnx --output .", 2);
    assert!(said.contains("not a regular file"), "{said}");
}
