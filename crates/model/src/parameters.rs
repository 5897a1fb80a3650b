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
pub struct Parameters([(&'static str, Var); 10]);

impl Parameters {
    /// Draws every parameter, each by (seed, its name).
    pub(crate) fn draw(
        architecture: &Architecture,
        init: Init,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let shapes = architecture.parameter_shapes();
        Self::make(architecture, |index, name, dims| {
            // Each bias follows the weight of its layer, whose shape bounds both.
            let (_, weight_dims) = &shapes[index - index % 2];
            let values = init.values(seed, name, dims.iter().product(), weight_dims);
            Ok(Var::from_vec(values, dims, device)?)
        })
    }

    /// Takes the parameters out of named tensors.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape; further tensors are not looked at.
    pub(crate) fn from_tensors(
        architecture: &Architecture,
        tensor: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<Self> {
        Self::make(architecture, |_, name, dims| {
            let found = tensor(name).ok_or_else(|| missing(name))?;
            check_shape(name, dims, found.dims())?;
            Ok(Var::from_tensor(&found)?)
        })
    }

    /// Makes each variable of (index, name, shape).
    fn make(
        architecture: &Architecture,
        var: impl Fn(usize, &'static str, &[usize]) -> Result<Var>,
    ) -> Result<Self> {
        let shapes = architecture.parameter_shapes();
        let vars = shapes
            .iter()
            .enumerate()
            .map(|(index, (name, dims))| Ok((*name, var(index, name, dims)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self(vars.try_into().expect("ten shapes, ten variables")))
    }

    /// Weight and bias of each layer, sharing storage and identity with the variables.
    pub fn layers(&self) -> [(Tensor, Tensor); 5] {
        let tensor = |index: usize| self.0[index].1.as_tensor().clone();
        std::array::from_fn(|layer| (tensor(2 * layer), tensor(2 * layer + 1)))
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

    /// The values as they are now, in the fixed order.
    ///
    /// # Errors
    /// Parameters that are not f32, and the device's own.
    pub fn values(&self) -> Result<Vec<Vec<f32>>> {
        let values = |(_, var): &(_, Var)| Ok(var.flatten_all()?.to_vec1()?);
        self.0.iter().map(values).collect()
    }

    /// Sets the values, in the fixed order; the model sees them at once.
    ///
    /// # Errors
    /// Another number of values than a parameter has, and the device's own.
    pub fn set_values<'a>(&self, values: impl Iterator<Item = &'a [f32]>) -> Result<()> {
        self.restore(&self.tensors(values)?)
    }

    /// Values in the fixed order as tensors of the parameters' shapes.
    ///
    /// # Errors
    /// Another number of values than a parameter has, and the device's own.
    pub fn tensors<'a>(&self, values: impl Iterator<Item = &'a [f32]>) -> Result<Vec<Tensor>> {
        std::iter::zip(&self.0, values)
            .map(|((_, var), values)| Ok(Tensor::from_slice(values, var.shape(), var.device())?))
            .collect()
    }

    /// Copies of the values as tensors, in the fixed order.
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
    /// Another number of tensors, a tensor of another shape, and the device's own.
    pub fn restore(&self, snapshot: &[Tensor]) -> Result<()> {
        if snapshot.len() != self.0.len() {
            return Err(Error::internal(format!(
                "a snapshot of {} parameters for a network of {}",
                snapshot.len(),
                self.0.len()
            )));
        }
        for ((name, var), value) in std::iter::zip(&self.0, snapshot) {
            check_shape(name, var.dims(), value.dims())?;
        }
        for ((_, var), value) in std::iter::zip(&self.0, snapshot) {
            var.set(value)?;
        }
        Ok(())
    }
}

/// The error for a file that lacks a tensor.
pub(crate) fn missing(name: &str) -> Error {
    Error::input(format!("there is no tensor {name}"))
}

fn check_shape(name: &str, expected: &[usize], found: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::input(format!(
        "the tensor {name} has the shape {found:?}, expected {expected:?}"
    )))
}
