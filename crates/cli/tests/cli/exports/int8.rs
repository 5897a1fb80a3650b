//! The network in int8: its accuracy, and the same in C.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use lenet_export::c_header;
use lenet_export::quantize::Quantized;
use lenet_model::Weights;
use lenet_picture::Normalization;

use super::{
    IMAGES, embedded_network, fails, floats, mnist, normalized, other_network, pixels, skipped,
    succeeds,
};

fn quantized(weights: &Weights, images: usize) -> Quantized {
    Quantized::new(weights, &normalized(weights, &mnist().train, images)).unwrap()
}

/// The embedded network and another.
static NETWORKS: LazyLock<[(Weights, Quantized); 2]> = LazyLock::new(|| {
    [embedded_network(), other_network()].map(|weights| {
        let quantized = quantized(&weights, 1_000);
        (weights, quantized)
    })
});

/// Less than a twentieth of a point is lost on the 10,000 test images; weights of 4 bits lose twice
/// that. Logits are close, most of all if no training has made the network robust.
#[test]
fn accuracy() {
    let test = &mnist().test;
    for ((weights, quantized), (most, count)) in NETWORKS.iter().zip([(0.4, 10_000), (0.01, 200)]) {
        let classes = weights.metadata.class_names.len();
        let images = normalized(weights, test, count);
        // candle's own operations take a hundred times as long.
        let logits = floats(&weights.model.fused().unwrap().forward(&images).unwrap());
        let (mut right, mut right_in_int8, mut largest) = (0, 0, 0_f32);
        for (index, ((image, label), logits)) in test.iter().zip(logits.chunks(classes)).enumerate()
        {
            let best = (0..classes).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            right += i32::from(best == Some(label.into()));
            right_in_int8 += i32::from(quantized.classify(image) == usize::from(label));
            if index < 200 {
                let integers = quantized.logits(image);
                let differences = integers
                    .iter()
                    .zip(logits)
                    .map(|(integer, logit)| (*integer as f32 / 65_536. - logit).abs());
                largest = differences.fold(largest, f32::max);
            }
        }
        println!("right: f32 {right}, int8 {right_in_int8}; logits within {largest}");
        if weights.metadata.dataset.is_some() {
            assert!(right > 9_940, "{right}");
            assert!(right - right_in_int8 < 5, "{right}, {right_in_int8}");
        }
        assert!(largest < most, "{largest}");
    }
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

/// What the C compiler makes of the header, given images; `None` without a compiler.
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
            skipped(&format!("cc: {error}"));
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{errors}");
    let images = fs::File::open(path("images")).unwrap();
    let mut main = Command::new(path("main"));
    let output = main.stdin(Stdio::from(images)).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Class and logits of 1,000 test images are those of the reference, to the last bit, and the
/// compiler has nothing to say, nor has its check for undefined behaviour.
#[test]
fn c_computes_the_same() {
    let test = &mnist().test;
    for (weights, quantized) in NETWORKS.iter() {
        let Some(said) = run_in_c(&c_header(quantized), &pixels(test, IMAGES)) else {
            return;
        };
        let mut lines = said.lines();
        for (name, line) in weights.metadata.class_names.iter().zip(&mut lines) {
            let bytes = line.split_whitespace().map(|byte| byte.parse().unwrap());
            assert_eq!(bytes.collect::<Vec<u8>>(), name.as_bytes());
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

/// A channel of zeros with a bias, a layer of zeros, and scalings that int8 cannot follow.
#[test]
fn degenerate_networks() {
    let weights = other_network();
    for name in ["conv1.weight", "conv2.weight", "conv2.bias", "fc3.weight"] {
        let var = weights.model.parameters().get(name).unwrap();
        var.set(&var.zeros_like().unwrap()).unwrap();
    }
    let test = &mnist().test;
    let images = normalized(&weights, test, 1);
    let expected = floats(&weights.model.forward(&images).unwrap());
    let (image, _) = test.get(0).unwrap();
    for (integer, logit) in quantized(&weights, 100).logits(image).iter().zip(expected) {
        let difference = (*integer as f32 / 65_536. - logit).abs();
        assert!(difference < 1e-4, "{integer} {logit}");
    }
    for (mean, std) in [(-0.1, 1.), (1.1, 1.), (0.5, -1.)] {
        let mut weights = embedded_network();
        let images = normalized(&weights, test, 1);
        weights.metadata.input = Normalization { mean, std };
        let error = Quantized::new(&weights, &images).unwrap_err().to_string();
        assert!(error.contains("int8 needs"), "{error}");
    }
}

#[test]
fn the_command_writes_header_and_graph() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let export = "export --calibration-images 50 --force";
    let header = format!("{export} --format c-header --output lenet5.h");
    let said = fails(folder, &header, 0);
    let calibrated = "calibrated on 50 training images of mnist";
    assert!(said.contains(calibrated), "{said}");
    let first = fs::read_to_string(folder.join("lenet5.h")).unwrap();
    assert!(first.contains("#define LENET5_CLASSES 10"));
    succeeds(folder, &header);
    let second = fs::read_to_string(folder.join("lenet5.h")).unwrap();
    assert!(first == second, "equal arguments give equal bytes");
    let onnx = format!("{export} --format onnx-int8 --output a.onnx");
    succeeds(folder, &onnx);
    let size = fs::metadata(folder.join("a.onnx")).unwrap().len();
    assert!((62_000..75_000).contains(&size), "{size} bytes");

    let other = other_network().to_bytes().unwrap();
    fs::write(folder.join("other.safetensors"), other).unwrap();
    let said = fails(folder, &format!("{header} --model other.safetensors"), 2);
    let is_named = said.contains("10 classes") && said.contains("distinguishes 11");
    assert!(is_named, "{said}");
}
