//! Child processes that are killed (SIGKILL) while they talk to a server.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::{Reply, Server};

/// What a child process is told: the server's address and its folder, with a bar between them.
const CHILD: &str = "TEST_SERVER_CHILD";

/// Calls `work` with the server's address and the folder if this process is a child of [`kill_until_done`]. The test
/// binary must have a test named `child` that calls this.
pub fn child(work: impl FnOnce(&str, &Path)) {
    let Ok(task) = std::env::var(CHILD) else {
        return;
    };
    let (address, out) = task.split_once('|').unwrap();
    work(address, Path::new(out));
}

/// Counts requests and serves none beyond the limit: a child that wants more waits to be killed.
#[derive(Debug, Default)]
pub struct Gate {
    begun: AtomicUsize,
    served: AtomicUsize,
    limit: AtomicUsize,
}

impl Gate {
    pub fn serve(&self, work: impl FnOnce() -> Reply) -> Reply {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let limit = self.limit.load(Ordering::SeqCst);
        if number > limit {
            while self.limit.load(Ordering::SeqCst) == limit {
                std::thread::sleep(Duration::from_millis(1));
            }
            // Its client is dead.
            return Reply::Drop;
        }
        let reply = work();
        self.served.fetch_add(1, Ordering::SeqCst);
        reply
    }

    fn open(&self) {
        self.limit.store(usize::MAX, Ordering::SeqCst);
    }
}

/// Starts children and kills each after `step` further requests, until one ends by itself. Returns the number killed.
pub fn kill_until_done(server: &Server, gate: &Gate, step: usize, out: &Path) -> usize {
    for killed in 0..200 {
        let served = gate.served.load(Ordering::SeqCst);
        let limit = gate.begun.load(Ordering::SeqCst) + step;
        gate.limit.store(limit, Ordering::SeqCst);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child"])
            .env(CHILD, format!("{}|{}", server.address, out.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                gate.open();
                return killed;
            }
            // Every request that was begun is served, so that the next child does not meet one half done.
            if gate.served.load(Ordering::SeqCst) >= served + step {
                child.kill().unwrap();
                child.wait().unwrap();
                break;
            }
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "the child hangs"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    panic!("200 children were killed and the work is still not done");
}
