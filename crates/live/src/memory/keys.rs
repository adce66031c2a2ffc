use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::{Error, TokenBucket, TokenDecision};

/// All keys together; what would go over it is refused with [`Error::Full`].
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// What a key or a member costs beside its text.
const OVERHEAD_BYTES: usize = 128;
/// Instants are kept in range whatever the caller asks.
const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

enum Value {
    Bytes(Bytes),
    Set(HashSet<String>),
    /// When the bucket is full again.
    Bucket(Instant),
}

impl Value {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Set(members) => members.iter().map(|member| member_bytes(member)).sum(),
            Self::Bucket(_) => 0,
        }
    }
}

fn member_bytes(member: &str) -> usize {
    member.len() + OVERHEAD_BYTES
}

struct Entry {
    value: Value,
    ends_at: Instant,
}

/// Keys that end. What has ended is swept by the next command, so nothing that ended is ever seen or kept for long.
#[derive(Default)]
pub(super) struct Keys {
    entries: HashMap<Arc<str>, Entry>,
    /// The same keys by when they end.
    endings: BTreeSet<(Instant, Arc<str>)>,
    used_bytes: usize,
}

impl Keys {
    pub(super) fn set(&mut self, key: &str, value: Bytes, ttl: Duration) -> Result<(), Error> {
        let now = self.sweep();
        self.put(key, Value::Bytes(value), now, ttl)
    }

    pub(super) fn set_if_absent(&mut self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        let now = self.sweep();
        if self.entries.contains_key(key) {
            return Ok(false);
        }
        self.put(key, Value::Bytes(value), now, ttl).map(|()| true)
    }

    pub(super) fn prolong(&mut self, key: &str, ttl: Duration) -> bool {
        let now = self.sweep();
        self.end_at(key, now + ttl.min(MAX_TTL))
    }

    /// As Redis' MGET: a key of another kind counts as not set.
    pub(super) fn get(&mut self, key: &str) -> Option<Bytes> {
        self.sweep();
        match &self.entries.get(key)?.value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            Value::Set(_) | Value::Bucket(_) => None,
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.used_bytes -= entry_bytes(&key, &entry.value);
            self.endings.remove(&(entry.ends_at, key));
        }
    }

    pub(super) fn add_to_set(&mut self, key: &str, members: &[String], ttl: Duration) -> Result<(), Error> {
        let now = self.sweep();
        if members.is_empty() {
            return Ok(());
        }
        let Some(entry) = self.entries.get_mut(key) else {
            return self.put(key, Value::Set(members.iter().cloned().collect()), now, ttl);
        };
        let Value::Set(set) = &mut entry.value else { return Err(Error::WrongKind) };
        let added: HashSet<&String> = members.iter().filter(|member| !set.contains(*member)).collect();
        let added_bytes: usize = added.iter().map(|member| member_bytes(member)).sum();
        if self.used_bytes.saturating_add(added_bytes) > MAX_BYTES {
            return Err(Error::Full);
        }
        set.extend(added.into_iter().cloned());
        self.used_bytes += added_bytes;
        self.end_at(key, now + ttl.min(MAX_TTL));
        Ok(())
    }

    pub(super) fn remove_from_set(&mut self, key: &str, members: &[String]) -> Result<u64, Error> {
        self.sweep();
        let Some(entry) = self.entries.get_mut(key) else { return Ok(0) };
        let Value::Set(set) = &mut entry.value else { return Err(Error::WrongKind) };
        for member in members {
            if set.remove(member) {
                self.used_bytes -= member_bytes(member);
            }
        }
        let remaining = set.len();
        if remaining == 0 {
            self.remove(key);
        }
        Ok(crate::meters::count(remaining))
    }

    pub(super) fn set_members(&mut self, key: &str) -> Result<Vec<String>, Error> {
        self.sweep();
        match self.entries.get(key).map(|entry| &entry.value) {
            None => Ok(Vec::new()),
            Some(Value::Set(members)) => Ok(members.iter().cloned().collect()),
            Some(Value::Bytes(_) | Value::Bucket(_)) => Err(Error::WrongKind),
        }
    }

    pub(super) fn take_token(&mut self, key: &str, bucket: TokenBucket) -> Result<TokenDecision, Error> {
        let now = self.sweep();
        let full_in = match self.entries.get(key).map(|entry| &entry.value) {
            None => Duration::ZERO,
            Some(Value::Bucket(full_at)) => full_at.saturating_duration_since(now),
            Some(Value::Bytes(_) | Value::Set(_)) => return Err(Error::WrongKind),
        };
        let (decision, full_after) = bucket.take(full_in);
        if let TokenDecision::Taken { .. } = decision {
            let full_after = full_after.min(MAX_TTL);
            self.put(key, Value::Bucket(now + full_after), now, full_after)?;
        }
        Ok(decision)
    }

    /// Forgets what has ended, and tells the time.
    fn sweep(&mut self) -> Instant {
        let now = Instant::now();
        while self.endings.first().is_some_and(|(ends_at, _)| *ends_at <= now) {
            let Some((_, key)) = self.endings.pop_first() else { break };
            if let Some(entry) = self.entries.remove(&key) {
                self.used_bytes -= entry_bytes(&key, &entry.value);
            }
        }
        now
    }

    fn put(&mut self, key: &str, value: Value, now: Instant, ttl: Duration) -> Result<(), Error> {
        let size_bytes = entry_bytes(key, &value);
        let freed_bytes = self.entries.get(key).map_or(0, |entry| entry_bytes(key, &entry.value));
        if (self.used_bytes - freed_bytes).saturating_add(size_bytes) > MAX_BYTES {
            return Err(Error::Full);
        }
        self.remove(key);
        self.used_bytes += size_bytes;
        let key: Arc<str> = key.into();
        let ends_at = now + ttl.min(MAX_TTL);
        self.endings.insert((ends_at, key.clone()));
        self.entries.insert(key, Entry { value, ends_at });
        Ok(())
    }

    /// Moves the end of a key; tells whether it is set.
    fn end_at(&mut self, key: &str, ends_at: Instant) -> bool {
        let Some((key, mut entry)) = self.entries.remove_entry(key) else { return false };
        self.endings.remove(&(entry.ends_at, key.clone()));
        self.endings.insert((ends_at, key.clone()));
        entry.ends_at = ends_at;
        self.entries.insert(key, entry);
        true
    }
}

fn entry_bytes(key: &str, value: &Value) -> usize {
    key.len() + OVERHEAD_BYTES + value.size_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_leaves_nothing_behind() {
        let mut keys = Keys::default();
        for number in 0..100 {
            keys.set(&format!("key:{number}"), Bytes::from_static(b"value"), MINUTE).unwrap();
            keys.add_to_set(&format!("set:{number}"), &["a".into(), "b".into(), "a".into()], MINUTE).unwrap();
            keys.take_token(&format!("bucket:{number}"), TokenBucket { capacity: 2, refill_per_sec: 1.0 }).unwrap();
        }
        assert_eq!(keys.entries.len(), 300);
        tokio::time::advance(MINUTE).await;
        assert_eq!(keys.get("key:1"), None);
        assert_eq!((keys.entries.len(), keys.endings.len(), keys.used_bytes), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_addition_prolongs_a_set() {
        let mut keys = Keys::default();
        keys.add_to_set("set", &["a".into()], MINUTE).unwrap();
        tokio::time::advance(MINUTE / 2).await;
        keys.add_to_set("set", &["a".into()], MINUTE).unwrap();
        tokio::time::advance(MINUTE / 2).await;
        assert_eq!(keys.set_members("set").unwrap(), ["a"]);
        tokio::time::advance(MINUTE / 2).await;
        assert!(keys.set_members("set").unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_refuses_what_does_not_fit_and_keeps_what_it_has() {
        let mut keys = Keys::default();
        let half = Bytes::from(vec![0; MAX_BYTES / 2]);
        keys.set("first", half.clone(), MINUTE).unwrap();
        assert!(matches!(keys.set("second", half.clone(), MINUTE), Err(Error::Full)));
        keys.set("first", half.clone(), MINUTE).unwrap();
        assert_eq!(keys.get("first"), Some(half.clone()));
        tokio::time::advance(MINUTE).await;
        keys.set("second", half, MINUTE).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn removals_give_their_room_back() {
        let mut keys = Keys::default();
        keys.add_to_set("set", &["a".into(), "b".into()], MINUTE).unwrap();
        assert_eq!(keys.remove_from_set("set", &["b".into(), "c".into()]).unwrap(), 1);
        assert_eq!(keys.remove_from_set("set", &["a".into()]).unwrap(), 0);
        keys.set("key", Bytes::from_static(b"value"), MINUTE).unwrap();
        keys.remove("key");
        assert_eq!((keys.entries.len(), keys.endings.len(), keys.used_bytes), (0, 0, 0));
    }
}
