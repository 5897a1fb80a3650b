//! What an operation refuses to compute.

/// The result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation refused its operands.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array's length contradicts its shape.
    #[error("{op}: {operand} should hold {} elements ({expected:?}), got {got}", volume(.expected))]
    Length {
        /// The operation.
        op: &'static str,
        /// The array.
        operand: &'static str,
        /// The shape that the array should have.
        expected: Vec<usize>,
        /// The elements that it holds.
        got: usize,
    },
    /// A window is empty, or larger than what it slides over, padding included.
    #[error(
        "{op}: the window should be between 1x1 and the padded input's {}x{}, got {}x{}",
        .input[0], .input[1], .window[0], .window[1]
    )]
    Window {
        /// The operation.
        op: &'static str,
        /// Height and width of the input, padding included.
        input: [usize; 2],
        /// Height and width of the window.
        window: [usize; 2],
    },
    /// A layer takes another size than the one before it gives.
    #[error("{layer} layer {index}: takes {takes:?}, but is given {given:?}")]
    Chain {
        /// The layer's kind.
        layer: &'static str,
        /// Its index among those of its kind.
        index: usize,
        /// What the layer before it gives.
        given: Vec<usize>,
        /// What it takes.
        takes: Vec<usize>,
    },
    /// More images than there was memory reserved for.
    #[error("{op}: at most {most} images at once, got {got}")]
    TooManyImages {
        /// The operation.
        op: &'static str,
        /// The images that there is memory for.
        most: usize,
        /// The images given.
        got: usize,
    },
    /// The machine has no AMX with bf16, or the system does not let the process use it.
    #[error("bf16 needs a processor with Intel AMX, and Linux; this machine computes in f32")]
    Precision,
    /// A mean over no images is not a number.
    #[error("{op}: the batch should hold at least one image, got none")]
    EmptyBatch {
        /// The operation.
        op: &'static str,
    },
    /// A label names no class.
    #[error("{op}: label {index} should be below {classes}, got {label}")]
    Label {
        /// The operation.
        op: &'static str,
        /// The label's position in the batch.
        index: usize,
        /// The number of classes.
        classes: usize,
        /// The label.
        label: u32,
    },
    /// A setting lies outside its range.
    #[error("{op}: {setting} should be {expected}, got {got}")]
    Setting {
        /// The operation.
        op: &'static str,
        /// The setting.
        setting: &'static str,
        /// The range in words.
        expected: &'static str,
        /// The value.
        got: f64,
    },
}

/// Checks that every label names a class.
pub(crate) fn check_labels(op: &'static str, labels: &[u32], classes: usize) -> Result<()> {
    match labels.iter().position(|&label| label as usize >= classes) {
        None => Ok(()),
        Some(index) => Err(Error::Label {
            op,
            index,
            classes,
            label: labels[index],
        }),
    }
}

/// Checks that ε of label smoothing is a share.
pub(crate) fn check_label_smoothing(op: &'static str, label_smoothing: f64) -> Result<()> {
    if (0.0..=1.0).contains(&label_smoothing) {
        return Ok(());
    }
    Err(Error::Setting {
        op,
        setting: "label_smoothing",
        expected: "between 0 and 1",
        got: label_smoothing,
    })
}

/// Checks that an array holds as many elements as its shape says.
pub(crate) fn check_length<T>(
    op: &'static str,
    operand: &'static str,
    expected: &[usize],
    array: &[T],
) -> Result<()> {
    if volume(expected) == array.len() as u128 {
        return Ok(());
    }
    Err(Error::Length {
        op,
        operand,
        expected: expected.to_vec(),
        got: array.len(),
    })
}

/// The number of elements of a shape; a shape too large even for `u128` counts as `u128::MAX`,
/// which no slice reaches.
fn volume(shape: &[usize]) -> u128 {
    let sizes = shape.iter().map(|&size| size as u128);
    sizes.fold(1, |product, size| product.saturating_mul(size))
}
