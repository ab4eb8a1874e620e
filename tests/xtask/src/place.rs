//! Where things are: the checkout, what is built, and what is kept between runs.

use std::path::{Path, PathBuf};

use anyhow::Context;

pub struct Place {
    /// The checkout.
    pub root: PathBuf,
    /// cargo's target folder.
    pub target: PathBuf,
    /// Tools that setup installs; shared by all checkouts of this user.
    pub tools: PathBuf,
}

impl Place {
    /// Asked at run time: one built xtask may serve several checkouts.
    pub fn find() -> anyhow::Result<Self> {
        let here = std::env::var_os("CARGO_MANIFEST_DIR").context("xtask is run by cargo: cargo xtask")?;
        let root = Path::new(&here).join("../..").canonicalize().context("cannot find the checkout")?;
        let target = root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
        Ok(Self { root, target, tools: ::tests::tools_folder()? })
    }

    /// Folders in which setup puts programs.
    pub fn tool_folders(&self) -> [PathBuf; 2] {
        [self.tools.join("venv/bin"), self.tools.join("bin")]
    }
}
