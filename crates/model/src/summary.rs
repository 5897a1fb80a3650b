//! The network as a table: layers, output shapes, parameters, multiply-adds.

use std::fmt;

use serde::Serialize;

use crate::architecture::Architecture;

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
        let side = 28 + 2 * architecture.padding.pixels() - 4;
        let activation = architecture.activation;
        let convolution = |name, inputs: usize, outputs: usize, side: usize| {
            let border = match name {
                "conv1" => architecture.padding.to_string(),
                _ => "valid".to_owned(),
            };
            Layer {
                name,
                operation: format!("conv 5x5, {border}, {activation}"),
                output_shape: vec![outputs, side, side],
                parameters: outputs * (inputs * 25 + 1),
                multiply_adds: outputs * inputs * 25 * side * side,
            }
        };
        let pooling = |name, channels, side| Layer {
            name,
            operation: "average pool 2x2".to_owned(),
            output_shape: vec![channels, side, side],
            parameters: 0,
            multiply_adds: 0,
        };
        let linear = |name, inputs: usize, outputs: usize, operation: String| Layer {
            name,
            operation,
            output_shape: vec![outputs],
            parameters: outputs * (inputs + 1),
            multiply_adds: outputs * inputs,
        };
        let pooled = architecture.pooled_side();
        let flat = 16 * pooled * pooled;
        let layers = vec![
            convolution("conv1", 1, 6, side),
            pooling("pool1", 6, side / 2),
            convolution("conv2", 6, 16, side / 2 - 4),
            pooling("pool2", 16, pooled),
            Layer {
                name: "flatten",
                operation: "flatten".to_owned(),
                output_shape: vec![flat],
                parameters: 0,
                multiply_adds: 0,
            },
            linear("fc1", flat, 120, format!("linear, {activation}")),
            linear("fc2", 120, 84, format!("linear, {activation}")),
            linear(
                "fc3",
                84,
                architecture.classes,
                "linear (logits)".to_owned(),
            ),
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
        let rule = |f: &mut fmt::Formatter<'_>, c: &str| writeln!(f, "{}", c.repeat(78));
        let row = |f: &mut fmt::Formatter<'_>, cells: [&str; 5]| {
            let [name, operation, shape, parameters, multiply_adds] = cells;
            writeln!(
                f,
                "{name:<9}{operation:<28}{shape:<18}{parameters:>10}{multiply_adds:>13}"
            )
        };
        writeln!(f, "LeNet-5")?;
        rule(f, "─")?;
        row(
            f,
            [
                "layer",
                "operation",
                "output shape",
                "parameters",
                "mult-adds",
            ],
        )?;
        rule(f, "═")?;
        row(f, ["input", "grey image", "(B, 1, 28, 28)", "0", "0"])?;
        for layer in &self.layers {
            let dims: Vec<String> = layer.output_shape.iter().map(usize::to_string).collect();
            row(
                f,
                [
                    layer.name,
                    &layer.operation,
                    &format!("(B, {})", dims.join(", ")),
                    &grouped(layer.parameters),
                    &grouped(layer.multiply_adds),
                ],
            )?;
        }
        rule(f, "═")?;
        row(
            f,
            [
                "total",
                "",
                "",
                &grouped(self.parameters()),
                &grouped(self.multiply_adds()),
            ],
        )?;
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
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (61_706, "61,706"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }
}
