//! A user without privileges, for servers that refuse to be root.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::processes::program;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The first of these users that this machine has.
    pub fn find(names: &[&str]) -> anyhow::Result<Self> {
        let accounts = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let found = names.iter().find_map(|name| account(&accounts, name));
        found.with_context(|| format!("none of {names:?} is a user here"))
    }

    /// Gives this user a folder.
    pub fn own(&self, folder: &Path) -> anyhow::Result<()> {
        chown(folder, Some(self.uid), Some(self.gid)).with_context(|| format!("cannot give away {}", folder.display()))
    }

    /// A program as this user; it must end with us, and the change of user forgets that.
    pub fn command(&self, name: &Path, folder: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(program("setpriv")?);
        command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.gid));
        command.args(["--clear-groups", "--pdeathsig", "KILL", "--"]).arg(name);
        command.current_dir(folder);
        Ok(command)
    }
}

/// From the line `name:x:uid:gid:…`.
fn account(accounts: &str, name: &str) -> Option<Account> {
    let mut fields = accounts.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?.skip(2);
    Some(Account { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_numbers() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgres:x:107:114:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(account(accounts, "postgres"), Some(Account { uid: 107, gid: 114 }));
        assert_eq!(account(accounts, "post"), None);
    }
}
