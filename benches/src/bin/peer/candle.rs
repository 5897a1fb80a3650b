//! LeNet-5 as one writes it with candle alone: its layers, its loss, its optimiser, its backward
//! pass.

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::loss::cross_entropy;
use candle_nn::{
    AdamW, Conv2d, Conv2dConfig, Linear, Optimizer as _, ParamsAdamW, VarBuilder, VarMap, conv2d,
    linear,
};

use crate::harness::{PIXELS, Peer, Result, scaled};

struct LeNet5 {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet5 {
    fn new(vb: &VarBuilder) -> candle_core::Result<Self> {
        let plain = Conv2dConfig::default();
        let padded = Conv2dConfig {
            padding: 2,
            ..plain
        };
        Ok(Self {
            conv1: conv2d(1, 6, 5, padded, vb.pp("conv1"))?,
            conv2: conv2d(6, 16, 5, plain, vb.pp("conv2"))?,
            fc1: linear(400, 120, vb.pp("fc1"))?,
            fc2: linear(120, 84, vb.pp("fc2"))?,
            fc3: linear(84, 10, vb.pp("fc3"))?,
        })
    }

    fn forward(&self, pixels: &[u8]) -> candle_core::Result<Tensor> {
        let shape = (pixels.len() / PIXELS, 1, 28, 28);
        let x = Tensor::from_vec(scaled(pixels), shape, &Device::Cpu)?;
        let x = self.conv1.forward(&x)?.relu()?.avg_pool2d(2)?; // (B, 6, 14, 14)
        let x = self.conv2.forward(&x)?.relu()?.avg_pool2d(2)?; // (B, 16, 5, 5)
        let x = x.flatten_from(1)?; // (B, 400)
        let x = self.fc1.forward(&x)?.relu()?;
        let x = self.fc2.forward(&x)?.relu()?;
        self.fc3.forward(&x)
    }
}

pub struct Candle {
    model: LeNet5,
    /// The same storage as constants: inference records no graph.
    inference: LeNet5,
    adam: AdamW,
}

impl Candle {
    pub fn new() -> Result<Self> {
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let model = LeNet5::new(&builder)?;
        let named = variables.data().lock().map_err(|error| error.to_string())?;
        let constants = named
            .iter()
            .map(|(name, variable)| (name.clone(), variable.as_detached_tensor()))
            .collect();
        drop(named);
        // AdamW without weight decay is Adam.
        let adam = ParamsAdamW {
            lr: 1e-3,
            weight_decay: 0.,
            ..ParamsAdamW::default()
        };
        Ok(Self {
            model,
            inference: LeNet5::new(&VarBuilder::from_tensors(
                constants,
                DType::F32,
                &Device::Cpu,
            ))?,
            adam: AdamW::new(variables.all_vars(), adam)?,
        })
    }
}

impl Peer for Candle {
    fn step(&mut self, pixels: &[u8], labels: &[u8]) -> Result<()> {
        let labels = labels.iter().map(|&label| u32::from(label));
        let labels = Tensor::from_iter(labels, &Device::Cpu)?;
        let loss = cross_entropy(&self.model.forward(pixels)?, &labels)?;
        Ok(self.adam.backward_step(&loss)?)
    }

    fn logits(&mut self, pixels: &[u8]) -> Result<Vec<f32>> {
        Ok(self.inference.forward(pixels)?.flatten_all()?.to_vec1()?)
    }
}
