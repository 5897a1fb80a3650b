//! The ten parameters by name, in one fixed order.

use candle_core::{Device, Tensor, Var};

use crate::architecture::Architecture;
use crate::init::Init;
use crate::{Error, Result};

/// The parameters of a network by PyTorch's names, in the order of the forward pass.
///
/// The order never changes, unlike that of candle's `VarMap`: sums over parameters, files and the
/// state of an optimiser are the same in each process.
#[derive(Debug, Clone)]
pub struct Parameters(Vec<(&'static str, Var)>);

impl Parameters {
    /// Draws every parameter, each by (seed, its name).
    pub(crate) fn draw(
        architecture: &Architecture,
        init: Init,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let shapes = architecture.parameter_shapes();
        let mut parameters = Vec::with_capacity(shapes.len());
        let mut weight_dims = Vec::new();
        for shape in shapes {
            // A layer's weight comes right before its bias.
            if shape.name.ends_with(".weight") {
                weight_dims = shape.dims.clone();
            }
            let count = shape.dims.iter().product();
            let values = init.values(seed, shape.name, count, &weight_dims);
            let var = Var::from_vec(values, shape.dims, device)?;
            parameters.push((shape.name, var));
        }
        Ok(Self(parameters))
    }

    /// Takes the parameters out of named tensors.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape; further tensors are not looked at.
    pub(crate) fn from_tensors(
        architecture: &Architecture,
        tensor: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<Self> {
        let take = |shape: crate::architecture::ParameterShape| {
            let name = shape.name;
            let found = tensor(name).ok_or(Error::MissingTensor { name })?;
            if found.dims() != shape.dims {
                return Err(Error::Shape {
                    name: name.to_owned(),
                    expected: shape.dims,
                    found: found.dims().to_vec(),
                });
            }
            Ok((name, Var::from_tensor(&found)?))
        };
        let shapes = architecture.parameter_shapes().into_iter();
        Ok(Self(shapes.map(take).collect::<Result<_>>()?))
    }

    /// The parameter of a name such as `conv1.weight`.
    pub fn get(&self, name: &str) -> Option<&Var> {
        let mut named = self.0.iter();
        named.find(|(own, _)| *own == name).map(|(_, var)| var)
    }

    /// Name and variable of each parameter, in the fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Var)> {
        self.0.iter().map(|(name, var)| (*name, var))
    }

    /// The variables, in the fixed order, as an optimiser takes them. They share their storage
    /// with the model.
    pub fn vars(&self) -> Vec<Var> {
        self.0.iter().map(|(_, var)| var.clone()).collect()
    }

    /// How many numbers the parameters are.
    pub fn count(&self) -> usize {
        self.0.iter().map(|(_, var)| var.elem_count()).sum()
    }

    /// Copies of the values as they are now, in the fixed order.
    ///
    /// # Errors
    /// The device's own.
    pub fn snapshot(&self) -> Result<Vec<Tensor>> {
        let copy = |(_, var): &(_, Var)| Ok(var.as_detached_tensor().copy()?);
        self.0.iter().map(copy).collect()
    }

    /// Sets the values to those of a [`Parameters::snapshot`]; the model sees them at once.
    ///
    /// # Errors
    /// [`Error::Snapshot`] where it has another number of tensors, [`Error::Shape`] where one has
    /// another shape, and the device's own.
    pub fn restore(&self, snapshot: &[Tensor]) -> Result<()> {
        if snapshot.len() != self.0.len() {
            return Err(Error::Snapshot {
                expected: self.0.len(),
                found: snapshot.len(),
            });
        }
        for ((name, var), value) in std::iter::zip(&self.0, snapshot) {
            if var.dims() != value.dims() {
                return Err(Error::Shape {
                    name: (*name).to_owned(),
                    expected: var.dims().to_vec(),
                    found: value.dims().to_vec(),
                });
            }
        }
        for ((_, var), value) in std::iter::zip(&self.0, snapshot) {
            var.set(value)?;
        }
        Ok(())
    }
}
