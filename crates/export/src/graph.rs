//! An ONNX graph, built from its input to its output.

use crate::messages::{
    AttributeProto, DataType, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};

/// The attribute of a node.
#[derive(Debug, Clone, Copy)]
pub enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
}

/// Nodes in the order of the computation, and their constant tensors.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl Graph {
    /// Adds a node whose one output has the node's name, which is returned.
    pub fn node(
        &mut self,
        name: &str,
        op_type: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
    ) -> String {
        let attribute = |&(name, value): &(&str, Attribute<'_>)| {
            let (i, ints, kind) = match value {
                Attribute::Int(value) => (Some(value), Vec::new(), 2),
                Attribute::Ints(values) => (None, values.to_vec(), 7),
            };
            AttributeProto {
                name: name.to_owned(),
                i,
                ints,
                r#type: kind,
            }
        };
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: op_type.to_owned(),
            attribute: attributes.iter().map(attribute).collect(),
        });
        name.to_owned()
    }

    /// Adds a tensor of f32 and returns its name; no dimensions make a scalar.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.tensor(name, dims, DataType::Float, bytes.collect())
    }

    /// Adds a tensor of i8 and returns its name.
    pub fn bytes(&mut self, name: &str, dims: &[usize], values: &[i8]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.tensor(name, dims, DataType::Int8, bytes.collect())
    }

    /// Adds a tensor of i32 and returns its name.
    pub fn ints(&mut self, name: &str, dims: &[usize], values: &[i32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.tensor(name, dims, DataType::Int32, bytes.collect())
    }

    fn tensor(&mut self, name: &str, dims: &[usize], kind: DataType, bytes: Vec<u8>) -> String {
        self.initializers.push(TensorProto {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: kind as i32,
            name: name.to_owned(),
            raw_data: Some(bytes),
        });
        name.to_owned()
    }

    /// The message of the whole graph.
    pub fn finish(self, input: ValueInfoProto, output: ValueInfoProto) -> GraphProto {
        GraphProto {
            node: self.nodes,
            name: "lenet5".to_owned(),
            initializer: self.initializers,
            input: vec![input],
            output: vec![output],
        }
    }
}

/// An input or output: a batch of any size of these dimensions.
pub fn batch_of(dims: &[usize], name: &str, kind: DataType, about: String) -> ValueInfoProto {
    let batch = DimensionProto {
        dim_param: Some("batch".to_owned()),
        ..DimensionProto::default()
    };
    let dims = dims.iter().map(|&dim| DimensionProto {
        dim_value: Some(dim as i64),
        ..DimensionProto::default()
    });
    let tensor_type = TensorTypeProto {
        elem_type: kind as i32,
        shape: Some(TensorShapeProto {
            dim: std::iter::once(batch).chain(dims).collect(),
        }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor_type),
        }),
        doc_string: about,
    }
}
