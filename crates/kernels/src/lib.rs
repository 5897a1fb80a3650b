//! The operations of LeNet-5, forward and backward, with a naive reference of each.
