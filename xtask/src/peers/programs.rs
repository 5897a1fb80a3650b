//! Which peers there are, and how each is built and started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::python;
use crate::run::{Workspace, checked};

/// Where the programs of the peers lie, from the root.
const FOLDER: &str = "benches/peers";

/// Keeps ATen, oneDNN, MKL and TorchInductor from AVX-512.
const AVX2: &[(&str, &str)] = &[
    ("ATEN_CPU_CAPABILITY", "avx2"),
    ("DNNL_MAX_CPU_ISA", "AVX2"),
    ("ONEDNN_MAX_CPU_ISA", "AVX2"),
    ("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
    ("TORCHINDUCTOR_CPP_MARCH", "x86-64-v3"),
];

/// A row of the comparison.
pub struct Spec {
    pub name: &'static str,
    pub program: Program,
    pub environment: &'static [(&'static str, &'static str)],
}

pub enum Program {
    /// The program `peer` of the package lenet-benches.
    Ours,
    /// A crate of its own in this folder; its program is called `peer-` and the folder's name.
    Rust(&'static str),
    Python {
        script: &'static str,
        mode: &'static str,
    },
}

/// What every peer is compared with.
pub const OURS: Spec = Spec {
    name: "lenet",
    program: Program::Ours,
    environment: &[],
};

pub const PEERS: &[Spec] = &[
    Spec {
        name: "candle",
        program: Program::Rust("candle"),
        environment: &[],
    },
    Spec {
        name: "burn",
        program: Program::Rust("burn"),
        environment: &[],
    },
    pytorch("pytorch-eager", "eager", &[]),
    pytorch("pytorch-compile", "compile", &[]),
    pytorch("pytorch-step", "step", &[]),
    pytorch("pytorch-bf16", "bf16", &[]),
    pytorch("pytorch-bf16-step", "bf16-step", &[]),
    pytorch("pytorch-avx2", "step", AVX2),
    Spec {
        name: "onnxruntime",
        program: Program::Python {
            script: "ort.py",
            mode: "f32",
        },
        environment: &[],
    },
];

const fn pytorch(
    name: &'static str,
    mode: &'static str,
    environment: &'static [(&'static str, &'static str)],
) -> Spec {
    let script = "pytorch.py";
    Spec {
        name,
        program: Program::Python { script, mode },
        environment,
    }
}

/// Builds what the peers need, each thing once and only when a peer asks for it.
pub struct Programs<'a> {
    workspace: &'a Workspace,
    /// Of all that the comparison writes.
    folder: PathBuf,
    /// The program `peer` of the package lenet-benches.
    ours: PathBuf,
    /// An installation of minutes that has failed is not tried again for each mode of PyTorch.
    python: Option<Result<PathBuf, String>>,
}

impl<'a> Programs<'a> {
    /// Builds our own program, without which there is no comparison.
    pub fn new(workspace: &'a Workspace) -> Result<Self> {
        let mut command = workspace.cargo("build");
        checked(command.args(["--release", "--package", "lenet-benches", "--bin", "peer"]))?;
        Ok(Self {
            workspace,
            folder: workspace.target.join("peers"),
            ours: workspace.target.join("release/peer"),
            python: None,
        })
    }

    /// Where the comparison writes to.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command that starts a peer, without the arguments that all of them understand.
    pub fn command(&mut self, spec: &Spec) -> Result<Command> {
        let mut command = match spec.program {
            Program::Ours => Command::new(&self.ours),
            Program::Rust(name) => Command::new(self.rust(name)?),
            Program::Python { script, mode } => {
                let mut command = Command::new(self.python()?);
                let script = self.workspace.root.join(FOLDER).join(script);
                command.arg(script).args(["--mode", mode]);
                command
            }
        };
        command
            .envs(spec.environment.iter().copied())
            // What they leave behind belongs in target/.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TORCHINDUCTOR_CACHE_DIR", self.folder.join("inductor"));
        Ok(command)
    }

    /// The folder with MNIST's IDX files, written by our program out of itself.
    pub fn data(&self) -> Result<PathBuf> {
        let folder = self.folder.join("mnist");
        checked(Command::new(&self.ours).arg("write-data").arg(&folder))?;
        Ok(folder)
    }

    fn rust(&self, name: &str) -> Result<PathBuf> {
        let target = self.folder.join(name);
        let manifest = self.workspace.root.join(FOLDER).join(name);
        let cargo = self.workspace.cargo("build");
        // Not `Workspace::cargo` itself: the peer is a workspace of its own.
        let mut command = Command::new(cargo.get_program());
        command
            .args(["build", "--release", "--locked", "--manifest-path"])
            .arg(manifest.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target);
        checked(&mut command)?;
        Ok(target.join("release").join(format!("peer-{name}")))
    }

    fn python(&mut self) -> Result<PathBuf> {
        let install = || {
            if let Some(python) = std::env::var_os("LENET_PEERS_PYTHON") {
                return Ok(PathBuf::from(python));
            }
            let requirements = self.workspace.root.join(FOLDER).join("requirements.txt");
            python::install(&self.workspace.target.join("peers-venv"), &requirements)
                .map_err(|error| format!("{error:#}"))
        };
        let python = self.python.get_or_insert_with(install).clone();
        python
            .map_err(anyhow::Error::msg)
            .context("no Python for it")
    }
}
