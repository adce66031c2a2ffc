//! What an appender remembers of the logs that it wrote, so that the next batch need not ask first.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use godwit_kernel::ChatId;
use time::OffsetDateTime;

use crate::domain::{Change, Entry, Head, Known};

/// Heads of so many logs are young; when there are more, the old ones are forgotten and the young ones are old.
const YOUNG_MAX: usize = 20_000;
/// After it the log's clock is read again: two clocks that are 100 ppm apart differ by 6 ms then.
const CLOCK_KEPT: Duration = Duration::from_secs(60);

/// Where logs stood when they were last written from here, and what the log's clock said. Another may have written since:
/// what is written by it must be refused when it does not hold any more.
#[derive(Debug, Default)]
pub struct Remembered {
    young: HashMap<ChatId, Head>,
    old: HashMap<ChatId, Head>,
    clock: Option<Clock>,
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    said: OffsetDateTime,
    at: Instant,
}

impl Clock {
    /// What it says now, or a little less: it was read before its answer came. In microseconds, as it is kept: what is told at
    /// once must be what is read later.
    fn now(self) -> Option<OffsetDateTime> {
        let since = self.at.elapsed();
        let micros = u64::try_from(since.as_micros()).ok()?;
        (since < CLOCK_KEPT).then(|| self.said + Duration::from_micros(micros))
    }
}

impl Remembered {
    /// What a batch of messages is planned with, if all its logs are remembered. Other entries change more than their log, and
    /// are written under its lock.
    pub(super) fn known(&self, entries: &[Entry]) -> Option<Known> {
        let now = self.clock?.now()?;
        let mut heads: HashMap<ChatId, &Head> = HashMap::new();
        for entry in entries {
            if !is_plain(entry) {
                return None;
            }
            heads.insert(entry.chat_id, self.head(entry.chat_id)?);
        }
        Some(Known::of(heads.into_values().cloned().collect(), now))
    }

    /// Where logs stand now that a batch is committed.
    pub(super) fn learn(&mut self, heads: Vec<Head>) {
        for head in heads {
            if self.young.len() >= YOUNG_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(head.chat_id, head);
        }
    }

    /// What the log's clock said, as an answer that has just come tells.
    pub(super) fn set_clock(&mut self, said: OffsetDateTime) {
        self.clock = Some(Clock { said, at: Instant::now() });
    }

    /// All of it, also the clock: nobody knows which part did not hold.
    pub(super) fn forget(&mut self, entries: &[Entry]) {
        self.clock = None;
        for entry in entries {
            self.young.remove(&entry.chat_id);
            self.old.remove(&entry.chat_id);
        }
    }

    fn head(&self, chat_id: ChatId) -> Option<&Head> {
        self.young.get(&chat_id).or_else(|| self.old.get(&chat_id))
    }
}

/// Whether it writes nothing but a message and its update.
fn is_plain(entry: &Entry) -> bool {
    match &entry.change {
        Change::Message(message) => message.slow_mode_secs == 0 && message.mentions.is_empty(),
        Change::Event(_) | Change::Action(_) | Change::Preview(_) => false,
    }
}
