//! Who is where, in live. Keys, all of which end by themselves:
//!
//! | key | holds |
//! |---|---|
//! | `presence:node:{node}` | the node's lease; it is the node's while this key lives |
//! | `presence:leases` | the leases that were begun and not yet taken apart |
//! | `presence:users:{lease}:{shard}` | the users reported under a lease, by shard; one set for a lease of no node |
//! | `presence:user:{user}` | the leases under which a user was reported; with a `!` also where they are away |
//! | `presence:heard:{lease}` | when the node was last heard, or its users left |
//! | `presence:told:{lease}` | the node was asked for all its users lately |
//! | `presence:ending:{lease}` | a replica takes the lease apart |
//! | `presence:front:{user}` | the devices in front of a user, each behind the lease under which it was reported |
//! | `presence:watchers:{user}` | who has a user on screen, and at which node |
//!
//! A user is online when one of their leases is held. So the users of a dead node are offline the moment its lease
//! ends, whoever takes the lease apart later.

mod foreground;
mod leases;
mod watchers;

pub use leases::Renewal;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use godwit_kernel::{NodeId, UserId};
use godwit_live::{Error, Live};

use crate::domain::{Activity, Lease};

/// Sets end this long after the last addition. Nodes are asked for all their users twice in this time.
const SET_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Members of a set added or taken by one command.
const MEMBERS_MAX: usize = 1_000;
/// Sets over which the users of a node are spread: of 100,000 each holds about 1,600, which live answers at once.
const SHARDS: u8 = 64;
/// Behind a lease under which the user is away.
const AWAY: char = '!';

/// Who is where.
#[derive(Clone)]
pub struct Roster {
    live: Arc<dyn Live>,
    lease_ttl: Duration,
}

/// One of the places where a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    lease: Lease,
    activity: Activity,
}

/// For whom things get worse when they leave a place.
#[derive(Clone, Debug, Default)]
pub struct Worse {
    /// They are nowhere else.
    pub offline: Vec<UserId>,
    /// They are elsewhere, but away there.
    pub away: Vec<UserId>,
}

impl Roster {
    /// A roster in `live`, with leases that hold for `lease_ttl`.
    pub const fn new(live: Arc<dyn Live>, lease_ttl: Duration) -> Self {
        Self { live, lease_ttl }
    }

    /// How long a lease holds without a report.
    pub const fn lease_ttl(&self) -> Duration {
        self.lease_ttl
    }

    /// What each of these users does with the best of their connections. Who has none is not in it.
    ///
    /// # Errors
    /// Those of live.
    pub async fn activities(&self, users: &[UserId]) -> Result<HashMap<UserId, Activity>, Error> {
        let whereabouts = self.held_places(users).await?;
        Ok(whereabouts.into_iter().filter_map(|(user_id, places)| Some((user_id, best(&places)?))).collect())
    }

    /// Counts users under a lease; returns those who are something else by it than they were.
    ///
    /// # Errors
    /// Those of live. Some users may be counted already; to join again is right.
    pub async fn join(&self, lease: Lease, users: &[UserId], activity: Activity) -> Result<Vec<UserId>, Error> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let before = self.held_places(users).await?;
        // First the list by which the users are found when the lease has ended.
        for (key, members) in by_shard(lease, users) {
            for part in members.chunks(MEMBERS_MAX) {
                self.live.add_to_sets(std::slice::from_ref(&key), part, SET_TTL).await?;
            }
        }
        let mut marks = vec![lease.to_string()];
        match activity {
            Activity::Away => marks.push(away_mark(lease)),
            Activity::Active => {
                let was_away = |places: &Vec<Place>| places.contains(&Place { lease, activity: Activity::Away });
                let back: Vec<UserId> = before.iter().filter(|(_, p)| was_away(p)).map(|(user, _)| *user).collect();
                self.live.remove_from_sets(&user_keys(&back), &[away_mark(lease)]).await?;
            }
        }
        self.live.add_to_sets(&user_keys(users), &marks, SET_TTL).await?;
        let is_changed = |places: &[Place]| {
            let elsewhere = best_but(places, lease);
            best(places) != elsewhere.max(Some(activity))
        };
        Ok(before.into_iter().filter(|(_, places)| is_changed(places)).map(|(user_id, _)| user_id).collect())
    }

    /// Which of these users are like this under a lease.
    ///
    /// # Errors
    /// Those of live.
    pub async fn at(&self, lease: Lease, users: &[UserId], activity: Activity) -> Result<Vec<UserId>, Error> {
        let whereabouts = self.whereabouts(users).await?;
        let is_here = |places: &Vec<Place>| places.contains(&Place { lease, activity });
        Ok(whereabouts.into_iter().filter(|(_, places)| is_here(places)).map(|(user_id, _)| user_id).collect())
    }

    /// For which of these users things would be worse if they were no longer counted under `lease`, which may have ended.
    ///
    /// # Errors
    /// Those of live.
    pub async fn worse_without(&self, lease: Lease, users: &[UserId]) -> Result<Worse, Error> {
        let whereabouts = self.whereabouts(users).await?;
        let held = self.held(whereabouts.values().flatten().map(|place| place.lease)).await?;
        let mut worse = Worse::default();
        for (user_id, mut places) in whereabouts {
            let Some(here) = places.iter().find(|place| place.lease == lease).copied() else { continue };
            places.retain(|place| held.contains(&place.lease));
            match best_but(&places, lease) {
                None => worse.offline.push(user_id),
                Some(Activity::Away) if here.activity == Activity::Active => worse.away.push(user_id),
                Some(_) => {}
            }
        }
        Ok(worse)
    }

    /// No longer counts users under a lease.
    ///
    /// # Errors
    /// Those of live. Some users may still be counted; to leave again is right.
    pub async fn leave(&self, lease: Lease, users: &[UserId]) -> Result<(), Error> {
        self.live.remove_from_sets(&user_keys(users), &[lease.to_string(), away_mark(lease)]).await?;
        for (key, members) in by_shard(lease, users) {
            for part in members.chunks(MEMBERS_MAX) {
                self.live.remove_from_sets(std::slice::from_ref(&key), part).await?;
            }
        }
        Ok(())
    }

    /// The parts in which the users of a lease are kept.
    pub const fn shards_of(lease: Lease) -> Range<u8> {
        if lease.is_of_nobody() { 0..1 } else { 0..SHARDS }
    }

    /// Who is still counted in one part of a lease.
    ///
    /// # Errors
    /// Those of live.
    pub async fn users_in(&self, lease: Lease, shard: u8) -> Result<Vec<UserId>, Error> {
        Ok(parse_all(self.members(users_key(lease, shard)).await?))
    }

    /// Which of these leases are held now.
    async fn held(&self, leases: impl IntoIterator<Item = Lease>) -> Result<HashSet<Lease>, Error> {
        let leases: HashSet<Lease> = leases.into_iter().collect();
        let nodes: HashSet<NodeId> = leases.iter().map(|lease| lease.node_id).collect();
        let keys: Vec<String> = nodes.into_iter().map(leases::node_key).collect();
        let values = self.live.get_many(&keys).await?;
        let held = values.into_iter().flatten().filter_map(|value| leases::parse(&value));
        Ok(held.filter(|held| leases.contains(held)).collect())
    }

    /// Where each of these users is, under leases that are held.
    async fn held_places(&self, users: &[UserId]) -> Result<HashMap<UserId, Vec<Place>>, Error> {
        let mut whereabouts = self.whereabouts(users).await?;
        let held = self.held(whereabouts.values().flatten().map(|place| place.lease)).await?;
        whereabouts.values_mut().for_each(|places| places.retain(|place| held.contains(&place.lease)));
        Ok(whereabouts)
    }

    /// Where each of these users was reported.
    async fn whereabouts(&self, users: &[UserId]) -> Result<HashMap<UserId, Vec<Place>>, Error> {
        let marks = self.live.members_of_sets(&user_keys(users)).await?;
        Ok(users.iter().copied().zip(marks.iter().map(|marks| places(marks))).collect())
    }

    async fn members(&self, key: String) -> Result<Vec<String>, Error> {
        Ok(self.live.members_of_sets(&[key]).await?.pop().unwrap_or_default())
    }
}

fn best(places: &[Place]) -> Option<Activity> {
    places.iter().map(|place| place.activity).max()
}

fn best_but(places: &[Place], lease: Lease) -> Option<Activity> {
    places.iter().filter(|place| place.lease != lease).map(|place| place.activity).max()
}

/// What another release may have left and this one cannot read counts as absent.
fn places(marks: &[String]) -> Vec<Place> {
    let away: HashSet<Lease> = marks.iter().filter_map(|mark| mark.strip_suffix(AWAY)?.parse().ok()).collect();
    let leases = marks.iter().filter_map(|mark| mark.parse().ok());
    let place =
        |lease| Place { lease, activity: if away.contains(&lease) { Activity::Away } else { Activity::Active } };
    leases.map(place).collect()
}

fn away_mark(lease: Lease) -> String {
    format!("{lease}{AWAY}")
}

fn user_keys(users: &[UserId]) -> Vec<String> {
    users.iter().map(|user_id| format!("presence:user:{user_id}")).collect()
}

fn users_key(lease: Lease, shard: u8) -> String {
    if lease.is_of_nobody() { format!("presence:users:{lease}") } else { format!("presence:users:{lease}:{shard}") }
}

/// The users of a lease by the set that each belongs to.
fn by_shard(lease: Lease, users: &[UserId]) -> HashMap<String, Vec<String>> {
    let mut shards: HashMap<String, Vec<String>> = HashMap::new();
    for user_id in users {
        // The end of an id is random.
        let shard = user_id.as_bytes().last().map_or(0, |byte| byte % SHARDS);
        shards.entry(users_key(lease, shard)).or_default().push(user_id.to_string());
    }
    shards
}

fn parse_all<T: std::str::FromStr>(texts: Vec<String>) -> Vec<T> {
    texts.into_iter().filter_map(|text| text.parse().ok()).collect()
}
