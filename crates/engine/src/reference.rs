//! Every operation in plain loops: the specification, and the oracle of the fast kernels' tests.
//!
//! Sums are accumulated in the element type, in the order of the formula. Nothing here is fast, and
//! nothing here should become so: an optimisation belongs in the [`Engine`](crate::engine::Engine),
//! which is tested against this module.
//!
//! Arrays that contradict their shapes are bugs of the caller: every function panics if an array's
//! length is not what its shape says.
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

/// Checks that an array holds as many elements as its shape says.
fn check<T>(what: &str, shape: &[usize], array: &[T]) {
    let expected: usize = shape.iter().product();
    assert_eq!(array.len(), expected, "{what} should be {shape:?}");
}
