//! The network in int8: its accuracy, and the same in C.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use lenet_data::embedded;
use lenet_export::c_header;
use lenet_export::quantize::Quantized;
use lenet_model::Weights;
use lenet_picture::Normalization;

use crate::{
    IMAGES, embedded_network, fails, floats, normalized, other_network, pixels, succeeds,
    test_images,
};

fn quantized(weights: &Weights) -> Quantized {
    let train = embedded::mnist().unwrap().train;
    Quantized::new(weights, &normalized(weights, &train, 1_000)).unwrap()
}

/// Less than a twentieth of a point is lost on the 10,000 test images; weights of 4 bits lose twice
/// that.
#[test]
fn accuracy() {
    let weights = embedded_network();
    let test = test_images();
    let quantized = quantized(&weights);
    let classes = weights.metadata.class_names.len();
    let images = normalized(&weights, &test, test.len());
    let logits = floats(&weights.model.forward(&images).unwrap());
    let mut right = [0, 0];
    for ((image, label), logits) in test.iter().zip(logits.chunks(classes)) {
        let best = (0..classes).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        right[0] += i32::from(best == Some(label.into()));
        right[1] += i32::from(quantized.classify(image) == usize::from(label));
    }
    println!(
        "right of {}: f32 {}, int8 {}",
        test.len(),
        right[0],
        right[1]
    );
    assert!(right[0] > 9_940, "f32: {} right", right[0]);
    assert!(
        right[0] - right[1] < 5,
        "f32 {}, int8 {}",
        right[0],
        right[1]
    );
}

/// Reads images from standard input and prints class and logits of each.
const PROGRAM: &str = r#"
#include <stdio.h>
#include "lenet5.h"

int main(void)
{
    uint8_t pixels[784];
    int32_t logits[LENET5_CLASSES];
    for (int i = 0; i < LENET5_CLASSES; i++) {
        for (const char *c = lenet5_class_names[i]; *c; c++) {
            printf("%d ", (unsigned char)*c);
        }
        puts("");
    }
    while (fread(pixels, 1, sizeof pixels, stdin) == sizeof pixels) {
        printf("%d", lenet5_classify(pixels, logits));
        for (int i = 0; i < LENET5_CLASSES; i++) {
            printf(" %ld", (long)logits[i]);
        }
        puts("");
    }
    return 0;
}
"#;

/// What the C compiler makes of the header, given images; `None` where there is no compiler.
fn run_in_c(header: &str, images: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    fs::write(path("lenet5.h"), header).unwrap();
    fs::write(path("main.c"), PROGRAM).unwrap();
    fs::write(path("images"), images).unwrap();
    let flags = "-std=c99 -pedantic -Wall -Wextra -Werror -O2 -fsanitize=undefined \
                 -fno-sanitize-recover -o main main.c";
    let mut cc = Command::new("cc");
    cc.current_dir(folder.path()).args(flags.split_whitespace());
    let compiled = match cc.output() {
        Ok(compiled) => compiled,
        Err(error) => {
            println!("skipped: cc: {error}");
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{errors}");
    let images = fs::File::open(path("images")).unwrap();
    let output = Command::new(path("main"))
        .stdin(Stdio::from(images))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Class and logits of 1,000 test images are those of the reference, to the last bit, and the
/// compiler has nothing to say, nor has its check for undefined behaviour.
#[test]
fn c_computes_the_same() {
    let test = test_images();
    for weights in [embedded_network(), other_network()] {
        let quantized = quantized(&weights);
        let Some(said) = run_in_c(&c_header(&quantized), &pixels(&test, IMAGES)) else {
            return;
        };
        let mut lines = said.lines();
        for (name, line) in weights.metadata.class_names.iter().zip(&mut lines) {
            let bytes: Vec<u8> = line
                .split_whitespace()
                .map(|b| b.parse().unwrap())
                .collect();
            assert_eq!(bytes, name.as_bytes());
        }
        let mut compared = 0;
        for ((image, _), line) in test.iter().zip(lines) {
            let logits = quantized.logits(image);
            let logits: Vec<String> = logits.iter().map(i32::to_string).collect();
            let expected = format!("{} {}", quantized.classify(image), logits.join(" "));
            assert_eq!(line, expected, "image {compared}");
            compared += 1;
        }
        assert_eq!(compared, IMAGES);
    }
}

/// Integers follow the network closely where no training has made it robust.
#[test]
fn logits_are_close() {
    for (weights, most) in [(embedded_network(), 0.2), (other_network(), 0.01)] {
        let test = test_images();
        let quantized = quantized(&weights);
        let logits = floats(
            &weights
                .model
                .forward(&normalized(&weights, &test, 200))
                .unwrap(),
        );
        let integers = test
            .iter()
            .take(200)
            .flat_map(|(image, _)| quantized.logits(image));
        let differences = integers
            .zip(&logits)
            .map(|(integer, logit)| (integer as f32 / 65_536. - logit).abs());
        let largest = differences.fold(0_f32, f32::max);
        println!("largest difference of a logit: {largest}");
        assert!(largest < most, "{largest}");
    }
}

/// A channel of zeros with a bias, a layer of zeros, and scalings that int8 cannot follow.
#[test]
fn degenerate_networks() {
    let weights = other_network();
    for name in ["conv1.weight", "conv2.weight", "conv2.bias", "fc3.weight"] {
        let var = weights.model.parameters().get(name).unwrap();
        var.set(&var.zeros_like().unwrap()).unwrap();
    }
    let test = test_images();
    let expected = floats(
        &weights
            .model
            .forward(&normalized(&weights, &test, 1))
            .unwrap(),
    );
    let (image, _) = test.get(0).unwrap();
    for (integer, logit) in quantized(&weights).logits(image).iter().zip(expected) {
        assert!(
            (*integer as f32 / 65_536. - logit).abs() < 1e-4,
            "{integer} {logit}"
        );
    }
    for (mean, std) in [(-0.1, 1.), (1.1, 1.), (0.5, -1.)] {
        let mut weights = embedded_network();
        let images = normalized(&weights, &test, 1);
        weights.metadata.input = Normalization { mean, std };
        let error = Quantized::new(&weights, &images).unwrap_err().to_string();
        assert!(error.contains("int8 needs"), "{error}");
    }
}

#[test]
fn the_command_writes_header_and_graph() {
    let folder = tempfile::tempdir().unwrap();
    let export = |format, output| ["export", "--format", format, "--output", output];
    let few = ["--calibration-images", "200"];
    let header = [&export("c-header", "lenet5.h")[..], &few].concat();
    let said = succeeds(folder.path(), &header);
    assert!(
        said.contains("calibrated on 200 training images of mnist"),
        "{said}"
    );
    assert!(said.contains("of 2000 other training images"), "{said}");
    let first = fs::read_to_string(folder.path().join("lenet5.h")).unwrap();
    assert!(first.contains("#define LENET5_CLASSES 10"));
    succeeds(folder.path(), &[&header[..], &["--force"]].concat());
    let second = fs::read_to_string(folder.path().join("lenet5.h")).unwrap();
    assert!(first == second, "equal arguments give equal bytes");
    succeeds(
        folder.path(),
        &[&export("onnx-int8", "a.onnx")[..], &few].concat(),
    );
    let size = fs::metadata(folder.path().join("a.onnx")).unwrap().len();
    assert!((62_000..75_000).contains(&size), "{size} bytes");

    let other = other_network().to_bytes().unwrap();
    fs::write(folder.path().join("other.safetensors"), other).unwrap();
    let model = ["--model", "other.safetensors"];
    let said = fails(
        folder.path(),
        &[&export("c-header", "b.h")[..], &model].concat(),
        2,
    );
    assert!(
        said.contains("10 classes") && said.contains("tells 11 apart"),
        "{said}"
    );
    assert!(!Path::exists(&folder.path().join("b.h")));
}
