//! A disk without room.

use std::path::{Path, PathBuf};
use std::time::Duration;

use colony_bus::log::{AppendError, Outcome};
use colony_bus::{Bus, WriteError};
use colony_server::{ConfigFile, Node, NodeConfig};
use colony_tests::harness::{Audit, Load, Said, draft, options, server, within};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(600);

fn full(error: &WriteError) -> bool {
    matches!(error, WriteError::Append(AppendError::Full { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_of_the_store_appends_are_refused_and_nothing_is_lost() {
    within(LIMIT, "a store at its limit", async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nats.conf");
        let write = |bytes: u64| {
            let text = format!(
                "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\njetstream: {{ store_dir: {:?}, max_file_store: {bytes} }}\n",
                dir.path().join("data").display().to_string()
            );
            std::fs::write(&path, text).unwrap();
        };
        write(4 << 20);
        let file = ConfigFile { path: path.clone(), ..ConfigFile::default() };
        let config = NodeConfig::new("small", dir.path().join("small")).with_file(file);
        let node = Node::start(&server().await, config.clone()).await.unwrap();
        let bus = Bus::connect(options("writer", &node.url())).await.unwrap();
        let mut load = Load::new();
        load.add(&bus, "writer", 16, 1_000, 2_000);
        let mut told = load.finish().await;
        let refused: Vec<&WriteError> = told.iter().flatten().filter_map(|(_, said)| match said {
            Said::Refused(error) => Some(error),
            Said::Acknowledged(_) | Said::Unknown(_) => None,
        }).collect();
        assert!(!refused.is_empty());
        assert!(refused.iter().all(|error| full(error) && error.is_retryable()), "{refused:?}");
        let audit = Audit::of(&bus).await;
        let (_, unknown, _) = audit.hold_against(&told);
        assert_eq!(unknown, 0, "the server says that it stored nothing");
        drop(bus);
        node.stop().await.unwrap();

        write(64 << 20);
        let node = Node::start(&server().await, config).await.unwrap();
        let bus = Bus::connect(options("writer", &node.url())).await.unwrap();
        let mut load = Load::new();
        load.add(&bus, "again", 16, 100, 2_000);
        told.extend(load.finish().await);
        Audit::of(&bus).await.hold_against(&told);
    })
    .await;
}

/// A small file system of its own, where this process may make one.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    #[cfg(target_os = "linux")]
    fn mount(megabytes: u32) -> Option<Self> {
        use rustix::mount::{MountFlags, mount};
        let dir = tempfile::tempdir().unwrap();
        let size = std::ffi::CString::new(format!("size={megabytes}m")).unwrap();
        mount("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), Some(size.as_c_str())).ok()?;
        Some(Self { dir })
    }

    #[cfg(not(target_os = "linux"))]
    fn mount(_: u32) -> Option<Self> {
        None
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        let _ = rustix::mount::unmount(self.dir.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

fn filler(disk: &SmallDisk) -> PathBuf {
    disk.path().join("filler")
}

/// What keeps a server from writing more: a small file system; where none can be mounted, a limit on the size of its
/// files, which a write runs into as into a full disk.
enum Shortage {
    Disk(SmallDisk),
    Files(TempDir),
}

impl Shortage {
    fn new() -> Self {
        match SmallDisk::mount(24) {
            Some(disk) => {
                std::fs::write(filler(&disk), vec![0; 12 << 20]).unwrap();
                Self::Disk(disk)
            }
            None => Self::Files(tempfile::tempdir().unwrap()),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Disk(disk) => disk.path(),
            Self::Files(dir) => dir.path(),
        }
    }

    /// Lets it begin. The disk is nearly full by itself.
    fn begin(&self, node: &Node) {
        match self {
            Self::Disk(_) => {}
            Self::Files(_) => limit_files(node.pid().unwrap(), 2 << 20),
        }
    }

    /// Makes room. A limit goes with the process.
    fn end(&self) {
        match self {
            Self::Disk(disk) => std::fs::remove_file(filler(disk)).unwrap(),
            Self::Files(_) => {}
        }
    }
}

fn limit_files(pid: u32, bytes: u64) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_acknowledged_is_lost_and_it_goes_on_once_there_is_room() {
    within(LIMIT, "a full disk", async {
        let shortage = Shortage::new();
        let config = NodeConfig::new("small", shortage.path().join("small"));
        let mut node = Node::start(&server().await, config).await.unwrap();
        shortage.begin(&node);
        let bus = Bus::connect(options("writer", &node.url())).await.unwrap();
        let mut load = Load::new();
        load.add(&bus, "writer", 16, usize::MAX, 2_000);
        // Until the disk is full.
        loop {
            let acknowledged = load.acknowledged.now();
            let more = load.acknowledged.more(1);
            if tokio::time::timeout(Duration::from_secs(5), more).await.is_err()
                && load.acknowledged.now() == acknowledged
            {
                break;
            }
        }
        load.stop();
        shortage.end();
        // A server whose disk was full has switched its storage off until it is started again.
        node.restart().await.unwrap();
        let mut told = load.finish().await;

        let error = bus.publish(draft("after", 10)).await.unwrap().await;
        let receipt = error.expect("there is room again");
        told.push(vec![("after".to_owned(), Said::Acknowledged(receipt))]);
        let audit = Audit::of(&bus).await;
        audit.hold_against(&told);
        for (_, said) in told.iter().flatten() {
            if let Said::Refused(error) = said {
                assert_eq!(error.outcome(), Outcome::NotApplied);
                assert!(error.is_retryable(), "{error}");
            }
        }
    })
    .await;
}
