//! Every operation in plain loops: specification, fallback and oracle.
//!
//! Sums are accumulated in the element type, in the order of the formula. Nothing here is fast, and
//! nothing here should become so: an optimisation belongs into an operation beside this module,
//! which is then tested against it.
//!
//! Deliberately absent: strides, dilation and groups of convolutions, windows other than 2x2 of
//! poolings, class weights of the loss. LeNet-5 has none of them.

pub mod activation;
pub mod adam;
pub mod avg_pool2d;
pub mod conv2d;
pub mod cross_entropy;
pub mod linear;
pub mod sgd;

/// The derivatives of a scalar by the operands of a layer, each in its operand's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<T> {
    /// By the layer's input.
    pub d_input: Vec<T>,
    /// By its weight.
    pub d_weight: Vec<T>,
    /// By its bias.
    pub d_bias: Vec<T>,
}
