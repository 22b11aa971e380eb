//! The memory limit of the container this process runs in: control groups, version 2 and version 1.
//!
//! Pure but for reading files below a root, which is `/` in production and a sample tree in tests. A group's limit binds all
//! groups below it, so the smallest on the way up counts. Where a group is named from outside of the container (version 1
//! without a name space), its folder does not exist, and only the root of the mount is found, which then is the container's.

use std::fs;
use std::path::Path;

/// Files of a version 2 group that bound its memory.
const V2: [&str; 2] = ["memory.max", "memory.high"];
/// The file of a version 1 group.
const V1: [&str; 1] = ["memory.limit_in_bytes"];
/// From here on a version 1 limit means none: it writes the largest multiple of a page.
const NONE: u64 = 1 << 62;

/// The smallest memory limit in bytes that the control groups of this process set; `None` when they set none, or where there
/// are no control groups.
pub(crate) fn memory_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mount = root.join("sys/fs/cgroup");
    let limits = groups.lines().filter_map(|line| {
        // number:controllers:path, where version 2 has number 0 and no controllers.
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        if number == "0" && controllers.is_empty() {
            smallest(&mount, path, &V2)
        } else if controllers.split(',').any(|controller| controller == "memory") {
            smallest(&mount.join("memory"), path, &V1)
        } else {
            None
        }
    });
    limits.min()
}

/// The smallest limit in `files` of the group `path` below `mount` and of all above it.
fn smallest(mount: &Path, path: &str, files: &[&str]) -> Option<u64> {
    let path = Path::new(path.trim_start_matches('/'));
    let limits = path.ancestors().flat_map(|group| files.iter().map(move |file| group.join(file)));
    let read = |file: std::path::PathBuf| {
        let text = fs::read_to_string(mount.join(file)).ok()?;
        text.trim().parse().ok().filter(|&bytes| bytes < NONE) // version 2 writes "max"
    };
    limits.filter_map(read).min()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A file tree of this test's own, removed at its end.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Tree {
            let root = std::env::temp_dir().join(format!("greyset-{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                fs::write(path, text).expect("written");
            }
            Tree(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn limit(name: &str, files: &[(&str, &str)]) -> Option<u64> {
        memory_limit(&Tree::new(name, files).0)
    }

    #[test]
    fn version_2() {
        let group = ("proc/self/cgroup", "0::/user.slice/app.service\n");
        let of = |name, max: &str, above: &str, high: &str| {
            limit(
                name,
                &[
                    group,
                    ("sys/fs/cgroup/user.slice/app.service/memory.max", max),
                    ("sys/fs/cgroup/user.slice/app.service/memory.high", high),
                    ("sys/fs/cgroup/user.slice/memory.max", above),
                ],
            )
        };
        assert_eq!(of("v2-own", "536870912\n", "max\n", "max\n"), Some(512 << 20));
        assert_eq!(of("v2-above", "536870912\n", "268435456\n", "max\n"), Some(256 << 20));
        assert_eq!(of("v2-high", "536870912\n", "max\n", "1048576\n"), Some(1 << 20));
        assert_eq!(of("v2-none", "max\n", "max\n", "max\n"), None);
        // In a name space of its own the container sees itself as the root.
        let root = [("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "1073741824\n")];
        assert_eq!(limit("v2-root", &root), Some(1 << 30));
    }

    #[test]
    fn version_1() {
        let groups = (
            "proc/self/cgroup",
            "12:pids:/x\n5:cpu,cpuacct:/docker/0a1b\n4:memory:/docker/0a1b\n0::/other\n",
        );
        let own = "sys/fs/cgroup/memory/docker/0a1b/memory.limit_in_bytes";
        let root = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        let unlimited = "9223372036854771712\n";
        assert_eq!(limit("v1-own", &[groups, (own, "268435456\n"), (root, unlimited)]), Some(256 << 20));
        // The group's folder is not visible inside the container: its own is the mount's root.
        assert_eq!(limit("v1-inside", &[groups, (root, "134217728\n")]), Some(128 << 20));
        assert_eq!(limit("v1-none", &[groups, (own, unlimited), (root, unlimited)]), None);
    }

    #[test]
    fn no_groups_no_limit() {
        assert_eq!(limit("no-files", &[]), None);
        assert_eq!(limit("odd-files", &[("proc/self/cgroup", "rubbish\n:::\n0::/a\n")]), None);
        let odd = [("proc/self/cgroup", "0::/a\n"), ("sys/fs/cgroup/a/memory.max", "lots\n")];
        assert_eq!(limit("odd-limit", &odd), None);
    }
}
