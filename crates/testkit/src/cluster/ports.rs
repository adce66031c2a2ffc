use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context;

/// Below the range that Linux takes ports of outgoing connections from (32768 up), so that none of those can take one
/// between this look and the server's own `bind`.
const FIRST: u16 = 12_000;
const COUNT: u16 = 8_000;

/// A loopback address nobody listens on. Each call of a process gives another one; processes begin at different
/// places.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0).wrapping_mul(61) % COUNT;
    (0..COUNT)
        .map(|_| FIRST + (start + TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .map(|port| SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .context("no free port")
}
