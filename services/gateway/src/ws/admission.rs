use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use godwit_live::TokenBucket;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits::{Bucket, subscriber};
use crate::{Config, Error};

/// When an address that has all the sockets it may have is told to try again.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(10);

/// Decides whether one more socket is taken, before anything is done for it.
pub struct Admission {
    sockets_max: usize,
    sockets: AtomicUsize,
    /// 0 for as many as there may be.
    per_address_max: u32,
    by_address: Mutex<HashMap<IpAddr, u32>>,
    handshakes: Mutex<Bucket>,
    /// The last socket is gone.
    emptied: Notify,
}

/// The place of one socket, from its handshake on; free again when it is dropped.
pub struct Place {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
}

impl Admission {
    /// One that has admitted nobody yet.
    pub fn new(config: &Config) -> Self {
        let handshakes = TokenBucket {
            capacity: config.handshakes_per_sec.saturating_mul(2),
            refill_per_sec: config.handshakes_per_sec.into(),
        };
        Self {
            sockets_max: usize::try_from(config.max_sockets).unwrap_or(usize::MAX),
            sockets: AtomicUsize::new(0),
            per_address_max: config.sockets_per_address,
            by_address: Mutex::default(),
            handshakes: Mutex::new(Bucket::new(handshakes)),
            emptied: Notify::new(),
        }
    }

    /// Takes one more socket, of a client at this address.
    ///
    /// # Errors
    /// When there are too many, or too many come at once.
    pub fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Error> {
        self.handshakes.lock().take().map_err(|retry_after| Error::HandshakesLimited { retry_after })?;
        let more = |sockets: usize| (sockets < self.sockets_max).then_some(sockets + 1);
        self.sockets.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).map_err(|_| Error::Overloaded)?;
        let mut place = Place { admission: Arc::clone(self), address: None };
        if let Some(address) = address.map(subscriber).filter(|_| self.per_address_max > 0) {
            let mut by_address = self.by_address.lock();
            let sockets = by_address.entry(address).or_default();
            if *sockets >= self.per_address_max {
                drop(by_address);
                return Err(Error::AddressFull { retry_after: FULL_RETRY_AFTER });
            }
            *sockets += 1;
            place.address = Some(address);
        }
        Ok(place)
    }

    /// Waits until no socket is left.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.sockets.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.admission.sockets.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.admission.emptied.notify_waiters();
        }
        let Some(address) = self.address else { return };
        let mut by_address = self.admission.by_address.lock();
        if let Entry::Occupied(mut sockets) = by_address.entry(address) {
            *sockets.get_mut() -= 1;
            if *sockets.get() == 0 {
                sockets.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn admission(options: &[&str]) -> Arc<Admission> {
        let command = Config::augment_args(clap::Command::new("test"));
        let matches = command.get_matches_from(["test"].iter().chain(options));
        Arc::new(Admission::new(&Config::from_arg_matches(&matches).unwrap()))
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_place_is_free_again_when_its_socket_is_gone() {
        let admission = admission(&["--gateway-max-sockets=2"]);
        let first = admission.enter(None).unwrap();
        let _second = admission.enter(None).unwrap();
        assert!(matches!(admission.enter(None), Err(Error::Overloaded)));
        drop(first);
        let _third = admission.enter(None).unwrap();
        assert!(matches!(admission.enter(None), Err(Error::Overloaded)));
    }

    #[test]
    fn one_address_does_not_take_the_places_of_others() {
        let admission = admission(&["--gateway-sockets-per-address=2"]);
        let (crowded, free) = (address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        let first = admission.enter(crowded).unwrap();
        let _second = admission.enter(address("2001:db8:1:2::ffff")).unwrap();
        assert!(matches!(admission.enter(crowded), Err(Error::AddressFull { .. })));
        let _other = admission.enter(free).unwrap();
        drop(first);
        let _again = admission.enter(crowded).unwrap();
        drop((_second, _other, _again));
        assert!(admission.by_address.lock().is_empty(), "who is gone is forgotten");
        assert_eq!(admission.sockets.load(Ordering::Acquire), 0);
    }

    #[test]
    fn handshakes_that_come_too_fast_are_told_when_to_come_again() {
        let admission = admission(&["--gateway-handshakes-per-sec=1"]);
        for _ in 0..2 {
            admission.enter(None).unwrap();
        }
        let Err(Error::HandshakesLimited { retry_after }) = admission.enter(None) else { panic!("a third one") };
        assert!(retry_after <= Duration::from_secs(1), "{retry_after:?}");
    }
}
