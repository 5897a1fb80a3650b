//! A trained network in the formats of other tools.
//!
//! | format | function | for |
//! |---|---|---|
//! | ONNX, f32 or int8 | [`onnx`], [`onnx_int8`] | onnxruntime, tract, TensorRT, OpenVINO, browsers |
//! | a C header, int8 | [`c_header`] | microcontrollers |
//! | a folder of three files | [`hugging_face`] | the Hugging Face hub |
//!
//! The safetensors file of [`Weights::to_bytes`](lenet_model::Weights::to_bytes) is a format of other
//! tools too: [`pytorch`] is the code that loads it. The functions return bytes and text; the caller
//! writes files.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod c_header;
mod graph;
mod hugging_face;
mod messages;
mod onnx;
mod pytorch;
pub mod quantize;

pub use c_header::c_header;
pub use hugging_face::{Card, CardDataset, Figures, hugging_face};
pub use onnx::{OnnxInput, onnx, onnx_int8};
pub use pytorch::pytorch;
