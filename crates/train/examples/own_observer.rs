//! An observer of one's own: the training ends as soon as the validation is good enough.
use std::ops::ControlFlow;

use candle_core::Device;
use lenet_model::LeNet5;
use lenet_train::{Backend, Config, Event, Observer, Progress, fit};

struct Target(f64);

impl Observer for Target {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        if let Event::Epoch(epoch) = event {
            let accuracy = epoch.validation.map_or(0., |scores| scores.accuracy);
            println!("epoch {}: {:.2} %", epoch.epoch, 100. * accuracy);
            if accuracy >= self.0 {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::default();
    let images = lenet_data::embedded::mnist()?.train;
    let (train, validation) = images.split(config.validation, config.seed);
    let network = config.architecture(images.classes());
    let model = LeNet5::new(&network, config.init, config.seed, &Device::Cpu)?;
    fit(
        &model,
        &Backend::default(),
        &train,
        &validation,
        &config,
        &mut Progress::default(),
        &mut |_, _| Ok(()), // Keeps no checkpoint.
        &mut [&mut Target(0.975)],
    )?;
    Ok(())
}
