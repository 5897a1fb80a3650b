//! LeNet-5 on the engine of lenet-engine, which trains and evaluates it without a graph.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use lenet_engine::engine::{self, Layers, Precision, Purpose};
use lenet_engine::pool::Pool;
use lenet_engine::single::Single;
use lenet_engine::{Activation, ConvLayer, Isa, LinearLayer};

use crate::{Architecture, LeNet5, Result};

impl Architecture {
    /// The layers in the words of lenet-engine.
    ///
    /// # Errors
    /// None for an architecture with a class.
    pub fn layers(&self) -> Result<Layers> {
        let activation = self.activation.into();
        let conv = |in_channels, side, out_channels, padding| ConvLayer {
            in_channels,
            height: side,
            width: side,
            out_channels,
            kernel: 5,
            padding,
            activation,
            pool: true,
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
            linear(features, 120, activation),
            linear(120, 84, activation),
            linear(84, self.classes, Activation::Identity),
        ];
        Ok(Layers::new(vec![conv1, conv2], linears)?)
    }
}

impl LeNet5 {
    /// An engine with this network's parameters as they are now, on the threads of
    /// [`Pool::global`]; `most_images` is the largest batch that it will be given.
    ///
    /// # Errors
    /// Parameters that are not f32, and a precision that this machine does not compute in.
    pub fn to_engine(
        &self,
        purpose: Purpose,
        most_images: usize,
        precision: Precision,
    ) -> Result<engine::Engine> {
        let pool = Arc::clone(Pool::global());
        if precision == Precision::F32 {
            return self.to_engine_on(purpose, most_images, pool, Isa::current());
        }
        let layers = self.architecture().layers()?;
        let mut engine =
            engine::Engine::with_precision(precision, layers, purpose, most_images, pool)?;
        self.give_to_engine(&mut engine)?;
        Ok(engine)
    }

    /// As [`LeNet5::to_engine`] in f32, on other threads and with another instruction set.
    ///
    /// # Errors
    /// Parameters that are not f32.
    pub fn to_engine_on(
        &self,
        purpose: Purpose,
        most_images: usize,
        pool: Arc<Pool>,
        isa: Isa,
    ) -> Result<engine::Engine> {
        let layers = self.architecture().layers()?;
        let mut engine = engine::Engine::new(layers, purpose, most_images, pool, isa);
        self.give_to_engine(&mut engine)?;
        Ok(engine)
    }

    /// Gives this network's parameters to an engine, as they are now.
    ///
    /// # Errors
    /// Parameters that are not f32, and an engine of other layers.
    pub fn give_to_engine(&self, engine: &mut engine::Engine) -> Result<()> {
        let values = self.parameter_values()?;
        let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
        Ok(engine.set_parameters(&values)?)
    }

    /// This network with its parameters as they are now, for one image at a time with the lowest
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
        self.to_single_on(Isa::current())
    }

    /// As [`LeNet5::to_single`], with another instruction set.
    ///
    /// # Errors
    /// Parameters that are not f32.
    pub fn to_single_on(&self, isa: Isa) -> Result<Single> {
        let mut single = Single::new(self.architecture().layers()?, isa);
        let values = self.parameter_values()?;
        let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
        single.set_parameters(&values)?;
        Ok(single)
    }

    /// The values of the parameters, in the order of [`Layers::parameters`].
    fn parameter_values(&self) -> Result<Vec<Vec<f32>>> {
        let values = self.parameters().iter().map(|(_, var)| {
            let values = var.to_device(&Device::Cpu)?.flatten_all()?;
            Ok(values.to_vec1::<f32>()?)
        });
        values.collect()
    }

    /// Takes the parameters over from an engine.
    ///
    /// # Errors
    /// candle's own.
    pub fn set_from_engine(&self, engine: &engine::Engine) -> Result<()> {
        for ((_, var), values) in std::iter::zip(self.parameters().iter(), engine.parameters()) {
            var.set(&Tensor::from_slice(values, var.shape(), var.device())?)?;
        }
        Ok(())
    }
}
