/// What one user may upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Uploads begun and not completed.
    pub pending_count: u64,
    /// Bytes announced in those.
    pub pending_bytes: u64,
    /// Uploads begun within 24 hours.
    pub daily_count: u64,
    /// Bytes of those.
    pub daily_bytes: u64,
    /// Bytes of all that is kept.
    pub total_bytes: u64,
}

/// What one user has uploaded already, in the terms of [`Quota`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Uploads begun and not completed.
    pub pending_count: u64,
    /// Bytes announced in those.
    pub pending_bytes: u64,
    /// Uploads begun within 24 hours.
    pub daily_count: u64,
    /// Bytes of those.
    pub daily_bytes: u64,
    /// Bytes of all that is kept.
    pub total_bytes: u64,
}

/// What one more upload lacks room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Of what, for people.
    pub of: &'static str,
    /// How much is left: uploads, or bytes.
    pub left: u64,
}

impl Quota {
    /// Whether one more upload of `size_bytes` fits.
    ///
    /// # Errors
    /// What it lacks room for.
    pub fn admit(&self, used: &Use, size_bytes: u64) -> Result<(), Shortage> {
        let rows = [
            ("incomplete uploads", self.pending_count, used.pending_count, 1),
            ("bytes of incomplete uploads", self.pending_bytes, used.pending_bytes, size_bytes),
            ("uploads within 24 hours", self.daily_count, used.daily_count, 1),
            ("bytes within 24 hours", self.daily_bytes, used.daily_bytes, size_bytes),
            ("bytes in all", self.total_bytes, used.total_bytes, size_bytes),
        ];
        for (of, limit, used, more) in rows {
            let left = limit.saturating_sub(used);
            if more > left {
                return Err(Shortage { of, left });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota =
        Quota { pending_count: 2, pending_bytes: 100, daily_count: 5, daily_bytes: 500, total_bytes: 1_000 };

    #[test]
    fn each_limit_is_kept_and_tells_what_is_left() {
        assert_eq!(QUOTA.admit(&Use::default(), 100), Ok(()));
        for (used, of, left) in [
            (Use { pending_count: 2, ..Use::default() }, "incomplete uploads", 0),
            (Use { pending_bytes: 61, ..Use::default() }, "bytes of incomplete uploads", 39),
            (Use { daily_count: 5, ..Use::default() }, "uploads within 24 hours", 0),
            (Use { daily_bytes: 461, ..Use::default() }, "bytes within 24 hours", 39),
            (Use { total_bytes: 961, ..Use::default() }, "bytes in all", 39),
            (Use { total_bytes: u64::MAX, ..Use::default() }, "bytes in all", 0),
        ] {
            assert_eq!(QUOTA.admit(&used, 40), Err(Shortage { of, left }));
        }
        assert_eq!(QUOTA.admit(&Use { pending_bytes: 60, daily_bytes: 460, ..Use::default() }, 40), Ok(()));
    }
}
