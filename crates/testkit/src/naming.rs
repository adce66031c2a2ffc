use std::sync::atomic::{AtomicU64, Ordering};

/// `prefix` and an ending that no other test of this machine has: for key prefixes, topics, usernames. The ending is
/// 16 characters of `0-9a-f`.
pub fn unique(prefix: &str) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed) & 0xff_ffff;
    let mut random = [0; 2];
    // Without randomness the rest still tells processes and calls apart.
    getrandom::fill(&mut random).ok();
    format!("{prefix}{:06x}{made:06x}{}", std::process::id() & 0xff_ffff, hex::encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        assert_ne!(unique("a"), unique("a"));
        assert_eq!(unique("").len(), 16);
    }
}
