//! A real coturn, for this test alone, with the configuration that is shipped.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use godwit_testkit::eventually;
use tempfile::TempDir;
use tokio::net::TcpStream;

const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// As operators start it; arguments go before what it says.
const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../k8s/coturn/turnserver.conf");

/// A TURN server; killed when it is dropped.
pub struct Coturn {
    process: Child,
    port: u16,
    log: PathBuf,
    _dir: TempDir,
}

impl Coturn {
    /// As `GODWIT_CALL_TURN_SECRET` has it.
    pub const SECRET: &str = "north";

    /// Starts it.
    pub async fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("godwit-coturn-").tempdir().unwrap();
        let log = dir.path().join("log");
        let output = File::create(&log).unwrap();
        let port = free_port();
        let process = Command::new("turnserver")
            .args(["-c", CONFIGURATION])
            .args(["--verbose", "--no-cli", "--no-tls", "--no-dtls"])
            .arg(format!("--static-auth-secret={}", Self::SECRET))
            .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"])
            .arg(format!("--listening-port={port}"))
            // Both ends of the test are at the loopback address, which no server out there should relay to; coturn lets
            // nobody do that without a password for its command line, which is off.
            .args(["--allow-loopback-peers", "--allowed-peer-ip=127.0.0.1", "--cli-password=unused"])
            .arg(format!("--pidfile={}", dir.path().join("pid").display()))
            .arg(format!("--userdb={}", dir.path().join("users").display()))
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("coturn is installed: scripts/setup test");
        let server = Self { process, port, log, _dir: dir };
        eventually(READY_TIMEOUT, async || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await).await;
        server
    }

    /// As `GODWIT_CALL_TURN_URLS` has them.
    pub fn turn_urls(&self) -> String {
        let port = self.port;
        format!("here=turn:127.0.0.1:{port}?transport=udp,here=turn:127.0.0.1:{port}?transport=tcp")
    }

    /// As `GODWIT_CALL_STUN_URLS` has it.
    pub fn stun_urls(&self) -> String {
        format!("stun:127.0.0.1:{}", self.port)
    }

    /// How many relays it has given to this person so far: their names in its log are `end:user`.
    pub fn relay_count(&self, user_id: &str) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().filter(|line| line.contains("ALLOCATE processed, success") && line.contains(user_id)).count()
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// One that is free for both protocols.
fn free_port() -> u16 {
    let free = (0..100).find_map(|_| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let port = listener.local_addr().ok()?.port();
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|_| port)
    });
    free.expect("a port is free")
}
