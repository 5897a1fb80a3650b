//! ONNX: <https://onnx.ai>.
//!
//! The input is `input` (batch, 1, 28, 28), the output `logits` (batch, classes), with any batch size.

use prost::Message as _;

use crate::graph::{Attribute, Graph, batch_of};
use crate::messages::{DataType, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use crate::quantize::{Affine, Layer, Output, Quantized};
use lenet_model::{Activation, Architecture, Error, Metadata, Result, Weights};

/// The set of operators: the one of ONNX 1.12 (2022), so that older runtimes read it as well.
const OPSET: i64 = 17;

/// The format of the file that came with that set.
const IR_VERSION: i64 = 8;

/// The input of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnnxInput {
    /// f32, pixels / 255, as everybody feeds images.
    #[default]
    Unit,
    /// u8, the pixels as they are. The type differs from that of the other input, so that a runtime
    /// refuses one in place of the other.
    Pixels,
}

/// The bytes of an ONNX file with the network in f32, scaling and temperature inside; equal arguments
/// give equal bytes.
///
/// # Errors
/// Parameters that cannot be read from their device.
pub fn onnx(weights: &Weights, input: OnnxInput) -> Result<Vec<u8>> {
    let weights = &weights.folded()?;
    let architecture = weights.model.architecture();
    let mut graph = Graph::default();
    let mut x = start(&mut graph, &weights.metadata, input);
    for (name, var) in weights.model.parameters().iter() {
        let values = var.to_device(&candle_core::Device::Cpu)?.flatten_all()?;
        graph.floats(name, var.dims(), &values.to_vec1::<f32>()?);
    }
    for (layer, pooled) in [("conv1", "pool1"), ("conv2", "pool2")] {
        let [weight, bias] = ["weight", "bias"].map(|kind| format!("{layer}.{kind}"));
        x = conv(&mut graph, architecture, layer, [&x, &weight, &bias]);
        x = activation(&mut graph, architecture.activation, layer, &x);
        x = pool(&mut graph, pooled, &x);
    }
    x = flatten(&mut graph, &x);
    for layer in ["fc1", "fc2"] {
        let [weight, bias] = ["weight", "bias"].map(|kind| format!("{layer}.{kind}"));
        x = linear(&mut graph, layer, [&x, &weight, &bias]);
        x = activation(&mut graph, architecture.activation, layer, &x);
    }
    linear(&mut graph, "logits", [&x, "fc3.weight", "fc3.bias"]);
    Ok(finish(graph, &weights.metadata, input, "f32"))
}

/// The bytes of an ONNX file with the network in int8, in the form `QuantizeLinear` and
/// `DequantizeLinear` around f32 operators (QDQ), which runtimes fuse into integer ones. Equal
/// arguments give equal bytes.
///
/// # Errors
/// None for a network that [`Quantized::new`] made.
pub fn onnx_int8(quantized: &Quantized, input: OnnxInput) -> Result<Vec<u8>> {
    let metadata = quantized.metadata();
    let architecture = &metadata.architecture;
    let mut graph = Graph::default();
    let x = start(&mut graph, metadata, input);
    let [conv1, conv2, fc1, fc2, fc3] = quantized.layers();
    let x = quantized_as(&mut graph, "input", conv1.input, &x);
    let x = int8_conv(&mut graph, architecture, conv1, "pool1", &x)?;
    let x = int8_conv(&mut graph, architecture, conv2, "pool2", &x)?;
    let x = flatten(&mut graph, &x);
    let x = quantized_as(&mut graph, "flatten", fc1.input, &x);
    let x = int8_linear(&mut graph, architecture, fc1, &x)?;
    let x = int8_linear(&mut graph, architecture, fc2, &x)?;
    let [weight, bias] = int8_parameters(&mut graph, fc3);
    linear(&mut graph, "logits", [&x, &weight, &bias]);
    Ok(finish(graph, metadata, input, "int8"))
}

/// From the input to images as the first convolution takes them. Where a mean is subtracted, it is
/// here: a convolution that pads with 0 cannot have it in its parameters.
fn start(graph: &mut Graph, metadata: &Metadata, input: OnnxInput) -> String {
    let mut x = "input".to_owned();
    let mut most = 1.;
    if input == OnnxInput::Pixels {
        let float = [("to", Attribute::Int(DataType::Float as i64))];
        x = graph.node("input.float", "Cast", &["input"], &float);
        most = 255.;
    }
    let scaling = metadata.input;
    for (name, op_type, value, neutral) in [
        ("input.unit", "Div", most, 1.),
        ("input.centred", "Sub", scaling.mean, 0.),
        ("input.normalized", "Div", scaling.std, 1.),
    ] {
        if value != neutral {
            let operand = graph.floats(&format!("{name}.by"), &[], &[value]);
            x = graph.node(name, op_type, &[&x, &operand], &[]);
        }
    }
    x
}

fn conv(graph: &mut Graph, architecture: &Architecture, name: &str, inputs: [&str; 3]) -> String {
    let pads = match name {
        "conv1" => architecture.padding.pixels() as i64,
        _ => 0,
    };
    let attributes = [
        ("kernel_shape", Attribute::Ints(&[5, 5])),
        ("pads", Attribute::Ints(&[pads; 4])),
    ];
    graph.node(name, "Conv", &inputs, &attributes)
}

fn activation(graph: &mut Graph, activation: Activation, layer: &str, x: &str) -> String {
    let op_type = match activation {
        Activation::Relu => "Relu",
        Activation::Tanh => "Tanh",
    };
    graph.node(&format!("{layer}.{activation}"), op_type, &[x], &[])
}

fn pool(graph: &mut Graph, name: &str, x: &str) -> String {
    let attributes = [
        ("kernel_shape", Attribute::Ints(&[2, 2])),
        ("strides", Attribute::Ints(&[2, 2])),
    ];
    graph.node(name, "AveragePool", &[x], &attributes)
}

fn flatten(graph: &mut Graph, x: &str) -> String {
    graph.node("flatten", "Flatten", &[x], &[("axis", Attribute::Int(1))])
}

/// Weights are (out, in), as PyTorch has them.
fn linear(graph: &mut Graph, name: &str, inputs: [&str; 3]) -> String {
    graph.node(name, "Gemm", &inputs, &[("transB", Attribute::Int(1))])
}

/// A convolution, its activation and its pooling, each followed by quantisation.
fn int8_conv(
    graph: &mut Graph,
    architecture: &Architecture,
    layer: &Layer,
    pooled: &str,
    x: &str,
) -> Result<String> {
    let [weight, bias] = int8_parameters(graph, layer);
    let x = conv(graph, architecture, layer.name, [x, &weight, &bias]);
    let x = int8_activation(graph, architecture, layer, &x)?;
    let x = pool(graph, pooled, &x);
    Ok(quantized_as(graph, pooled, layer.outgoing(), &x))
}

fn int8_linear(
    graph: &mut Graph,
    architecture: &Architecture,
    layer: &Layer,
    x: &str,
) -> Result<String> {
    let [weight, bias] = int8_parameters(graph, layer);
    let x = linear(graph, layer.name, [x, &weight, &bias]);
    int8_activation(graph, architecture, layer, &x)
}

/// The activation of a layer, and the quantisation of its values.
fn int8_activation(
    graph: &mut Graph,
    architecture: &Architecture,
    layer: &Layer,
    x: &str,
) -> Result<String> {
    let (x, after) = match layer.output {
        Output::Relu(after) => (x.to_owned(), after),
        Output::Tanh { before, after } => (quantized_as(graph, layer.name, before, x), after),
        Output::Logits => return Err(Error::internal("logits in the middle of a network")),
    };
    let x = activation(graph, architecture.activation, layer.name, &x);
    let name = format!("{}.{}", layer.name, architecture.activation);
    Ok(quantized_as(graph, &name, after, &x))
}

/// Rounds a value to int8 and back.
fn quantized_as(graph: &mut Graph, name: &str, affine: Affine, x: &str) -> String {
    let scale = graph.floats(&format!("{name}.scale"), &[], &[affine.scale]);
    let zero = graph.bytes(&format!("{name}.zero_point"), &[], &[affine.zero_point]);
    let int8 = format!("{name}.int8");
    let int8 = graph.node(&int8, "QuantizeLinear", &[x, &scale, &zero], &[]);
    let back = format!("{name}.dequantized");
    graph.node(&back, "DequantizeLinear", &[&int8, &scale, &zero], &[])
}

/// Weight and bias of a layer with a scale for each output channel.
fn int8_parameters(graph: &mut Graph, layer: &Layer) -> [String; 2] {
    let channels = layer.bias.len();
    let name = |what| format!("{}.{what}", layer.name);
    let axis = [("axis", Attribute::Int(0))];

    let weight = graph.bytes(&name("weight.int8"), &layer.dims, &layer.weight);
    let scale = graph.floats(&name("weight.scale"), &[channels], &layer.weight_scales);
    let zero = graph.bytes(&name("weight.zero_point"), &[channels], &vec![0; channels]);
    let inputs = [weight.as_str(), &scale, &zero];
    let weight = graph.node(&name("weight"), "DequantizeLinear", &inputs, &axis);

    let bias = graph.ints(&name("bias.int32"), &[channels], &layer.bias);
    let scale = graph.floats(&name("bias.scale"), &[channels], &layer.bias_scales());
    let zero = graph.ints(&name("bias.zero_point"), &[channels], &vec![0; channels]);
    let inputs = [bias.as_str(), &scale, &zero];
    let bias = graph.node(&name("bias"), "DequantizeLinear", &inputs, &axis);
    [weight, bias]
}

fn finish(graph: Graph, metadata: &Metadata, input: OnnxInput, numbers: &str) -> Vec<u8> {
    let preparation = metadata.preparation.unwrap_or_default();
    let (kind, scale, input_name) = match input {
        OnnxInput::Unit => (DataType::Float, "pixels / 255", "unit"),
        OnnxInput::Pixels => (DataType::Uint8, "pixels of 0 to 255", "pixels"),
    };
    let about = format!("{scale}; {}", preparation.about());
    let input = batch_of(&[1, 28, 28], "input", kind, about);
    let about = "softmax gives probabilities; the classes are in the metadata".to_owned();
    let classes = metadata.architecture.classes;
    let output = batch_of(&[classes], "logits", DataType::Float, about);
    let names = serde_json::Value::from(metadata.class_names.clone());
    let mut properties = vec![
        ("classes", names.to_string()),
        ("input", input_name.to_owned()),
        ("preparation", preparation.name().to_owned()),
        ("numbers", numbers.to_owned()),
        ("lenet_version", metadata.lenet_version.clone()),
    ];
    properties.extend(metadata.dataset.clone().map(|name| ("dataset", name)));
    let property = |(key, value): (&str, String)| StringStringEntryProto {
        key: key.to_owned(),
        value: Some(value),
    };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "lenet".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: "LeNet-5".to_owned(),
        graph: Some(graph.finish(input, output)),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: OPSET,
        }],
        metadata_props: properties.into_iter().map(property).collect(),
    };
    model.encode_to_vec()
}
