//! Which processors serve and which ask: halves, so that a server and its client do not push each other about. earshot may use all.
//!
//! On a single processor nothing is bound.

use std::process::Command;

use super::timed::carry;

pub struct Placement {
    halves: Option<(String, String)>,
}

impl Placement {
    pub fn find() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
        Self { halves: halves(&numbers(list)) }
    }

    pub fn server(&self, command: Command) -> Command {
        bound(self.halves.as_ref().map(|halves| &halves.0), command)
    }

    pub fn client(&self, command: Command) -> Command {
        bound(self.halves.as_ref().map(|halves| &halves.1), command)
    }

    pub fn text(&self) -> String {
        match &self.halves {
            Some((server, client)) => format!("servers on CPU {server}, clients on CPU {client}, earshot on any"),
            None => "servers, clients and earshot on the same CPU".to_owned(),
        }
    }
}

/// taskset(1) becomes the program, so that its process id stays the server's.
fn bound(cpus: Option<&String>, command: Command) -> Command {
    let Some(cpus) = cpus else { return command };
    let mut outer = Command::new("taskset");
    outer.arg("-c").arg(cpus);
    carry(&mut outer, &command);
    outer
}

fn halves(cpus: &[u32]) -> Option<(String, String)> {
    let (servers, clients) = cpus.split_at(cpus.len() / 2);
    let text = |cpus: &[u32]| cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    (!servers.is_empty()).then(|| (text(servers), text(clients)))
}

/// Of a list like '0-3,8': 0, 1, 2, 3, 8.
fn numbers(list: &str) -> Vec<u32> {
    let ranges = list.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_halves() {
        assert_eq!(numbers("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(halves(&numbers("0-3,8")), Some(("0,1".to_owned(), "2,3,8".to_owned())));
        assert_eq!(halves(&numbers("0-1")), Some(("0".to_owned(), "1".to_owned())));
        assert_eq!(halves(&numbers("5")), None);
        assert_eq!(halves(&numbers("")), None);
    }
}
