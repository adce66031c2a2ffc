use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context;

/// Below the range that Linux takes ports of outgoing connections from (32768 up), so that none of those can take one
/// between this look and the server's own `bind`.
const FIRST: u16 = 12_000;
const COUNT: u16 = 8_000;

/// A port nobody listens on at the loopback, with this address, which may be one of another network. Each call of a process
/// gives another port; processes begin at different places.
pub(super) fn free_address(host: IpAddr) -> anyhow::Result<SocketAddr> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0).wrapping_mul(61) % COUNT;
    (0..COUNT)
        .map(|_| FIRST + (start + TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .map(|port| SocketAddr::new(host, port))
        .context("no free port")
}
