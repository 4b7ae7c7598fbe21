//! How much memory features may take: half of what is available, the bounds of control groups included.

use std::fs;
use std::path::Path;

/// Limit where the system does not say what is available.
const FALLBACK: u64 = 2 << 30;

/// The default memory limit for features, in bytes: half of the memory that is available now. The other half is for the
/// heads, which work on copies of the columns they select. Where the system does not say, 2 GiB.
#[must_use]
pub fn default_memory_limit() -> u64 {
    available(Path::new("/")).map_or(FALLBACK, |bytes| bytes / 2)
}

/// Available memory in bytes below the file system root `root`: what the system has, or what the tightest control group
/// leaves.
fn available(root: &Path) -> Option<u64> {
    let system = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| field(&text, "MemAvailable:"));
    let system = system.map(|kibibytes| kibibytes.saturating_mul(1024));
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = groups.lines().filter_map(|line| group_available(root, line));
    system.into_iter().chain(groups).min()
}

/// What one line of `/proc/self/cgroup` leaves: `0::/path` (version 2) or `5:memory:/path` (version 1).
fn group_available(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (mount, limit, usage) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max", "memory.current"),
        list if list.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        }
        _ => return None,
    };
    let mount = root.join(mount);
    let own = mount.join(path.trim_start_matches('/'));
    own.ancestors().take_while(|folder| folder.starts_with(&mount)).filter_map(|f| left(f, limit, usage)).min()
}

/// Limit minus use; file contents the system can drop do not count as used.
fn left(folder: &Path, limit: &str, usage: &str) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let droppable = fs::read_to_string(folder.join("memory.stat")).ok().and_then(|text| field(&text, "inactive_file"));
    let used = number(usage)?.saturating_sub(droppable.unwrap_or(0));
    Some(number(limit)?.saturating_sub(used))
}

/// The number after `name` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const SYSTEM: (&str, &str) = ("proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:    4000 kB\n");

    #[test]
    fn the_tightest_bound_wins() {
        assert_eq!(available(root(&[SYSTEM]).path()), Some(4_096_000));
        let version_2 = root(&[
            SYSTEM,
            ("proc/self/cgroup", "0::/job/step\n"),
            ("sys/fs/cgroup/job/memory.max", "1000000\n"),
            ("sys/fs/cgroup/job/memory.current", "600000\n"),
            ("sys/fs/cgroup/job/memory.stat", "anon 1\ninactive_file 100000\n"),
            ("sys/fs/cgroup/job/step/memory.max", "max\n"),
            ("sys/fs/cgroup/job/step/memory.current", "5\n"),
        ]);
        assert_eq!(available(version_2.path()), Some(500_000));
        let version_1 = root(&[
            SYSTEM,
            ("proc/self/cgroup", "7:cpu,cpuacct:/\n5:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000000\n"),
        ]);
        assert_eq!(available(version_1.path()), Some(2_000_000));
        assert_eq!(available(root(&[]).path()), None);
    }

    #[test]
    fn this_machine_has_a_limit() {
        assert!(default_memory_limit() > 1 << 20);
    }
}
