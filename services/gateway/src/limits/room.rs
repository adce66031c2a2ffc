use std::time::Duration;

use godwit_kernel::{Entropy, pause_between};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::Class;
use crate::Error;

/// How long a turn is waited for; who would wait longer does better to come again.
const WAIT: Duration = Duration::from_secs(5);
/// How many may wait, for each that is served.
const WAITING_PER_TURN: u32 = 16;
/// What is looked at to know how fast calls are served.
const WINDOW: Duration = Duration::from_secs(1);
/// The longest pause that somebody is told.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Room for calls that are served at the same time: of each kind so many that a storm of one leaves room for the
/// others.
pub struct Rooms {
    requests: Room,
    syncs: Room,
    logins: Room,
}

/// How many calls may be served at the same time.
#[derive(Clone, Copy, Debug)]
pub struct RoomSizes {
    /// Of all but the following; the next is refused at once.
    pub requests: u32,
    /// That catch up; more wait for a short time.
    pub syncs: u32,
    /// That cost auth a password hash or a mail; more wait for a short time.
    pub logins: u32,
}

impl Rooms {
    /// Empty ones.
    pub fn new(sizes: RoomSizes) -> Self {
        Self {
            requests: Room::new("requests", sizes.requests, 0, WAIT),
            syncs: Room::new("syncs", sizes.syncs, sizes.syncs.saturating_mul(WAITING_PER_TURN), WAIT),
            logins: Room::new("logins", sizes.logins, sizes.logins.saturating_mul(WAITING_PER_TURN), WAIT),
        }
    }

    /// Where calls of a class go.
    pub const fn of(&self, class: Class) -> &Room {
        match class {
            Class::Sync => &self.syncs,
            Class::Login => &self.logins,
            _ => &self.requests,
        }
    }
}

/// So many calls at once, and a queue of so many that wait for their turn.
pub struct Room {
    name: &'static str,
    /// How long a turn is waited for.
    wait: Duration,
    /// One for who is served or waits, from the first byte of the body on: it bounds memory.
    places: Semaphore,
    /// One for who is served.
    turns: Semaphore,
    pace: Mutex<Pace>,
}

/// A place in a room.
pub struct Place<'a> {
    room: &'a Room,
    _place: SemaphorePermit<'a>,
}

/// The right to be served.
pub struct Turn<'a> {
    room: &'a Room,
    _turn: SemaphorePermit<'a>,
}

impl Room {
    fn new(name: &'static str, turns: u32, waiting: u32, wait: Duration) -> Self {
        let permits = |count: u32| {
            Semaphore::new(usize::try_from(count).map_or(Semaphore::MAX_PERMITS, |c| c.min(Semaphore::MAX_PERMITS)))
        };
        let places = permits(turns.saturating_add(waiting));
        Self { name, wait, places, turns: permits(turns), pace: Mutex::new(Pace::new(Instant::now())) }
    }

    /// A place.
    ///
    /// # Errors
    /// When there is none, with a pause that is another for everybody.
    pub fn place(&self, entropy: &dyn Entropy) -> Result<Place<'_>, Error> {
        match self.places.try_acquire() {
            Ok(place) => Ok(Place { room: self, _place: place }),
            Err(_) => Err(self.refusal(entropy)),
        }
    }

    fn refusal(&self, entropy: &dyn Entropy) -> Error {
        metrics::counter!("gateway_overloads_total", "room" => self.name).increment(1);
        let spread = self.pace.lock().refuse(Instant::now());
        Error::Busy { retry_after: pause_between(Duration::ZERO, spread, entropy) }
    }
}

impl<'a> Place<'a> {
    /// Waits to be served: first come, first served.
    ///
    /// # Errors
    /// When it takes too long, as for who finds no place.
    pub async fn turn(&self, entropy: &dyn Entropy) -> Result<Turn<'a>, Error> {
        match timeout(self.room.wait, self.room.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(Turn { room: self.room, _turn: turn }),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(self.room.refusal(entropy)),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.room.pace.lock().serve(Instant::now());
    }
}

/// How fast calls are served, and how many were refused: whoever is refused comes again within the time in which so
/// many are served.
#[derive(Debug)]
struct Pace {
    began_at: Instant,
    served: u32,
    refused: u32,
    spread: Duration,
}

impl Pace {
    const fn new(now: Instant) -> Self {
        Self { began_at: now, served: 0, refused: 0, spread: WINDOW }
    }

    fn serve(&mut self, now: Instant) {
        self.served = self.served.saturating_add(1);
        self.roll(now);
    }

    /// Gives the time over which those who are refused shall be spread.
    fn refuse(&mut self, now: Instant) -> Duration {
        self.refused = self.refused.saturating_add(1);
        self.roll(now);
        self.spread.max(self.needed(now.duration_since(self.began_at)))
    }

    fn roll(&mut self, now: Instant) {
        let age = now.duration_since(self.began_at);
        if age >= WINDOW {
            *self = Self { spread: self.needed(age), ..Self::new(now) };
        }
    }

    fn needed(&self, age: Duration) -> Duration {
        let secs = age.max(WINDOW).as_secs_f64() * f64::from(self.refused) / f64::from(self.served.max(1));
        Duration::try_from_secs_f64(secs).unwrap_or(LONGEST_PAUSE).clamp(WINDOW, LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::SystemEntropy;

    use super::*;

    #[tokio::test]
    async fn who_finds_no_turn_waits_and_who_finds_no_place_is_refused() {
        let room = Room::new("test", 1, 1, Duration::from_millis(20));
        let first = room.place(&SystemEntropy).unwrap();
        let turn = first.turn(&SystemEntropy).await.unwrap();
        let second = room.place(&SystemEntropy).unwrap();
        assert!(matches!(room.place(&SystemEntropy), Err(Error::Busy { .. })));
        let (served, ()) = tokio::join!(second.turn(&SystemEntropy), async { drop(turn) });
        assert!(served.is_ok());
        drop(first);
        let third = room.place(&SystemEntropy).unwrap();
        assert!(matches!(third.turn(&SystemEntropy).await, Err(Error::Busy { .. })), "nobody waits for ever");
    }

    #[test]
    fn syncs_and_logins_leave_room_for_the_rest() {
        let rooms = Rooms::new(RoomSizes { requests: 1, syncs: 1, logins: 1 });
        let places = |class| (0..17).map(|_| rooms.of(class).place(&SystemEntropy)).collect::<Result<Vec<_>, _>>();
        let (_syncs, _logins) = (places(Class::Sync).unwrap(), places(Class::Login).unwrap());
        assert!(rooms.of(Class::Sync).place(&SystemEntropy).is_err());
        assert!(rooms.of(Class::Send).place(&SystemEntropy).is_ok());
    }

    #[test]
    fn the_more_are_refused_the_longer_they_are_spread() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.refuse(now), WINDOW);
        for _ in 0..100 {
            pace.serve(now);
        }
        for _ in 0..999 {
            pace.refuse(now);
        }
        assert_eq!(pace.refuse(now + WINDOW), Duration::from_millis(10_010));
        assert!(pace.refuse(now + WINDOW * 9 / 8) >= Duration::from_secs(10), "the last window counts as well");
        let mut stuck = Pace::new(now);
        let longest = (0..1_000).map(|_| stuck.refuse(now)).max();
        assert_eq!(longest, Some(LONGEST_PAUSE));
    }
}
