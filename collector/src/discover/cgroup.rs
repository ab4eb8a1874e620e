//! Container and service of a process, from its control group.

/// What a control group's path tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// 64 hexadecimal digits, as every container runtime names its containers.
    pub container_id: Option<Vec<u8>>,
    /// Name of the systemd unit, without `.service`.
    pub unit: Option<Vec<u8>>,
}

const CONTAINER_ID_DIGITS: usize = 64;

/// In: the text of /proc/PID/cgroup.
pub fn parse(text: &[u8]) -> Group {
    let mut group = Group::default();
    for line in text.split(|b| *b == b'\n') {
        let Some(path) = line.splitn(3, |b| *b == b':').nth(2) else { continue };
        for part in path.split(|b| *b == b'/') {
            if let Some(id) = container_id(part) {
                group.container_id = Some(id.to_vec());
            } else if let Some(unit) = part.strip_suffix(b".service") {
                group.unit = Some(unit.to_vec());
            }
        }
    }
    group
}

/// A run of exactly 64 hexadecimal digits: `docker-ID.scope`, `cri-containerd-ID.scope`, `ID`.
fn container_id(part: &[u8]) -> Option<&[u8]> {
    part.split(|b| !b.is_ascii_hexdigit()).find(|run| run.len() == CONTAINER_ID_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_and_units_are_told_from_the_path() {
        let id = "0123456789abcdef".repeat(4);
        for path in [
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("0::/kubepods.slice/kubepods-burstable.slice/kubepods-pod1.slice/cri-containerd-{id}.scope\n"),
            format!("12:cpu:/docker/{id}\n0::/\n"),
        ] {
            assert_eq!(parse(path.as_bytes()).container_id.unwrap(), id.as_bytes(), "{path}");
        }
        assert_eq!(parse(b"0::/system.slice/nginx.service\n"), Group { container_id: None, unit: Some(b"nginx".to_vec()) });
        assert_eq!(parse(b"0::/user.slice/user-0.slice/session-1.scope\n"), Group::default());
        assert_eq!(parse(b""), Group::default());
    }
}
