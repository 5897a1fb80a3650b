//! The way from a model to lenet-engine, which runs, trains and evaluates it without a graph.

use std::sync::Arc;

use lenet_engine::engine::{Engine, Layers, Precision, Purpose, Setup};
use lenet_engine::pool::Pool;
use lenet_engine::single::Single;
use lenet_engine::{ConvLayer, Isa, LinearLayer};

use crate::{Architecture, LeNet5, Result};

impl Architecture {
    /// The layers as lenet-engine describes them.
    ///
    /// # Errors
    /// None for an architecture with 1 to 256 classes.
    pub fn layers(&self) -> Result<Layers> {
        let activation = self.activation;
        let conv = |in_channels, side, out_channels, padding| ConvLayer {
            in_channels,
            height: side,
            width: side,
            out_channels,
            padding,
            activation,
        };
        let linear = |in_features, out_features, activation| LinearLayer {
            in_features,
            out_features,
            activation,
        };
        let conv1 = conv(1, 28, 6, self.padding.pixels());
        let [maps, side, _] = conv1.output();
        let conv2 = conv(maps, side, 16, 0);
        let features = conv2.output().iter().product();
        let linears = vec![
            linear(features, 120, Some(activation)),
            linear(120, 84, Some(activation)),
            linear(84, self.classes, None),
        ];
        Ok(Layers::new(vec![conv1, conv2], linears)?)
    }
}

impl LeNet5 {
    /// An engine with this network's parameters as they are now, for batches of up to `most_images`
    /// images on the threads of `pool`: usually [`Pool::global`], or a pool of its own for a network
    /// that runs beside others. [`Parameters::set_values`](crate::Parameters::set_values) takes
    /// trained parameters back.
    ///
    /// # Errors
    /// Parameters that are not f32, and a precision that this machine does not compute in.
    pub fn to_engine(
        &self,
        purpose: Purpose,
        most_images: usize,
        precision: Precision,
        pool: Arc<Pool>,
    ) -> Result<Engine> {
        let layers = self.architecture().layers()?;
        let setup = Setup {
            purpose,
            precision,
            most_images,
            pool,
            isa: Isa::current(),
        };
        let mut engine = Engine::new(layers, setup)?;
        let values = self.parameters().values()?;
        engine.set_parameters(&slices(&values))?;
        Ok(engine)
    }

    /// The network with its parameters as they are now, for one image at a time with the lowest
    /// latency.
    ///
    /// ```
    /// use lenet_engine::Pixels;
    /// use lenet_model::{Architecture, Init, LeNet5};
    ///
    /// let device = candle_core::Device::Cpu;
    /// let model = LeNet5::new(&Architecture::default(), Init::default(), 1, &device)?;
    /// let mut single = model.to_single()?;
    /// let logits = single.logits(Pixels::Floats(&[0.0; 28 * 28]));
    /// assert_eq!(logits.len(), 10);
    /// # Ok::<_, lenet_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// Parameters that are not f32.
    pub fn to_single(&self) -> Result<Single> {
        let mut single = Single::new(self.architecture().layers()?, Isa::current());
        let values = self.parameters().values()?;
        single.set_parameters(&slices(&values))?;
        Ok(single)
    }
}

fn slices(values: &[Vec<f32>]) -> Vec<&[f32]> {
    values.iter().map(Vec::as_slice).collect()
}
