//! A run with an observer of one's own, which ends the training as soon as the validation accuracy is
//! high enough. `lenet report` and `lenet eval` read its folder.
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::Device;
use lenet_run::{DataRecord, Environment, Event, Observer, RunFolder};
use lenet_train::{Backend, Config, Images, Run, Setup};

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
    let record = DataRecord {
        name: "mnist".to_owned(),
        ..DataRecord::default()
    };
    let setup = Setup {
        start: None,
        images: Images::divide(record, lenet_data::embedded::mnist()?, &config)?,
        config,
        backend: Backend::default(),
        device: Device::Cpu,
        environment: Environment::here(),
    };
    let folder = RunFolder::create_numbered(Path::new("runs"), "target")?;
    let mut run = Run::start(folder, setup)?;
    run.fit(&mut [&mut Target(0.975)])?;
    let (summary, _) = run.finish()?;
    println!(
        "test accuracy {:.2} %, in {}",
        100. * summary.test.accuracy.unwrap_or(f64::NAN),
        run.folder().path().display()
    );
    Ok(())
}
