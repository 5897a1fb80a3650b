//! The network as a table: layers, output shapes, parameters, multiply-adds.

use std::fmt;

use serde::Serialize;

use crate::architecture::{Architecture, Padding};

/// The layers of a network, as Keras' `summary()` shows them, with the arithmetic that each costs.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The form of the network.
    pub architecture: Architecture,
    /// The layers in the order of the forward pass.
    pub layers: Vec<Layer>,
}

/// One layer.
#[derive(Debug, Clone, Serialize)]
pub struct Layer {
    /// Its name, the first part of its parameters' names where it has any.
    pub name: &'static str,
    /// What it does, in words.
    pub operation: String,
    /// Shape of its output, without the batch.
    pub output_shape: Vec<usize>,
    /// How many parameters it has.
    pub parameters: usize,
    /// Multiplications with addition for one image, forward. Biases, pooling and activations are
    /// not counted.
    pub multiply_adds: usize,
}

impl Summary {
    /// The summary of a network of this form.
    pub fn new(architecture: &Architecture) -> Self {
        let Architecture {
            classes,
            padding,
            activation,
        } = *architecture;
        let [conv1, pool1, conv2, pool2] = architecture.sides();
        let flat = 16 * pool2 * pool2;
        // `inputs` are the products that each output is the sum of; 0 of a layer without weights.
        let layer = |name, operation: String, output_shape: &[usize], inputs: usize| Layer {
            name,
            operation,
            output_shape: output_shape.to_vec(),
            parameters: if inputs > 0 {
                output_shape[0] * (inputs + 1)
            } else {
                0
            },
            multiply_adds: inputs * output_shape.iter().product::<usize>(),
        };
        let conv = |padding| format!("conv 5x5, {padding}, {activation}");
        let pool = || "average pool 2x2".to_owned();
        let linear = || format!("linear, {activation}");
        let layers = vec![
            layer("conv1", conv(padding), &[6, conv1, conv1], 25),
            layer("pool1", pool(), &[6, pool1, pool1], 0),
            layer("conv2", conv(Padding::Valid), &[16, conv2, conv2], 6 * 25),
            layer("pool2", pool(), &[16, pool2, pool2], 0),
            layer("flatten", "flatten".to_owned(), &[flat], 0),
            layer("fc1", linear(), &[120], flat),
            layer("fc2", linear(), &[84], 120),
            layer("fc3", "linear (logits)".to_owned(), &[classes], 84),
        ];
        Self {
            architecture: architecture.clone(),
            layers,
        }
    }

    /// How many parameters the network has.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Multiplications with addition for one image, forward.
    pub fn multiply_adds(&self) -> usize {
        self.layers.iter().map(|layer| layer.multiply_adds).sum()
    }
}

/// The table.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = |c: &str| c.repeat(78);
        let row = |[name, operation, shape, parameters, multiply_adds]: [&str; 5]| {
            format!("{name:<9}{operation:<28}{shape:<18}{parameters:>10}{multiply_adds:>13}")
        };
        let heading = [
            "layer",
            "operation",
            "output shape",
            "parameters",
            "mult-adds",
        ];
        writeln!(f, "LeNet-5\n{}\n{}\n{}", rule("─"), row(heading), rule("═"))?;
        writeln!(
            f,
            "{}",
            row(["input", "grey image", "(B, 1, 28, 28)", "0", "0"])
        )?;
        for layer in &self.layers {
            let dims: Vec<String> = layer.output_shape.iter().map(usize::to_string).collect();
            let shape = format!("(B, {})", dims.join(", "));
            let figures = [layer.parameters, layer.multiply_adds].map(grouped);
            let cells = [
                layer.name,
                &layer.operation,
                &shape,
                &figures[0],
                &figures[1],
            ];
            writeln!(f, "{}", row(cells))?;
        }
        let total = [self.parameters(), self.multiply_adds()].map(grouped);
        let cells = ["total", "", "", &total[0], &total[1]];
        writeln!(f, "{}\n{}", rule("═"), row(cells))?;
        let kib = self.parameters() as f64 * 4. / 1024.;
        write!(f, "weights in f32: {kib:.1} KiB")
    }
}

/// A number with a comma between groups of three digits.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of the published layers, added up by hand: 156 + 2,416 + 48,120 + 10,164 + 850
    /// parameters; 117,600 + 240,000 + 48,000 + 10,080 + 840 multiply-adds.
    #[test]
    fn figures_of_the_default_network() {
        let summary = Summary::new(&Architecture::default());
        let parameters: Vec<usize> = summary.layers.iter().map(|l| l.parameters).collect();
        assert_eq!(parameters, [156, 0, 2_416, 0, 0, 48_120, 10_164, 850]);
        assert_eq!(summary.parameters(), 61_706);
        assert_eq!(summary.multiply_adds(), 416_520);
    }

    #[test]
    fn table_shows_every_layer_and_the_totals() {
        let table = Summary::new(&Architecture::default()).to_string();
        for text in [
            "conv1",
            "pool2",
            "fc3",
            "(B, 16, 10, 10)",
            "48,120",
            "61,706",
            "416,520",
        ] {
            assert!(table.contains(text), "{text} in\n{table}");
        }
    }

    #[test]
    fn groups_of_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
