//! Adam on candle's variables, in place.

use std::sync::Mutex;

use candle_core::backend::BackendStorage as _;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Var};

use super::floats;
use crate::blocked::adam;
use crate::reference::adam::Settings;
use crate::{Error, Isa};

const OP: &str = "adam";

/// Adam, Kingma and Ba 2015, <https://arxiv.org/abs/1412.6980>, on f32 variables of the CPU.
///
/// With weight decay it is AdamW, and variables of one axis, which are biases, do not decay.
/// Parameters and moments are changed in place, in one pass over each; the definition is
/// [`reference::adam`](crate::reference::adam).
#[derive(Debug)]
pub struct Adam {
    /// The settings of the next step.
    pub settings: Settings,
    vars: Vec<Var>,
    moments: Vec<Mutex<[Vec<f32>; 2]>>,
    step: u64,
}

impl Adam {
    /// For these variables; the moments begin at 0.
    pub fn new(vars: Vec<Var>, settings: Settings) -> Self {
        let zeros = |var: &Var| vec![0.0; var.elem_count()];
        let moments = vars.iter().map(|var| Mutex::new([zeros(var), zeros(var)]));
        Self {
            settings,
            moments: moments.collect(),
            vars,
            step: 0,
        }
    }

    /// One step. A variable without a gradient keeps its value and its moments.
    ///
    /// # Errors
    /// Settings out of their range; variables or gradients that are not f32 on the CPU, and a variable that is not contiguous.
    pub fn step(&mut self, gradients: &GradStore) -> Result<()> {
        self.settings.check()?;
        self.step += 1;
        for (var, moments) in std::iter::zip(&self.vars, &self.moments) {
            if let Some(gradient) = gradients.get(var) {
                var.inplace_op2(
                    gradient,
                    &Update {
                        step: adam::Step::new(&self.settings, self.step, 1.0, var.rank() > 1),
                        moments,
                    },
                )?;
            }
        }
        Ok(())
    }
}

struct Update<'a> {
    step: adam::Step,
    moments: &'a Mutex<[Vec<f32>; 2]>,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        parameters: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let gradient = floats(OP, gradient, gradient_layout)?;
        let dtype = parameters.dtype();
        let (CpuStorage::F32(all), Some((from, to))) = (parameters, layout.contiguous_offsets())
        else {
            candle_core::bail!("{OP}: a variable should be contiguous and f32, got {dtype:?}")
        };
        let own = &mut all[from..to];
        let mut moments = self
            .moments
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let [first, second] = &mut *moments;
        if gradient.len() != own.len() || first.len() != own.len() {
            let error = Error::Length {
                op: OP,
                operand: "gradient",
                expected: vec![own.len()],
                got: gradient.len(),
            };
            return Err(error.into());
        }
        let state = adam::State {
            parameters: own.as_mut_ptr(),
            first: first.as_mut_ptr(),
            second: second.as_mut_ptr(),
        };
        // SAFETY: all four are equally long, and borrowed mutably where they are written to.
        unsafe {
            adam::update(
                Isa::current(),
                &self.step,
                own.len(),
                gradient.as_ptr(),
                state,
            )
        };
        Ok(())
    }
}
